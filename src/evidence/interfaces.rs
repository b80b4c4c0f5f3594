//! Well-known RPC interfaces: the identifiers that Microsoft's open specifications and the DCE
//! specification (C706) assign. A name here never decides a verdict; it tells people what a
//! port is for.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::payload::Uuid;

/// Identifier, name, document, tab-separated, ascending.
const INTERFACES: &str = include_str!("interfaces.tsv");

static NAMES: LazyLock<HashMap<Uuid, &'static str>> = LazyLock::new(|| {
    let named = |line: &'static str| {
        let (identifier, rest) = line.split_once('\t')?;
        Some((Uuid::parse(identifier)?, rest.split('\t').next()?))
    };
    INTERFACES.lines().filter_map(named).collect()
});

/// The name of an interface, where it is well known.
pub(super) fn name(interface: Uuid) -> Option<&'static str> {
    NAMES.get(&interface).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{dce_rpc, endpoint_mapper};

    #[test]
    fn every_line_is_found_by_its_identifier() {
        assert!(INTERFACES.lines().is_sorted());
        for line in INTERFACES.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [identifier, expected, document] = fields[..] else {
                panic!("{line}");
            };
            let uuid = Uuid::parse(identifier).expect("an identifier");
            assert_eq!(uuid.to_string(), identifier);
            assert_eq!(name(uuid), Some(expected));
            assert!(document == "C706" || document.starts_with("MS-"));
        }
        assert_eq!(NAMES.len(), INTERFACES.lines().count());
    }

    #[test]
    fn what_is_not_listed_has_no_name() {
        assert_eq!(name(endpoint_mapper::INTERFACE), Some("epmapper"));
        assert_eq!(name(dce_rpc::NDR), None);
    }
}
