//! What a host is for.

/// Index of a role in [`Roles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(pub u8);

/// A set of roles, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleSet(u128);

impl RoleSet {
    /// No role.
    pub const EMPTY: Self = Self(0);

    /// Whether there is no role.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the role is among them.
    pub fn contains(self, role: RoleId) -> bool {
        self.0 >> role.0 & 1 == 1
    }

    /// Adds a role.
    pub fn insert(&mut self, role: RoleId) {
        self.0 |= 1 << role.0;
    }

    /// The roles of either.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The roles that are not among `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether they share a role.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The roles in the order of their ids.
    pub fn iter(self) -> impl Iterator<Item = RoleId> {
        (0..128)
            .map(RoleId)
            .filter(move |role| self.contains(*role))
    }
}

/// A role that policies and site files may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Kebab-case name.
    pub id: String,
    /// Name in words.
    pub name: String,
    /// Roles that a host with this one has too.
    pub also: Vec<RoleId>,
    /// Whether it is an external party: without addresses, any globally reachable address.
    pub external: bool,
    /// Editions that know it; empty for all.
    pub editions: Vec<String>,
}

/// Every role of a policy, at most 128.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    roles: Vec<Role>,
}

impl Roles {
    /// More roles than this are refused.
    pub const MAX: usize = 128;

    /// Adds a role; `None` where there are too many.
    pub fn add(&mut self, role: Role) -> Option<RoleId> {
        let id = u8::try_from(self.roles.len())
            .ok()
            .filter(|id| usize::from(*id) < Self::MAX)?;
        self.roles.push(role);
        Some(RoleId(id))
    }

    /// The role of that name.
    pub fn find(&self, name: &str) -> Option<RoleId> {
        let index = self.roles.iter().position(|role| role.id == name)?;
        Some(RoleId(index as u8))
    }

    /// What is known of a role.
    pub fn role(&self, id: RoleId) -> &Role {
        &self.roles[usize::from(id.0)]
    }

    /// Every role with its id.
    pub fn iter(&self) -> impl Iterator<Item = (RoleId, &Role)> {
        self.roles
            .iter()
            .enumerate()
            .map(|(index, role)| (RoleId(index as u8), role))
    }

    /// The set, with every role that its members have too.
    pub fn with_implied(&self, roles: RoleSet) -> RoleSet {
        let mut all = roles;
        loop {
            let mut next = all;
            for role in all.iter() {
                for also in &self.role(role).also {
                    next.insert(*also);
                }
            }
            if next == all {
                return all;
            }
            all = next;
        }
    }
}
