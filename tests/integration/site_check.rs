//! Site files: what a good one means, and what is said of a bad one, to the column.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use portolan::config::{Diagnostics, Source};
use portolan::net::Protocol;
use portolan::policy::{Party, PortRange, RoleSet};
use portolan::site::{
    AcceptedParty, AcceptedPorts, HostLookup, LoadedSite, RoleLookup, RpcMinimum, Site,
    SiteServerInitiates, summary,
};
use proptest::prelude::*;

/// Every key that a site file may have, but for `extend`.
const EVERYTHING: &str = r#"
version = 1
name = "Contoso PR1"

[policy]
catalogue = "configmgr"
edition = "2020-04"

[roles]
site-server        = ["10.0.0.10"]
management-point   = ["10.0.0.11", "2001:db8::11"]
distribution-point-pxe = ["10.0.0.12"]
software-update-point = ["10.0.0.20-10.0.0.21"]
domain-controller  = ["10.0.0.30"]
client             = ["10.1.0.0/16", "@site-server", "@management-point"]

[hosts]
mp1 = ["10.0.0.11", "2001:db8::11"]

[scope]
touching = ["distribution-point-pxe", "10.0.0.0/24"]

[ports]
http = [80, 8080]
[ports.software-update-point]
http = [8530]
https = [8531]

[rpc]
dynamic = ["49152-65535"]
minimum = "binding"
[rpc.roles]
domain-controller = ["50000-50200"]
[rpc.pairs]
"site-server -> management-point" = "endpoint"
"any->domain-controller" = "range"

[direction]
site-server-initiates = ["management-point"]

[vantage]
inside = ["10.0.0.0/24"]

[require]
scenarios = ["pxe-boot"]
rules = ["BKMK_PortsClient-MP"]
per-host = true

[[accept]]
match = "10.1.0.7 -> 10.0.0.99 tcp/9999"
reason = "backup agent, ticket 4711"
expires = 2027-01-31

[[accept]]
match = "client -> any icmp"
reason = "monitoring"
"#;

/// The least that is a site.
const HEAD: &str = "version = 1\n[roles]\nclient = ['10.1.0.0/16']\nsite-server = ['10.0.0.10']\n";

fn read(text: &str) -> Result<LoadedSite, Diagnostics> {
    Site::read(&Source::new("site.toml", text), Path::new(""))
}

fn good(text: &str) -> LoadedSite {
    read(text).unwrap_or_else(|errors| panic!("{}", errors.render(false)))
}

/// What is wrong with a file, a line each, without its name.
fn problems(text: &str) -> String {
    let found = match read(text) {
        Ok(loaded) => loaded.warnings,
        Err(errors) => errors,
    };
    found.to_string().replace("site.toml:", "")
}

