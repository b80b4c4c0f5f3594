//! An observation audited by a site, as `portolan audit` does it, without the program around it.

use std::num::NonZero;
use std::path::Path;

use portolan::config::Source;
use portolan::evidence::Evidence;
use portolan::observation::Observation;
use portolan::report::{Page, Report, format};
use portolan::site::{LoadedSite, Site};
use portolan::verdict::{Audit, Strictness};

/// The site file of the boundary fixture, and the policy that it names.
pub fn boundary_site() -> LoadedSite {
    let text = include_str!("../../fixtures/boundary.toml");
    let source = Source::new("boundary.toml", text);
    Site::read(&source, Path::new("")).expect("the fixture has no errors")
}

/// The site of generated captures.
pub fn generated_site() -> LoadedSite {
    let text = include_str!("../../benches/site.toml");
    let source = Source::new("site.toml", text);
    Site::read(&source, Path::new("")).expect("the file has no errors")
}

/// Trackers and verdicts.
pub fn audit(loaded: &LoadedSite, observation: &Observation) -> Audit {
    let evidence = Evidence::collect(observation.log(), observation);
    verdict(loaded, observation, &evidence)
}

/// Verdicts alone.
pub fn verdict(loaded: &LoadedSite, observation: &Observation, evidence: &Evidence) -> Audit {
    let one = NonZero::<usize>::MIN;
    portolan::verdict::audit(loaded, observation, evidence, Strictness::Normal, one)
}

/// The report in one of its formats.
pub fn report(audit: &Audit, name: &str) -> String {
    let format = format(name).expect("a format of the report");
    let mut out = Vec::new();
    (format.write)(&Report::new(audit), &Page::default(), &mut out)
        .expect("a vector takes every byte");
    String::from_utf8(out).expect("reports are text")
}
