//! What goes wrong in a command, for people: what, where, and what to do next.

use std::fmt::Display;

use crate::config::Diagnostics;

/// Why a command could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// One thing, with what to do about it.
    Message {
        /// What is wrong.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// Errors of a configuration file, each at its place.
    Diagnostics(Diagnostics),
}

impl Failure {
    /// A failure that says all in its message.
    pub fn new(message: impl Display) -> Self {
        Self::Message {
            message: message.to_string(),
            help: None,
        }
    }

    /// A failure with advice.
    pub fn with_help(message: impl Display, help: impl Display) -> Self {
        Self::Message {
            message: message.to_string(),
            help: Some(help.to_string()),
        }
    }

    /// Prints it on standard error.
    pub fn print(&self, terminal: &super::terminal::Terminal) {
        match self {
            Self::Message { message, help } => {
                terminal.error(message);
                if let Some(help) = help {
                    terminal.help(help);
                }
            }
            Self::Diagnostics(diagnostics) => terminal.diagnostics(diagnostics),
        }
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Diagnostics(diagnostics)
    }
}
