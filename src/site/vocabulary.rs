//! The names of the policy that a site file may use, and what to say about others.

use crate::config::{Located, Problems, quoted, suggestion};
use crate::policy::{Direction, Party, RoleId, RoleSet, Roles, Rule};

/// What a site file may name.
#[derive(Clone, Debug)]
pub struct Vocabulary<'p> {
    /// Every role of every edition.
    pub roles: &'p Roles,
    /// Rules of the edition in force.
    pub rules: &'p [Rule],
    /// Names of scenarios.
    pub scenarios: Vec<&'p str>,
    /// The edition in force.
    pub edition: &'p str,
    /// Whether the policy was read without errors. Otherwise nothing is said about names that
    /// are not there: they may stand where the errors are.
    pub complete: bool,
}

impl<'p> Vocabulary<'p> {
    /// Where the policy can't be read.
    pub(super) fn unread(no_roles: &'p Roles) -> Self {
        Self {
            roles: no_roles,
            rules: &[],
            scenarios: Vec::new(),
            edition: "",
            complete: false,
        }
    }

    /// The role of that name; another name is an error.
    pub(super) fn role(&self, problems: &Problems<'_>, name: &Located<&str>) -> Option<RoleId> {
        let role = self.roles.find(name.value);
        if role.is_none() && self.complete {
            let message = format!("unknown role {}", quoted(name.value));
            let valid = self.roles.iter().map(|(_, role)| role.id.as_str());
            let help = suggestion(name.value, "roles", valid);
            problems.error_with_help(name.span.clone(), message, help);
        }
        role
    }

    /// The role of that name, or `any`, as a part of a key; another name is an error.
    pub(super) fn party(
        &self,
        problems: &Problems<'_>,
        name: &str,
        key: &Located<&str>,
    ) -> Option<Party> {
        let role = self.roles.find(name);
        if role.is_none() && self.complete {
            let message = format!("{} is no role, and not `any`", quoted(name));
            let valid = self.roles.iter().map(|(_, role)| role.id.as_str());
            let help = suggestion(name, "roles", valid.chain(["any"]));
            problems.error_with_help(key.span.clone(), message, help);
        }
        role.map(Party::Role)
    }

    /// Whether the edition in force speaks of the role.
    pub(super) fn knows(&self, role: RoleId) -> bool {
        let editions = &self.roles.role(role).editions;
        editions.is_empty() || editions.iter().any(|edition| edition == self.edition)
    }

    /// Whether some rule lets a host with the role answer, and holds by `condition`.
    pub(super) fn role_answers(&self, role: RoleId, condition: impl Fn(&Rule) -> bool) -> bool {
        let mut set = RoleSet::EMPTY;
        set.insert(role);
        let set = self.roles.with_implied(set);
        let held = |party: Party| match party {
            Party::Any => true,
            Party::Role(role) => set.contains(role),
        };
        self.rules.iter().any(|rule| {
            let answers = held(rule.responder)
                || (rule.direction == Direction::Either && held(rule.initiator));
            answers && condition(rule)
        })
    }
}
