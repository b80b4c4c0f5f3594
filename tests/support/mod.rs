//! What tests and benchmarks share. Each target uses its own part.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test target compiles this and uses only a part"
)]

pub mod audited;
pub mod boots;
pub mod build;
pub mod disturb;
pub mod fixtures;
pub mod frames;
pub mod lab;
#[cfg(feature = "live")]
pub mod live;
pub mod measure;
pub mod namespaces;
pub mod seeds;
pub mod services;
pub mod shared;
pub mod tshark;
pub mod wire;