/// What is wrong with lines after [`HEAD`], which has four.
fn problems_after_head(rest: &str) -> String {
    problems(&format!("{HEAD}{rest}"))
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn role_set(loaded: &LoadedSite, ids: &[&str]) -> RoleSet {
    let mut set = RoleSet::EMPTY;
    for id in ids {
        set.insert(loaded.policy.roles.find(id).expect(id));
    }
    set
}

#[test]
fn the_full_example_means_what_it_says() {
    let loaded = good(EVERYTHING);
    let LoadedSite { site, policy, .. } = &loaded;
    assert!(loaded.warnings.entries.is_empty(), "{}", loaded.warnings);
    assert_eq!(
        (site.name.as_str(), site.catalogue.as_str()),
        ("Contoso PR1", "configmgr")
    );
    assert_eq!(policy.edition, "2020-04");

    assert_eq!(
        site.hosts["mp1"],
        [address("10.0.0.11"), address("2001:db8::11")]
    );
    let (roles, ranges) = site.scope.as_ref().expect("a scope");
    assert_eq!(*roles, role_set(&loaded, &["distribution-point-pxe"]));
    assert_eq!(ranges[0].to_string(), "10.0.0.0/24");
    assert_eq!(site.ports["http"], [80, 8080]);
    let sup = policy.roles.find("software-update-point").expect("a role");
    assert_eq!(site.role_ports[&sup]["http"], [8530]);
    assert_eq!(site.role_ports[&sup]["https"], [8531]);
    let dc = policy.roles.find("domain-controller").expect("a role");
    let range = |low, high| vec![PortRange { low, high }];
    assert_eq!(site.rpc.dynamic, range(49152, 65535));
    assert_eq!(site.rpc.roles[&dc], range(50000, 50200));
    assert_eq!(site.rpc.minimum, RpcMinimum::Binding);
    let named = |id| Party::Role(policy.roles.find(id).expect("a role"));
    let pairs: Vec<_> = (site.rpc.pairs.iter())
        .map(|pair| (pair.from, pair.to, pair.minimum))
        .collect();
    let (server, point) = (named("site-server"), named("management-point"));
    assert_eq!(
        pairs,
        [
            (server, point, RpcMinimum::Endpoint),
            (Party::Any, Party::Role(dc), RpcMinimum::Range)
        ]
    );
    let mp = role_set(&loaded, &["management-point"]);
    assert_eq!(site.site_server_initiates, SiteServerInitiates::Roles(mp));
    assert_eq!(site.vantage_inside[0].to_string(), "10.0.0.0/24");
    assert_eq!(site.require.scenarios, ["pxe-boot"]);
    assert_eq!(site.require.rules, ["BKMK_PortsClient-MP"]);
    assert!(site.require.per_host);

    let [backup, ping] = &site.accept[..] else {
        panic!("two exceptions: {:?}", site.accept);
    };
    assert!(matches!(backup.from, AcceptedParty::Range(range) if range.to_string() == "10.1.0.7"));
    assert_eq!(backup.protocol, Some(Protocol::Tcp));
    assert_eq!(
        backup.ports,
        AcceptedPorts::Range(PortRange {
            low: 9999,
            high: 9999
        })
    );
    assert_eq!(backup.expires_text.as_deref(), Some("2027-01-31"));
    let expires = backup.expires.expect("a day").to_string();
    assert_eq!(expires, "2027-01-31T23:59:59.999999999Z");
    assert!(matches!(ping.from, AcceptedParty::Role(_)));
    assert_eq!(
        (&ping.to, ping.protocol),
        (&AcceptedParty::Any, Some(Protocol::IcmpEcho))
    );
    assert_eq!((ping.ports, ping.expires), (AcceptedPorts::Any, None));
}

#[test]
fn roles_follow_the_most_specific_range_and_at_signs() {
    let loaded = good(EVERYTHING);
    let lookup = RoleLookup::new(&loaded.site, &loaded.policy.roles);
    let at = |text: &str| lookup.roles(address(text));
    let set = |ids: &[&str]| role_set(&loaded, ids);
    assert_eq!(at("10.0.0.10"), set(&["site-server", "client"]));
    assert_eq!(at("2001:db8::11"), set(&["management-point", "client"]));
    assert_eq!(
        at("10.0.0.12"),
        set(&["distribution-point-pxe", "distribution-point"])
    );
    assert_eq!(at("10.0.0.21"), set(&["software-update-point"]));
    assert_eq!(at("10.1.255.255"), set(&["client"]));
    assert_eq!(at("10.0.0.22"), RoleSet::EMPTY);
    let external = at("1.1.1.1");
    assert!(
        set(&["internet", "microsoft"])
            .iter()
            .all(|role| external.contains(role))
    );
    assert_eq!(
        HostLookup::new(&loaded.site).name(address("2001:db8::11")),
        Some("mp1")
    );
}

#[test]
fn at_signs_reach_implied_roles_and_over_several_steps() {
    let loaded = good(
        "version = 1\n[roles]\ndistribution-point-pxe = ['10.0.0.12']\n\
         fallback-status-point = ['@distribution-point']\nclient = ['@fallback-status-point']\n",
    );
    let lookup = RoleLookup::new(&loaded.site, &loaded.policy.roles);
    let expected = role_set(
        &loaded,
        &[
            "client",
            "distribution-point",
            "distribution-point-pxe",
            "fallback-status-point",
        ],
    );
    assert_eq!(lookup.roles(address("10.0.0.12")), expected);
}

#[test]
fn the_summary_shows_how_the_file_was_understood() {
    assert_eq!(
        summary(&good(EVERYTHING))
            .lines()
            .filter(|line| !line.starts_with("policy"))
            .collect::<Vec<_>>()
            .join("\n"),
        "\
site      Contoso PR1
roles     client                  65,539 addresses in 4 ranges
          distribution-point-pxe  10.0.0.12
          management-point        2 addresses
          software-update-point   10.0.0.20/31
          site-server             10.0.0.10
          domain-controller       10.0.0.30
hosts     1 machine
scope     flows that touch distribution-point-pxe, 10.0.0.0/24
ports     changed for http, software-update-point http, software-update-point https
rpc       49152-65535, 1 role with ranges of their own, weakest basis binding, 2 pairs set apart
direction the site server initiates towards management-point
vantage   captured at the border of 10.0.0.0/24
require   pxe-boot, BKMK_PortsClient-MP, per host
accept    2 exceptions
no error, 0 warnings"
    );
}

#[test]
fn the_name_defaults_to_that_of_the_file() {
    assert_eq!(good(HEAD).site.name, "site");
    assert_eq!(good(HEAD).policy.edition, "2020-04");
}

#[test]
fn keys_and_version() {
    assert_eq!(
        problems("name = 'x'\nverison = 1\n[role]\n"),
        "1:1: error: `version` is missing\n\
         1:1: error: `roles` is missing\n\
         2:1: error: unknown key `verison`; did you mean `version`?\n\
         3:2: error: unknown key `role`; did you mean `roles`?"
    );
    assert_eq!(
        problems("version = 2\n[roles]\n"),
        "1:11: error: `version` must be 1"
    );
    assert_eq!(
        problems_after_head("[rpc]\nminimun = 'range'\n[[accept]]\nmacth = 'x'\nreason = 'y'\n"),
        "6:1: error: unknown key `minimun` in `rpc`; did you mean `minimum`?\n\
         7:1: error: `match` is missing in `accept`\n\
         8:1: error: unknown key `macth` in `accept`; did you mean `match`?"
    );
}

#[test]
fn policy_and_edition() {
    assert_eq!(
        problems_after_head("[policy]\nedition = '2020-05'\nextnd = []\n"),
        "6:11: error: unknown edition `2020-05`; did you mean `2020-04`?\n\
         7:1: error: unknown key `extnd` in `policy`; did you mean `extend`?"
    );
    let found = problems_after_head("[policy]\ncatalogue = 'configmgt'\n");
    assert!(
        found.starts_with("6:13: error: `configmgt`: the file can't be read")
            && found.ends_with("; did you mean `configmgr`?"),
        "{found}"
    );
}

#[test]
fn rules_of_the_site_can_be_required_and_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "version = 1\n[[section]]\nanchor = 'backup'\ninitiator = 'client'\n\
                 responder = 'site-server'\n\
                 row = [{ service = 'backup-agent', tcp = 9999, alternate-port = true }]\n";
    fs::write(folder.path().join("own.toml"), rules).expect("written");
    let site = folder.path().join("portolan.toml");
    let text = format!(
        "{HEAD}[policy]\nextend = ['own.toml']\n[ports]\nbackup-agent = [9998]\n\
         [require]\nrules = ['backup', 'backup/backup-agent/tcp']\n"
    );
    fs::write(&site, text).expect("written");
    let loaded = Site::load(&site).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.site.ports["backup-agent"], [9998]);
    assert_eq!(loaded.site.require.rules.len(), 2);
    assert_eq!(loaded.site.name, "portolan");
}

