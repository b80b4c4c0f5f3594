//! What machines that boot are doing.

use std::collections::HashMap;

use crate::evidence::{Boot, Transfer, TransferOutcome};
use crate::verdict::Audit;

/// The read that a machine is in the middle of, by the machine's name in requirements; of several
/// the last.
pub(in crate::watch) fn reading(audit: &Audit) -> HashMap<String, &Transfer> {
    let mut reading = HashMap::new();
    for boot in audit.pxe.iter().map(|boot| &boot.boot) {
        let reads = boot.reads.iter().filter_map(|read| audit.tftp.get(*read));
        let is_open = |transfer: &&Transfer| transfer.outcome == TransferOutcome::Open;
        if let Some(transfer) = reads.rev().find(is_open)
            && let Some(name) = name(boot)
        {
            reading.insert(name, transfer);
        }
    }
    reading
}

/// Its hardware address, or its address where only TFTP was seen.
fn name(boot: &Boot) -> Option<String> {
    match boot.client_mac {
        Some(mac) => Some(mac.map(|byte| format!("{byte:02x}")).join(":")),
        None => boot.client_addresses.first().map(ToString::to_string),
    }
}
