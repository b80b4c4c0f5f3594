//! Whole programs measured from outside: processor time, wall time, memory.

mod process;
mod table;

use clap::Parser;

pub use process::{Cost, Feed, Program};
pub use table::{Table, amount, bytes, median, seconds};

/// The options of a program run by `cargo bench --bench NAME -- OPTIONS`. Without any, all
/// benchmarks are run: its usage is printed, and there is nothing to do.
pub fn arguments<T: Parser>() -> Option<T> {
    // Cargo adds `--bench` to what the user wrote.
    let given: Vec<String> = std::env::args()
        .filter(|argument| argument != "--bench")
        .collect();
    if given.len() == 1 {
        println!("{}", T::command().render_usage());
        return None;
    }
    Some(T::parse_from(given))
}
