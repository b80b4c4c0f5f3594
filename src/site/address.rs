//! Addresses, prefixes and first-last ranges as a site file writes them.
//!
//! Text forms: dotted decimal, RFC 4291 section 2.2, prefixes as in RFC 4632. Short forms
//! (`10.1`, `10.0.0.5-9`) and masks are refused with the full form as a suggestion.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::AddressRange;
use crate::config::{Located, Problems, quoted};

/// Reads an address, a prefix or a range; what it is not is reported.
pub(super) fn read_range(problems: &Problems<'_>, text: &Located<&str>) -> Option<AddressRange> {
    match parse_range(text.value) {
        Ok(range) => Some(range),
        Err(fault) => {
            problems.error_with_help(text.span.clone(), fault.message, fault.help);
            None
        }
    }
}

/// Reads a single address; what it is not is reported.
pub(super) fn read_address(problems: &Problems<'_>, text: &Located<&str>) -> Option<IpAddr> {
    let range = read_range(problems, text)?;
    if range.first == range.last {
        return Some(range.first);
    }
    let message = format!("{} is more than one address", quoted(text.value));
    let help = Some("list each address of the machine".to_owned());
    problems.error_with_help(text.span.clone(), message, help);
    None
}

/// Whether the author meant an address rather than a name.
pub(super) fn looks_like_address(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit()) || text.contains([':', '/'])
}

/// What is wrong with an address, and how to write it.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    message: String,
    help: Option<String>,
}

impl Fault {
    fn new(message: String, help: Option<String>) -> Self {
        Self { message, help }
    }
}

fn parse_range(text: &str) -> Result<AddressRange, Fault> {
    if let Some((address, length)) = text.split_once('/') {
        return parse_prefix(text, address, length);
    }
    if let Some((first, last)) = text.split_once('-') {
        return parse_first_last(text, first, last);
    }
    parse_address(text).map(AddressRange::single)
}

fn parse_address(text: &str) -> Result<IpAddr, Fault> {
    let address: IpAddr = text.parse().map_err(|_| {
        let help = match text.split_once('%') {
            Some(_) => "leave out the zone: addresses on the wire have none",
            None => {
                "write an address like `10.0.0.10` or `2001:db8::11`, \
                     a prefix like `10.1.0.0/16`, or a range like `10.0.0.5-10.0.0.9`"
            }
        };
        let message = format!("{} is not an address", quoted(text));
        Fault::new(message, Some(help.to_owned()))
    })?;
    match address {
        IpAddr::V6(mapped) if mapped.to_ipv4_mapped().is_some() => {
            let message = format!("{} never stands in a packet", quoted(text));
            let help = format!("write `{}`", address.to_canonical());
            Err(Fault::new(message, Some(help)))
        }
        _ => Ok(address),
    }
}

fn parse_prefix(text: &str, address: &str, length: &str) -> Result<AddressRange, Fault> {
    let address = parse_address(address)?;
    if let Some(length) = length.parse().ok().and_then(mask_length) {
        let message = format!("{} has a mask in place of a prefix length", quoted(text));
        return Err(Fault::new(
            message,
            Some(format!("write `{address}/{length}`")),
        ));
    }
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let net = Some(length)
        .filter(|length| !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|length| length.parse().ok())
        .and_then(|length| IpNet::new(address, length).ok())
        .ok_or_else(|| {
            let message = format!(
                "the prefix length of {} is not from 0 to {longest}",
                quoted(text)
            );
            Fault::new(message, None)
        })?;
    if net.network() != address {
        let message = format!(
            "{} is an address within a prefix, not a prefix",
            quoted(text)
        );
        let help = format!(
            "did you mean `{}` or the one address `{address}`?",
            net.trunc()
        );
        return Err(Fault::new(message, Some(help)));
    }
    Ok(AddressRange {
        first: net.network(),
        last: net.broadcast(),
    })
}

/// The prefix length of a mask like 255.255.0.0.
fn mask_length(mask: IpAddr) -> Option<u8> {
    ipnet::ip_mask_to_prefix(mask).ok()
}

fn parse_first_last(text: &str, first: &str, last: &str) -> Result<AddressRange, Fault> {
    let first = parse_address(first.trim_end())?;
    let last = last.trim_start();
    let last = match (first, last.parse()) {
        (IpAddr::V4(first), Ok(octet)) if !last.starts_with('+') => {
            let [a, b, c, _] = first.octets();
            let octet: u8 = octet;
            let message = format!("{} has a short form of its last address", quoted(text));
            let help = format!("write `{first}-{a}.{b}.{c}.{octet}`");
            return Err(Fault::new(message, Some(help)));
        }
        _ => parse_address(last)?,
    };
    if first.is_ipv4() != last.is_ipv4() {
        let message = format!("{} mixes IPv4 and IPv6", quoted(text));
        return Err(Fault::new(message, None));
    }
    if first > last {
        let message = format!("{} ends before it begins", quoted(text));
        let help = format!("did you mean `{last}-{first}`?");
        return Err(Fault::new(message, Some(help)));
    }
    Ok(AddressRange { first, last })
}

