//! Network boots, by hardware address: DHCP with the PXE options (RFC 2131, RFC 4578, PXE
//! specification 2.1) and the TFTP transfers that follow. Says which steps were seen; which one is
//! missing is for the verdict stage.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::fuzz::Script;
use super::model::{
    Boot, BootOffer, BootStep, BootStepKind, EvidenceLimit, Transfer, TransferOperation,
    TransferOutcome,
};
use crate::net::{Position, Protocol};
use crate::observation::{LogEntry, LogKind};
use crate::payload::Text;
use crate::payload::dhcp::{BINL_PORT, CLIENT_PORT, Dhcp, MessageType, SERVER_PORT, code};

/// Machines kept, booting or not. A site's largest subnet plan fits; made-up hardware addresses
/// end here.
const MAX_MACHINES: usize = 1 << 16;
/// Addresses kept of one machine, and servers that made it an offer; real ones have a few.
const MAX_PER_MACHINE: usize = 16;
/// Transactions of one machine that are known to be no network boot; the oldest are forgotten.
const MAX_TRANSACTIONS: usize = 64;

/// Reads DHCP from the log.
#[derive(Default)]
pub(super) struct Tracker {
    machines: BTreeMap<[u8; 6], Machine>,
    /// Who had an address from when on, in time order.
    leases: BTreeMap<IpAddr, Vec<Lease>>,
    kept_out: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In time order.
    pub(super) boots: Vec<Boot>,
    /// Offers to booting machines, in time order.
    pub(super) offers: Vec<BootOffer>,
    /// Whether machines were kept out.
    pub(super) limit: Option<EvidenceLimit>,
}

impl Tracker {
    /// Takes up what may be DHCP.
    pub(super) fn observe(&mut self, entry: &LogEntry<'_>) {
        let tuple = entry.five_tuple;
        let LogKind::Datagram { payload, .. } = &entry.kind else {
            return;
        };
        let ports = [tuple.source.port, tuple.destination.port];
        let is_dhcp = ports
            .iter()
            .any(|port| matches!(*port, SERVER_PORT | CLIENT_PORT | BINL_PORT));
        if tuple.protocol != Protocol::Udp || !is_dhcp {
            return;
        }
        let Ok(dhcp) = Dhcp::parse(payload) else {
            return;
        };
        let Some(mac) = dhcp.hardware_address() else {
            return;
        };
        if self.machines.len() == MAX_MACHINES && !self.machines.contains_key(&mac) {
            self.kept_out += 1;
            return;
        }
        let machine = self.machines.entry(mac).or_default();
        let address = if dhcp.op == 1 {
            machine.asks(&dhcp, entry.at);
            used(dhcp.ciaddr)
        } else {
            let from_binl = tuple.source.port == BINL_PORT;
            machine.is_told(&dhcp, entry.at, tuple.source.address, from_binl)
        };
        if let Some(address) = address {
            machine.uses(address);
            let leases = self.leases.entry(address).or_default();
            if leases.last().is_none_or(|last| last.mac != mac) {
                leases.push(Lease {
                    from: entry.at,
                    mac,
                });
            }
        }
    }

    /// Joins the boots with the transfers of the same machines.
    pub(super) fn finish(mut self, transfers: &[Transfer]) -> Found {
        let mut others: BTreeMap<IpAddr, Machine> = BTreeMap::new();
        let mut reads: BTreeMap<Client, Vec<&Transfer>> = BTreeMap::new();
        for transfer in transfers {
            if transfer.operation != TransferOperation::Read {
                continue;
            }
            let address = transfer.client.address;
            let client = match self.holder(address, transfer.first) {
                Some(mac) => Client::Machine(mac),
                None => Client::Address(address),
            };
            reads.entry(client).or_default().push(transfer);
        }
        for (client, reads) in reads {
            let machine = match client {
                Client::Machine(mac) => self.machines.entry(mac).or_default(),
                Client::Address(address) => others.entry(address).or_default(),
            };
            machine.reads(&reads);
        }

        let machines = self.machines.into_iter();
        let machines = machines.map(|(mac, machine)| (Some(mac), machine));
        let others = others.into_values().map(|machine| (None, machine));
        let mut found = Found {
            limit: (self.kept_out > 0).then_some(EvidenceLimit {
                limit: "dhcp-machines",
                value: MAX_MACHINES as u64,
                reached: self.kept_out,
            }),
            ..Found::default()
        };
        for (mac, machine) in machines.chain(others) {
            if machine.boots {
                found
                    .offers
                    .extend(mac.into_iter().flat_map(|mac| machine.offers(mac)));
                found.boots.push(machine.into_boot(mac));
            }
        }
        // Stable: of equal times the lower hardware address comes first.
        found
            .boots
            .sort_by_key(|boot| boot.steps.first().map(|step| step.at));
        found.offers.sort_by_key(|offer| offer.at);
        found
    }

