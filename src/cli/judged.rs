//! From what was seen to the report and the exit status: what `audit` and `merge` share.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::args::{ReportArgs, ReportFile};
use super::errors::Failure;
use super::outcome::{FailOn, Outcome};
use super::target;
use super::terminal::Terminal;
use crate::evidence::Evidence;
use crate::observation::Observation;
#[cfg(feature = "live")]
use crate::report::Format;
use crate::report::{Page, Report, file};
use crate::site::LoadedSite;
use crate::verdict::{Audit, Strictness, audit};

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
    /// Where one can't, or would replace one of the `inputs` or another one.
    pub fn check(&self, inputs: &[PathBuf]) -> Result<(), Failure> {
        let mut targets = self.files().iter();
        targets.try_for_each(|report| target::check(&report.path, "report", inputs))?;
        target::check_distinct(self.files().iter().map(|report| report.path.as_path()))
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
        let evidence = Evidence::collect(observation.log(), &observation);
        let audit = audit(site, &observation, &evidence, self.strictness(), threads);
        let outcome = self.outcome(&audit);
        let report = Report::new(&audit);
        let mut unwritten = false;
        for target in self.files() {
            let written = file::replace(&target.path, |out| self.write(&report, target, out));
            if let Err(error) = written {
                let path = target.path.display();
                terminal.error(&format!("{path}: the report can't be written: {error}"));
                unwritten = true;
            }
        }
        self.print(&report, terminal)?;
        // The process ends here: giving millions of flows back one chunk after the other takes a
        // while, and nobody needs the room.
        std::mem::forget(observation);
        Ok(if unwritten {
            Outcome::Incomplete
        } else {
            outcome
        })
    }

    /// What link maintenance is taken for.
    pub fn strictness(&self) -> Strictness {
        if self.strict {
            Strictness::Strict
        } else {
            Strictness::Normal
        }
    }

    /// How an audit ended.
    pub fn outcome(&self, audit: &Audit) -> Outcome {
        Outcome::of(audit, &self.fail_on)
    }

    /// Where reports go besides standard output.
    pub fn files(&self) -> &[ReportFile] {
        &self.report.report
    }

    /// The format of standard output.
    #[cfg(feature = "live")]
    pub fn format(&self) -> &'static Format {
        self.report.format
    }

    /// Whether nothing is wanted on standard output.
    #[cfg(feature = "live")]
    pub fn is_quiet(&self) -> bool {
        self.report.quiet
    }

    /// Writes a report as it goes to one of the files.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, report: &Report, file: &ReportFile, out: &mut dyn Write) -> io::Result<()> {
        let page = self.page(Page::default());
        (file.format.write)(report, &page, out)
    }

    /// Writes a report on standard output, where one is wanted there.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn print(&self, report: &Report, terminal: &Terminal) -> Result<(), Failure> {
        if self.report.quiet {
            return Ok(());
        }
        terminal.report(|page, out| (self.report.format.write)(report, &self.page(*page), out))
    }

    fn page(&self, page: Page) -> Page {
        Page {
            rules: self.report.rules,
            ..page
        }
    }
}
