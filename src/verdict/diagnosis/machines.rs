//! Machines that boot as diagnoses look at them: all runs of one machine together, and servers
//! known by their own word.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::evidence::{Boot, BootAnswer, BootAnswerKind};
use crate::net::{Position, Timestamp};
use crate::payload::Text;
use crate::verdict::boot::hardware_address;
use crate::verdict::{Audit, Judge};

/// Firmware waits so long for the first answer, and for offers besides it (PXE specification
/// 2.1, section 2.2.1).
const PATIENCE_NS: u64 = 4_000_000_000;

/// A machine whose DHCP was seen.
pub(super) struct Machine<'a> {
    /// Its hardware address.
    pub name: String,
    /// In time order.
    pub runs: Vec<&'a Boot>,
    /// Where the input ends.
    end: Option<Timestamp>,
}

/// Machines that boot over TFTP in the time judged, in the order of their first runs.
pub(super) fn machines<'a>(judge: &Judge<'_>, audit: &'a Audit) -> Vec<Machine<'a>> {
    let mut machines: Vec<Machine<'_>> = Vec::new();
    let mut known = HashMap::new();
    let end = audit.captures.iter().filter_map(|one| one.last).max();
    let boots = audit.pxe.iter().map(|judged| &judged.boot);
    for boot in boots.filter(|boot| judge.facts.is_judged(boot.first, boot.last)) {
        let Some(mac) = boot.client_mac.filter(|_| !boot.http) else {
            continue;
        };
        let place = *known.entry(mac).or_insert(machines.len());
        if place == machines.len() {
            machines.push(Machine {
                name: hardware_address(mac),
                runs: Vec::new(),
                end,
            });
        }
        machines[place].runs.push(boot);
    }
    machines
}

impl<'a> Machine<'a> {
    /// What any server answered in any run.
    pub fn answers(&self) -> impl Iterator<Item = &'a BootAnswer> + use<'a, '_> {
        self.runs.iter().flat_map(|run| &run.answers)
    }

    /// Whether it asked for files in any run: then it knew where to get them.
    pub fn reads(&self) -> bool {
        self.runs.iter().any(|run| !run.reads.is_empty())
    }

    /// Whether the input goes on for so long that an answer to this packet would be in it.
    pub fn had_time(&self, asked: Position) -> bool {
        let patience = |end: Timestamp| end.since_ns(asked.time) >= PATIENCE_NS;
        self.end.is_some_and(patience)
    }
}

/// Whether an answer tells who gave it: what a relay passes on without the server's identifier
/// seems to come from the relay.
pub(super) fn is_signed(answer: &BootAnswer) -> bool {
    answer.identifier.is_some() || answer.relay.is_none()
}

/// Whether it offers or gives an address.
pub(super) fn gives_address(answer: &BootAnswer) -> bool {
    match answer.kind {
        BootAnswerKind::AddressOffer => true,
        BootAnswerKind::Ack => answer.address.is_some(),
        BootAnswerKind::ProxyOffer | BootAnswerKind::BinlAck | BootAnswerKind::Nak => false,
    }
}

/// Where an answer sends the machine: to who gave it, unless it names another; `None` where it
/// gives a host name.
pub(super) fn boot_server(answer: &BootAnswer) -> Option<IpAddr> {
    let address = |name: &Text| {
        let text = std::str::from_utf8(name.bytes()).ok()?;
        text.parse().ok()
    };
    match &answer.boot_server_name {
        Some(name) => address(name),
        None => Some(answer.boot_server.unwrap_or(answer.server)),
    }
}

/// Whether the site lists the machine of an address as a distribution point for network boots.
pub(super) fn is_boot_server(judge: &Judge<'_>, address: IpAddr) -> bool {
    let role = judge.policy.roles.find("distribution-point-pxe");
    let addresses = [address, judge.facts.machine(address)];
    let mut roles = addresses
        .map(|address| judge.ends.listed_roles(address))
        .into_iter();
    role.is_some_and(|role| roles.any(|roles| roles.contains(role)))
}

/// Whether the site has any.
pub(super) fn has_boot_servers(judge: &Judge<'_>) -> bool {
    let role = judge.policy.roles.find("distribution-point-pxe");
    let mut listed = judge.site.roles.iter();
    role.is_some_and(|role| listed.any(|(_, roles)| roles.contains(role)))
}

/// Frames of a case, in order.
pub(super) fn frames(of: impl IntoIterator<Item = Position>) -> Vec<Position> {
    let mut frames: Vec<Position> = of.into_iter().collect();
    frames.sort_unstable();
    frames.dedup();
    frames
}
