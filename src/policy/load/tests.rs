//! Catalogues and extensions as users write them: what loads, and what is said of what does not.

use super::*;
use crate::policy::Roles;

/// What checking a file of this text reports, a line each.
fn reported(text: &str) -> Vec<String> {
    let source = Source::new("own.toml", text);
    let diagnostics = check_source(source, Path::new("own.toml"));
    diagnostics
        .entries
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A section of one row, between roles of the built-in catalogue.
fn section_with(row: &str) -> String {
    format!(
        "version = 1\n[[section]]\nanchor = \"own\"\ninitiator = \"client\"\n\
         responder = \"site-server\"\nrow = [\n{row},\n]\n"
    )
}

#[test]
fn every_built_in_edition_loads_without_a_warning() {
    let (editions, warnings) = Policy::load_all(BUILTIN, &[], Path::new("")).unwrap();
    assert_eq!(warnings.to_string(), "");
    let ids: Vec<&str> = editions
        .iter()
        .map(|policy| policy.edition.as_str())
        .collect();
    assert_eq!(ids, ["2017-09", "2018-09", "2020-04"]);
}

#[test]
fn reports_all_errors_of_an_extension_at_once() {
    let text = r#"version = 2
author = "me"

[[role]]
id = "client"

[[role]]
id = "Backup Server"

[[section]]
anchor = "backup"
initiator = "cleint"
responder = ["site-server", "backup"]
direction = "both"
rwo = []

[[section.row]]
service = "backup"
tcp = 0
udp = "5000-1024"

[[section]]
anchor = "BKMK_PortsAI"
initiator = "any"
row = [{ service = "http", tcp = 80 }]
"#;
    assert_eq!(
        reported(text),
        [
            "own.toml:1:11: error: version 2 of policy files is not known; this program reads version 1",
            "own.toml:2:1: error: unknown key `author`; valid keys: `version`, `name`, `include`, `edition`, `document`, `role`, `note`, `section`, `scenario`",
            "own.toml:5:6: error: role `client` is defined before",
            "own.toml:8:6: error: `Backup Server` can't name a role; use lower-case letters and digits, with hyphens between words",
            "own.toml:12:13: error: unknown role `cleint`; did you mean `client`?",
            "own.toml:13:29: error: unknown role `backup`",
            "own.toml:14:13: error: unknown direction `both`; valid directions: `one-way`, `either`",
            "own.toml:15:1: error: unknown key `rwo` in `section`; did you mean `row`?",
            "own.toml:19:7: error: `tcp` must be from 1 to 65535",
            "own.toml:20:7: error: the range ends before it begins; did you mean \"1024-5000\"?",
            "own.toml:22:1: error: `responder` is missing in `section`",
            "own.toml:23:10: error: anchor `BKMK_PortsAI` is used in `configmgr/2017-09.toml`; give this section an anchor of its own",
        ]
    );
}

#[test]
fn says_what_is_wrong_with_a_row() {
    for (row, expected) in [
        (
            "{ service = 'x' }",
            "own.toml:7:1: error: the row opens nothing; add `tcp`, `udp` or `icmp`, for example tcp = 443",
        ),
        (
            "{ tcp = 1 }",
            "own.toml:7:1: error: `service` is missing in `row`",
        ),
        (
            "{ service = 'x', tcp = 65536 }",
            "own.toml:7:24: error: `tcp` must be from 1 to 65535",
        ),
        (
            "{ service = 'x', tcp = '443' }",
            "own.toml:7:24: error: `443` is no port range; write a single port without quotes: 443",
        ),
        (
            "{ service = 'x', tcp = 'dynamic ports' }",
            "own.toml:7:24: error: `dynamic ports` is no port range; write a range like \"1024-5000\", or \"dynamic\" for RPC",
        ),
        (
            "{ service = 'x', tcp = '0-70000' }",
            "own.toml:7:25: error: `0` is no port from 1 to 65535\n\
             own.toml:7:27: error: `70000` is no port from 1 to 65535",
        ),
        (
            "{ service = 'x', udp = [] }",
            "own.toml:7:24: error: a row lists from 1 to 1024 ports, not 0",
        ),
        (
            "{ service = 'x', udp = [67, '60-70'] }",
            "own.toml:7:29: error: this port is listed before in the same row",
        ),
        (
            "{ service = 'x', udp = 1.5 }",
            "own.toml:7:24: error: `udp` must be a port, a range like \"1024-5000\" or \"dynamic\", found a number with a fraction",
        ),
        (
            "{ service = 'x', icmp = 'reply' }",
            "own.toml:7:25: error: only ICMP echo can be allowed; write icmp = \"echo\"",
        ),
        (
            "{ service = 'x', tcp = 'dynamic', kind = 'rpc-range' }",
            "own.toml:7:24: error: `rpc-range` needs the range in numbers",
        ),
        (
            "{ service = 'x', tcp = 1, kind = 'rpc-rnage' }",
            "own.toml:7:34: error: unknown kind `rpc-rnage`; did you mean `rpc-range`?",
        ),
        (
            "{ service = 'x', tcp = 'dynamic', alternate-port = true }",
            "own.toml:7:52: error: `alternate-port` needs a port that another can replace",
        ),
        (
            "{ service = 'x', tcp = 1, alternatives = true }",
            "own.toml:7:42: error: `alternatives` needs several ports to choose from",
        ),
        (
            "{ service = 'x', tcp = 1, notes = [7, true] }",
            "own.toml:7:36: error: the file has no [[note]] with number 7\n\
             own.toml:7:39: error: `notes` must be the number of a note, or a note's own words, found a boolean",
        ),
        (
            "{ service = 'x', tcp = 1, fallback = ['http'] }",
            "own.toml:7:39: error: the section has no row for `http`; valid services: `x`",
        ),
        (
            "{ service = 'htttp', tcp = 1 }",
            "own.toml:7:13: warning: `htttp` is no service of the built-in catalogue; did you mean `http`?",
        ),
        (
            "{ service = 'x', tcp = 1 }, { service = 'x', tcp = 1 }",
            "own.toml:7:29: warning: this row is listed before in the same section",
        ),
        ("{ service = 'backup-agent', tcp = 9999 }", ""),
    ] {
        assert_eq!(reported(&section_with(row)).join("\n"), expected, "{row}");
    }
}

#[test]
fn says_what_is_wrong_with_scenarios_and_references() {
    let text = r#"version = 1

[[section]]
anchor = "list"
see = ["lits"]

[[scenario]]
name = "pxe-boot"
hosts = ["client"]
trigger = "boot"

[[scenario.step]]
name = "policy"
rules = ["BKMK_PortsClient-MP/htps"]
after-trigger = true

[[scenario.step]]
name = "policy"
"#;
    assert_eq!(
        reported(text),
        [
            "own.toml:5:8: error: the file has no section `lits`; did you mean `list`?",
            "own.toml:8:8: error: scenario `pxe-boot` is defined before",
            "own.toml:10:11: error: unknown trigger `boot`; valid values: `required`, `network-boot`, `client-push`",
            "own.toml:13:8: error: `after-trigger`, but nothing triggers the scenario",
            "own.toml:14:10: error: no rule is named `BKMK_PortsClient-MP/htps`; did you mean `BKMK_PortsClient-MP/https`?",
            "own.toml:17:1: error: nothing can satisfy this step; add `rules` or `evidence`",
            "own.toml:18:8: error: step `policy` is listed before",
        ]
    );
}

#[test]
fn refuses_more_roles_than_a_set_holds() {
    let mut text = "version = 1\nname = \"many\"\n".to_owned();
    for role in 0..=Roles::MAX {
        text.push_str(&format!("[[role]]\nid = \"role-{role}\"\n"));
    }
    assert_eq!(
        reported(&text),
        ["own.toml:260:6: error: there are more than 128 roles"]
    );
}

#[test]
fn refuses_rows_that_stand_for_too_many_rules() {
    let mut text = "version = 1\nname = \"many\"\n".to_owned();
    let names: Vec<String> = (0..Roles::MAX)
        .map(|role| format!("\"role-{role}\""))
        .collect();
    for name in &names {
        text.push_str(&format!("[[role]]\nid = {name}\n"));
    }
    let all = names.join(", ");
    text.push_str(&format!(
        "[[section]]\nanchor = \"all\"\ninitiator = [{all}]\nresponder = [{all}]\n\
         row = [{{ service = \"http\", tcp = 80 }}, {{ service = \"https\", tcp = 443 }}]\n"
    ));
    let line = 3 + 2 * Roles::MAX + 1;
    assert_eq!(
        reported(&text),
        [format!(
            "own.toml:{line}:10: error: there are more than 20000 rules"
        )]
    );
}

#[test]
fn reads_a_catalogue_of_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "mine.toml",
        "version = 1\nname = \"mine\"\ninclude = [\"old.toml\", \"new.toml\"]\n\
         [[role]]\nid = \"desk\"\n[[role]]\nid = \"file-server\"\n",
    );
    let edition = |id: &str, port: u16| {
        format!(
            "version = 1\n[edition]\nid = \"{id}\"\n[[section]]\nanchor = \"files\"\n\
             initiator = \"desk\"\nresponder = \"file-server\"\n\
             row = [{{ service = \"smb\", tcp = {port} }}]\n"
        )
    };
    write("old.toml", &edition("old", 139));
    write("new.toml", &edition("new", 445));
    write(
        "more.toml",
        "version = 1\n[[section]]\nanchor = \"more\"\ninitiator = \"any\"\n\
         responder = \"desk\"\nrow = [{ service = \"x\", udp = [1, 2] }]\n",
    );
    let extend = ["more.toml".to_owned()];
    let load = |edition| Policy::load("mine.toml", edition, &extend, folder.path());

    let (newest, warnings) = load(None).unwrap();
    assert_eq!(
        (newest.name.as_str(), newest.edition.as_str()),
        ("mine", "new")
    );
    assert_eq!(warnings, Diagnostics::default());
    let ids: Vec<&str> = newest.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["files/smb/tcp", "more/x/udp"]);
    assert_eq!(newest.rules[0].ports[0].low, 445);
    assert!(newest.rules.iter().all(|rule| rule.edition == "new"));
    assert!(newest.rules[1].document.ends_with("more.toml"));
    let (old, _) = load(Some("old")).unwrap();
    assert_eq!(old.rules[0].ports[0].low, 139);
    let error = load(Some("odl")).unwrap_err().to_string();
    assert_eq!(
        error,
        "mine: error: there is no edition `odl` of this catalogue; did you mean `old`?"
    );
    assert_eq!(
        check(&folder.path().join("mine.toml")),
        Diagnostics::default()
    );
}

