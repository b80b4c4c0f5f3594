//! Packets → flow table. One record per five-tuple for the whole input; every field of a
//! record merges associatively, so that parts of an input combine in any order.
//! Who opened a flow, and how it went, is read from the record after the merge.

mod apart;
mod arrival;
mod community_id;
mod compact;
mod facts;
mod folded;
mod host_filter;
mod icmp_error;
mod key;
mod merge;
mod opening;
mod partition;
mod ports;
#[cfg(test)]
mod properties;
mod record;
mod resolved;
mod retire;
mod sketch;
mod tcp_state;
mod table;
mod unfolded;

pub use community_id::community_id;
pub use facts::{FlowFacts, Ttls};
pub use folded::{FoldedFacts, Folding, Spread};
pub use host_filter::HostFilter;
pub use icmp_error::{IcmpErrorSeen, IcmpErrors};
pub use key::{FlowKey, Side, SidedPosition};
pub use merge::Renumber;
pub use opening::Opening;
pub use ports::Ports;
pub use resolved::{Flow, IcmpKinds, InitiatorBasis, Resolver, State};
pub use retire::Idle;
pub use sketch::Sketch;
pub use table::FlowTable;
