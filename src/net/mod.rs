//! Words every stage shares: time, place in the input, endpoints, protocols.
//! No input or output, no policy.

mod endpoint;
mod position;
mod protocol;
mod service_ports;
mod time;

pub use endpoint::{Endpoint, FiveTuple};
pub use position::Position;
pub use protocol::Protocol;
pub use service_ports::ServicePorts;
pub use time::Timestamp;
