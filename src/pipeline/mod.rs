//! Drives the stages from sources to an observation. Reports progress as events, prints nothing.

mod sequential;

pub use sequential::{Options, Progress, observe, observe_reader, part};
