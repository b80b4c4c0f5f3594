//! HTTPS fails or is never tried, and HTTP does its work.

use super::{Case, DiagnosisKind, Find};
use crate::verdict::{Audit, FailingFlow, Judge, RequirementState};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "http-in-place-of-https",
    meaning: "HTTPS was tried in vain or is required, and HTTP was answered",
    advice: "open the HTTPS port, check that the server listens there with a certificate its clients trust, and turn HTTP off where HTTPS is meant",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let service = |id: &str| {
        let rule = judge.policy.rules.iter().find(|rule| rule.id == id);
        rule.map(|rule| rule.service.as_str())
    };
    let fallen_back = |flow: &&FailingFlow| {
        service(&flow.rule) == Some("https")
            && flow.worked_instead.as_deref().and_then(service) == Some("http")
    };
    let tried = audit.failing.iter().filter(fallen_back);
    let mut cases: Vec<Case> = tried
        .map(|flow| Case {
            host: Some(flow.initiator.to_string()),
            explanation: format!(
                "{} tried HTTPS (tcp/{}) on {} and failed, while HTTP was answered there. {}",
                flow.initiator,
                flow.port.unwrap_or(443),
                flow.responder,
                flow.explanation,
            ),
            frames: flow.frames.clone(),
        })
        .collect();
    cases.extend(required(judge, audit));
    cases
}

/// Sections of which the site requires HTTPS by name, and HTTP alone was answered.
fn required(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let used = |anchor: &str, service: &str| -> u64 {
        let rules = judge.policy.rules.iter().zip(&audit.rules);
        rules
            .filter(|(rule, _)| rule.anchor == anchor && rule.service == service)
            .map(|(_, usage)| usage.flows)
            .sum()
    };
    let named = &judge.site.require.rules;
    let required = audit.requirements.iter().filter(|requirement| {
        requirement.scenario.is_none() && requirement.state == RequirementState::Satisfied
    });
    let of_https = required.filter_map(|requirement| {
        let anchor = requirement.id.strip_suffix("/https")?;
        let is_named = named.contains(&requirement.id)
            || requirement.rules.iter().any(|rule| named.contains(rule));
        let instead = is_named && used(anchor, "https") == 0 && used(anchor, "http") > 0;
        instead.then_some(Case {
            host: requirement.host.clone(),
            explanation: format!(
                "The site requires {}, but HTTPS was never tried and HTTP was answered.",
                requirement.id
            ),
            frames: requirement.frames.clone(),
        })
    });
    of_https.collect()
}
