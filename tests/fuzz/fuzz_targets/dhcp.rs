//! A datagram through the DHCP view.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan::payload::dhcp::fuzz(data));
