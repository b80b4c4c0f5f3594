//! `[roles]`: which addresses hold which roles.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::address::{looks_like_address, read_range};
use super::prefix::conflicts;
use super::{AddressRange, Vocabulary};
use crate::config::{Located, Problems, Table, quoted, suggestion};
use crate::policy::{RoleId, RoleSet};

/// Ranges with roles, each once, in the order of the file.
type Holding = Vec<(AddressRange, RoleSet)>;

/// Reads `[roles]`: ranges with every role that they hold, and with those only that they are
/// written under.
pub(super) fn read(table: &Table<'_>, names: &Vocabulary<'_>) -> (Holding, Holding) {
    let problems = table.problems();
    let lists: Vec<List> = table
        .entries()
        .iter()
        .filter_map(|entry| {
            let role = names.role(problems, &entry.key);
            if let Some(role) = role
                && names.complete
                && !names.knows(role)
            {
                warn_of_edition(problems, &entry.key, names.edition);
            }
            let texts = entry.value.strings()?;
            List::read(problems, names, role, &texts)
        })
        .collect();
    report_cycles(problems, names, &lists);
    report_nobody(problems, names, &lists);
    report_conflicts(problems, &lists);
    let held = spread(&lists, |role| holders_of(names, &lists, role));
    let written = spread(&lists, |role| {
        let mut alone = RoleSet::EMPTY;
        alone.insert(role);
        alone
    });
    (held, written)
}

/// What stands under one role.
#[derive(Debug)]
struct List {
    role: RoleId,
    ranges: Vec<(AddressRange, Range<usize>)>,
    /// `@role`, each role once, with its first place.
    mentions: Vec<(RoleId, Range<usize>)>,
    /// The roles of `mentions`.
    mentioned: RoleSet,
}

impl List {
    /// Reads every entry, even where the role itself is unknown: its errors show too.
    fn read(
        problems: &Problems<'_>,
        names: &Vocabulary<'_>,
        role: Option<RoleId>,
        texts: &[Located<&str>],
    ) -> Option<Self> {
        let mut ranges = Vec::new();
        let mut mentions = Vec::new();
        let mut mentioned = RoleSet::EMPTY;
        for text in texts {
            if let Some(name) = text.value.strip_prefix('@') {
                let name = Located {
                    value: name,
                    span: text.part(problems, 1..text.value.len()),
                };
                if let Some(other) = names.role(problems, &name)
                    && !mentioned.contains(other)
                {
                    mentioned.insert(other);
                    mentions.push((other, name.span));
                }
            } else if looks_like_address(text.value) || text.value.is_empty() {
                if let Some(range) = read_range(problems, text) {
                    ranges.push((range, text.span.clone()));
                }
            } else {
                report_word(problems, names, text);
            }
        }
        role.map(|role| Self {
            role,
            ranges,
            mentions,
            mentioned,
        })
    }
}

fn warn_of_edition(problems: &Problems<'_>, key: &Located<&str>, edition: &str) {
    let message = format!(
        "edition {edition} has no rule for the role {}",
        quoted(key.value)
    );
    let help = Some("its hosts have only the rules of their other roles".to_owned());
    problems.warning(key.span.clone(), message, help);
}

/// A word in place of an address is most likely a role without its `@`.
fn report_word(problems: &Problems<'_>, names: &Vocabulary<'_>, text: &Located<&str>) {
    let message = format!("{} is not an address", quoted(text.value));
    let roles = || names.roles.iter().map(|(_, role)| role.id.as_str());
    let help = match crate::config::nearest(text.value, roles()) {
        Some(role) => format!("every host of a role is written `@{role}`"),
        None => "write an address, a prefix, a range `first-last` or `@role`".to_owned(),
    };
    problems.error_with_help(text.span.clone(), message, Some(help));
}

/// A role that mentions itself, over others or not.
fn report_cycles(problems: &Problems<'_>, names: &Vocabulary<'_>, lists: &[List]) {
    let mut edges: BTreeMap<RoleId, Vec<(RoleId, &Range<usize>)>> = BTreeMap::new();
    for list in lists {
        let mentions = list.mentions.iter().map(|(role, span)| (*role, span));
        edges.entry(list.role).or_default().extend(mentions);
    }
    let id = |role: RoleId| names.roles.role(role).id.as_str();
    let mut reported = RoleSet::EMPTY;
    for list in lists {
        let Some(path) = cycle_from(list.role, &edges) else {
            continue;
        };
        // Each cycle is met once from every role on it; the first in the file tells it.
        if path.iter().any(|(role, _)| reported.contains(*role)) {
            continue;
        }
        let steps: Vec<String> = path
            .iter()
            .map(|(role, _)| format!("@{}", id(*role)))
            .collect();
        let message = match &steps[..] {
            [_] => format!("`{}` mentions itself", id(list.role)),
            _ => format!("`{}` mentions itself: {}", id(list.role), steps.join(", ")),
        };
        let help = Some("list the addresses in one place".to_owned());
        problems.error_with_help(path[0].1.clone(), message, help);
        for (role, _) in path {
            reported.insert(role);
        }
    }
}