    /// The machine that had an address at a time, or else the one that had it next.
    fn holder(&self, address: IpAddr, at: Position) -> Option<[u8; 6]> {
        let leases = self.leases.get(&address)?;
        let later = leases.partition_point(|lease| lease.from <= at);
        let lease = leases.get(later.saturating_sub(1))?;
        Some(lease.mac)
    }
}

struct Lease {
    from: Position,
    mac: [u8; 6],
}

/// Who reads by TFTP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Client {
    Machine([u8; 6]),
    Address(IpAddr),
}

/// What is known of a machine.
#[derive(Default)]
struct Machine {
    /// Whether it asked for a network boot, or read by TFTP.
    boots: bool,
    http: bool,
    architecture: Option<u16>,
    addresses: Vec<IpAddr>,
    steps: BTreeMap<BootStepKind, Position>,
    named: Option<NamedBoot>,
    offers: Vec<Offer>,
    /// Transactions that are no network boot: its operating system asks later.
    plain: BTreeSet<u32>,
}

/// A boot server and file, by the message that named them.
struct NamedBoot {
    rank: Rank,
    server: IpAddr,
    file: Option<Text>,
}

/// Whose word on the boot file counts more: the later in the exchange.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Offer,
    Ack,
    Binl,
}

struct Offer {
    server: IpAddr,
    address: Option<IpAddr>,
    names_boot: bool,
    boot_file: Option<Text>,
    at: Position,
}

impl Machine {
    /// A message of the machine.
    fn asks(&mut self, dhcp: &Dhcp<'_>, at: Position) {
        if !asks_to_boot(dhcp) {
            if self.plain.len() == MAX_TRANSACTIONS {
                self.plain.pop_first();
            }
            self.plain.insert(dhcp.xid);
            return;
        }
        self.boots = true;
        self.plain.remove(&dhcp.xid);
        self.http |= class_begins(dhcp, b"HTTPClient");
        self.architecture = self.architecture.or(dhcp.architecture());
        if dhcp.message_type() == Some(MessageType::Discover) {
            self.step(BootStepKind::DhcpDiscover, at);
        }
    }

    /// A message of a server; gives the address that the machine has from now on.
    fn is_told(
        &mut self,
        dhcp: &Dhcp<'_>,
        at: Position,
        source: IpAddr,
        from_binl: bool,
    ) -> Option<IpAddr> {
        let kind = dhcp.message_type()?;
        let given = used(dhcp.yiaddr);
        let leased = given.filter(|_| kind == MessageType::Ack && !from_binl);
        if self.plain.contains(&dhcp.xid) {
            return leased;
        }
        self.boots |= class_begins(dhcp, b"PXEClient") || class_begins(dhcp, b"HTTPClient");
        let server = dhcp.server_identifier().and_then(used).unwrap_or(source);
        let rank = match kind {
            _ if from_binl => {
                self.step(BootStepKind::Binl, at);
                Rank::Binl
            }
            MessageType::Offer => {
                if given.is_some() {
                    self.step(BootStepKind::DhcpOffer, at);
                }
                if names_boot(dhcp) {
                    self.step(BootStepKind::BootOffer, at);
                }
                self.is_offered(dhcp, server, at);
                Rank::Offer
            }
            MessageType::Ack => {
                if given.is_some() {
                    self.step(BootStepKind::DhcpAck, at);
                }
                Rank::Ack
            }
            MessageType::Nak => {
                self.step(BootStepKind::DhcpNak, at);
                return None;
            }
            MessageType::Discover | MessageType::Request | MessageType::Other(_) => return None,
        };
        if names_boot(dhcp) {
            let file = dhcp.boot_file().map(Text::from);
            let known = self.named.as_ref();
            let better = known
                .is_none_or(|known| (file.is_some(), rank) > (known.file.is_some(), known.rank));
            if better {
                self.named = Some(NamedBoot {
                    rank,
                    server: boot_server(dhcp).unwrap_or(server),
                    file,
                });
            }
        }
        leased
    }

    fn is_offered(&mut self, dhcp: &Dhcp<'_>, server: IpAddr, at: Position) {
        let offer = Offer {
            server,
            address: used(dhcp.yiaddr),
            names_boot: names_boot(dhcp),
            boot_file: dhcp.boot_file().map(Text::from),
            at,
        };
        let known = self.offers.iter().any(|known| {
            known.server == offer.server
                && known.address.is_some() == offer.address.is_some()
                && known.boot_file == offer.boot_file
        });
        if !known && self.offers.len() < MAX_PER_MACHINE {
            self.offers.push(offer);
        }
    }

    /// Its TFTP reads, in time order.
    fn reads(&mut self, reads: &[&Transfer]) {
        self.boots = true;
        for transfer in reads {
            self.step(BootStepKind::TftpRequest, transfer.first);
            self.uses(transfer.client.address);
        }
        if let Some(at) = ended_well(reads) {
            self.step(BootStepKind::TftpTransfer, at);
        }
    }

