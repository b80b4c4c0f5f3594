//! String bindings in a stub.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::payload::dcom::fuzz(data));
