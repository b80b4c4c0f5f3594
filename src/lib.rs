//! Audits captured traffic against the ports that the roles of a site need.
//!
//! ```text
//! packets → flows and log → observation (merged) → evidence → verdicts → report
//! capture   decode, flow    observation            evidence   verdict    report
//! ```
//!
//! Each stage knows only what stands before it here.

pub mod net;
pub mod capture;
pub mod decode;
pub mod flow;
pub mod payload;
pub mod observation;
pub mod evidence;
pub mod pipeline;
pub mod config;
pub mod policy;
pub mod site;
pub mod verdict;
pub mod report;
#[cfg(feature = "live")]
pub mod watch;
pub mod cli;