#[test]
fn a_file_from_a_windows_editor_reads_alike() {
    let text = format!("\u{feff}{HEAD}zzz = []\n").replace('\n', "\r\n");
    assert_eq!(problems(&text), "5:1: error: unknown role `zzz`");
}

#[test]
fn errors_of_site_and_policy_come_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("own.toml");
    fs::write(&rules, "verison = 1\n").expect("written");
    let site = folder.path().join("portolan.toml");
    let text =
        format!("{HEAD}[policy]\nextend = ['own.toml', 'none.toml']\n[rpc]\nminimum = 'all'\n");
    fs::write(&site, text).expect("written");
    let errors = Site::load(&site).expect_err("errors").to_string();
    assert!(
        errors.contains("portolan.toml:8:11: error: unknown RPC basis `all`"),
        "{errors}"
    );
    assert!(
        errors.contains("own.toml:1:1: error: unknown key `verison`"),
        "{errors}"
    );
    assert!(
        errors.contains("portolan.toml:6:23: error: `none.toml`: the file can't be read"),
        "{errors}"
    );
    assert!(
        !errors.contains("unknown role"),
        "the policy was not read: {errors}"
    );
}

#[test]
fn role_names() {
    assert_eq!(
        problems(
            "version = 1\n[roles]\nmanagment-point = ['10.0.0.1']\nclient = ['@site-sever', 'site-server']\n"
        ),
        "3:1: error: unknown role `managment-point`; did you mean `management-point`?\n\
         4:13: error: unknown role `site-sever`; did you mean `site-server`?\n\
         4:26: error: `site-server` is not an address; every host of a role is written `@site-server`"
    );
    assert_eq!(
        problems("version = 1\n[policy]\nedition = '2017-09'\n[roles]\ncloud-management-gateway = ['10.0.0.1']\n")
            .lines()
            .filter(|line| line.contains(" error: "))
            .count(),
        0,
        "a role of another edition is a warning at most"
    );
}

