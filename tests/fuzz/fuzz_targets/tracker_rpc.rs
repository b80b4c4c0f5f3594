//! Packets that any bytes describe, through the RPC tracker.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::evidence::fuzz("tracker_rpc", data));
