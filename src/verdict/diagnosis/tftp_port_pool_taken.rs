//! DNS on a WDS server takes the ports that its TFTP answers from (Microsoft KB977512).

use super::tftp_no_answer::is_silent;
use super::transfers::{Alike, Path};
use super::words::named;
use super::{Case, DiagnosisKind, Find};
use crate::verdict::Judge;

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "tftp-port-pool-taken",
    meaning: "a silent TFTP server is a DNS server, too, which likely took the ports that WDS answers from",
    advice: "set UdpPortPolicy to 0 under HKLM\\SYSTEM\\CurrentControlSet\\Services\\WDSServer\\Parameters \
             and restart WDS (KB977512)",
    find: Find::InReads(find),
};

/// How the server is known to serve DNS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Answered,
    Listed,
}

fn find(judge: &Judge<'_>, paths: &[Path<'_>]) -> Vec<Case> {
    let controller = judge.policy.roles.find("domain-controller");
    let mut alike = Alike::new();
    for path in paths.iter().filter(|path| is_silent(path)) {
        let server = path.reads[0].server.address;
        let listed = controller.is_some_and(|role| judge.ends.listed_roles(server).contains(role));
        if judge.facts.watched().dns.contains(&server) {
            alike.add(Known::Answered, path.reads[0]);
        } else if listed {
            alike.add(Known::Listed, path.reads[0]);
        }
    }
    alike.cases(judge, |known, read, _| {
        let server = named(judge, read.server.address);
        let how = match known {
            Known::Answered => "answers DNS",
            Known::Listed => "is a domain controller, and so likely a DNS server",
        };
        format!(
            "{server} leaves TFTP requests unanswered and {how}. If it runs Windows Deployment \
             Services, DNS has likely taken UDP 64001-65000, the ports that its TFTP answers come \
             from."
        )
    })
}