#[test]
fn roles_of_other_editions_are_warnings() {
    let loaded = good(
        "version = 1\n[policy]\nedition = '2017-09'\n[roles]\nsql-server-for-wsus = ['10.0.0.1']\n",
    );
    assert_eq!(
        loaded.warnings.to_string(),
        "site.toml:5:1: warning: edition 2017-09 has no rule for the role `sql-server-for-wsus`; \
         its hosts have only the rules of their other roles"
    );
}

#[test]
fn role_lists() {
    assert_eq!(
        problems("version = 1\n[roles]\nclient = '10.1.0.0/16'\nsite-server = [10]\n"),
        "3:10: error: `client` must be an array of strings; put it in brackets: ['10.1.0.0/16']\n\
         4:16: error: `site-server` must be a string, found an integer"
    );
    assert_eq!(
        problems("version = 1\n[roles]\nclient = ['10.1.2.3/16', '10.0.0.300', '']\n"),
        "3:11: error: `10.1.2.3/16` is an address within a prefix, not a prefix; \
         did you mean `10.1.0.0/16` or the one address `10.1.2.3`?\n\
         3:26: error: `10.0.0.300` is not an address; write an address like `10.0.0.10` or \
         `2001:db8::11`, a prefix like `10.1.0.0/16`, or a range like `10.0.0.5-10.0.0.9`\n\
         3:40: error: `` is not an address; write an address like `10.0.0.10` or \
         `2001:db8::11`, a prefix like `10.1.0.0/16`, or a range like `10.0.0.5-10.0.0.9`"
    );
}

#[test]
fn mentions_that_lead_nowhere_or_back() {
    assert_eq!(
        problems(
            "version = 1\n[roles]\nclient = ['@site-server', '@client']\nsite-server = ['@management-point']\nmanagement-point = ['@site-server']\n"
        ),
        "3:29: error: `client` mentions itself; list the addresses in one place\n\
         4:18: error: `site-server` mentions itself: @management-point, @site-server; \
         list the addresses in one place"
    );
    assert_eq!(
        problems("version = 1\n[roles]\nclient = ['10.1.0.0/16', '@site-server']\n"),
        "3:28: warning: no address is listed for `site-server`; valid roles with addresses: `client`"
    );
}

#[test]
fn ranges_of_one_size_that_overlap() {
    assert_eq!(
        problems(
            "version = 1\n[roles]\nclient = ['10.0.0.0-10.0.0.9']\nsite-server = ['10.0.0.5-10.0.0.14']\n"
        ),
        "4:16: error: `10.0.0.5-10.0.0.14` overlaps `10.0.0.0-10.0.0.9` (line 3, column 11), \
         which has as many addresses: neither is more specific; list the addresses that are in \
         both as a range of their own and shorten the others"
    );
}

#[test]
fn hosts() {
    assert_eq!(
        problems_after_head(
            "[hosts]\na = ['10.0.0.1', '10.0.0.0/24', 'x']\nb = ['10.0.0.1']\nc = []\n"
        ),
        "6:18: error: `10.0.0.0/24` is more than one address; list each address of the machine\n\
         6:33: error: `x` is not an address; write an address like `10.0.0.10` or \
         `2001:db8::11`, a prefix like `10.1.0.0/16`, or a range like `10.0.0.5-10.0.0.9`\n\
         7:6: error: `10.0.0.1` is already an address of `a` (line 6, column 6)\n\
         8:5: error: the host `c` has no address"
    );
}

