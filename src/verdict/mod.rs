//! Observation × evidence × policy × site → audit. One verdict per flow, after the merge.

mod accept;
mod assemble;
mod attempt;
mod audit;
mod background;
mod boot;
mod counted;
mod coverage;
mod dhcp;
mod diagnosis;
mod ends;
mod explain;
mod failing;
mod facts;
mod finding;
mod flow;
mod folding;
mod holders;
mod nearest;
mod port_set;
mod reason;
mod refusal;
mod required;
mod requirement;
mod scenario;
mod shares;
mod step;
mod tally;
mod ttls;
mod whole;
mod workers;

pub use accept::Accepted;
pub use assemble::{Counted, Partitions, judge};
pub use audit::{
    AcceptedFinding, Audit, AuditLimit, BackgroundEntry, Diagnosis, ExceptionState, ExceptionUse,
    FailingFlow, Finding, FindingInitiator, FindingResponder, Loss, PxeBoot, Requirement, RpcUse,
    RuleUse, SiteSummary, Totals,
};
pub use diagnosis::{DiagnosisKind, KINDS as DIAGNOSES};
pub use explain::Explanation;
pub use facts::{Directed, Proofs};
pub use flow::{FlowVerdict, Judge, Orientation, Strictness};
pub use reason::{Basis, Hindrance, Reason, RequirementCause, RequirementState, Verdict};
pub use refusal::{Certainty, Refusal, RefusalMessage, Refuser};
pub use whole::audit;

#[cfg(test)]
mod tests;
