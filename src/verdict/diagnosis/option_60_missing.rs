//! DHCP and the PXE service on one host, and DHCP does not say so.

use super::machines::{is_boot_server, machines};
use super::no_relay_to_distribution_point::{offered_without_boot, places};
use super::words::named;
use super::{Case, DiagnosisKind, Find};
use crate::verdict::{Audit, Judge};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "option-60-missing",
    meaning: "DHCP and the distribution point share a host, and its offers likely lack option 60",
    advice: "set DHCP option 60 to PXEClient on that host (wdsutil /Set-Server /UseDhcpPorts:No \
             /DhcpOption60:Yes)",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let machines = machines(judge, audit).into_iter();
    machines
        .filter_map(|machine| {
            let offer = offered_without_boot(&machine)?;
            is_boot_server(judge, offer.server).then(|| Case {
                explanation: format!(
                    "{} is a distribution point and offered it an address, but nobody said where \
                     to boot from: without option 60 (PXEClient) a machine does not ask the same \
                     host on UDP 4011. PXE that is off there, or does not answer this machine, \
                     looks the same.",
                    named(judge, offer.server)
                ),
                frames: places(&machine, offer),
                host: Some(machine.name),
            })
        })
        .collect()
}
