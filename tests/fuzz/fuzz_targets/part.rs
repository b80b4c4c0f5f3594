//! A part file, as it is and with its checksums made right: read, written, read again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::observation::fuzz_part(data));
