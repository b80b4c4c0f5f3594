//! Files of a live run: written by a process of their own, as this one may open none.

use std::path::PathBuf;
use std::sync::Arc;

use super::Args;
use crate::capture::live::LiveCapture;
use crate::capture::{Blocks, InterfaceDescription, Section};
use crate::cli::errors::Failure;
use crate::net::Timestamp;
use crate::pipeline::live::Tap;
use crate::report::Report;
use crate::verdict::Audit;
use crate::watch::events::Moment;
use crate::watch::metrics;
use crate::watch::scribe::{Finished, InterfaceCounts, Job, PacketFile, Scribe, ScribeProblem};

/// What is written, and who writes it; nothing where no file is wanted.
pub struct Written {
    scribe: Option<Arc<Scribe>>,
    keeps_packets: bool,
}

/// Whether any file is to be written.
pub fn are_wanted(args: &Args) -> bool {
    let files = &args.files;
    !args.judge.files().is_empty() || files.write.is_some() || files.metrics.is_some()
}

impl Written {
    /// Starts who writes.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn begin(args: &Args, captures: &[LiveCapture]) -> Result<Self, Failure> {
        let keeps_packets = args.files.write.is_some();
        let scribe = are_wanted(args)
            .then(|| Scribe::start(&job(args, captures)))
            .transpose();
        Ok(Self {
            scribe: scribe.map_err(Failure::new)?.map(Arc::new),
            keeps_packets,
        })
    }

    /// Takes packets, where they are to be kept.
    pub fn tap(&self) -> Option<Tap> {
        let scribe = self.scribe.clone().filter(|_| self.keeps_packets)?;
        Some(Arc::new(move |blocks: &[u8]| scribe.packets(blocks)))
    }
}

fn job(args: &Args, captures: &[LiveCapture]) -> Job {
    let mut targets: Vec<PathBuf> = args
        .judge
        .files()
        .iter()
        .map(|file| file.path.clone())
        .collect();
    targets.extend(args.files.metrics.clone());
    Job {
        targets,
        packets: args.files.write.clone().map(|path| PacketFile {
            path,
            rotate_bytes: args.files.rotate,
            keep: args.files.keep.map(|files| files as usize),
            header: header(args, captures),
        }),
        user: args.user.clone(),
    }
}

/// What every file of packets begins with.
fn header(args: &Args, captures: &[LiveCapture]) -> Vec<u8> {
    let mut blocks = Blocks::new();
    blocks.section(&Section {
        hardware: None,
        os: Some(std::env::consts::OS),
        application: Some(concat!("portolan ", env!("CARGO_PKG_VERSION"))),
    });
    for capture in captures {
        blocks.interface(&InterfaceDescription {
            link_type: capture.link_type(),
            snaplen: capture.snaplen(),
            name: Some(capture.name()),
            filter: args.capture.filter.as_deref(),
            os: None,
        });
    }
    blocks.into_bytes()
}

impl Written {
    /// Writes every report, whole.
    pub fn reports(&self, args: &Args, audit: &Audit) {
        let Some(scribe) = &self.scribe else { return };
        let report = Report::new(audit);
        for (target, file) in args.judge.files().iter().enumerate() {
            let mut content = Vec::new();
            args.judge
                .write(&report, file, &mut content)
                .expect("a vector takes every byte");
            scribe.replace(target, &content);
        }
    }

    /// Writes the metrics.
    pub fn metrics(&self, args: &Args, audit: &Audit, moment: &Moment, started: Timestamp) {
        if let Some(scribe) = &self.scribe
            && args.files.metrics.is_some()
        {
            let text = metrics::text(audit, moment, started);
            scribe.replace(args.judge.files().len(), text.as_bytes());
        }
    }

    /// Says what the interfaces counted: it ends every file of packets.
    pub fn counts(&self, moment: &Moment) {
        if let Some(scribe) = &self.scribe
            && self.keeps_packets
        {
            scribe.statistics(&counts(moment));
        }
    }

    /// What could not be written since the last time this was asked.
    pub fn problems(&self) -> Vec<ScribeProblem> {
        let scribe = self.scribe.as_ref();
        scribe.map(|scribe| scribe.problems()).unwrap_or_default()
    }

    /// Who writes is no longer waited for without end.
    pub fn hurry(&self) {
        if let Some(scribe) = &self.scribe {
            scribe.hurry();
        }
    }

    /// Waits until all is on disk, or nothing moves any more; what is missing, and whether
    /// nothing is.
    pub fn finish(self, moment: &Moment) -> Finished {
        let scribe = self.scribe.as_ref();
        let finished = scribe.map(|scribe| scribe.finish(&counts(moment)));
        finished.unwrap_or(Finished {
            missing: Vec::new(),
            is_whole: true,
        })
    }
}

fn counts(moment: &Moment) -> Vec<InterfaceCounts> {
    let interfaces = moment.interfaces.iter();
    let counts = interfaces.map(|interface| {
        let dropped = interface.dropped.unwrap_or_default();
        InterfaceCounts {
            received: interface.packets + dropped,
            dropped,
        }
    });
    counts.collect()
}