#[test]
fn scope_and_vantage() {
    assert_eq!(
        problems_after_head("[scope]\n[vantage]\ninside = ['client', '10.0.0.0/8']\n"),
        "5:1: error: `touching` is missing in `scope`\n\
         7:11: error: `client` is a role; the capture's border is drawn by addresses: list prefixes"
    );
    assert_eq!(
        problems_after_head("[scope]\ntouching = ['clinet', '10.0.0.1/8']\n"),
        "6:13: error: unknown role `clinet`; did you mean `client`?\n\
         6:23: error: `10.0.0.1/8` is an address within a prefix, not a prefix; \
         did you mean `10.0.0.0/8` or the one address `10.0.0.1`?"
    );
    assert_eq!(
        problems_after_head("[scope]\ntouching = []\n"),
        "6:12: error: no flow touches an empty list; leave `[scope]` out to judge everything"
    );
}

#[test]
fn ports() {
    assert_eq!(
        problems_after_head(
            "[ports]\nhtp = [80]\nsmb = [4450]\nclient = [1]\nhttp = 80\nhttps = [0, 65536, 443, 443]\nsql = []\n"
        ),
        "6:1: error: unknown service `htp`; did you mean `http`?\n\
         7:1: error: the ports of `smb` can't be changed; \
         no rule of edition 2020-04 gives an alternate port for it\n\
         8:1: error: `client` is a role, not a service; write a table: [ports.client]\n\
         9:8: error: `http` must be an array of ports, like [80, 8080], found an integer\n\
         10:10: error: `https` must be from 1 to 65535\n\
         10:13: error: `https` must be from 1 to 65535\n\
         10:25: warning: port 443 is listed twice\n\
         11:7: error: no port is listed; leave it out for the documented port"
    );
    assert_eq!(
        problems_after_head(
            "[ports.managment-point]\nhttp = [8080]\n[ports.management-point]\nsmb = [1]\n"
        ),
        "5:8: error: unknown role `managment-point`; did you mean `management-point`?\n\
         8:1: error: the ports of `smb` of `management-point` can't be changed; \
         no rule of edition 2020-04 gives an alternate port for it"
    );
}

#[test]
fn wsus_ports_go_in_pairs() {
    let sup = |lines: &str| problems_after_head(&format!("[ports.software-update-point]\n{lines}"));
    assert_eq!(sup("http = [80, 8530]\nhttps = [8531, 443]\n"), "");
    assert_eq!(sup("http = [442]\nhttps = [443]\n"), "");
    assert_eq!(sup("http = [80, 442]\nhttps = [443]\n"), "");
    assert_eq!(
        sup("http = [80]\nhttps = [8531]\n"),
        "6:8: error: HTTP port 80 of a WSUS server goes with HTTPS port 443, which is not listed; \
         HTTP 80 goes with HTTPS 443, any other HTTP port with the next port\n\
         7:9: error: HTTPS port 8531 of a WSUS server goes with HTTP port 8530, which is not listed; \
         HTTP 80 goes with HTTPS 443, any other HTTP port with the next port"
    );
    assert_eq!(
        sup("http = [65535]\n"),
        "6:8: error: no HTTPS port goes with HTTP port 65535 of a WSUS server; \
         HTTP 80 goes with HTTPS 443, any other HTTP port with the next port"
    );
    assert_eq!(
        sup("sql = [1]\n"),
        "6:1: error: the ports of `sql` of `software-update-point` can't be changed; \
         no rule of edition 2020-04 gives an alternate port for it"
    );
    let derived = good(&format!(
        "{HEAD}[ports.upstream-wsus-server]\nhttp = [80, 9000]\n"
    ));
    let role = derived
        .policy
        .roles
        .find("upstream-wsus-server")
        .expect("a role");
    assert_eq!(derived.site.role_ports[&role]["https"], [443, 9001]);
    assert_eq!(
        problems_after_head("proxy = ['10.0.0.20']\n"),
        "5:1: warning: no rule leads to `proxy` without its port; \
         add it, for example [ports.proxy] with http = [3128]"
    );
    assert_eq!(
        problems_after_head("proxy = ['10.0.0.20']\n[ports.proxy]\nhttp = [3128]\n"),
        ""
    );
    let proxy = good(&format!("{HEAD}[ports.proxy]\nhttp = [3128]\n"));
    let role = proxy.policy.roles.find("proxy").expect("a role");
    assert_eq!(proxy.site.role_ports[&role]["http"], [3128]);
    assert_eq!(proxy.site.role_ports[&role].get("https"), None);
}