/// The mentions that lead from a role back to itself, the shortest way.
fn cycle_from<'a>(
    start: RoleId,
    edges: &BTreeMap<RoleId, Vec<(RoleId, &'a Range<usize>)>>,
) -> Option<Vec<(RoleId, &'a Range<usize>)>> {
    let mut reached: HashMap<RoleId, (RoleId, &'a Range<usize>)> = HashMap::new();
    let mut queue = vec![start];
    let mut next = 0;
    while let Some(role) = queue.get(next).copied() {
        next += 1;
        for (to, span) in edges.get(&role).into_iter().flatten() {
            if reached.contains_key(to) {
                continue;
            }
            reached.insert(*to, (role, *span));
            if *to != start {
                queue.push(*to);
                continue;
            }
            let mut path = Vec::new();
            let mut at = start;
            loop {
                let (from, span) = reached[&at];
                path.push((at, span));
                at = from;
                if at == start {
                    path.reverse();
                    return Some(path);
                }
            }
        }
    }
    None
}

/// `@role` where no host of that role is listed.
fn report_nobody(problems: &Problems<'_>, names: &Vocabulary<'_>, lists: &[List]) {
    let mut listed = RoleSet::EMPTY;
    for list in lists {
        listed.insert(list.role);
    }
    let listed = names.roles.with_implied(listed);
    for (role, span) in lists.iter().flat_map(|list| &list.mentions) {
        if !listed.contains(*role) {
            let id = &names.roles.role(*role).id;
            let message = format!("no address is listed for `{id}`");
            let keys = lists
                .iter()
                .map(|list| names.roles.role(list.role).id.as_str());
            let help = suggestion(id, "roles with addresses", keys);
            problems.warning(span.clone(), message, help);
        }
    }
}

/// Different ranges of one size that overlap, wherever in `[roles]` they stand.
fn report_conflicts(problems: &Problems<'_>, lists: &[List]) {
    let listed: Vec<&(AddressRange, Range<usize>)> =
        lists.iter().flat_map(|list| &list.ranges).collect();
    let ranges: Vec<AddressRange> = listed.iter().map(|(range, _)| *range).collect();
    for (earlier, later) in conflicts(&ranges) {
        let (one, place) = listed[earlier];
        let (other, span) = listed[later];
        let (line, column) = problems.source().position(place.start);
        let message = format!(
            "`{other}` overlaps `{one}` (line {line}, column {column}), which has as many \
             addresses: neither is more specific"
        );
        let help = Some(
            "list the addresses that are in both as a range of their own and shorten the others"
                .to_owned(),
        );
        problems.error_with_help(span.clone(), message, help);
    }
}

/// The ranges of every list, with the roles that those of a list have.
fn spread(lists: &[List], held: impl Fn(RoleId) -> RoleSet) -> Holding {
    let mut ranges = Holding::new();
    let mut places: HashMap<AddressRange, usize> = HashMap::new();
    for list in lists {
        let held = held(list.role);
        for (range, _) in &list.ranges {
            let place = *places.entry(*range).or_insert_with(|| {
                ranges.push((*range, RoleSet::EMPTY));
                ranges.len() - 1
            });
            ranges[place].1 = ranges[place].1.union(held);
        }
    }
    ranges
}

/// The role, and every role whose list mentions it or a role that it implies.
fn holders_of(names: &Vocabulary<'_>, lists: &[List], role: RoleId) -> RoleSet {
    let mut holders = RoleSet::EMPTY;
    let mut queue = vec![role];
    while let Some(held) = queue.pop() {
        if holders.contains(held) {
            continue;
        }
        holders.insert(held);
        let mut held_too = RoleSet::EMPTY;
        held_too.insert(held);
        let held_too = names.roles.with_implied(held_too);
        let mentioning = lists
            .iter()
            .filter(|list| list.mentioned.intersects(held_too));
        queue.extend(mentioning.map(|list| list.role));
    }
    holders
}
