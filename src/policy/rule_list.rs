//! The rules that a flow fits, cheap to hand on: an answer is given to many flows.

use std::ops::Deref;
use std::sync::Arc;

/// Indices of rules, strongest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleList(
    /// `None` where there are none: most flows of a scan, which share nothing that way.
    Option<Arc<[u32]>>,
);

impl Deref for RuleList {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl FromIterator<u32> for RuleList {
    fn from_iter<T: IntoIterator<Item = u32>>(rules: T) -> Self {
        let rules: Arc<[u32]> = rules.into_iter().collect();
        Self((!rules.is_empty()).then_some(rules))
    }
}