#[test]
fn rpc_and_direction() {
    assert_eq!(
        problems_after_head(
            "[rpc]\ndynamic = ['50000-49152', '0-5', 'x']\nminimum = 'bindng'\n[rpc.roles]\nclent = []\n"
        ),
        "6:12: error: the port range `50000-49152` ends before it begins; did you mean `49152-50000`?\n\
         6:27: error: port `0` is not from 1 to 65535\n\
         6:34: error: `x` is not a port range; write a port like `443` or a range like `49152-65535`\n\
         7:11: error: unknown RPC basis `bindng`; did you mean `binding`?\n\
         9:1: error: unknown role `clent`; did you mean `client`?\n\
         9:9: error: no port range is listed; leave it out for 49152-65535"
    );
    assert_eq!(
        problems_after_head(
            "[rpc.pairs]\n'clent -> managment-point' = 'bindng'\n'client' = 'range'\n'any -> any' = 'range'\n\
             '-> client' = 'range'\n'site-server -> client' = 1\n'site-server->client' = 'range'\n\
             'site-server  ->  client' = 'endpoint'\n'client -> site-server' = 'range'\n"
        ),
        "6:1: error: `clent` is no role, and not `any`; did you mean `client`?\n\
         6:1: error: `managment-point` is no role, and not `any`; did you mean `management-point`?\n\
         6:30: error: unknown RPC basis `bindng`; did you mean `binding`?\n\
         7:1: error: there is no `->`; write `FROM -> TO`, each a role or `any`\n\
         8:1: error: `any -> any` is every pair; set `minimum` in `[rpc]`\n\
         9:1: error: a role is missing beside `->`; write `FROM -> TO`, each a role or `any`\n\
         10:27: error: `site-server -> client` must be a string, found an integer\n\
         12:1: error: this pair stands above already\n\
         13:1: warning: no rule lets `client -> site-server` use RPC; leave it out: it changes nothing"
    );
    assert_eq!(
        problems_after_head(
            "[direction]\nsite-server-initiates = ['managementpoint', 'site-server']\n"
        ),
        "6:26: error: unknown role `managementpoint`; did you mean `management-point`?\n\
         6:45: warning: between a site server and `site-server` either side opens, \
         whatever stands here; leave it out"
    );
    assert_eq!(
        problems_after_head("[direction]\nsite-server-initiates = 'yes'\n"),
        "6:25: error: `site-server-initiates` must be `true`, `false` or an array of roles, found a string"
    );
    assert_eq!(
        problems_after_head(
            "[direction]\nsite-server-initiates = ['client', 'management-point', 'distribution-point']\n"
        ),
        "6:26: warning: no either-way rule lets `client` open towards the site server; \
         leave it out: it changes nothing\n\
         6:56: warning: no either-way rule lets `distribution-point` open towards the site server; \
         leave it out: it changes nothing"
    );
    let all = good(&format!(
        "{HEAD}[direction]\nsite-server-initiates = true\n"
    ));
    assert_eq!(all.site.site_server_initiates, SiteServerInitiates::All);
}

#[test]
fn requirements() {
    assert_eq!(
        problems_after_head(
            "[require]\nscenarios = ['pxeboot', 'client-push', 'client-push']\nrules = ['bkmk_portsclient-mp', \
             'BKMK_PortsClient-MP/htp', 'BKMK_PortsClient-MP/http', 'BKMK_PortsClient-M']\nper-host = 1\n"
        ),
        "6:14: error: unknown scenario `pxeboot`; did you mean `pxe-boot`?\n\
         6:40: warning: `client-push` is required twice\n\
         7:10: error: edition 2020-04 has no rule or section `bkmk_portsclient-mp`; did you mean `BKMK_PortsClient-MP`?\n\
         7:33: error: section `BKMK_PortsClient-MP` has no rule `htp`; did you mean `http`?\n\
         7:88: error: edition 2020-04 has no rule or section `BKMK_PortsClient-M`; did you mean `BKMK_PortsClient-MP`?\n\
         8:12: error: `per-host` must be `true` or `false`, found an integer"
    );
}

