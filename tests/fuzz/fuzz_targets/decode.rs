//! A frame of any link type through its headers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::decode::fuzz(data));