#[test]
fn the_documented_example_is_valid() {
    let module = include_str!("../file/mod.rs");
    let (_, example) = module.split_once("//! ```toml\n").unwrap();
    let (example, _) = example.split_once("//! ```\n").unwrap();
    let lines = example.lines();
    let text: Vec<&str> = lines.map(|line| line.trim_start_matches("//!")).collect();
    assert_eq!(reported(&text.join("\n")), Vec::<String>::new());
}

#[test]
fn names_the_editions_that_exist() {
    let error = Policy::builtin(Some("2019")).unwrap_err().to_string();
    assert_eq!(
        error,
        "configmgr: error: there is no edition `2019` of this catalogue; \
         valid editions: `2017-09`, `2018-09`, `2020-04`"
    );
}

#[test]
fn extension_and_part_files_keep_to_their_place() {
    assert_eq!(
        reported("version = 1\nname = \"x\"\ninclude = [\"no/such.toml\"]\n").len(),
        1
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edition.toml");
    std::fs::write(&path, "version = 1\ninclude = ['x']\n[edition]\nid = 'e'\n").unwrap();
    let extend = [path.display().to_string()];
    let found = Policy::load(BUILTIN, None, &extend, Path::new("")).unwrap_err();
    let messages: Vec<&str> = found
        .entries
        .iter()
        .map(|entry| entry.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "only the first file of a catalogue includes others",
            "rules that extend a catalogue hold in all of its editions"
        ]
    );
}