/// What is wrong with a `match`; its first character stands in column 10.
fn match_problems(text: &str) -> String {
    let found = problems_after_head(&format!("[[accept]]\nmatch = \"{text}\"\nreason = 'x'\n"));
    let lines = found
        .lines()
        .map(|line| line.strip_prefix("6:").expect("the line of `match`"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn exceptions_say_what_is_wrong_to_the_column() {
    const FORM: &str = "write FROM -> TO PROTOCOL/PORT, like `10.1.0.7 -> 10.0.0.99 tcp/9999`";
    for good in [
        "any -> any any",
        "any->any any/*",
        "10.1.0.0/16 -> client tcp/*",
        "2001:db8::1 -> 10.0.0.1-10.0.0.9 udp/1-65535",
        "client -> site-server gre",
        "client -> site-server ip-99/*",
        "client -> site-server icmp-other",
    ] {
        assert_eq!(match_problems(good), "", "{good}");
    }
    let wrong = [
        ("client any tcp/1", 10, "there is no `->`", FORM),
        (" -> any tcp/1", 11, "nothing stands before `->`", FORM),
        ("any ->", 14, "nothing stands after `->`", FORM),
        (
            "any any -> any tcp/1",
            14,
            "more than one word stands before `->`",
            FORM,
        ),
        (
            "any -> tcp/1",
            17,
            "either the responder or the protocol and port is missing",
            FORM,
        ),
        (
            "any -> any tcp / 1",
            25,
            "more than two words stand after `->`",
            FORM,
        ),
        (
            "clent -> any tcp/1",
            10,
            "`clent` is no address, prefix or range, no role, and not `any`",
            "did you mean `client`?",
        ),
        (
            "any -> 10.0.0.1/8 tcp/1",
            17,
            "`10.0.0.1/8` is an address within a prefix, not a prefix",
            "did you mean `10.0.0.0/8` or the one address `10.0.0.1`?",
        ),
        (
            "any -> @client tcp/1",
            17,
            "`@client` begins with `@`",
            "write the role alone: `client`",
        ),
        (
            "any -> any tpc/1",
            21,
            "unknown protocol `tpc`",
            "did you mean `tcp`?",
        ),
        (
            "any -> any */*",
            21,
            "unknown protocol `*`",
            "write `any/*` for every protocol",
        ),
        (
            "any -> any tcp",
            21,
            "the port of `tcp` is missing",
            "write `tcp/*` for every port",
        ),
        (
            "any -> any icmp/8",
            26,
            "`icmp` has no ports",
            "write `icmp/*`",
        ),
        (
            "any -> any any/8",
            25,
            "a port needs a protocol",
            "write `any/*`",
        ),
        (
            "any -> any tcp/9-5",
            25,
            "the port range `9-5` ends before it begins",
            "did you mean `5-9`?",
        ),
        (
            "any -> any tcp/http",
            25,
            "`http` is not a port range",
            "write a port like `443` or a range like `49152-65535`",
        ),
    ];
    for (text, column, message, help) in wrong {
        let expected = format!("{column}: error: {message}; {help}");
        assert_eq!(match_problems(text), expected, "{text}");
    }
    assert_eq!(
        match_problems("any -> any tcp/65536"),
        "25: error: port `65536` is not from 1 to 65535"
    );
    assert_eq!(
        match_problems("x1 -> 300.0.0.1 foo").lines().count(),
        3,
        "every part is read"
    );
}

#[test]
fn exceptions_need_a_reason_and_a_day() {
    assert_eq!(
        problems_after_head(
            "[[accept]]\nmatch = 'any -> any any'\nreason = ' '\nexpires = '2027-01-31'\n\
             [[accept]]\nmatch = 'any -> any any'\nexpires = 2027-01-31T00:00:00\n"
        ),
        "7:10: error: `reason` is empty; say who accepted it and where that is written down\n\
         8:11: error: `expires` must be a date, found a string; write it without quotes: 2027-01-31\n\
         9:1: error: `reason` is missing in `accept`\n\
         10:9: warning: this `match` stands in line 6 already\n\
         11:11: error: `expires` must be a date without a time; leave out the time: 2027-01-31"
    );
}

#[test]
fn escapes_in_a_string_leave_the_place_to_the_whole() {
    let found =
        problems_after_head("[[accept]]\nmatch = \"any\\u0020-> any tpc/1\"\nreason = 'x'\n");
    assert_eq!(
        found,
        "6:9: error: unknown protocol `tpc`; did you mean `tcp`?"
    );
}

/// Ranges of one size, each of which overlaps the next.
fn overlapping(count: u32) -> String {
    let address = |number: u32| IpAddr::from(number.to_be_bytes());
    (0..count)
        .map(|index| format!("'{}-{}', ", address(index), address(index + 9)))
        .collect()
}

#[test]
fn hostile_files_end_in_diagnostics() {
    let many = |line: &dyn Fn(usize) -> String| (0..5_000).map(line).collect::<String>();
    let files = [
        String::new(),
        "\0".repeat(1000),
        "[".repeat(1 << 20),
        "[[".repeat(1 << 18),
        format!("version = {}1", "[".repeat(50_000)),
        format!("[roles]\nclient = [{}]", "'x', ".repeat(50_000)),
        format!("[roles]\nclient = [{}]", "'@client', ".repeat(50_000)),
        format!("[roles]\nclient = ['{}']", "9".repeat(1 << 20)),
        format!(
            "[roles]\n{}",
            many(&|index| format!("role-{index} = ['@role-{index}']\n"))
        ),
        format!(
            "[hosts]\n{}",
            many(&|index| format!("h{index} = ['10.0.0.1']\n"))
        ),
        format!("[hosts]\na = [{}]", "'10.0.0.1', ".repeat(50_000)),
        format!("[roles]\nclient = [{}]", overlapping(10_000)),
        format!("[[accept]]\nmatch = '{}'", "-> ".repeat(300_000)),
        many(&|_| "[[accept]]\nmatch = 'any -> any tcp'\n".to_owned()),
        "version = 1\n[roles]\nclient = [\"\\u001b[2J\", '\u{9b}31m', '\u{202e}']\n".to_owned(),
        "version = 99999999999999999999999999\nname = 1979-05-27\n[roles]\nclient = {}\n"
            .to_owned(),
    ];
    for file in files {
        let errors = read(&file).expect_err("no site");
        assert!(errors.has_errors());
        assert!(errors.entries.len() < 600, "{}", errors.entries.len());
        let shown = errors.render(false) + &errors.to_string();
        let steers = |character: char| character.is_control() && character != '\n';
        assert!(!shown.contains(steers), "{:.30}", file);
        assert!(
            shown.len() < 1 << 20,
            "{} bytes for {:.30}",
            shown.len(),
            file
        );
    }
}

#[test]
fn ten_thousand_prefixes_are_read() {
    let prefixes: Vec<String> = (0..10_000)
        .map(|index| format!("\"10.{}.{}.0/24\"", index / 256, index % 256))
        .collect();
    let text = format!("version = 1\n[roles]\nclient = [{}]\n", prefixes.join(", "));
    let loaded = good(&text);
    let lookup = RoleLookup::new(&loaded.site, &loaded.policy.roles);
    let client = role_set(&loaded, &["client"]);
    assert_eq!(lookup.roles(address("10.39.15.255")), client);
    assert_eq!(lookup.roles(address("10.39.16.0")), RoleSet::EMPTY);
}

proptest! {
    // Each case reads the whole catalogue too.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A good file with pieces cut out, doubled and overwritten.
    #[test]
    fn a_damaged_file_ends_in_a_site_or_in_places_of_the_file(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, "[\\PC\n]{0,6}"), 1..6)
    ) {
        let mut bytes = EVERYTHING.as_bytes().to_vec();
        for (at, length, put) in cuts {
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, put.bytes());
        }
        let lines = bytes.split(|byte| *byte == b'\n').count();
        let read = Source::from_bytes("site.toml", bytes)
            .and_then(|source| Site::read(&source, Path::new("no/such/folder")));
        let found = match read {
            Ok(loaded) => {
                prop_assert!(!summary(&loaded).is_empty());
                loaded.warnings
            }
            Err(errors) => {
                prop_assert!(errors.has_errors());
                errors
            }
        };
        for entry in found.entries.iter().filter(|entry| entry.file == "site.toml") {
            prop_assert!((1..=lines).contains(&entry.line) && entry.column > 0, "{}", entry);
        }
        let shown = found.render(false);
        prop_assert!(!shown.contains(|shown: char| shown.is_control() && shown != '\n'));
    }
}
