//! What is drawn: snapshots of whole screens, and what holds for every size.

use std::time::Duration;

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::super::events::{Interface, InterfaceState, Moment};
use super::drawing::Drawing;
use super::lines::lines;
use super::*;
use crate::evidence::TransferOutcome;
use crate::net::Timestamp;
use crate::report::sample;
use crate::verdict::{Requirement, RequirementCause, RequirementState};

use RequirementState::{Failed, Missing, NotApplicable, NotObservable, NotReached, Satisfied};

const SIZE: Canvas = Canvas {
    width: 90,
    height: 30,
    colour: false,
    unicode: true,
};

fn moment(seconds: u64) -> Moment {
    Moment {
        // The sample begins two minutes before.
        now: Timestamp(1_767_600_000_000_000_000 + (55 + seconds as i64) * 1_000_000_000),
        since_start: Duration::from_secs(seconds),
        interfaces: vec![Interface {
            name: "br0".into(),
            packets: 1234 * seconds,
            bytes: 1_234_567 * seconds,
            dropped: Some(0),
            state: InterfaceState::Up,
        }],
    }
}

fn boot(host: Option<&str>, states: [RequirementState; 7]) -> Vec<Requirement> {
    let names = [
        "dhcp-discover",
        "dhcp-offer",
        "boot-offer",
        "dhcp-ack",
        "binl",
        "tftp-request",
        "tftp-transfer",
    ];
    let steps = names.into_iter().zip(states);
    let step = |(name, state): (&str, RequirementState)| Requirement {
        id: format!("pxe-boot/{name}"),
        scenario: Some("pxe-boot".into()),
        step: Some(name.into()),
        rules: vec![],
        host: host.map(str::to_owned),
        state,
        cause: (state == Failed).then_some(RequirementCause::TftpStalled),
        explanation: match state {
            Satisfied => "seen, from 10.0.0.12.".into(),
            Failed => "`boot.wim` from 10.0.0.12: the TFTP transfer began and went silent; \
                       usual causes: a firewall stops what the client sends to the server's high \
                       port; a firewall or network card drops fragments of large blocks; the \
                       server or the machine stopped in the middle."
                .into(),
            Missing => "never tried; usual causes: the machine is off.".into(),
            NotReached => "not seen; `dhcp-ack` comes before it.".into(),
            _ => "never tried; the step is optional.".into(),
        },
        first: None,
        frames: vec![],
    };
    steps.map(step).collect()
}

const DONE: [RequirementState; 7] = [
    Satisfied,
    Satisfied,
    Satisfied,
    Satisfied,
    NotApplicable,
    Satisfied,
    Satisfied,
];
const STALLED: [RequirementState; 7] = [
    Satisfied,
    Satisfied,
    Satisfied,
    Satisfied,
    NotApplicable,
    Satisfied,
    Failed,
];
const HALFWAY: [RequirementState; 7] = [
    Satisfied,
    Satisfied,
    Satisfied,
    Missing,
    NotApplicable,
    NotReached,
    NotReached,
];
const IDLE: [RequirementState; 7] = [
    Missing,
    NotReached,
    NotReached,
    NotReached,
    NotApplicable,
    NotReached,
    NotReached,
];

fn of(requirements: Vec<Requirement>) -> Audit {
    let mut audit = Audit::default();
    for requirement in &requirements {
        let states = &mut audit.totals.requirements;
        *states.entry(requirement.state).or_default() += 1;
    }
    audit.requirements = requirements;
    audit
}

/// Looks twice, so that what has to settle has.
fn view(audit: &Audit) -> View {
    let mut teller = Teller::default();
    teller.tell(audit, &moment(1));
    teller.tell(audit, &moment(5));
    let ends = "ends when it has held for 5 s, or by Ctrl-C";
    View::new(audit, &moment(5), &teller, (1234, 1_234_567), ends)
}

fn screen(audit: &Audit, canvas: &Canvas) -> String {
    lines(&view(audit), canvas).join("\n")
}