#[test]
fn survives_any_text() {
    for text in [
        "",
        "\u{feff}",
        "version",
        "[[section]]",
        "section = 1",
        "row = [",
        "\0",
    ] {
        assert!(!reported(text).is_empty(), "{text:?}");
    }
}

#[test]
fn finds_rules_by_section_service_and_id() {
    let policy = Policy::builtin(Some("2018-09")).unwrap();
    let ids = |name: &str| -> Vec<&str> {
        let found = policy.find_rules(name).into_iter();
        found.map(|rule| policy.rules[rule].id.as_str()).collect()
    };
    assert_eq!(
        ids("bkmk_cmgcp-mp"),
        [
            "bkmk_cmgcp-mp/https/tcp/1",
            "bkmk_cmgcp-mp/http/tcp",
            "bkmk_cmgcp-mp/https/tcp/2"
        ]
    );
    assert_eq!(ids("bkmk_cmgcp-mp/https").len(), 2);
    assert_eq!(ids("bkmk_cmgcp-mp/https/tcp/2").len(), 1);
    assert_eq!(ids("BKMK_PortsAI"), ["BKMK_PortsAI/https/tcp"]);
    assert!(ids("BKMK_Ports").is_empty() && ids("").is_empty());
    for name in policy.rule_names() {
        assert!(!policy.find_rules(&name).is_empty(), "{name}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Every diagnostic of a damaged file points into it.
    #[test]
    fn damage_is_reported_in_place(
        start in 0.0..1.0f64,
        length in 0usize..80,
        inserted in "[\\[\\]{}=\"',#.a-z0-9\n-]{0,12}",
    ) {
        let text = include_str!("../catalogue/client-firewall.toml");
        let whole = |mut place: usize| {
            while !text.is_char_boundary(place) {
                place -= 1;
            }
            place
        };
        let start = whole((start * text.len() as f64) as usize);
        let end = whole((start + length).min(text.len()));
        let damaged = format!("{}{inserted}{}", &text[..start], &text[end..]);
        let lines = damaged.lines().count();
        let renamed = damaged.replace("anchor = \"", "anchor = \"own-");
        let source = Source::new("own.toml", renamed);
        for entry in check_source(source, Path::new("own.toml")).entries {
            proptest::prop_assert_eq!(&entry.file, "own.toml");
            proptest::prop_assert!(entry.line <= lines + 1, "{entry}");
        }
    }
}
