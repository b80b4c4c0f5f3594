//! Audits while packets arrive: what was seen so far is judged again and again by the stages that
//! judge files, and what changed is told. Runs without privileges once the interfaces are open.

pub mod checklist;
pub mod confine;
pub mod events;
pub mod metrics;
mod run;
pub mod scribe;
mod signals;

pub use run::{Audience, Look, Settings, Watched, run};
pub use signals::Signals;
