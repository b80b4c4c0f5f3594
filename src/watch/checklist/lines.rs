//! The lines of the checklist, as many as the terminal has room for: what needs attention keeps
//! its place, the rest is counted.

use unicode_width::UnicodeWidthStr;

use super::line::{Canvas, Line};
use super::runs::{Mark, Need, Rule, Run, Step};
use super::view::{Moving, Unexpected, View};
use crate::report::Ink;
use crate::report::units::{bytes, count, number};

/// Lines that the cause of a failure may take.
const CAUSE_LINES: usize = 4;
/// Runs that keep a line beside one that is shown with its steps.
const FEW: usize = 3;
/// Where the text under a step begins.
const BODY: usize = 4;
/// Lines narrower than this help nobody.
const NARROWEST: usize = 20;

/// The lines, none wider than the terminal, and at least one fewer than it has.
pub(super) fn lines(view: &View, canvas: &Canvas) -> Vec<String> {
    let room = canvas.height.saturating_sub(1);
    let (head, foot) = (head(view), foot(view));
    let mut left = room.saturating_sub(2);
    // What the checklist itself would take with all its steps.
    let checks = wanted(view, canvas);
    let aside = aside(view, canvas, left.saturating_sub(checks).max(left / 3));
    left -= aside.len();
    let mut lines = vec![head];
    lines.extend(checklist(view, canvas, left));
    lines.extend(aside);
    lines.push(foot);
    lines.truncate(room.max(1));
    lines.iter().map(|line| line.write(canvas)).collect()
}

/// What stands beside the checklist, in so many lines: what the evidence says, transfers, and
/// unexpected flows. Of the latter two a line each keeps its place, and they share what is left.
fn aside(view: &View, canvas: &Canvas, room: usize) -> Vec<Line> {
    let kept = usize::from(view.transfer_count > 0) + usize::from(view.unexpected_count > 0);
    let mut lines = diagnoses(view, canvas, room.saturating_sub(kept));
    let left = room - lines.len();
    let of_found = match view.unexpected_count {
        0 => 0,
        count => (count + 1).min(left.div_ceil(2)),
    };
    lines.extend(block(
        &view.transfers,
        view.transfer_count,
        left - of_found,
        moving,
    ));
    lines.extend(found(view, room - lines.len()));
    lines
}

/// Where, how long, how much.
fn head(view: &View) -> Line {
    let tenths = view.elapsed.as_millis() / 100;
    let line = Line::default()
        .with(Ink::Strong, &view.interfaces)
        .then(Ink::Plain, format!("{}.{} s", tenths / 10, tenths % 10))
        .then(Ink::Plain, count(view.packets, "packet"))
        .then(Ink::Plain, bytes(view.bytes));
    let line = match view.dropped {
        None => line,
        Some(0) => line.then(Ink::Faint, "0 dropped"),
        Some(dropped) => line.then(Ink::Bad, format!("{} dropped", number(dropped))),
    };
    let packets = count(view.packets_per_second, "packet");
    line.then(Ink::Faint, format!("{packets}/s"))
        .then(Ink::Faint, format!("{}/s", bytes(view.bytes_per_second)))
}

/// What is waited for, and when the watch ends.
fn foot(view: &View) -> Line {
    let line = match (&view.open, view.open_count) {
        _ if view.is_satisfied => Line::default().with(Ink::Good, "all that is required was seen"),
        (Some(open), 1) => Line::default().with(Ink::Strong, format!("waits for {open}")),
        (Some(open), several) => {
            let more = format!(" and {} more", number(several.saturating_sub(1)));
            Line::default()
                .with(Ink::Strong, format!("waits for {open}"))
                .with(Ink::Plain, more)
        }
        (None, _) if view.runs.is_empty() && view.rules.is_empty() => {
            Line::default().with(Ink::Faint, "nothing is required")
        }
        (None, _) => Line::default().with(Ink::Faint, "nothing that is required can be seen here"),
    };
    line.then(Ink::Faint, &view.ends)
}

/// How many lines the checklist takes where there is room for all.
fn wanted(view: &View, canvas: &Canvas) -> usize {
    let is_only = view.runs.len() == 1;
    let runs = view
        .runs
        .iter()
        .map(|run| match run.need == Need::Satisfied && !is_only {
            true => 1,
            false => whole(run, canvas).len(),
        });
    let rules = view
        .rules
        .iter()
        .filter(|rule| rule.need != Need::Satisfied);
    runs.sum::<usize>() + rules.count() + 1
}

/// Runs and rules in so many lines.
fn checklist(view: &View, canvas: &Canvas, room: usize) -> Vec<Line> {
    let urgent = |need: Need| need != Need::Satisfied;
    // Rules have a line each; runs leave them their share.
    let open_rules = view.rules.iter().filter(|rule| urgent(rule.need)).count();
    let rules_wanted = open_rules + usize::from(open_rules < view.rules.len());
    let rule_room = match view.runs.is_empty() {
        true => room,
        false => rules_wanted.min(room / 2),
    };
    let mut lines = runs(&view.runs, canvas, room - rule_room);
    lines.extend(rules(&view.rules, rule_room));
    lines
}

