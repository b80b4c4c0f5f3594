//! What must hold of boots, whatever was sent.

use std::collections::BTreeSet;

use super::message::{Message, names_boot};
use super::model::{Boot, BootAnswerKind, BootQuestionKind, BootStepKind};
use super::{MAX_BOOTS, run};
use crate::evidence::{Evidence, TransferOperation};
use crate::net::Position;
use crate::observation::{LogEntry, LogKind};

/// Panics where boots say what no packet shows, or contradict themselves.
pub(super) fn check(evidence: &Evidence, log: &[LogEntry<'_>]) {
    assert!(evidence.pxe.len() <= MAX_BOOTS);
    assert!(evidence.pxe.is_sorted_by_key(|boot| boot.first));
    let mut reads = BTreeSet::new();
    for boot in &evidence.pxe {
        bounds(boot);
        assert!(boot.steps.is_sorted_by_key(|step| step.at));
        let kinds: BTreeSet<_> = boot.steps.iter().map(|step| step.kind).collect();
        assert_eq!(kinds.len(), boot.steps.len(), "a step is listed once");
        for step in &boot.steps {
            assert!(shows(boot, step.kind, step.at, evidence, log), "{step:?}");
        }
        for question in &boot.questions {
            let shown = boot_message(boot, question.at, log, |message, dhcp| {
                message.question(dhcp) == Some(question.kind)
            });
            assert!(shown, "{question:?}");
        }
        for answer in &boot.answers {
            let shown = boot_message(boot, answer.at, log, |message, dhcp| {
                message.answer(dhcp) == Some(answer.kind)
                    && answer.names_boot == names_boot(dhcp)
                    && message.tuple.source.address == answer.sender
            });
            assert!(shown, "{answer:?}");
        }
        for place in &boot.reads {
            let transfer = &evidence.tftp[*place];
            assert_eq!(transfer.operation, TransferOperation::Read);
            assert!(boot.client_addresses.contains(&transfer.client.address));
            assert!(reads.insert(*place), "a read is of one boot");
        }
    }
    let all = evidence.tftp.iter();
    let all = all.filter(|transfer| transfer.operation == TransferOperation::Read);
    assert!(reads.len() == all.count() || !evidence.limits.is_empty());
}

fn bounds(boot: &Boot) {
    let lists = [
        boot.questions.len(),
        boot.answers.len(),
        boot.relays.len(),
        boot.client_addresses.len(),
    ];
    assert!(lists.iter().all(|length| *length <= run::MAX_PER_RUN));
    assert!(boot.questions.is_sorted_by_key(|question| question.at));
    assert!(boot.answers.is_sorted_by_key(|answer| answer.at));
    assert!(boot.first.time <= boot.last);
    for question in boot.unanswered_binl() {
        assert_eq!(question.kind, BootQuestionKind::Binl);
    }
}

/// Whether the packet at a place is a message of or to the machine, and `is_it`.
fn boot_message(
    boot: &Boot,
    at: Position,
    log: &[LogEntry<'_>],
    is_it: impl Fn(&Message<'_>, &crate::payload::dhcp::Dhcp<'_>) -> bool,
) -> bool {
    let Some(entry) = log.iter().find(|entry| entry.at == at) else {
        return false;
    };
    let LogKind::Datagram { payload, length } = entry.kind else {
        return false;
    };
    Message::new(at, entry.five_tuple, payload, length).is_some_and(|(message, dhcp)| {
        dhcp.hardware_address() == boot.client_mac && is_it(&message, &dhcp)
    })
}

fn shows(
    boot: &Boot,
    kind: BootStepKind,
    at: Position,
    evidence: &Evidence,
    log: &[LogEntry<'_>],
) -> bool {
    let answers = |wanted: BootAnswerKind| {
        boot_message(boot, at, log, |message, dhcp| {
            message.answer(dhcp) == Some(wanted)
        })
    };
    let reads = || boot.reads.iter().map(|place| &evidence.tftp[*place]);
    match kind {
        BootStepKind::DhcpDiscover => boot_message(boot, at, log, |message, dhcp| {
            message.question(dhcp) == Some(BootQuestionKind::Discover)
        }),
        BootStepKind::DhcpOffer => answers(BootAnswerKind::AddressOffer),
        BootStepKind::BootOffer => boot_message(boot, at, log, |message, dhcp| {
            let kind = message.answer(dhcp);
            names_boot(dhcp)
                && (kind == Some(BootAnswerKind::AddressOffer)
                    || kind == Some(BootAnswerKind::ProxyOffer))
        }),
        BootStepKind::DhcpAck => answers(BootAnswerKind::Ack),
        BootStepKind::DhcpNak => answers(BootAnswerKind::Nak),
        BootStepKind::Binl => answers(BootAnswerKind::BinlAck),
        BootStepKind::TftpRequest => reads().any(|transfer| transfer.first == at),
        BootStepKind::TftpTransfer => reads().any(|transfer| transfer.last == at.time),
    }
}
