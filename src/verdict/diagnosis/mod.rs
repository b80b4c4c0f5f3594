//! What the evidence says went wrong: misconfigurations that have a name, each told from the
//! finished audit and from what the trackers found out. A diagnosis changes no verdict.

mod binl_unanswered;
mod boot_file_for_other_architecture;
mod boot_options_in_dhcp;
mod dcom_through_nat;
mod dhcp_refused;
mod firewall_reset;
mod found;
mod http_in_place_of_https;
mod machines;
mod no_relay_to_distribution_point;
mod option_60_missing;
mod other_site;
mod programs;
mod refusal;
mod rpc_ports_closed;
mod smb_to_distribution_point;
mod tftp_fragments_dropped;
mod tftp_high_ports_closed;
mod tftp_no_answer;
mod tftp_no_server;
mod tftp_port_pool_taken;
mod tftp_variable_window;
mod transfers;
mod two_dhcp_servers;
mod two_pxe_servers;
mod watch;
mod words;

use self::found::{FRAMES, found_by, listed, service};
use self::transfers::Path;
pub(super) use self::watch::{Watch, Watched};
pub(super) use self::words::file_name;
use super::{Audit, AuditLimit, Diagnosis, Judge};
use crate::net::Position;

/// A misconfiguration that can be told from a capture.
pub struct DiagnosisKind {
    /// Stable code.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub meaning: &'static str,
    /// What to do about it, in one line.
    pub advice: &'static str,
    /// Finds its cases.
    find: Find,
}

/// Where the cases of a kind are found.
enum Find {
    /// In the audit.
    InAudit(fn(&Judge<'_>, &Audit) -> Vec<Case>),
    /// In what was read by TFTP, between two machines each.
    InReads(fn(&Judge<'_>, &[Path<'_>]) -> Vec<Case>),
}

/// Every kind, in the order of the report: one file each.
pub const KINDS: &[DiagnosisKind] = &[
    two_dhcp_servers::KIND,
    dhcp_refused::KIND,
    no_relay_to_distribution_point::KIND,
    option_60_missing::KIND,
    binl_unanswered::KIND,
    two_pxe_servers::KIND,
    boot_options_in_dhcp::KIND,
    boot_file_for_other_architecture::KIND,
    tftp_no_server::KIND,
    tftp_no_answer::KIND,
    tftp_port_pool_taken::KIND,
    tftp_high_ports_closed::KIND,
    tftp_fragments_dropped::KIND,
    tftp_variable_window::KIND,
    firewall_reset::KIND,
    rpc_ports_closed::KIND,
    dcom_through_nat::KIND,
    http_in_place_of_https::KIND,
    smb_to_distribution_point::KIND,
    other_site::KIND,
];

/// Cases told of each kind; the rest is counted, as they are alike.
const MAX_CASES: usize = 1000;

/// A case of a kind.
struct Case {
    host: Option<String>,
    explanation: String,
    frames: Vec<Position>,
}

/// Everything that can be told of an audit that is complete but for its diagnoses, and how many
/// cases were left out.
pub(super) fn diagnose(judge: &Judge<'_>, audit: &Audit) -> (Vec<Diagnosis>, Option<AuditLimit>) {
    let mut reached = 0;
    let mut diagnoses = Vec::new();
    let paths = transfers::paths(judge, audit);
    for kind in KINDS {
        let mut found = match kind.find {
            Find::InAudit(find) => find(judge, audit),
            Find::InReads(find) => find(judge, &paths),
        };
        reached += found.len().saturating_sub(MAX_CASES) as u64;
        found.truncate(MAX_CASES);
        diagnoses.extend(found.into_iter().map(|case| Diagnosis {
            code: kind.code,
            host: case.host,
            explanation: case.explanation,
            frames: case.frames,
        }));
    }
    let limit = (reached > 0).then_some(AuditLimit {
        limit: "diagnoses",
        value: MAX_CASES as u64,
        reached,
    });
    (diagnoses, limit)
}
