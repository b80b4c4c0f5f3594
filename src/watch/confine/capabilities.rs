//! Capabilities: all of them go, and what is left is read back.

use caps::{CapSet, Capability, CapsHashSet};

use super::ConfineError;

/// Empties the bounding set, where that is allowed; whether it is empty.
pub(super) fn empty_bounding_set() -> Result<bool, ConfineError> {
    // Without it nothing can be dropped, and there is little to gain: see `Confinement`.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(told)? {
        caps::clear(None, CapSet::Bounding).map_err(told)?;
    }
    Ok(caps::read(None, CapSet::Bounding).map_err(told)?.is_empty())
}

/// Drops every capability of the calling thread, and makes sure of it.
pub(super) fn drop_all() -> Result<(), ConfineError> {
    let mut sets = vec![CapSet::Inheritable, CapSet::Effective, CapSet::Permitted];
    if caps::runtime::ambient_set_supported().is_ok() {
        sets.insert(0, CapSet::Ambient);
    }
    for set in &sets {
        caps::clear(None, *set).map_err(told)?;
    }
    let mut left = CapsHashSet::new();
    for set in &sets {
        left.extend(caps::read(None, *set).map_err(told)?);
    }
    if left.is_empty() {
        return Ok(());
    }
    let mut names: Vec<String> = left.iter().map(ToString::to_string).collect();
    names.sort();
    Err(ConfineError::CapabilitiesStay {
        names: names.join(", "),
    })
}

fn told(error: caps::errors::CapsError) -> ConfineError {
    ConfineError::Capabilities {
        reason: error.to_string(),
    }
}
