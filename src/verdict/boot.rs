//! Network boots against the steps of a boot: DHCP, boot offer, TFTP request, TFTP transfer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::facts::Facts;
use super::requirement::Standing;
use super::{RequirementCause, RequirementState};
use crate::evidence::{Boot, BootStepKind, Transfer, TransferOutcome};
use crate::net::Position;
use crate::policy::{Step, StepEvidence};

/// TFTP error "file not found" (RFC 1350).
const FILE_NOT_FOUND: u16 = 1;

/// A machine's boots with the transfers of its addresses.
pub(super) struct Booting<'a> {
    boot: &'a Boot,
    /// Read requests, in time order.
    reads: Vec<&'a Transfer>,
}

impl<'a> Booting<'a> {
    pub fn new(boot: &'a Boot, facts: &Facts<'a>) -> Self {
        let addresses = boot.client_addresses.iter();
        let mut reads: Vec<&Transfer> = addresses
            .flat_map(|address| facts.reads(*address))
            .copied()
            .collect();
        reads.sort_by_key(|transfer| transfer.first);
        Self { boot, reads }
    }

    /// The machine: its hardware address where DHCP shows it.
    pub fn host(&self) -> Option<String> {
        match self.boot.client_mac {
            Some(mac) => Some(hardware_address(mac)),
            None => self.boot.client_addresses.first().map(IpAddr::to_string),
        }
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
        self.at(kind).map(|at| satisfied("seen", at))
    }

    /// A machine that asks for files has an address: where none of its DHCP was captured, the
    /// capture point can't show it.
    fn dhcp(&self, kind: BootStepKind) -> Option<Standing> {
        let without_dhcp = self.boot.client_mac.is_none() && !self.reads.is_empty();
        self.seen(kind).or_else(|| {
            without_dhcp.then(|| Standing {
                state: RequirementState::NotObservable,
                cause: None,
                explanation: "the machine asked for files, so it had an address, but none of its \
                              DHCP was captured"
                    .to_owned(),
                at: None,
            })
        })
    }

    fn dhcp_ack(&self) -> Option<Standing> {
        self.dhcp(BootStepKind::DhcpAck).or_else(|| {
            let at = self.at(BootStepKind::DhcpNak)?;
            let cause = RequirementCause::DhcpRefused;
            Some(failed(cause, cause.meaning().to_owned(), at))
        })
    }

    fn tftp_request(&self) -> Option<Standing> {
        if self.boot.http {
            return Some(http_boot());
        }
        let asked = self.reads.first().map(|transfer| transfer.first);
        let at = asked.or_else(|| self.at(BootStepKind::TftpRequest))?;
        Some(satisfied("seen", at))
    }

    fn tftp_transfer(&self) -> Option<Standing> {
        if self.boot.http {
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
            return Some(Standing {
                state: RequirementState::NotObservable,
                cause: None,
                explanation: "the capture ends before the transfer does, or its end can't be told"
                    .to_owned(),
                at: Some(at),
            });
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
