//! The program and the library from outside, a module per command and topic.

#[path = "../support/mod.rs"]
mod support;

mod architecture;
mod audit;
mod boot_diagnoses;
mod captures;
mod command;
mod compressed;
mod diagnoses;
mod disturbed;
mod end_time;
mod fail_on;
mod failing;
mod fixtures;
mod flows;
mod frozen;
mod generated;
mod hostile;
#[cfg(feature = "live")]
mod lab;
#[cfg(feature = "live")]
mod live_capture;
#[cfg(feature = "live")]
mod live_events;
#[cfg(feature = "live")]
mod live_files;
#[cfg(feature = "live")]
mod live_load;
mod loss;
mod max_flows;
mod merge;
mod part_file;
mod peers;
mod pxe_captures;

mod policy_cli;
mod policy_documents;
#[cfg(all(feature = "live", target_os = "linux"))]
mod privileges;
mod readme;
mod retired;
mod rpc_witness;
mod scenarios;
#[cfg(feature = "live")]
mod scribe;
mod shard;
mod site_check;
mod slices;
mod tftp_truth;
mod threads;
mod verdict;
#[cfg(feature = "live")]
mod watch;
mod witness;
