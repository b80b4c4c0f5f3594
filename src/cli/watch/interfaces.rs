//! The interfaces that can be watched, as a table.

use crate::capture::live::{Interface, interfaces};
use crate::cli::errors::Failure;
use crate::cli::outcome::Outcome;
use crate::cli::terminal::Terminal;
use crate::report::{Ink, Pen, Table, escape};

/// Shows them, those first that are likely to be wanted.
pub fn list(terminal: &Terminal) -> Result<Outcome, Failure> {
    let interfaces = interfaces().map_err(Failure::new)?;
    let mut table = Table::new(&["interface", "state", "addresses", "description"]);
    for interface in &interfaces {
        let addresses: Vec<_> = interface
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        table.row(vec![
            (Ink::Strong, escape::line(&interface.name).into_owned()),
            (Ink::Plain, state(interface)),
            (Ink::Plain, addresses.join(", ")),
            (
                Ink::Plain,
                escape::line(interface.description.as_deref().unwrap_or_default()).into_owned(),
            ),
        ]);
    }
    terminal.report(|page, out| table.write(&mut Pen::new(page, out)))?;
    Ok(Outcome::Clean)
}

fn state(interface: &Interface) -> String {
    let states = [
        (interface.is_up, "up"),
        (!interface.is_up, "down"),
        (interface.is_up && !interface.is_running, "no carrier"),
        (interface.is_loopback, "loopback"),
        (interface.is_wireless, "wireless"),
    ];
    let held = states.iter().filter(|(holds, _)| *holds);
    held.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}
