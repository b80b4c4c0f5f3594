//! Network boots against the steps of a boot: DHCP, boot offer, TFTP request, TFTP transfer.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::facts::Facts;
use super::requirement::Standing;
use super::{RequirementCause, RequirementState};
use crate::evidence::{
    Boot, BootAnswerKind, BootQuestionKind, BootStepKind, Transfer, TransferOutcome,
};
use crate::net::Position;
use crate::policy::{Step, StepEvidence};

/// TFTP error "file not found" (RFC 1350).
const FILE_NOT_FOUND: u16 = 1;

/// A machine and the runs of its boot, in time order.
pub(super) struct Machine<'a> {
    runs: Vec<Booting<'a>>,
}

/// The machines that boot, in the order of their first runs.
pub(super) fn machines<'a>(facts: &Facts<'a>) -> Vec<Machine<'a>> {
    let mut machines: Vec<Machine<'a>> = Vec::new();
    let mut known = HashMap::new();
    for boot in facts.proofs().pxe {
        let address = boot.client_addresses.first();
        let key = (
            boot.client_mac,
            address.filter(|_| boot.client_mac.is_none()),
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
    pub fn missing(&self, evidence: StepEvidence) -> Option<String> {
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
        let mut last_attempts: BTreeMap<&[u8], &Transfer> = BTreeMap::new();
        for transfer in &self.reads {
            last_attempts.insert(transfer.file.bytes(), transfer);
        }
        let mut attempts: Vec<&Transfer> = last_attempts.into_values().collect();
        attempts.sort_by_key(|transfer| transfer.first);
        let complete = |transfer: &&&Transfer| transfer.outcome == TransferOutcome::Complete;
        let last_success = attempts
            .iter()
            .filter(complete)
            .map(|transfer| transfer.first)
            .max();
        let mut open = None;
        for transfer in &attempts {
            match failure(transfer, last_success) {
                Some(cause) => {
                    return Some(failed(cause, cause.meaning().to_owned(), transfer.first));
                }
                None if transfer.outcome == TransferOutcome::Open => open = Some(transfer.first),
                None => {}
            }
        }
        if let Some(at) = open {
            let explanation = "the capture ends before the transfer does, or its end can't be told";
            return Some(not_observable(explanation.to_owned(), Some(at)));
        }
        last_success.map(|at| satisfied("complete", at))
    }
}

/// Why the last attempt at a file counts as failed.
fn failure(transfer: &Transfer, last_success: Option<Position>) -> Option<RequirementCause> {
    match transfer.outcome {
        TransferOutcome::Complete | TransferOutcome::Aborted | TransferOutcome::Open => None,
        TransferOutcome::Error => {
            // Firmware asks for many names of which only some exist.
            let not_found = matches!(transfer.error, Some((FILE_NOT_FOUND, _)));
            let went_on = last_success.is_some_and(|success| transfer.first < success);
            (!(not_found && went_on)).then_some(RequirementCause::TftpError)
        }
        TransferOutcome::Stalled => Some(RequirementCause::TftpStalled),
        TransferOutcome::Unanswered => Some(RequirementCause::TftpUnanswered),
        TransferOutcome::Unreachable => Some(RequirementCause::Unreachable),
    }
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
        explanation: text.to_owned(),
        at: Some(at),
    }
}

fn failed(cause: RequirementCause, explanation: String, at: Position) -> Standing {
    Standing {
        state: RequirementState::Failed,
        cause: Some(cause),
        explanation,
        at: Some(at),
    }
}

fn not_observable(explanation: String, at: Option<Position>) -> Standing {
    Standing {
        state: RequirementState::NotObservable,
        cause: None,
        explanation,
        at,
    }
}

fn http_boot() -> Standing {
    Standing {
        state: RequirementState::NotApplicable,
        cause: None,
        explanation: "the machine boots over HTTP, which needs no TFTP".to_owned(),
        at: None,
    }
}

/// As it is written: `52:54:00:12:34:56`.
pub(super) fn hardware_address(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