#[test]
fn nothing_seen_as_yet() {
    insta::assert_snapshot!(screen(&of(boot(None, IDLE)), &SIZE));
}

#[test]
fn a_boot_that_fails() {
    let audit = of(boot(Some("52:54:00:12:34:56"), STALLED));
    insta::assert_snapshot!(screen(&audit, &SIZE));
    // On a small terminal the cause keeps its place.
    let small = Canvas {
        width: 60,
        height: 11,
        ..SIZE
    };
    insta::assert_snapshot!(
        "a_boot_that_fails_on_a_small_terminal",
        screen(&audit, &small)
    );
}

#[test]
fn what_the_evidence_says_stands_under_the_checklist() {
    let mut audit = of(boot(Some("52:54:00:12:34:56"), STALLED));
    audit.diagnoses = sample::audit().diagnoses;
    assert!(!audit.diagnoses.is_empty());
    let of_diagnosis = |screen: &str| screen.matches("diagnosis: ").count();
    let shown = screen(&audit, &SIZE);
    assert_eq!(
        of_diagnosis(&shown),
        audit.diagnoses.len().min(3),
        "{shown}"
    );
    assert!(shown.contains(audit.diagnoses[0].code), "{shown}");
    let untold = View::new(&audit, &moment(1), &Teller::default(), (0, 0), "");
    assert_eq!(of_diagnosis(&lines(&untold, &SIZE).join("\n")), 0);
}

#[test]
fn a_failure_is_shown_once_it_was_told() {
    let audit = of(boot(Some("52:54:00:12:34:56"), STALLED));
    let view = View::new(&audit, &moment(1), &Teller::default(), (0, 0), "");
    let lines = lines(&view, &SIZE);
    assert!(
        !lines
            .iter()
            .any(|line| line.contains('✗') || line.contains("causes"))
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("so far: `boot.wim` from"))
    );
}

#[test]
fn a_file_under_way_and_unexpected_flows() {
    let sample = sample::audit();
    let mut states = STALLED;
    states[6] = NotObservable;
    let mut audit = of(boot(Some("00:0d:3a:12:34:56"), states));
    audit.unexpected = sample.unexpected;
    audit.pxe = sample.pxe;
    audit.tftp = sample.tftp;
    audit.tftp.truncate(1);
    let transfer = &mut audit.tftp[0];
    transfer.outcome = TransferOutcome::Open;
    transfer
        .options
        .insert("tsize".into(), b"2099200".as_slice().into());
    audit.requirements[6].first = Some(transfer.first.time);
    audit.pxe[0].boot.client_mac = Some([0, 0x0d, 0x3a, 0x12, 0x34, 0x56]);
    audit.pxe[0].boot.reads = vec![0];
    insta::assert_snapshot!(screen(&audit, &SIZE));
    let ascii = Canvas {
        unicode: false,
        ..SIZE
    };
    let shown = screen(&audit, &ascii);
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!("a_file_under_way_in_ascii", shown);
}

#[test]
fn the_size_that_was_asked_for_before_holds() {
    let mut audit = of(vec![]);
    let mut probe = sample::audit().tftp.remove(0);
    let mut transfer = probe.clone();
    transfer.outcome = TransferOutcome::Open;
    transfer.client.port += 1;
    probe.outcome = TransferOutcome::Aborted;
    probe
        .options
        .insert("tsize".into(), b"2099200".as_slice().into());
    let mut other = probe.clone();
    other.file = b"other.efi".as_slice().into();
    other.options.insert("tsize".into(), b"7".as_slice().into());
    audit.tftp = vec![probe, other, transfer];
    assert_eq!(view(&audit).transfers[0].size, Some(2_099_200));
    audit.tftp.remove(0);
    assert_eq!(view(&audit).transfers[0].size, None);
}

