//! A network boot, with what every server answered.

use std::net::IpAddr;

use serde::Serialize;

use super::{FrameReference, Places, time};
use crate::evidence::{
    BootAnswer, BootQuestion, BootQuestionKind, NamedIn, Uuid, architecture_name,
};
use crate::payload::Text;
use crate::report::escape;
use crate::verdict::PxeBoot;

/// One run of a machine's network boot.
#[derive(Clone, Debug, Serialize)]
pub struct Pxe {
    /// Hardware address; null where only TFTP was seen.
    pub client_mac: Option<String>,
    /// The first address that the machine was given or used.
    pub client_address: Option<String>,
    /// Architecture by number, DHCP option 93 (RFC 4578).
    pub architecture: Option<u16>,
    /// Server that the boot file is to come from.
    pub boot_server: Option<String>,
    /// Boot file named.
    pub boot_file: Option<String>,
    /// Codes of the steps seen, in time order.
    pub steps: Vec<&'static str>,
    /// First required step that was not seen.
    pub first_missing_step: Option<String>,
    /// Every address that the machine was given or used in this run.
    pub client_addresses: Vec<String>,
    /// Name of the architecture in IANA's registry.
    pub architecture_name: Option<&'static str>,
    /// UUID of the machine (option 97), as firmware and inventories print it.
    pub machine_identifier: Option<String>,
    /// Whether the files come over HTTP, so that there is no TFTP.
    pub http: bool,
    /// Whether iPXE asked in this run.
    pub ipxe: bool,
    /// Relays that the messages came through.
    pub relays: Vec<String>,
    /// What the machine asked, the first of each kind and server.
    pub questions: Vec<PxeQuestion>,
    /// Which server answered what; equal answers once.
    pub servers: Vec<PxeAnswer>,
    /// When and where each of `steps` was seen.
    pub step_times: Vec<PxeStep>,
    /// The first packet.
    pub first: Option<String>,
    /// The last packet.
    pub last: Option<String>,
}

/// A step with its packet.
#[derive(Clone, Debug, Serialize)]
pub struct PxeStep {
    /// Code of the step.
    pub step: &'static str,
    /// When it was seen.
    pub first: Option<String>,
    /// The packet.
    pub frames: Vec<FrameReference>,
}

/// A question of the machine.
#[derive(Clone, Debug, Serialize)]
pub struct PxeQuestion {
    /// `discover`, `request`, `binl`, `decline` or `inform`.
    pub question: &'static str,
    /// Whom it asked; null for all.
    pub server: Option<String>,
    /// Address asked for, or held.
    pub address: Option<String>,
    /// Of a question on port 4011, whether that server answered there.
    pub answered: Option<bool>,
    /// 1 for the firmware, one more for each boot program that asks again.
    pub round: u32,
    /// When it was first asked.
    pub first: Option<String>,
    /// The packet.
    pub frames: Vec<FrameReference>,
}

/// An answer of a server.
#[derive(Clone, Debug, Serialize)]
pub struct PxeAnswer {
    /// Who answered: the server identifier, or else the sender.
    pub server: String,
    /// `address-offer`, `proxy-offer`, `ack`, `binl-ack` or `nak`.
    pub answer: &'static str,
    /// Source address of the packet.
    pub sender: String,
    /// Relay that it came through.
    pub relay: Option<String>,
    /// Address given to the machine.
    pub address: Option<String>,
    /// Whether it speaks as a PXE server: option 60 is `PXEClient`.
    pub pxe_client: bool,
    /// Boot server named; null where none is named with it.
    pub boot_server: Option<String>,
    /// Boot file named.
    pub boot_file: Option<String>,
    /// `option` (67) or `field`, where a boot file is named.
    pub boot_file_in: Option<&'static str>,
    /// 1 for what the firmware was told, one more for each boot program that asks again.
    pub round: u32,
    /// When it first answered so.
    pub first: Option<String>,
    /// The packet.
    pub frames: Vec<FrameReference>,
}

impl Pxe {
    pub(super) fn new(judged: &PxeBoot, places: &Places) -> Self {
        let boot = &judged.boot;
        let steps = boot.steps.iter();
        let unanswered: Vec<_> = boot.unanswered_binl().collect();
        let questions = boot.questions.iter();
        let questions = questions.map(|question| {
            let answered = !unanswered.contains(&question);
            PxeQuestion::new(question, answered, places)
        });
        let answers = boot.answers.iter();
        Self {
            client_mac: boot
                .client_mac
                .map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":")),
            client_address: boot.client_addresses.first().map(IpAddr::to_string),
            architecture: boot.architecture,
            boot_server: boot.boot_server.map(|server| server.to_string()),
            boot_file: boot.boot_file.as_ref().map(text),
            steps: steps.clone().map(|step| step.kind.code()).collect(),
            first_missing_step: judged.first_missing_step.as_deref().map(super::line),
            client_addresses: addresses(&boot.client_addresses),
            architecture_name: boot.architecture.and_then(architecture_name),
            machine_identifier: boot
                .machine_identifier
                .map(|wire| Uuid::from_little_endian(wire).to_string()),
            http: boot.is_over_http(),
            ipxe: boot.ipxe,
            relays: addresses(&boot.relays),
            questions: questions.collect(),
            servers: answers
                .map(|answer| PxeAnswer::new(answer, places))
                .collect(),
            step_times: steps
                .map(|step| PxeStep {
                    step: step.kind.code(),
                    first: time(step.at.time),
                    frames: places.frames(&[step.at]),
                })
                .collect(),
            first: time(boot.first.time),
            last: time(boot.last),
        }
    }
}

impl PxeQuestion {
    fn new(question: &BootQuestion, answered: bool, places: &Places) -> Self {
        let is_binl = question.kind == BootQuestionKind::Binl;
        Self {
            question: question.kind.code(),
            server: question.server.map(|server| server.to_string()),
            address: question.address.map(|address| address.to_string()),
            answered: is_binl.then_some(answered),
            round: question.round,
            first: time(question.at.time),
            frames: places.frames(&[question.at]),
        }
    }
}

impl PxeAnswer {
    fn new(answer: &BootAnswer, places: &Places) -> Self {
        let boot_server = answer.boot_server.filter(|_| answer.names_boot);
        Self {
            server: answer.server.to_string(),
            answer: answer.kind.code(),
            sender: answer.sender.to_string(),
            relay: answer.relay.map(|relay| relay.to_string()),
            address: answer.address.map(|address| address.to_string()),
            pxe_client: answer.pxe_client,
            boot_server: boot_server.map(|server| server.to_string()),
            boot_file: answer.boot_file.as_ref().map(text),
            boot_file_in: answer.boot_file_in.map(|place| match place {
                NamedIn::Option => "option",
                NamedIn::Field => "field",
            }),
            round: answer.round,
            first: time(answer.at.time),
            frames: places.frames(&[answer.at]),
        }
    }
}

fn text(text: &Text) -> String {
    escape::bytes(text.bytes())
}

fn addresses(list: &[IpAddr]) -> Vec<String> {
    list.iter().map(IpAddr::to_string).collect()
}
