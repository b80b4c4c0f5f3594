//! Clients that open SMB on a distribution point. One document lists that, for the installation of
//! the client through software distribution; else clients get content by HTTP or HTTPS.

use super::{Case, DiagnosisKind, Find};
use crate::verdict::{Audit, Judge};

/// Who requires this scenario installs clients so.
const DOCUMENTED: &str = "client-install-software-distribution";

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "smb-to-distribution-point",
    meaning: "a client opened SMB on a distribution point, which is documented for one way to install the client only",
    advice: "look for packages that run from the share and for mapped drives; require that scenario if it is meant, else close 445 from clients",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, _: &Audit) -> Vec<Case> {
    let required = &judge.site.require.scenarios;
    if required.iter().any(|scenario| scenario == DOCUMENTED) {
        return Vec::new();
    }
    let servers = judge.facts.shares.servers.iter();
    servers
        .map(|(server, opened)| Case {
            host: Some(server.to_string()),
            explanation: format!(
                "{} opened tcp/445 of this distribution point. The documents list that for the \
                 installation of the client through software distribution; otherwise clients use \
                 HTTP or HTTPS, so likely a package runs from the share, or a drive is mapped.",
                opened.clients(),
            ),
            frames: opened.tally.samples().to_vec(),
        })
        .collect()
}
