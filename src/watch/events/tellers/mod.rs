//! What is told of each part of an audit, and when.

mod flows;
mod findings;
mod network;
mod steps;
mod transfers;

pub(super) use findings::{Diagnoses, Endpoints};
pub(super) use flows::Flows;
pub(super) use network::{Clock, Interfaces, Losses};
pub(super) use steps::Steps;
pub(super) use transfers::Transfers;
