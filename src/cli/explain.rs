//! `portolan explain`: which rule would allow a flow, or what would have to differ. No capture is
//! needed.

use std::io::{self, Write};
use std::net::IpAddr;

use super::args::{DEFAULT_SITE, SiteArgs};
use super::errors::Failure;
use super::input;
use super::outcome::Outcome;
use super::terminal::Terminal;
use crate::config::suggestion;
use crate::net::Protocol;
use crate::policy::{Policy, RoleSet, Rule};
use crate::report::{Ink, Page, Pen, escape};
use crate::site::{LoadedSite, Site};
use crate::verdict::{Accepted, Explanation, Judge, Proofs, Strictness, Verdict};

/// Say which rule would allow a flow, or what would have to differ
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan explain --site site.toml 10.1.0.7 10.0.0.11 tcp/443
  portolan explain --site site.toml mp1 10.1.0.7 udp/9
  portolan explain 10.0.0.10 10.1.0.7 icmp

Exit status: 0 a rule allows it, 1 none does, 2 it can't be told.")]
pub struct Args {
    #[command(flatten)]
    site: SiteArgs,
    /// Who opens the flow: an address, or a name of the site's [hosts]
    #[arg(value_name = "FROM")]
    from: String,
    /// Who it is opened to: an address, or a name of the site's [hosts]
    #[arg(value_name = "TO")]
    to: String,
    /// Protocol and port of the responder: tcp/443, udp/69, icmp
    #[arg(value_name = "PROTO/PORT", value_parser = service)]
    service: (Protocol, u16),
}

