//! The valid name that a misspelt one most likely means.

/// Names longer than this are no misspelling of anything valid; comparing them would cost
/// the product of the lengths.
const MAX_CHARS: usize = 64;

/// The valid name with the fewest typing errors (letters added, left out, swapped or
/// replaced), where there are few enough to be sure; the first of several.
///
/// Case and `_` for `-` don't count as errors.
pub fn nearest<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.chars().nth(MAX_CHARS).is_some() {
        return None;
    }
    let name = folded(name);
    let length = name.chars().count();
    let distances = valid.into_iter().filter_map(|candidate| {
        let most = tolerance(length, candidate.chars().count())?;
        let distance = strsim::osa_distance(&name, &folded(candidate));
        (distance <= most).then_some((distance, candidate))
    });
    distances
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `client`?``, or a list of the valid names where none is near and they are few.
pub fn suggestion<'a>(
    name: &str,
    kind: &str,
    valid: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    const MAX_LISTED: usize = 12;

    let valid: Vec<&str> = valid.into_iter().collect();
    if let Some(near) = nearest(name, valid.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    if valid.is_empty() || valid.len() > MAX_LISTED {
        return None;
    }
    let names: Vec<String> = valid.iter().map(|name| format!("`{name}`")).collect();
    Some(format!("valid {kind}: {}", names.join(", ")))
}

fn folded(name: &str) -> String {
    name.to_lowercase().replace(['_', ' '], "-")
}

/// How many errors are allowed between names of these lengths: a third of the shorter one, at
/// least one, but never a whole name. `None` where the lengths alone differ by more.
fn tolerance(length: usize, candidate: usize) -> Option<usize> {
    let shorter = length.min(candidate);
    let most = (shorter / 3).max(1).min(shorter.saturating_sub(1));
    (length.abs_diff(candidate) <= most).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [&str; 4] = ["client", "management-point", "site-server", "sql-server"];

    #[test]
    fn finds_the_misspelt_name() {
        let near = |name| nearest(name, ROLES);
        assert_eq!(near("managment-point"), Some("management-point"));
        assert_eq!(near("Site_Server"), Some("site-server"));
        assert_eq!(near("cleint"), Some("client"));
        assert_eq!(near("printer"), None);
        assert_eq!(near(""), None);
    }

    #[test]
    fn never_takes_a_short_name_for_an_unrelated_one() {
        assert_eq!(nearest("x", ["a", "b"]), None);
        assert_eq!(nearest("ab", ["ac"]), Some("ac"));
    }

    #[test]
    fn refuses_to_compare_endless_names() {
        assert_eq!(nearest(&"client".repeat(100_000), ROLES), None);
    }

    #[test]
    fn lists_what_is_valid_where_nothing_is_near() {
        assert_eq!(
            suggestion("cleint", "roles", ROLES).as_deref(),
            Some("did you mean `client`?")
        );
        assert_eq!(
            suggestion("zzz", "keys", ["a1", "b2"]).as_deref(),
            Some("valid keys: `a1`, `b2`")
        );
        assert_eq!(suggestion("zzz", "keys", []), None);
    }
}