#[test]
fn many_machines_and_rules() {
    let name = |number: u32| format!("52:54:00:00:00:{number:02x}");
    let mut requirements = Vec::new();
    for number in 0..40 {
        let states = match number {
            7 => STALLED,
            9 => HALFWAY,
            _ => DONE,
        };
        requirements.extend(boot(Some(&name(number)), states));
    }
    let rules = sample::audit().requirements;
    requirements.extend(rules.into_iter().filter(|one| one.scenario.is_none()));
    insta::assert_snapshot!(screen(&of(requirements), &SIZE));
}

#[test]
fn a_taller_terminal_shows_more_of_what_should_not_be() {
    let mut audit = of(boot(Some("52:54:00:12:34:56"), STALLED));
    let sample = sample::audit();
    audit.unexpected = (0..200)
        .map(|number| crate::verdict::Finding {
            id: format!("f{number}"),
            ..sample.unexpected[0].clone()
        })
        .collect();
    audit.tftp = vec![sample.tftp[0].clone(); 40];
    for transfer in &mut audit.tftp {
        transfer.outcome = TransferOutcome::Open;
    }
    audit.diagnoses = vec![sample.diagnoses[0].clone(); 2];
    let rows = |height| {
        let shown = screen(&audit, &Canvas { height, ..SIZE });
        assert_eq!(
            shown.matches("unexpected: 200 findings").count(),
            1,
            "{height}:\n{shown}"
        );
        let rows = |word: &str| shown.lines().filter(|line| line.contains(word)).count();
        (rows("unknown-host"), rows("wdsmgfw"))
    };
    let mut before = (0, 0);
    for height in 12..130 {
        let now = rows(height);
        // As soon as there is room for both diagnoses, each line more shows one thing more.
        if height > 40 {
            let is_more = now.0 >= before.0 && now.1 >= before.1;
            assert!(is_more, "{height}: {before:?} {now:?}");
        }
        before = now;
    }
    assert_eq!(before, (64, 40));
}

#[test]
fn what_can_not_be_seen_is_not_what_nobody_requires() {
    let unseen = sample::audit().requirements[2].clone();
    let unseen = Requirement {
        state: NotObservable,
        ..unseen
    };
    let last = |audit: &Audit| screen(audit, &SIZE).lines().last().map(str::to_owned);
    let shown = last(&of(vec![unseen])).expect("a line");
    assert!(
        shown.starts_with("nothing that is required can be seen here"),
        "{shown}"
    );
    let shown = last(&of(vec![])).expect("a line");
    assert!(shown.starts_with("nothing is required"), "{shown}");
}

#[test]
fn a_terminal_that_takes_nothing_holds_nobody_up() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let audit = of(boot(Some("52:54:00:12:34:56"), STALLED));
    let mut checklist = Checklist::on(writer, false);
    let teller = Teller::default();
    // Far more than a pipe holds, and whoever draws comes to the end of it all the same.
    for second in 0..10_000 {
        checklist.draw(&audit, &moment(second), &teller, "");
    }
    checklist.clear();
    drop(checklist);
    drop(reader);
}

#[test]
fn in_colour_it_says_the_same() {
    let audit = of(boot(Some("52:54:00:12:34:56"), STALLED));
    let coloured = Canvas {
        colour: true,
        ..SIZE
    };
    let shown = screen(&audit, &coloured);
    assert!(
        shown.contains("\u{1b}[31m") || shown.contains("\u{1b}[1m\u{1b}[31m"),
        "{shown:?}"
    );
    assert_eq!(
        anstream::adapter::strip_str(&shown).to_string(),
        screen(&audit, &SIZE)
    );
}

#[test]
fn the_first_locale_that_is_set_holds() {
    let locale = |all: &'static str, lang: &'static str| {
        is_utf8(move |name| match name {
            "LC_ALL" => Some(all.to_owned()),
            "LANG" => Some(lang.to_owned()),
            _ => None,
        })
    };
    assert!(locale("", "de_DE.UTF-8"));
    assert!(locale("C.utf8", "C"));
    assert!(!locale("C", "de_DE.UTF-8"));
    assert!(!locale("", ""));
}

