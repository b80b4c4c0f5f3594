//! The NDR reader, in both byte orders and both widths.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::payload::ndr::fuzz(data));
