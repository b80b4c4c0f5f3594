//! Network boots against the steps of a boot: DHCP, boot offer, TFTP request, TFTP transfer.

use std::collections::HashMap;
use std::net::IpAddr;

use super::diagnosis::file_name;
use super::facts::Facts;
use super::requirement::Standing;
use super::{RequirementCause, RequirementState};
use crate::evidence::{
    Boot, BootAnswerKind, BootQuestionKind, BootStepKind, ReadsEnd, Transfer, TransferCourse,
    TransferEnd, TransferOutcome,
};
use crate::net::Position;
use crate::policy::{Step, StepEvidence};

/// Ways of failing that `causes-when` tells apart, finer than a [`RequirementCause`].
const ERROR_OF_CLIENT: &str = "tftp-error-of-client";
const REQUEST_REFUSED: &str = "tftp-request-refused";
const ANSWER_REFUSED: &str = "tftp-answer-refused";
const HIGH_PORT_REFUSED: &str = "tftp-high-port-refused";
const SERVER_SILENT: &str = "tftp-server-silent";
const BROKEN_OFF: &str = "tftp-broken-off";
const SERVER_GONE: &str = "tftp-server-gone";

/// All of them.
#[cfg(test)]
pub(super) const WAYS_TO_FAIL: [&str; 7] = [
    ERROR_OF_CLIENT,
    REQUEST_REFUSED,
    ANSWER_REFUSED,
    HIGH_PORT_REFUSED,
    SERVER_SILENT,
    BROKEN_OFF,
    SERVER_GONE,
];

/// A machine and the runs of its boot, in time order.
pub(super) struct Machine<'a> {
    runs: Vec<Booting<'a>>,
}

/// The machines that boot in the time judged, in the order of their first runs.
pub(super) fn machines<'a>(facts: &Facts<'a>) -> Vec<Machine<'a>> {
    let mut machines: Vec<Machine<'a>> = Vec::new();
    let mut known = HashMap::new();
    let boots = facts.proofs().pxe.iter();
    for boot in boots.filter(|boot| facts.is_judged(boot.first, boot.last)) {
        let address = boot.client_addresses.first();
        let address = address.filter(|_| boot.client_mac.is_none());
        let key = (
            boot.client_mac,
            address.map(|address| facts.machine(*address)),
        );
        let place = *known.entry(key).or_insert(machines.len());
        if place == machines.len() {
            machines.push(Machine { runs: Vec::new() });
        }
        machines[place].runs.push(Booting::new(boot, facts));
    }
    machines
}

impl<'a> Machine<'a> {
    /// Its hardware address where DHCP shows it, else its address.
    pub fn name(&self) -> Option<String> {
        match self.runs.first()?.boot.client_mac {
            Some(mac) => Some(hardware_address(mac)),
            None => self.addresses().next().map(|address| address.to_string()),
        }
    }

    /// Every address that it was given or used.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let runs = self.runs.iter();
        runs.flat_map(|run| run.boot.client_addresses.iter().copied())
    }

    /// The run that got furthest; of equals the last, which shows how things stand now.
    pub fn furthest(&self, reach: impl Fn(&Booting<'a>) -> Reach) -> &Booting<'a> {
        let runs = self.runs.iter();
        runs.max_by_key(|run| reach(run))
            .expect("a machine is made with its first run")
    }
}

/// How far a run got: a whole one furthest, then by the first step that is missing or failed,
/// then by how many steps are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reach {
    steps: usize,
    satisfied: usize,
}

impl Reach {
    /// Of these steps, standing as they do.
    pub fn of(steps: &[Step], standing: impl Fn(&Step) -> Standing) -> Self {
        let states: Vec<_> = steps
            .iter()
            .map(|step| (step.optional, standing(step).state))
            .collect();
        let broken = states
            .iter()
            .position(|(optional, state)| !optional && state.is_finding());
        let satisfied = states
            .iter()
            .filter(|(_, state)| *state == RequirementState::Satisfied);
        Self {
            steps: broken.unwrap_or(steps.len()),
            satisfied: satisfied.count(),
        }
    }
}

