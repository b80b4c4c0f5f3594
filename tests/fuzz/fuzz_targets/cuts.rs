//! A capture file whole and in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::capture::fuzz_cuts(data));
