//! Ports by what opens them: ports that the same arms list are one class, so that a look-up
//! costs one step however many rules there are.

use hashbrown::HashMap;

use super::compile::{Arm, Opens};
use super::{Kind, Party, PortOrigin, Rule, RuleProtocol};

const PORTS: usize = 1 << 16;

/// Port → class → arms that list the port, strongest first.
#[derive(Clone, Debug)]
pub(super) struct PortTable {
    class_of: Box<[u16]>,
    classes: Vec<Vec<Entry>>,
}

/// Ports by their classes in two tables at once.
#[derive(Clone, Debug)]
pub(super) struct PortClasses {
    class_of: Box<[u16]>,
    parts: Vec<(u16, u16)>,
}

/// An arm that lists a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    /// Index of the arm.
    pub arm: u32,
    /// Whether the document or the site names the port.
    pub port: PortOrigin,
}

impl PortTable {
    pub fn new(rules: &[Rule], arms: &[Arm], protocol: RuleProtocol, opens: Opens) -> Self {
        let arms: Vec<(u32, &Arm)> = (0_u32..)
            .zip(arms)
            .filter(|(_, arm)| arm.protocol == protocol && arm.opens == opens)
            .collect();
        // Between two neighbouring edges every port has the same arms and the same origin.
        let mut edges: Vec<usize> = arms
            .iter()
            .flat_map(|(_, arm)| arm.ports.iter().chain(&rules[arm.rule as usize].ports))
            .flat_map(|range| [usize::from(range.low), usize::from(range.high) + 1])
            .chain([0])
            .filter(|edge| *edge < PORTS)
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let mut table = Self {
            class_of: vec![0; PORTS].into_boxed_slice(),
            classes: Vec::new(),
        };
        let mut known: HashMap<Vec<Entry>, u16, foldhash::fast::RandomState> = HashMap::default();
        for (index, low) in edges.iter().enumerate() {
            let high = edges.get(index + 1).copied().unwrap_or(PORTS);
            let entries = entries(rules, &arms, *low as u16);
            let next = table.classes.len();
            let class = *known.entry(entries.clone()).or_insert_with(|| {
                table.classes.push(entries);
                // There are never more classes than ports.
                next as u16
            });
            table.class_of[*low..high].fill(class);
        }
        table
    }

    /// The class of a port.
    pub fn class(&self, port: u16) -> u16 {
        self.class_of[usize::from(port)]
    }

    /// The arms of a class.
    pub fn entries(&self, class: u16) -> &[Entry] {
        &self.classes[usize::from(class)]
    }

    /// How many classes there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.classes.len()
    }
}

impl PortClasses {
    /// The classes that two tables make together.
    pub fn joint(one: &PortTable, other: &PortTable) -> Self {
        let mut known: HashMap<(u16, u16), u16, foldhash::fast::RandomState> = HashMap::default();
        let mut parts = Vec::new();
        let mut class_of = Vec::with_capacity(PORTS);
        let mut last = None;
        for part in one
            .class_of
            .iter()
            .copied()
            .zip(other.class_of.iter().copied())
        {
            // Neighbours mostly share their class.
            let class = match last.filter(|(known, _)| *known == part) {
                Some((_, class)) => class,
                None => *known.entry(part).or_insert_with(|| {
                    parts.push(part);
                    // There are never more classes than ports.
                    (parts.len() - 1) as u16
                }),
            };
            last = Some((part, class));
            class_of.push(class);
        }
        let class_of = class_of.into_boxed_slice();
        Self { class_of, parts }
    }

    /// The class of a port.
    pub fn class(&self, port: u16) -> u16 {
        self.class_of[usize::from(port)]
    }

    /// Its classes in the two tables.
    pub fn parts(&self, class: u16) -> (u16, u16) {
        self.parts[usize::from(class)]
    }

    /// How many classes there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.parts.len()
    }
}

fn entries(rules: &[Rule], arms: &[(u32, &Arm)], port: u16) -> Vec<Entry> {
    let mut found: Vec<_> = arms
        .iter()
        .filter_map(|(index, arm)| {
            let range = arm.ports.iter().find(|range| range.contains(port))?;
            let rule = &rules[arm.rule as usize];
            let documented = rule.ports.iter().any(|range| range.contains(port));
            let strength = (
                range.low != range.high,
                rule.kind == Kind::RpcRange,
                !documented,
                arm.initiator == Party::Any || arm.responder == Party::Any,
                rule.condition.is_some(),
                arm.rule,
                *index,
            );
            let port = if documented {
                PortOrigin::Documented
            } else {
                PortOrigin::Site
            };
            Some((strength, Entry { arm: *index, port }))
        })
        .collect();
    found.sort_unstable_by_key(|(strength, _)| *strength);
    found.into_iter().map(|(_, entry)| entry).collect()
}