/// Runs in so many lines: those that need attention with their steps as far as there is room, the
/// others on a line each, and the rest counted.
fn runs(runs: &[Run], canvas: &Canvas, room: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let others = runs.len() - index - 1;
        let left = room - lines.len();
        // The last line counts those that have none.
        if left == 0 || (left == 1 && others > 0) {
            lines.extend(rest(&runs[index..]).filter(|_| left == 1));
            break;
        }
        let is_long = run.need != Need::Satisfied || runs.len() == 1;
        let forms = [whole(run, canvas), with_cause(run, canvas)];
        let fits = |form: &Vec<Line>| is_long && form.len() + others.min(FEW) <= left;
        match forms.into_iter().find(fits) {
            Some(form) => lines.extend(form),
            None => lines.push(short(run)),
        }
    }
    lines
}

/// How many more there are, by what they need.
fn rest(runs: &[Run]) -> Option<Line> {
    let satisfied = runs
        .iter()
        .filter(|run| run.need == Need::Satisfied)
        .count();
    more(runs.len() - satisfied, satisfied)
}

fn more(open: usize, satisfied: usize) -> Option<Line> {
    let text = match (open as u64, satisfied as u64) {
        (0, 0) => return None,
        (0, satisfied) => format!("and {} more satisfied", number(satisfied)),
        (open, 0) => format!("and {} more open", number(open)),
        (open, satisfied) => {
            format!(
                "and {} more open, {} satisfied",
                number(open),
                number(satisfied)
            )
        }
    };
    Some(Line::indented(2).with(Ink::Faint, text))
}

fn title(run: &Run) -> Line {
    let (ink, sign) = match run.need {
        Need::Failed => Mark::Failed.sign(),
        Need::Waiting => Mark::Waiting.sign(),
        Need::NotBegun => Mark::Later.sign(),
        Need::Satisfied => Mark::Done.sign(),
    };
    let host = run.host.as_deref().unwrap_or("no machine as yet");
    Line::default()
        .with(ink, sign)
        .with(Ink::Plain, " ")
        .with(Ink::Strong, &run.scenario)
        .then(Ink::Strong, host)
}

/// Why the first missing step is missing, under it.
fn cause(step: &Step, canvas: &Canvas) -> impl Iterator<Item = Line> {
    let (ink, _) = step.mark.sign();
    let width = canvas.width.saturating_sub(BODY + 1).max(NARROWEST);
    let lines = wrapped(&step.note, width, CAUSE_LINES).into_iter();
    lines.map(move |text| Line::indented(BODY).with(ink, text))
}

/// A step with its sign.
fn name(step: &Step) -> Line {
    let (ink, sign) = step.mark.sign();
    let name = match step.mark {
        Mark::Later => Ink::Faint,
        _ => Ink::Plain,
    };
    Line::indented(2)
        .with(ink, sign)
        .with(Ink::Plain, " ")
        .with(name, &step.name)
}

/// A run with its steps, a line each, and the cause under the first that is missing.
fn whole(run: &Run, canvas: &Canvas) -> Vec<Line> {
    let mut lines = vec![title(run)];
    for step in &run.steps {
        if run.missing() == Some(step) {
            lines.push(name(step));
            lines.extend(cause(step, canvas));
        } else if step.mark == Mark::Later {
            lines.push(name(step));
        } else {
            lines.push(name(step).then(Ink::Faint, &step.note));
        }
    }
    lines
}

/// A run with its steps as signs, and below them the first that is missing with its cause.
fn with_cause(run: &Run, canvas: &Canvas) -> Vec<Line> {
    let mut lines = vec![signs(run)];
    if let Some(step) = run.missing() {
        lines.push(name(step));
        lines.extend(cause(step, canvas));
    }
    lines
}

/// The steps of a run as signs.
fn signs(run: &Run) -> Line {
    let line = title(run).with(Ink::Plain, "  ");
    run.steps.iter().fold(line, |line, step| {
        let (ink, sign) = step.mark.sign();
        line.with(ink, sign)
    })
}

/// A run on one line, with the first step that is missing.
fn short(run: &Run) -> Line {
    match run.missing() {
        Some(step) => signs(run)
            .then(Ink::Strong, &step.name)
            .then(Ink::Plain, &step.note),
        None => signs(run),
    }
}

