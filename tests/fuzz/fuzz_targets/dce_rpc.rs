//! A protocol data unit through the DCE/RPC view.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::payload::dce_rpc::fuzz(data));
