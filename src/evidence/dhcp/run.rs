//! A machine's messages and reads in time order, cut into runs of its boot.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::message::{
    self, Message, Method, asks_to_boot, class_begins, fingerprint, names_boot, used,
};
use super::model::{
    Boot, BootAnswer, BootAnswerKind, BootQuestion, BootQuestionKind, BootStep, BootStepKind,
};
use super::reads::{ReadsEnd, is_unconfirmed};
use crate::evidence::{Transfer, TransferOutcome};
use crate::net::{Position, Timestamp};
use crate::payload::Text;
use crate::payload::dhcp::Dhcp;

const SECOND: u64 = 1_000_000_000;

/// After this silence a machine begins anew. Firmware asks again after 4, 8, 16 and 32 s, and a
/// boot menu waits for at most 254 s unless it waits for ever (PXE specification 2.1, sections
/// 2.2 and table 2-1).
pub(super) const NEW_RUN_AFTER: u64 = 300 * SECOND;
/// A DISCOVER of the same transaction within this time is the same message seen again, before
/// and behind a relay or by two captures: firmware waits for 4 s at least before it asks again.
const SEEN_AGAIN: u64 = 4 * SECOND;
/// Addresses, relays, questions and answers kept of a run; real ones have a few.
pub(super) const MAX_PER_RUN: usize = 32;
/// Transactions of one machine that are known to be no network boot; the oldest are forgotten.
const MAX_PLAIN: usize = 64;

/// What a machine did.
#[derive(Clone, Copy)]
pub(super) enum Event<'a> {
    Message(Message<'a>),
    /// A read, with its place in the evidence.
    Read(usize, &'a Transfer),
}

impl Event<'_> {
    pub(super) fn at(&self) -> Position {
        match self {
            Self::Message(message) => message.at,
            Self::Read(_, transfer) => transfer.first,
        }
    }
}

/// The runs of one machine.
pub(super) struct Runs<'a> {
    list: Vec<Run<'a>>,
    most: usize,
    /// Transactions that are no network boot: the operating system asks later.
    plain: VecDeque<u32>,
    /// Runs that did not fit.
    pub(super) kept_out: u64,
}

impl<'a> Runs<'a> {
    /// Cuts events in time order into at most so many runs.
    pub(super) fn cut(events: impl Iterator<Item = Event<'a>>, most: usize) -> Self {
        let mut runs = Self {
            list: Vec::new(),
            most,
            plain: VecDeque::new(),
            kept_out: 0,
        };
        for event in events {
            match event {
                Event::Message(message) => {
                    if let Some(dhcp) = message.dhcp() {
                        runs.message(&message, &dhcp);
                    }
                }
                Event::Read(place, transfer) => {
                    let begins = |run: &Run<'_>| run.is_over_before_read(transfer);
                    if let Some(run) = runs.at(transfer.first, begins) {
                        run.reads(place, transfer);
                    }
                }
            }
        }
        runs
    }

    /// Those that are network boots.
    pub(super) fn boots(self, client_mac: Option<[u8; 6]>) -> impl Iterator<Item = Boot> {
        let boots = self.list.into_iter().filter(|run| run.boots);
        boots.map(move |run| run.into_boot(client_mac))
    }

    fn message(&mut self, message: &Message<'_>, dhcp: &Dhcp<'_>) {
        if dhcp.op != 1 {
            if !self.plain.contains(&dhcp.xid) && message.answer(dhcp).is_some() {
                let begins = |run: &Run<'_>| run.is_quiet(message.at.time);
                if let Some(run) = self.at(message.at, begins) {
                    run.is_told(message, dhcp);
                }
            }
        } else if asks_to_boot(dhcp) || self.is_of_boot(message, dhcp) {
            self.plain.retain(|xid| *xid != dhcp.xid);
            if message.question(dhcp).is_some() {
                let begins = |run: &Run<'_>| run.is_over_before(message, dhcp);
                if let Some(run) = self.at(message.at, begins) {
                    run.asks(message, dhcp);
                }
            }
        } else if !message.is_cut {
            let asks = message.question(dhcp);
            if matches!(
                asks,
                Some(BootQuestionKind::Discover | BootQuestionKind::Request)
            ) && let Some(run) = self.list.last_mut()
            {
                run.has_ordinary_lease = true;
            }
            if self.plain.len() == MAX_PLAIN {
                self.plain.pop_front();
            }
            self.plain.push_back(dhcp.xid);
        }
    }

