//! Options 66 and 67 in place of a relay to the distribution point.

use super::machines::{boot_server, frames, gives_address, is_boot_server, machines};
use super::programs::is_windows;
use super::words::{file_name, named};
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{BootAnswer, NamedIn};
use crate::verdict::{Audit, Judge};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "boot-options-in-dhcp",
    meaning: "a DHCP server that is no PXE server sends options 66 or 67 for a distribution point",
    advice: "remove both options, and name the distribution point as IP helper: Microsoft does not \
             support them in its place",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let machines = machines(judge, audit).into_iter();
    machines
        .filter_map(|machine| {
            let answer = machine
                .answers()
                .find(|answer| is_set_in_dhcp(judge, answer))?;
            let mut set = Vec::new();
            if answer.boot_server_in == Some(NamedIn::Option) {
                let server = answer.boot_server_name.as_ref().map(file_name);
                set.push(format!("66 ({})", server.unwrap_or_default()));
            }
            if answer.boot_file_in == Some(NamedIn::Option) {
                let file = answer.boot_file.as_ref().map(file_name);
                set.push(format!("67 ({})", file.unwrap_or_default()));
            }
            let options = if set.len() > 1 { "options" } else { "option" };
            Some(Case {
                host: Some(machine.name.clone()),
                explanation: format!(
                    "The DHCP server {} sends {options} {}. The same file then goes to BIOS and \
                     UEFI machines, and the distribution point never hears who boots.",
                    named(judge, answer.server),
                    set.join(" and ")
                ),
                frames: frames([answer.at]),
            })
        })
        .collect()
}

/// Whether it gives an address and, by options, a boot file of another host's that is Windows' or
/// a distribution point's. Elsewhere these options are as good as any.
fn is_set_in_dhcp(judge: &Judge<'_>, answer: &BootAnswer) -> bool {
    let by_option = [answer.boot_server_in, answer.boot_file_in].contains(&Some(NamedIn::Option));
    let machine = |address| judge.facts.machine(address);
    let server = boot_server(answer);
    let own = server.map(machine) == Some(machine(answer.server));
    let point = server.is_some_and(|server| is_boot_server(judge, server));
    let windows = answer.boot_file.as_ref();
    let windows = windows.is_some_and(|file| is_windows(file.bytes()));
    let is_dhcp_only = gives_address(answer)
        && !answer.pxe_client
        && answer.round == 1
        && !is_boot_server(judge, answer.server);
    is_dhcp_only && by_option && !own && (point || windows)
}