/// Rules in so many lines, those that need attention first.
fn rules(rules: &[Rule], room: usize) -> Vec<Line> {
    let open = rules
        .iter()
        .filter(|rule| rule.need != Need::Satisfied)
        .count();
    let satisfied = rules.len() - open;
    let is_all = rules.len() <= room;
    let shown = match is_all {
        true => rules.len(),
        false => room.saturating_sub(1).min(open.max(room.saturating_sub(1))),
    };
    let mut lines: Vec<Line> = rules[..shown].iter().map(rule).collect();
    if !is_all && room > 0 {
        let satisfied_shown = shown.saturating_sub(open);
        lines.extend(more(
            open.saturating_sub(shown),
            satisfied - satisfied_shown,
        ));
    }
    lines
}

fn rule(rule: &Rule) -> Line {
    let (ink, sign) = rule.mark.sign();
    Line::default()
        .with(ink, sign)
        .with(Ink::Plain, " ")
        .with(Ink::Strong, &rule.id)
        .then(Ink::Plain, rule.host.as_deref().unwrap_or_default())
        .then(Ink::Faint, &rule.note)
}

/// Rows of a list that has `count` entries, in so many lines: the last one counts the rest, but for
/// an only one.
fn block<T>(entries: &[T], count: usize, room: usize, row: impl Fn(&T) -> Line) -> Vec<Line> {
    let is_all = count <= entries.len().min(room);
    let most = if is_all || room == 1 {
        room
    } else {
        room.saturating_sub(1)
    };
    let shown = entries.len().min(most);
    let mut lines: Vec<Line> = entries[..shown].iter().map(row).collect();
    if !is_all && lines.len() < room {
        lines.extend(others(count - shown));
    }
    lines
}

/// How many more there are.
fn others(count: usize) -> Option<Line> {
    let text = format!("and {} more", number(count as u64));
    (count > 0).then(|| Line::indented(2).with(Ink::Faint, text))
}

fn moving(transfer: &Moving) -> Line {
    let line = Line::indented(2)
        .with(Ink::Strong, &transfer.file)
        .then(Ink::Plain, format!("{} → {}", transfer.from, transfer.to));
    let so_far = bytes(transfer.bytes);
    let line = match transfer.size {
        Some(size) => {
            let percent = u128::from(transfer.bytes) * 100 / u128::from(size);
            line.then(Ink::Strong, format!("{}%", percent.min(100)))
                .then(Ink::Plain, format!("{so_far} of {}", bytes(size)))
        }
        None => line.then(Ink::Plain, so_far),
    };
    match transfer.silent {
        Some(seconds) => line.then(Ink::Doubtful, format!("silent for {seconds} s")),
        None => line.then(
            Ink::Faint,
            format!("{}/s", bytes(transfer.bytes_per_second)),
        ),
    }
}

/// What the evidence says is wrong, in so many lines: names and hosts, each with its sentence
/// under it.
fn diagnoses(view: &View, canvas: &Canvas, room: usize) -> Vec<Line> {
    let width = canvas.width.saturating_sub(BODY + 1).max(NARROWEST);
    let mut lines = Vec::new();
    let mut left = view.diagnosis_count;
    for (title, text) in &view.diagnoses {
        let text = wrapped(text, width, CAUSE_LINES);
        // The last line counts those that have no room.
        let wanted = lines.len() + 1 + text.len() + usize::from(left > 1);
        if !lines.is_empty() && wanted > room {
            break;
        }
        left -= 1;
        lines.push(Line::default().with(Ink::Bad, format!("diagnosis: {title}")));
        let text = text.into_iter();
        lines.extend(text.map(|text| Line::indented(BODY).with(Ink::Plain, text)));
    }
    lines.extend(others(left));
    lines.truncate(room);
    lines
}

/// Unexpected flows under their heading, in so many lines.
fn found(view: &View, room: usize) -> Vec<Line> {
    if view.unexpected_count == 0 || room == 0 {
        return Vec::new();
    }
    let findings = count(view.unexpected_count as u64, "finding");
    let heading = Line::default()
        .with(Ink::Bad, format!("unexpected: {findings}"))
        .with(
            Ink::Plain,
            format!(" of {}", count(view.unexpected_flows, "flow")),
        );
    let rows = block(
        &view.unexpected,
        view.unexpected_count,
        room - 1,
        unexpected,
    );
    [heading].into_iter().chain(rows).collect()
}

fn unexpected(finding: &Unexpected) -> Line {
    let ends = format!("{} {} → {}", finding.protocol, finding.from, finding.to);
    Line::indented(2)
        .with(Ink::Bad, finding.reason)
        .then(Ink::Plain, ends)
        .then(Ink::Faint, count(finding.flows, "flow"))
}

/// Text in lines of this width, at most so many; the last one says so where it is cut.
fn wrapped(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let is_full = !line.is_empty() && line.width() + 1 + word.width() > width;
        if is_full && lines.len() + 1 == most {
            // Wider than the line, so that the sign of a cut stands at its end.
            line.push_str(&format!(" {word}{:width$}", ""));
            break;
        }
        if is_full {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}