impl AddressRange {
    /// The range of one address.
    pub fn single(address: IpAddr) -> Self {
        Self {
            first: address,
            last: address,
        }
    }

    /// How many addresses it holds beyond the first: its size without the overflow of `::/0`.
    pub fn extent(&self) -> u128 {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                u128::from(u32::from(last).saturating_sub(u32::from(first)))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                u128::from(last).saturating_sub(u128::from(first))
            }
            _ => 0,
        }
    }

    /// Whether they share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// The prefix that holds exactly these addresses.
    pub fn prefix(&self) -> Option<IpNet> {
        let longest: u8 = if self.first.is_ipv4() { 32 } else { 128 };
        let extent = self.extent();
        // All bits that differ within a prefix are ones at its end.
        let host_bits = u8::try_from(extent.trailing_ones()).ok()?;
        let net = IpNet::new(self.first, longest.checked_sub(host_bits)?).ok()?;
        (net.network() == self.first && net.broadcast() == self.last).then_some(net)
    }
}

/// An address, a prefix, or `first-last`: the shortest form that a site file reads back.
impl fmt::Display for AddressRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(out, "{}", self.first);
        }
        match self.prefix() {
            Some(net) => write!(out, "{net}"),
            None => write!(out, "{}-{}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(text: &str) -> String {
        let fault = parse_range(text).expect_err(text);
        match fault.help {
            Some(help) => format!("{}; {help}", fault.message),
            None => fault.message,
        }
    }

    #[test]
    fn reads_every_form_and_writes_it_back() {
        for text in [
            "10.0.0.10",
            "10.1.0.0/16",
            "0.0.0.0/0",
            "10.0.0.5-10.0.0.9",
            "2001:db8::11",
            "2001:db8::/32",
            "::/0",
            "fd00::1-fd00::5",
        ] {
            assert_eq!(parse_range(text).expect(text).to_string(), text);
        }
        let whole = parse_range("10.0.0.0 - 10.0.0.255").expect("spaces around the dash");
        assert_eq!(whole.to_string(), "10.0.0.0/24");
    }

    #[test]
    fn says_what_is_wrong_and_what_is_right() {
        assert_eq!(
            fault("10.1.2.3/16"),
            "`10.1.2.3/16` is an address within a prefix, not a prefix; \
             did you mean `10.1.0.0/16` or the one address `10.1.2.3`?"
        );
        assert_eq!(
            fault("10.0.0.0/33"),
            "the prefix length of `10.0.0.0/33` is not from 0 to 32"
        );
        assert_eq!(
            fault("::/+8"),
            "the prefix length of `::/+8` is not from 0 to 128"
        );
        assert_eq!(
            fault("10.0.0.0/255.255.0.0"),
            "`10.0.0.0/255.255.0.0` has a mask in place of a prefix length; write `10.0.0.0/16`"
        );
        assert_eq!(
            fault("10.0.0.5-9"),
            "`10.0.0.5-9` has a short form of its last address; write `10.0.0.5-10.0.0.9`"
        );
        assert_eq!(
            fault("10.0.0.9-10.0.0.5"),
            "`10.0.0.9-10.0.0.5` ends before it begins; did you mean `10.0.0.5-10.0.0.9`?"
        );
        assert_eq!(
            fault("10.0.0.9-fd00::1"),
            "`10.0.0.9-fd00::1` mixes IPv4 and IPv6"
        );
        assert_eq!(
            fault("::ffff:10.0.0.1"),
            "`::ffff:10.0.0.1` never stands in a packet; write `10.0.0.1`"
        );
        assert_eq!(
            fault("fe80::1%eth0"),
            "`fe80::1%eth0` is not an address; \
             leave out the zone: addresses on the wire have none"
        );
        for text in [
            "",
            "10.0.0",
            "10.0.0.256",
            "010.0.0.1",
            "mp1",
            "/",
            "-",
            "10.0.0.1/",
        ] {
            assert!(parse_range(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_range_reads_back(first: u128, last: u128, short: bool) {
            let address = |number: u128| match short {
                true => IpAddr::from((number as u32).to_be_bytes()),
                false => IpAddr::from(number.to_be_bytes()),
            };
            let (first, last) = (address(first), address(last));
            let range = AddressRange { first: first.min(last), last: first.max(last) };
            prop_assert_eq!(parse_range(&range.to_string()), Ok(range));
        }

        #[test]
        fn any_text_ends_in_a_range_or_a_fault(text in ".{0,40}|[0-9a-f:./-]{0,40}") {
            if let Ok(range) = parse_range(&text) {
                prop_assert!(range.first <= range.last);
            }
        }
    }
}
