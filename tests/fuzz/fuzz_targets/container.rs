//! A capture file through its reader, in buffers of several sizes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::capture::fuzz_container(data));
