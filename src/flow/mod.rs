//! Packets → flow table. One record per five-tuple for the whole input; every field of a
//! record merges associatively, so that parts of an input combine in any order.
//! Who opened a flow, and how it went, is read from the record after the merge.

mod community_id;
mod icmp_error;
mod initiator;
mod key;
mod openings;
mod record;
mod resolved;
mod tcp_state;
mod table;

pub use community_id::community_id;
pub use icmp_error::{IcmpErrorSeen, IcmpErrors};
pub use key::{FlowKey, Side};
pub use record::FlowRecord;
pub use resolved::{Flow, IcmpKinds, InitiatorBasis, State};
pub use table::FlowTable;
