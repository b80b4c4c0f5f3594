//! Packets that any bytes describe, through the TFTP tracker.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::evidence::fuzz("tracker_tftp", data));