/// A boot with its transfers.
pub(super) struct Booting<'a> {
    boot: &'a Boot,
    /// Read requests, in time order.
    reads: Vec<&'a Transfer>,
}

impl<'a> Booting<'a> {
    pub fn new(boot: &'a Boot, facts: &Facts<'a>) -> Self {
        let transfers = facts.proofs().tftp;
        let reads = boot.reads.iter();
        let reads = reads.filter_map(|place| transfers.get(*place)).collect();
        Self { boot, reads }
    }

    /// How a step stands; `None` where nothing shows it.
    pub fn step(&self, evidence: StepEvidence) -> Option<Standing> {
        match evidence {
            StepEvidence::DhcpDiscover => self.dhcp(BootStepKind::DhcpDiscover),
            StepEvidence::DhcpOffer => self.dhcp(BootStepKind::DhcpOffer),
            StepEvidence::BootOffer => self.dhcp(BootStepKind::BootOffer),
            StepEvidence::DhcpAck => self.dhcp_ack(),
            StepEvidence::Binl => self.seen(BootStepKind::Binl),
            StepEvidence::TftpRequest => self.tftp_request(),
            StepEvidence::TftpTransfer => self.tftp_transfer(),
        }
    }

    fn at(&self, kind: BootStepKind) -> Option<Position> {
        let step = self.boot.steps.iter().find(|step| step.kind == kind)?;
        Some(step.at)
    }

    fn seen(&self, kind: BootStepKind) -> Option<Standing> {
        let at = self.at(kind)?;
        let by = self.boot.answers.iter().find(|answer| answer.at == at);
        Some(match by {
            Some(answer) => satisfied(&format!("seen, from {}", answer.server), at),
            None => satisfied("seen", at),
        })
    }

    /// A step that nothing shows was still made where the machine went on past it: there, the
    /// capture point can't show it.
    fn dhcp(&self, kind: BootStepKind) -> Option<Standing> {
        self.seen(kind).or_else(|| {
            let later = self.went_past(kind)?;
            let explanation = if self.boot.steps.iter().all(|step| step.kind.is_tftp()) {
                "the machine asked for files, so it had an address, but no DHCP of this boot was \
                 captured"
                    .to_owned()
            } else {
                format!(
                    "not captured, but the machine went past it to `{}`",
                    later.code()
                )
            };
            Some(not_observable(explanation, None))
        })
    }

    /// The first step seen that a machine can't make without having made this one.
    fn went_past(&self, kind: BootStepKind) -> Option<BootStepKind> {
        use BootStepKind::{
            Binl, BootOffer, DhcpAck, DhcpDiscover, DhcpNak, DhcpOffer, TftpRequest, TftpTransfer,
        };
        let needing: &[BootStepKind] = match kind {
            DhcpDiscover => &[DhcpOffer, BootOffer, DhcpAck, Binl, TftpRequest],
            DhcpOffer => &[DhcpAck, Binl, TftpRequest],
            BootOffer | DhcpAck => &[Binl, TftpRequest],
            DhcpNak | Binl | TftpRequest | TftpTransfer => &[],
        };
        let mut steps = self.boot.steps.iter();
        steps
            .find(|step| needing.contains(&step.kind))
            .map(|step| step.kind)
    }

    fn dhcp_ack(&self) -> Option<Standing> {
        self.dhcp(BootStepKind::DhcpAck).or_else(|| {
            let at = self.at(BootStepKind::DhcpNak)?;
            let cause = RequirementCause::DhcpRefused;
            let by = self.boot.answers.iter().find(|answer| answer.at == at);
            let by = by.map_or(String::new(), |answer| format!(", by {}", answer.server));
            Some(failed(cause, format!("{}{by}", cause.meaning()), at))
        })
    }

