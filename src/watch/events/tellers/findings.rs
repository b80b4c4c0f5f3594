//! Diagnoses, and RPC endpoints.

use std::net::IpAddr;
use std::time::Duration;

use super::super::event::{EventKind, WithdrawnDiagnosis};
use super::super::ledger::Ledger;
use super::super::round::Round;
use super::super::{escaped, seconds};
use crate::evidence::Uuid;
use crate::net::Protocol;
use crate::report::model::{Diagnosis, Rpc};
use crate::verdict;

/// Diagnoses rest on silence as failures do, and settle as long.
const SETTLES: Duration = seconds(3);

/// Tells of diagnoses.
#[derive(Debug, Default)]
pub(in super::super) struct Diagnoses {
    /// By code and host: what is said of them grows with what was seen.
    told: Ledger<(&'static str, Option<String>), bool>,
}

impl Diagnoses {
    /// Whether it was told.
    pub fn has_told(&self, diagnosis: &verdict::Diagnosis) -> bool {
        self.told.told(&(diagnosis.code, diagnosis.host.clone()))
    }

    pub fn tell(&mut self, round: &mut Round<'_>) {
        let audit = round.audit;
        self.told.begin();
        for diagnosis in &audit.diagnoses {
            let key = (diagnosis.code, diagnosis.host.clone());
            if self.told.stands(key, true, SETTLES, round) {
                let told = Box::new(Diagnosis::new(diagnosis, &round.places));
                round.tell_now(EventKind::Diagnosis(told));
            }
        }
        let is_full = round.is_full("diagnoses");
        let mut gone = self.told.gone(SETTLES, is_full, round);
        gone.sort();
        for ((code, host), _) in gone {
            round.tell_now(EventKind::DiagnosisWithdrawn(WithdrawnDiagnosis {
                code,
                host: host.as_deref().map(escaped),
            }));
        }
    }
}

/// Tells of RPC endpoints.
#[derive(Debug, Default)]
pub(in super::super) struct Endpoints {
    told: Ledger<(IpAddr, u16, Protocol, Option<Uuid>), bool>,
}

impl Endpoints {
    pub fn tell(&mut self, round: &mut Round<'_>) {
        let audit = round.audit;
        self.told.begin();
        for learned in &audit.rpc {
            let endpoint = &learned.endpoint;
            let key = (
                endpoint.server,
                endpoint.port,
                endpoint.protocol,
                endpoint.interface,
            );
            if self.told.stands(key, true, Duration::ZERO, round) {
                let told = Rpc::new(learned, &round.places);
                round.tell(endpoint.first.time, EventKind::EndpointLearned(told));
            }
        }
        self.told.forget();
    }
}
