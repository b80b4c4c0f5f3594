//! Who opened a flow, and how that is known.

use super::InitiatorBasis;
use super::key::{FlowKey, Side};
use super::record::FlowRecord;
use crate::net::{Protocol, ServicePorts};

/// The initiator's side: by the opening; else by the only port that is a service (TCP joined
/// mid-stream, or UDP seen from the answer on); else by the first packet.
pub(super) fn initiator(
    key: &FlowKey,
    record: &FlowRecord,
    services: &ServicePorts,
) -> (Side, InitiatorBasis) {
    if let Some(opener) = record.opener() {
        return opener;
    }
    let protocol = key.protocol();
    let first = record.first.side;
    let is_service = |side: Side| services.contains(protocol, key.endpoint(side).port);
    match (is_service(first), is_service(first.other()), protocol) {
        (true, false, _) => (first.other(), InitiatorBasis::ServicePort),
        (false, true, Protocol::Tcp) => (first, InitiatorBasis::ServicePort),
        _ => (first, InitiatorBasis::FirstPacket),
    }
}