    /// What a step that is missing leaves open: whom the machine asked in vain, or what it did
    /// not get.
    pub fn missing(&self, evidence: StepEvidence) -> Option<(String, Option<Position>)> {
        if evidence == StepEvidence::Binl {
            let question = self.boot.unanswered_binl().last()?;
            let server = question.server?;
            let text = format!("the machine asked {server} on port 4011, which did not answer");
            return Some((text, Some(question.at)));
        }
        self.lacking(evidence).map(|text| (text, None))
    }

    fn lacking(&self, evidence: StepEvidence) -> Option<String> {
        let asked = |kind| {
            let mut asked = self.boot.questions.iter().rev();
            asked.find(|question| question.kind == kind)
        };
        let answered = |kind| self.boot.answers.iter().find(|answer| answer.kind == kind);
        match evidence {
            StepEvidence::DhcpOffer => {
                asked(BootQuestionKind::Discover)?;
                Some("the machine asked, and no server offered an address".to_owned())
            }
            StepEvidence::BootOffer => {
                let offer = answered(BootAnswerKind::AddressOffer)?;
                let server = offer.server;
                Some(format!("{server} offered an address, but no server a boot"))
            }
            StepEvidence::DhcpAck => match asked(BootQuestionKind::Request) {
                Some(request) => {
                    let server = request.server?;
                    Some(format!("the machine asked {server}, which did not answer"))
                }
                None => {
                    answered(BootAnswerKind::AddressOffer)?;
                    Some("the machine did not ask for the address offered".to_owned())
                }
            },
            StepEvidence::TftpRequest => {
                let question = self.boot.unanswered_binl().last()?;
                let server = question.server?;
                Some(format!(
                    "the machine asked {server} on port 4011, which did not answer, and asked for \
                     no file"
                ))
            }
            StepEvidence::DhcpDiscover | StepEvidence::Binl | StepEvidence::TftpTransfer => None,
        }
    }

    fn tftp_request(&self) -> Option<Standing> {
        if self.boot.is_over_http() {
            return Some(http_boot());
        }
        let asked = self.reads.first().map(|transfer| transfer.first);
        let at = asked.or_else(|| self.at(BootStepKind::TftpRequest))?;
        Some(satisfied("seen", at))
    }

    fn tftp_transfer(&self) -> Option<Standing> {
        if self.boot.is_over_http() {
            return Some(http_boot());
        }
        let end = ReadsEnd::of(&self.reads)?;
        Some(match end {
            ReadsEnd::Complete(read) => satisfied("complete", end.well().unwrap_or(read.first)),
            ReadsEnd::SizesOnly(read) => {
                let text = "only the sizes of files were asked for, and no file was read";
                satisfied(text, end.well().unwrap_or(read.first))
            }
            ReadsEnd::Open(read) => {
                let text = "the capture ends before the transfer does, or its end can't be told";
                not_observable(text.to_owned(), Some(read.first))
            }
            ReadsEnd::Unconfirmed(read) => {
                let file = file_name(&read.file);
                let server = read.server.address;
                let text = format!(
                    "{server} sent all of `{file}`, and the machine did not acknowledge the last \
                     block: it went on without doing so, or stopped there"
                );
                not_observable(text, Some(read.first))
            }
            ReadsEnd::Failed(read) => failed_read(read),
        })
    }
}

/// A read that brought no file: which, from whom, and what shows it.
fn failed_read(read: &Transfer) -> Standing {
    let (cause, how, what) = failure(read);
    let file = file_name(&read.file);
    let explanation = format!("`{file}` from {}: {what}", read.server.address);
    Standing {
        how,
        ..failed(cause, explanation, read.first)
    }
}

