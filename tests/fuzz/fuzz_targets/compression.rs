//! Compressed captures, unpacked in two ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::capture::fuzz_compression(data));
