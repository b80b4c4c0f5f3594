//! The bounded cursor that all payload views use.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::payload::reader::fuzz(data));
