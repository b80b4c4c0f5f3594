//! `portolan scribe`: the process that `watch` starts to write its files. Nobody else needs it.

use super::errors::Failure;
use super::outcome::Outcome;
use crate::watch::scribe;

/// Writes what comes on standard input, until that ends.
pub fn run() -> Result<Outcome, Failure> {
    scribe::serve().map_err(Failure::new)?;
    Ok(Outcome::Clean)
}
