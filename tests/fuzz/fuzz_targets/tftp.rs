//! A datagram through the TFTP view, whole and cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::payload::tftp::fuzz(data));
