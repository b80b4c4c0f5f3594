//! Clients that use a server of another site: their boundary, or their assignment, is wrong.

use super::{Case, DiagnosisKind, Find, found_by};
use crate::net::Protocol;
use crate::verdict::{Audit, Judge};

/// Ports that nothing else is known to use, with the role they speak of. HTTP and HTTPS alone would
/// accuse every web server.
const TELLING: [(&str, &[u16], &str); 2] = [
    ("client-notification", &[10123], "management-point"),
    ("http", &[8530, 8531], "software-update-point"),
];

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "other-site",
    meaning: "clients use a management point or software update point that the site file does not list",
    advice: "list the server if it is of this site; else check boundaries, boundary groups and the clients' assigned site",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let mut cases = Vec::new();
    for (service, ports, role) in TELLING {
        let custom = judge.site.ports.get(service).filter(|_| service != "http");
        let ports = custom.map_or(ports, Vec::as_slice);
        let holds = judge.policy.roles.find(role);
        let found = found_by(judge, audit, "client", |finding, port, roles| {
            finding.protocol == Protocol::Tcp
                && ports.contains(&port)
                && !holds.is_some_and(|role| roles.contains(role))
        });
        cases.extend(found.into_iter().map(|(server, found)| Case {
            explanation: format!(
                "{} used tcp/{} of {server}, which is likely a {role} of another site: the site \
                 file does not give it that role.",
                found.clients(),
                found.ports(),
            ),
            host: Some(server.to_string()),
            frames: found.frames,
        }));
    }
    cases
}
