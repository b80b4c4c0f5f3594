//! From what was seen to the report and the exit status: what `audit` and `merge` share.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::args::ReportArgs;
use super::errors::Failure;
use super::outcome::{FailOn, Outcome};
use super::target;
use super::terminal::Terminal;
use crate::evidence::Evidence;
use crate::observation::Observation;
use crate::policy::service_ports;
use crate::report::{Page, Report, file};
use crate::site::LoadedSite;
use crate::verdict::{Counted, Partitions, Proofs, Strictness, judge};

/// How to judge, and where reports go.
#[derive(clap::Args)]
pub struct JudgeArgs {
    #[command(flatten)]
    report: ReportArgs,
    /// What ends with exit status 1: a list of unexpected, missing, failed, degraded, failing,
    /// diagnosis, loss, expired, or none
    #[arg(long, value_name = "LIST", default_value = FailOn::DEFAULT, value_parser = FailOn::parse)]
    fail_on: FailOn,
    /// Take flows of link maintenance (mDNS, LLMNR, SSDP and their like) for findings
    #[arg(long)]
    strict: bool,
}

impl JudgeArgs {
    /// Checks that every report can be written.
    ///
    /// # Errors
    /// Where one can't, or would replace one of the `inputs`.
    pub fn check(&self, inputs: &[PathBuf]) -> Result<(), Failure> {
        let mut targets = self.report.report.iter();
        targets.try_for_each(|report| target::check(&report.path, "report", inputs))
    }

    /// Judges on so many threads, writes every report, and says how it ended.
    ///
    /// # Errors
    /// Where standard output can't be written.
    pub fn judge(
        &self,
        observation: Observation,
        site: &LoadedSite,
        threads: NonZeroUsize,
        terminal: &Terminal,
    ) -> Result<Outcome, Failure> {
        let services = service_ports();
        let evidence = Evidence::collect(observation.log(), &observation);
        let strictness = if self.strict {
            Strictness::Strict
        } else {
            Strictness::Normal
        };
        let proofs = Proofs {
            window: observation.window(),
            ..Proofs::from(&evidence)
        };
        let counted = Counted::new(&observation, &evidence);
        let partitions = Partitions {
            count: observation.flow_partitions(),
            flows: |partition, of| observation.flows_of(partition, of, &services),
        };
        let audit = judge(
            &site.policy,
            &site.site,
            proofs,
            counted,
            strictness,
            &partitions,
            threads,
        );
        let outcome = Outcome::of(&audit, &self.fail_on);
        let report = Report::new(&audit);
        let mut unwritten = false;
        for target in &self.report.report {
            let written = file::replace(&target.path, |out| {
                let page = Page {
                    rules: self.report.rules,
                    ..Page::default()
                };
                (target.format.write)(&report, &page, out)
            });
            if let Err(error) = written {
                let path = target.path.display();
                terminal.error(&format!("{path}: the report can't be written: {error}"));
                unwritten = true;
            }
        }
        if !self.report.quiet {
            terminal.report(|page, out| {
                let page = Page {
                    rules: self.report.rules,
                    ..*page
                };
                (self.report.format.write)(&report, &page, out)
            })?;
        }
        // The process ends here: giving millions of flows back one chunk after the other takes a
        // while, and nobody needs the room.
        std::mem::forget(observation);
        Ok(if unwritten {
            Outcome::Incomplete
        } else {
            outcome
        })
    }
}