fn service(text: &str) -> Result<(Protocol, u16), String> {
    let advice = || "write tcp/443, udp/69 or icmp".to_owned();
    let (name, port) = match text.split_once('/') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    match (name.to_ascii_lowercase().as_str(), port) {
        ("icmp", None | Some("echo")) => Ok((Protocol::IcmpEcho, 0)),
        (name @ ("tcp" | "udp"), Some(port)) => {
            let number = port
                .parse()
                .map_err(|_| format!("'{port}' is no port (0 to 65535); {}", advice()))?;
            let protocol = match name {
                "tcp" => Protocol::Tcp,
                _ => Protocol::Udp,
            };
            Ok((protocol, number))
        }
        _ => Err(advice()),
    }
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Outcome, Failure> {
    let Some(loaded) = input::site(&args.site, terminal)? else {
        return Err(Failure::with_help(
            format!("no site file is named, and there is no {DEFAULT_SITE} here"),
            "name one with --site: it says which addresses hold which roles",
        ));
    };
    let (from, to) = ends(&loaded.site, &args.from, &args.to)?;
    let (protocol, port) = args.service;
    let mut judge = Judge::new(
        &loaded.policy,
        &loaded.site,
        Proofs::default(),
        Strictness::Normal,
    );
    let explanation = judge.explain(from, to, protocol, port);
    terminal.report(|page, out| show(&loaded, &explanation, page, out))?;
    Ok(if explanation.is_allowed() {
        Outcome::Clean
    } else {
        Outcome::Findings
    })
}

/// The addresses of both ends; of a machine with several, one of the family that the other has.
fn ends(site: &Site, from: &str, to: &str) -> Result<(IpAddr, IpAddr), Failure> {
    let (from, to) = (addresses(site, from)?, addresses(site, to)?);
    let pairs = from
        .iter()
        .flat_map(|from| to.iter().map(move |to| (*from, *to)));
    pairs
        .clone()
        .find(|(from, to)| from.is_ipv4() == to.is_ipv4())
        .ok_or_else(|| {
            Failure::with_help(
                "one end has IPv4 addresses only, the other IPv6 addresses only",
                "name two addresses of one family",
            )
        })
}

fn addresses(site: &Site, end: &str) -> Result<Vec<IpAddr>, Failure> {
    if let Ok(address) = end.parse() {
        return Ok(vec![address]);
    }
    match site.hosts.get(end) {
        Some(addresses) => Ok(addresses.clone()),
        None => Err(Failure::Message {
            message: format!("'{end}' is neither an address nor a name of the site's [hosts]"),
            help: suggestion(end, "hosts", site.hosts.keys().map(String::as_str)),
        }),
    }
}

fn show(
    loaded: &LoadedSite,
    explanation: &Explanation,
    page: &Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    const VALUES: usize = 12;
    let pen = &mut Pen::new(page, out);
    let verdict = match (explanation.is_allowed(), explanation.judged.verdict) {
        (true, _) => (Ink::Good, "allowed".to_owned()),
        (false, Verdict::Unexpected(reason)) => {
            (Ink::Bad, format!("not allowed ({})", reason.code()))
        }
        (false, verdict) => (Ink::Doubtful, format!("not judged ({})", verdict.code())),
    };
    pen.words(0, 2, &[(verdict.0, &verdict.1)])?;
    pen.words(2, 2, &[(Ink::Plain, &escape::line(&explanation.sentence))])?;
    pen.gap()?;
    let judged = &explanation.judged;
    for (label, address, roles) in [
        (
            "from",
            judged.flow.initiator.address,
            judged.initiator_roles,
        ),
        ("to", judged.flow.responder.address, judged.responder_roles),
    ] {
        let text = format!("{address} ({})", role_names(&loaded.policy, roles));
        pen.labelled(2, VALUES, label, &[(Ink::Plain, &text)])?;
    }
    for id in &explanation.rules {
        pen.labelled(2, VALUES, "rule", &rule_line(&loaded.policy, id).pieces())?;
    }
    for id in &explanation.nearest {
        pen.labelled(
            2,
            VALUES,
            "nearest",
            &rule_line(&loaded.policy, id).pieces(),
        )?;
    }
    if let Accepted::By(index) = judged.accepted {
        let exception = &loaded.site.accept[index];
        let text = format!("{} ({})", exception.text, exception.reason);
        let text = escape::line(&text);
        pen.labelled(2, VALUES, "accepted", &[(Ink::Doubtful, &text)])?;
    }
    Ok(())
}

fn role_names(policy: &Policy, roles: RoleSet) -> String {
    if roles.is_empty() {
        return "no role".to_owned();
    }
    let names: Vec<&str> = roles
        .iter()
        .map(|role| policy.roles.role(role).id.as_str())
        .collect();
    names.join(", ")
}

/// A rule by its id, with where it stands and when it holds.
struct RuleLine {
    id: String,
    source: String,
}

impl RuleLine {
    fn pieces(&self) -> [(Ink, &str); 2] {
        [(Ink::Strong, &self.id), (Ink::Faint, &self.source)]
    }
}

fn rule_line(policy: &Policy, id: &str) -> RuleLine {
    let rule = policy.rules.iter().find(|rule| rule.id == id);
    RuleLine {
        id: escape::line(id).into_owned(),
        source: rule.map(source).unwrap_or_default(),
    }
}

fn source(rule: &Rule) -> String {
    let mut text = format!("{}#{}", rule.document, rule.anchor);
    if let Some(condition) = &rule.condition {
        text.push_str("; ");
        text.push_str(condition);
    }
    escape::line(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_protocol_and_port() {
        assert_eq!(service("tcp/443"), Ok((Protocol::Tcp, 443)));
        assert_eq!(service("UDP/69"), Ok((Protocol::Udp, 69)));
        assert_eq!(service("icmp"), Ok((Protocol::IcmpEcho, 0)));
        for wrong in ["443", "tcp", "tcp/65536", "sctp/1", "tcp/", "icmp/8"] {
            assert!(service(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn machines_with_two_families_meet_in_one() {
        let mut site = Site::default();
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        site.hosts.insert(
            "mp1".into(),
            vec![address("10.0.0.11"), address("2001:db8::11")],
        );
        let both = ends(&site, "mp1", "2001:db8::7").expect("one family");
        assert_eq!(both, (address("2001:db8::11"), address("2001:db8::7")));
        assert!(ends(&site, "10.0.0.1", "2001:db8::7").is_err());
        assert!(ends(&site, "mp2", "10.0.0.1").is_err());
    }
}
