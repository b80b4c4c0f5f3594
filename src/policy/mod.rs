//! Rules: who may open which port to whom, by which document. Data, and the reader of it;
//! no packet is seen here.
//!
//! ```text
//! catalogue/*.toml, the user's files → file (as written) → assemble (names resolved) → Policy
//! ```

mod role;
mod rule;
mod service;
mod scenario;
mod catalogue;
mod file;
mod assemble;
mod model;
mod load;
mod service_ports;
mod export;
mod compile;
mod lookup;
mod rule_list;
mod port_table;

pub use catalogue::BUILTIN;
pub use compile::{Adaptation, compile};
pub use export::Export;
pub use load::check;
pub use lookup::{Answer, AnswerId, Lookup, Many, PortOrigin, Wanted};
pub use model::{Edition, Note, Policy, Section};
pub use role::{Role, RoleId, RoleSet, Roles};
pub use rule::{CustomPorts, Direction, Kind, Party, PortRange, Rule, RuleProtocol};
pub use rule_list::RuleList;
pub use scenario::{Scenario, Step, StepEvidence, Trigger};
pub use service::{Reach, Service};
pub use service_ports::service_ports;
