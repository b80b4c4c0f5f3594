//! The answers of an endpoint mapper, in every representation.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::payload::endpoint_mapper::fuzz(data));