/// A terminal as far as the drawing uses one.
#[derive(Default)]
struct Terminal {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Terminal {
    fn write(&mut self, bytes: &[u8]) {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            match character {
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                '\u{1b}' => {
                    assert_eq!(rest.next(), Some('['));
                    let body: String = rest
                        .clone()
                        .take_while(|one| !one.is_ascii_alphabetic())
                        .collect();
                    let end = rest.nth(body.len()).expect("a final byte");
                    self.control(&body, end);
                }
                shown => {
                    let row = self.at();
                    row.push(shown);
                    self.column += 1;
                }
            }
        }
    }

    /// The row of the cursor, up to it: what is written over is replaced in the drawing's way, by
    /// whole lines.
    fn at(&mut self) -> &mut Vec<char> {
        while self.rows.len() <= self.row {
            self.rows.push(Vec::new());
        }
        if self.column == 0 {
            self.rows[self.row].clear();
        }
        &mut self.rows[self.row]
    }

    fn control(&mut self, body: &str, end: char) {
        match (body, end) {
            (count, 'A') => {
                let count: usize = count.parse().expect("a number");
                self.row = self.row.checked_sub(count).expect("not above the screen");
            }
            ("", 'K') => {
                self.at();
            }
            ("", 'J') => {
                let keep = if self.column == 0 {
                    self.row
                } else {
                    self.row + 1
                };
                self.rows.truncate(keep);
            }
            ("2", 'J') => self.rows.clear(),
            ("", 'H') => (self.row, self.column) = (0, 0),
            other => panic!("{other:?}"),
        }
    }

    fn shown(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.iter().collect()).collect()
    }
}

proptest! {
    #[test]
    fn each_drawing_stands_alone(
        drawings in proptest::collection::vec(
            (proptest::collection::vec("[a-z]{0,6}", 1..8), 10_usize..20), 1..8,
        )
    ) {
        let mut terminal = Terminal::default();
        let mut drawing = Drawing::default();
        for (lines, width) in drawings {
            let mut out = Vec::new();
            drawing.draw(&lines, (width, 24), &mut out);
            terminal.write(&out);
            let mut shown = terminal.shown();
            // An empty row at the end is none.
            shown.resize(lines.len().max(shown.len()), String::new());
            prop_assert_eq!(shown, lines);
        }
        let mut out = Vec::new();
        drawing.clear(&mut out);
        terminal.write(&out);
        prop_assert!(terminal.shown().iter().all(String::is_empty));
    }

    #[test]
    fn every_size_holds_its_lines(
        width in 1_usize..200, height in 1_usize..60, unicode: bool,
        machines in 0_u32..70, rules in 0_usize..20,
    ) {
        let mut requirements = Vec::new();
        for number in 0..machines {
            let states = [DONE, STALLED, HALFWAY, IDLE][number as usize % 4];
            requirements.extend(boot(Some(&format!("m{number}")), states));
        }
        let rule = sample::audit().requirements[2].clone();
        requirements.extend(std::iter::repeat_n(rule, rules));
        let mut audit = of(requirements);
        let sample = sample::audit();
        audit.unexpected = sample.unexpected;
        audit.tftp = sample.tftp;
        audit.tftp[0].outcome = TransferOutcome::Open;
        let canvas = Canvas { width, height, colour: false, unicode };
        let lines = lines(&view(&audit), &canvas);
        prop_assert!(lines.len() <= height.saturating_sub(1).max(1));
        for line in &lines {
            prop_assert!(line.width() < width.max(1), "{} columns: {}", width, line);
            prop_assert!(!line.chars().any(char::is_control));
        }
        if height > 8 && machines > 1 {
            let all = lines.join("\n");
            prop_assert!(width < 40 || all.contains("waits for"), "{}", all);
        }
    }
}