    /// Whether a message without the options of a boot is of one: firmware may leave them out
    /// after its DISCOVER, and has to in DECLINE (RFC 2131, table 5).
    fn is_of_boot(&self, message: &Message<'_>, dhcp: &Dhcp<'_>) -> bool {
        let later = message
            .question(dhcp)
            .is_some_and(|kind| kind != BootQuestionKind::Discover);
        later
            && self.list.last().is_some_and(|run| {
                let asked = run.discover.is_some_and(|(xid, _)| xid == dhcp.xid);
                asked && !run.is_quiet(message.at.time)
            })
    }

    /// The run that goes on, or a new one where there is none or it `is_over`.
    fn at(&mut self, at: Position, is_over: impl Fn(&Run<'_>) -> bool) -> Option<&mut Run<'a>> {
        if self.list.last().is_none_or(is_over) {
            if self.list.len() == self.most {
                self.kept_out += 1;
                return None;
            }
            self.list.push(Run::new(at));
        }
        self.list.last_mut()
    }
}

/// A run as it grows.
struct Run<'a> {
    /// Whether it is a network boot, or an ordinary lease of which only answers were seen.
    boots: bool,
    method: Option<Method>,
    ipxe: bool,
    architecture: Option<u16>,
    machine_identifier: Option<[u8; 16]>,
    addresses: Vec<IpAddr>,
    relays: Vec<IpAddr>,
    steps: BTreeMap<BootStepKind, Position>,
    questions: Vec<BootQuestion>,
    answers: Vec<BootAnswer>,
    reads: Vec<(usize, &'a Transfer)>,
    /// The firmware's, as its first DISCOVER shows.
    fingerprint: Option<u64>,
    /// Transaction and time of the last DISCOVER.
    discover: Option<(u32, Timestamp)>,
    round: u32,
    /// Whether the one who asks in this round has been given an address or file.
    progressed: bool,
    /// Whether the machine has since asked for an address as an operating system does.
    has_ordinary_lease: bool,
    first: Position,
    last: Timestamp,
}

impl<'a> Run<'a> {
    fn new(first: Position) -> Self {
        Self {
            boots: false,
            method: None,
            ipxe: false,
            architecture: None,
            machine_identifier: None,
            addresses: Vec::new(),
            relays: Vec::new(),
            steps: BTreeMap::new(),
            questions: Vec::new(),
            answers: Vec::new(),
            reads: Vec::new(),
            fingerprint: None,
            discover: None,
            round: 1,
            progressed: false,
            has_ordinary_lease: false,
            first,
            last: first.time,
        }
    }

    fn is_quiet(&self, now: Timestamp) -> bool {
        now.since_ns(self.last) > NEW_RUN_AFTER
    }

    /// A read goes on with a boot whose last file did not come yet however long the machine's user
    /// looked at a menu. What the operating system reads later, or after its own lease, is
    /// another matter. Where no DHCP tells boots apart, silence has to.
    fn is_over_before_read(&self, read: &Transfer) -> bool {
        let has_dhcp = !(self.questions.is_empty() && self.answers.is_empty());
        let came = || {
            let last = self.reads.last().map(|(_, last)| last.outcome);
            matches!(
                last,
                Some(TransferOutcome::Complete | TransferOutcome::Aborted)
            )
        };
        self.has_ordinary_lease || self.is_quiet(read.first.time) && (!has_dhcp || came())
    }

    /// Whether a message of the machine begins another run.
    fn is_over_before(&self, message: &Message<'_>, dhcp: &Dhcp<'_>) -> bool {
        let now = message.at.time;
        if self.is_quiet(now) {
            return true;
        }
        let discovers = message.question(dhcp) == Some(BootQuestionKind::Discover);
        if !discovers || self.has_seen(dhcp, now) {
            return false;
        }
        let changes = |method| self.method.is_some_and(|known| known != method);
        if !dhcp.is_ipxe() && message::method(dhcp).is_some_and(changes) {
            return true;
        }
        let got_on = self.steps.contains_key(&BootStepKind::DhcpAck) || !self.reads.is_empty();
        got_on && !self.is_boot_program(message, dhcp)
    }

    fn has_seen(&self, dhcp: &Dhcp<'_>, now: Timestamp) -> bool {
        self.discover
            .is_some_and(|(xid, at)| xid == dhcp.xid && now.since_ns(at) < SEEN_AGAIN)
    }

    /// Whether a DISCOVER is of a boot program that this run has loaded: it is iPXE, or another
    /// client than the one that began, for the same architecture; and the last file, if any was
    /// seen, came whole, or may have.
    fn is_boot_program(&self, message: &Message<'_>, dhcp: &Dhcp<'_>) -> bool {
        let came = self.reads.last().is_none_or(|(_, read)| {
            let outcome = read.outcome;
            matches!(outcome, TransferOutcome::Complete | TransferOutcome::Open)
                || is_unconfirmed(read)
        });
        let is_other = || {
            let other = |known| known != fingerprint(dhcp);
            !message.is_cut
                && self.architecture == dhcp.architecture()
                && self.fingerprint.is_some_and(other)
        };
        came && (dhcp.is_ipxe() || is_other())
    }

    /// A message of the machine.
    fn asks(&mut self, message: &Message<'_>, dhcp: &Dhcp<'_>) {
        let Some(kind) = message.question(dhcp) else {
            return;
        };
        self.boots = true;
        self.sees(message, dhcp);
        self.ipxe |= dhcp.is_ipxe();
        self.method = self.method.or_else(|| message::method(dhcp));
        self.architecture = self.architecture.or_else(|| dhcp.architecture());
        let identifier = self.machine_identifier;
        self.machine_identifier = identifier.or_else(|| dhcp.machine_identifier());
        if kind == BootQuestionKind::Discover {
            if !self.has_seen(dhcp, message.at.time) {
                if self.progressed {
                    self.round += 1;
                    self.progressed = false;
                }
                self.discover = Some((dhcp.xid, message.at.time));
            }
            if !message.is_cut && self.fingerprint.is_none() {
                self.fingerprint = Some(fingerprint(dhcp));
            }
            self.step(BootStepKind::DhcpDiscover, message.at);
        }
        if let Some(address) = message.speaks_from(dhcp) {
            self.uses(address);
        }
        let destination = message.tuple.destination.address;
        let server = match kind {
            BootQuestionKind::Binl => message.is_to_one().then_some(destination),
            BootQuestionKind::Request | BootQuestionKind::Decline => {
                dhcp.server_identifier().and_then(used)
            }
            BootQuestionKind::Discover | BootQuestionKind::Inform => None,
        };
        let asked = |known: &BootQuestion| {
            (known.kind, known.server, known.round) == (kind, server, self.round)
        };
        if self.questions.len() < MAX_PER_RUN && !self.questions.iter().any(asked) {
            let asked = dhcp.requested_address().and_then(used);
            self.questions.push(BootQuestion {
                kind,
                server,
                address: asked.or_else(|| message.speaks_from(dhcp)),
                round: self.round,
                at: message.at,
            });
        }
    }

    /// A message of a server.
    fn is_told(&mut self, message: &Message<'_>, dhcp: &Dhcp<'_>) {
        let Some(kind) = message.answer(dhcp) else {
            return;
        };
        let at = message.at;
        self.sees(message, dhcp);
        let pxe_client = class_begins(dhcp, b"PXEClient");
        let http_client = class_begins(dhcp, b"HTTPClient");
        self.boots |= pxe_client || http_client;
        let address = used(dhcp.yiaddr);
        let names_boot = names_boot(dhcp);
        match kind {
            BootAnswerKind::AddressOffer => self.step(BootStepKind::DhcpOffer, at),
            BootAnswerKind::Ack if address.is_some() => {
                self.step(BootStepKind::DhcpAck, at);
                self.progressed = true;
            }
            BootAnswerKind::BinlAck => self.step(BootStepKind::Binl, at),
            BootAnswerKind::Nak => self.step(BootStepKind::DhcpNak, at),
            BootAnswerKind::ProxyOffer | BootAnswerKind::Ack => {}
        }
        let offers = matches!(
            kind,
            BootAnswerKind::AddressOffer | BootAnswerKind::ProxyOffer
        );
        if offers && names_boot {
            self.step(BootStepKind::BootOffer, at);
        }
        if let Some(address) = address.filter(|_| kind == BootAnswerKind::Ack) {
            self.uses(address);
        }
        if self.answers.len() == MAX_PER_RUN {
            return;
        }
        let sender = message.tuple.source.address;
        let identifier = dhcp.server_identifier().and_then(used);
        let (boot_server_name, boot_server_in) = dhcp.tftp_server().unzip();
        let (boot_file, boot_file_in) = dhcp.boot_file().unzip();
        let answer = BootAnswer {
            kind,
            server: identifier.unwrap_or(sender),
            identifier,
            sender,
            relay: used(dhcp.giaddr),
            address,
            pxe_client,
            http_client,
            names_boot,
            boot_server: message::boot_server(dhcp),
            boot_server_name: boot_server_name.map(Text::from),
            boot_server_in,
            boot_file: boot_file.map(Text::from),
            boot_file_in,
            pxe: message::instructions(dhcp),
            round: self.round,
            at,
        };
        if !self.answers.iter().any(|known| is_equal(known, &answer)) {
            self.answers.push(answer);
        }
    }

    fn sees(&mut self, message: &Message<'_>, dhcp: &Dhcp<'_>) {
        self.last = self.last.max(message.at.time);
        if let Some(relay) = used(dhcp.giaddr) {
            add(&mut self.relays, relay);
        }
    }

    fn reads(&mut self, place: usize, transfer: &'a Transfer) {
        self.boots = true;
        self.progressed = true;
        self.last = self.last.max(transfer.last);
        self.uses(transfer.client.address);
        self.step(BootStepKind::TftpRequest, transfer.first);
        self.reads.push((place, transfer));
    }

    fn uses(&mut self, address: IpAddr) {
        add(&mut self.addresses, address);
    }

    fn step(&mut self, kind: BootStepKind, at: Position) {
        self.steps.entry(kind).or_insert(at);
    }

    fn into_boot(mut self, client_mac: Option<[u8; 6]>) -> Boot {
        let reads: Vec<_> = self.reads.iter().map(|(_, transfer)| *transfer).collect();
        if let Some(at) = ReadsEnd::of(&reads).and_then(|end| end.well()) {
            self.step(BootStepKind::TftpTransfer, at);
        }
        let http_answer = || self.answers.iter().any(|answer| answer.http_client);
        let http = match self.method {
            Some(method) => method == Method::Http,
            None => http_answer(),
        };
        let named = self.answers.iter().filter(|answer| answer.names_boot);
        // Of equals the first: `max_by_key` would give the last.
        let named = named.min_by_key(|answer| {
            (
                answer.boot_file.is_none(),
                answer.round,
                word_rank(answer.kind),
            )
        });
        let boot_file = named.and_then(|named| named.boot_file.clone());
        let boot_server = named.and_then(|named| {
            match boot_file.as_ref().and_then(|file| url_host(file.bytes())) {
                Some(host) => {
                    let address = host.parse::<IpAddr>().ok();
                    address.filter(|address| !address.is_unspecified())
                }
                None => Some(named.boot_server.unwrap_or(named.server)),
            }
        });
        let steps = self.steps.into_iter();
        let mut steps: Vec<_> = steps.map(|(kind, at)| BootStep { kind, at }).collect();
        steps.sort_by_key(|step| (step.at, step.kind));
        Boot {
            client_mac,
            client_addresses: self.addresses,
            architecture: self.architecture,
            machine_identifier: self.machine_identifier,
            http,
            ipxe: self.ipxe,
            boot_server,
            boot_file,
            steps,
            questions: self.questions,
            answers: self.answers,
            relays: self.relays,
            reads: self.reads.iter().map(|(place, _)| *place).collect(),
            first: self.first,
            last: self.last,
        }
    }
}

/// Whose word on the boot file counts most, lowest first: the last in the exchange.
fn word_rank(kind: BootAnswerKind) -> u8 {
    match kind {
        BootAnswerKind::BinlAck => 0,
        BootAnswerKind::Ack => 1,
        BootAnswerKind::AddressOffer | BootAnswerKind::ProxyOffer => 2,
        BootAnswerKind::Nak => 3,
    }
}

/// Whether two answers say the same, seen where or how often ever.
fn is_equal(a: &BootAnswer, b: &BootAnswer) -> bool {
    let key = |answer: &BootAnswer| (answer.kind, answer.round, answer.server, answer.address);
    key(a) == key(b)
        && a.names_boot == b.names_boot
        && a.boot_server == b.boot_server
        && a.boot_file == b.boot_file
}

/// The host in a URL, a name or an address; `None` where it is no URL (RFC 3986, section 3).
fn url_host(file: &[u8]) -> Option<&str> {
    let (scheme, rest) = std::str::from_utf8(file).ok()?.split_once("://")?;
    if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => host.split(':').next(),
    }
}

fn add(list: &mut Vec<IpAddr>, address: IpAddr) {
    if list.len() < MAX_PER_RUN && !list.contains(&address) {
        list.push(address);
    }
}