    fn uses(&mut self, address: IpAddr) {
        if !self.addresses.contains(&address) && self.addresses.len() < MAX_PER_MACHINE {
            self.addresses.push(address);
        }
    }

    fn step(&mut self, kind: BootStepKind, at: Position) {
        self.steps.entry(kind).or_insert(at);
    }

    fn offers(&self, client_mac: [u8; 6]) -> impl Iterator<Item = BootOffer> + '_ {
        self.offers.iter().map(move |offer| BootOffer {
            client_mac,
            server: offer.server,
            address: offer.address,
            names_boot: offer.names_boot,
            boot_file: offer.boot_file.clone(),
            at: offer.at,
        })
    }

    fn into_boot(self, client_mac: Option<[u8; 6]>) -> Boot {
        let mut steps: Vec<_> = self
            .steps
            .into_iter()
            .map(|(kind, at)| BootStep { kind, at })
            .collect();
        steps.sort_by_key(|step| (step.at, step.kind));
        let (boot_server, boot_file) = match self.named {
            Some(named) => (Some(named.server), named.file),
            None => (None, None),
        };
        Boot {
            client_mac,
            client_addresses: self.addresses,
            architecture: self.architecture,
            http: self.http,
            boot_server,
            boot_file,
            steps,
        }
    }
}

/// Where the last attempt at every file ended well, the end of the last file that came whole.
/// A file that is not there does no harm where the machine then gets another.
fn ended_well(reads: &[&Transfer]) -> Option<Position> {
    const NOT_FOUND: u16 = 1;
    let complete = |transfer: &&&Transfer| transfer.outcome == TransferOutcome::Complete;
    let last_complete = reads.iter().rfind(complete)?;
    let mut last_attempts: BTreeMap<&Text, &Transfer> = BTreeMap::new();
    for transfer in reads {
        last_attempts.insert(&transfer.file, transfer);
    }
    let well = last_attempts
        .values()
        .all(|transfer| match transfer.outcome {
            TransferOutcome::Complete | TransferOutcome::Aborted => true,
            TransferOutcome::Error => {
                let not_found = matches!(transfer.error, Some((NOT_FOUND, _)));
                not_found && last_complete.first > transfer.first
            }
            TransferOutcome::Stalled
            | TransferOutcome::Unanswered
            | TransferOutcome::Unreachable
            | TransferOutcome::Open => false,
        });
    let ends = reads.iter().filter(complete);
    let latest = ends.max_by_key(|transfer| transfer.last)?;
    let place = latest.frames.last().copied().unwrap_or(latest.first);
    well.then(|| Position::new(latest.last, place.capture(), place.frame()))
}

/// RFC 4578 section 2: a machine that boots says so in option 60, or sends options 93 and 97.
fn asks_to_boot(dhcp: &Dhcp<'_>) -> bool {
    class_begins(dhcp, b"PXEClient")
        || class_begins(dhcp, b"HTTPClient")
        || dhcp.option(code::ARCHITECTURE).is_some()
        || dhcp.option(code::MACHINE_IDENTIFIER).is_some()
}

/// Whether a server names a boot server. `siaddr` alone does not: many DHCP servers always put
/// themselves there.
fn names_boot(dhcp: &Dhcp<'_>) -> bool {
    class_begins(dhcp, b"PXEClient")
        || class_begins(dhcp, b"HTTPClient")
        || dhcp.option(code::TFTP_SERVER).is_some()
        || dhcp.boot_file().is_some()
}

fn class_begins(dhcp: &Dhcp<'_>, prefix: &[u8]) -> bool {
    dhcp.option(code::VENDOR_CLASS)
        .is_some_and(|class| class.starts_with(prefix))
}

/// The server that the boot file is to come from, as far as it is given as an address.
fn boot_server(dhcp: &Dhcp<'_>) -> Option<IpAddr> {
    let named = dhcp.tftp_server().and_then(|name| {
        let name = std::str::from_utf8(name).ok()?;
        name.parse::<Ipv4Addr>().ok()
    });
    named.and_then(used).or_else(|| used(dhcp.siaddr))
}

fn used(address: Ipv4Addr) -> Option<IpAddr> {
    (!address.is_unspecified()).then_some(IpAddr::V4(address))
}

/// Reads packets that any bytes describe, and panics where what is found contradicts itself.
pub(super) fn fuzz(data: &[u8]) {
    let script = Script::new(data);
    let mut tracker = Tracker::default();
    for entry in script.log() {
        tracker.observe(&entry);
    }
    for boot in &tracker.finish(&[]).boots {
        assert!(boot.steps.is_sorted_by_key(|step| step.at));
    }
}

#[cfg(test)]
mod tests;
