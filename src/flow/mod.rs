//! Packets → flow table. One record per five-tuple for the whole input; every field of a
//! record merges associatively, so that parts of an input combine in any order.
//! Who opened a flow, and how it went, is read from the record after the merge.

mod apart;
mod arrival;
mod community_id;
mod compact;
mod facts;
mod icmp_error;
mod key;
mod merge;
mod opening;
mod partition;
#[cfg(test)]
mod properties;
mod record;
mod resolved;
mod tcp_state;
mod table;

pub use community_id::community_id;
pub use facts::FlowFacts;
pub use icmp_error::{IcmpErrorSeen, IcmpErrors};
pub use key::{FlowKey, Side, SidedPosition};
pub use merge::Renumber;
pub use opening::Opening;
pub use resolved::{Flow, IcmpKinds, InitiatorBasis, Resolver, State};
pub use table::FlowTable;