/// Why a read failed: its cause, a finer word for it, and a text.
fn failure(read: &Transfer) -> (RequirementCause, Option<&'static str>, String) {
    let course = &read.course;
    let both_ways = course.acknowledged >= Some(1) && course.sent >= Some(2);
    let cause = match read.outcome {
        TransferOutcome::Unanswered => RequirementCause::TftpUnanswered,
        TransferOutcome::Unreachable => RequirementCause::Unreachable,
        TransferOutcome::Error => RequirementCause::TftpError,
        TransferOutcome::Stalled
        | TransferOutcome::Complete
        | TransferOutcome::Aborted
        | TransferOutcome::Open => RequirementCause::TftpStalled,
    };
    let meaning = cause.meaning();
    let (how, what) = match (cause, &course.refused) {
        (RequirementCause::TftpError, _) => {
            let (from, how) = match course.error_from {
                Some(TransferEnd::Server) => (" (from the server)", None),
                Some(TransferEnd::Client) => (" (from the machine)", Some(ERROR_OF_CLIENT)),
                None => ("", None),
            };
            let what = read.error.as_ref().map(|(code, text)| {
                let text = file_name(text);
                let space = if text.is_empty() { "" } else { " " };
                format!("error {code}{space}{text}{from}")
            });
            (how, what)
        }
        (RequirementCause::TftpStalled, refused) if both_ways && is_server_silent(course) => {
            let then = refused.as_ref().map_or(String::new(), |refused| {
                format!(", until ICMP from {} refused it", refused.error.sender)
            });
            let what = format!(
                "block {} came and no more, although the machine went on acknowledging it{then}",
                course.sent.unwrap_or(0)
            );
            (Some(SERVER_SILENT), Some(what))
        }
        (RequirementCause::TftpStalled, None) if both_ways => {
            let last = course.acknowledged.unwrap_or(0);
            let what = format!("it went well up to block {last}, then nothing new came");
            (Some(BROKEN_OFF), Some(what))
        }
        (RequirementCause::TftpStalled | RequirementCause::Unreachable, Some(refused)) => {
            let by = refused.error.sender;
            let (how, what) = match refused.sent_by {
                _ if both_ways => (
                    SERVER_GONE,
                    "blocks came and were acknowledged, until the transfer was refused",
                ),
                TransferEnd::Server => (
                    ANSWER_REFUSED,
                    "the server's answer from its high port was refused",
                ),
                TransferEnd::Client if course.server_packets == 0 => {
                    (REQUEST_REFUSED, "the request was refused")
                }
                TransferEnd::Client => (
                    HIGH_PORT_REFUSED,
                    "the server answered, and what the machine sent to its high port was refused",
                ),
            };
            (Some(how), Some(format!("{what}, by ICMP from {by}")))
        }
        _ => (None, None),
    };
    (cause, how, what.unwrap_or_else(|| meaning.to_owned()))
}

/// Whether the last block was acknowledged again, and never sent again: a server that does not hear
/// the acknowledgments repeats it.
fn is_server_silent(course: &TransferCourse) -> bool {
    course.is_awaited && !course.is_resent && course.acknowledged == course.sent
}

/// Judges the steps of a boot in order: the name of the first required one that is missing or
/// failed.
pub(super) fn first_missing<'s>(booting: &Booting<'_>, steps: &'s [Step]) -> Option<&'s str> {
    steps
        .iter()
        .filter(|step| !step.optional)
        .filter_map(|step| Some((step, step.evidence?)))
        .find(|(_, evidence)| {
            booting
                .step(*evidence)
                .is_none_or(|standing| standing.state.is_finding())
        })
        .map(|(step, _)| step.name.as_str())
}

fn satisfied(text: &str, at: Position) -> Standing {
    Standing {
        state: RequirementState::Satisfied,
        cause: None,
        how: None,
        explanation: text.to_owned(),
        at: Some(at),
    }
}

fn failed(cause: RequirementCause, explanation: String, at: Position) -> Standing {
    Standing {
        state: RequirementState::Failed,
        cause: Some(cause),
        how: None,
        explanation,
        at: Some(at),
    }
}

fn not_observable(explanation: String, at: Option<Position>) -> Standing {
    Standing {
        state: RequirementState::NotObservable,
        cause: None,
        how: None,
        explanation,
        at,
    }
}

fn http_boot() -> Standing {
    Standing {
        state: RequirementState::NotApplicable,
        cause: None,
        how: None,
        explanation: "the machine boots over HTTP, which needs no TFTP".to_owned(),
        at: None,
    }
}

/// As it is written: `52:54:00:12:34:56`.
pub(super) fn hardware_address(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
