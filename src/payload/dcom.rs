//! String bindings in DCOM answers (MS-DCOM section 2.2.19.3): where an object exporter listens,
//! as UTF-16 text like `host[49154]`. They stand in marshalled properties whose layout varies
//! with the call; here they are found by their own form, which nothing else has. (The bindings
//! inside object references, section 2.2.18.4, name resolvers, and those have no port of their own.)

use std::net::IpAddr;

use super::Uuid;
use super::ndr::ByteOrder;
use crate::net::Protocol;

/// `IObjectExporter`: ResolveOxid, ResolveOxid2 (MS-DCOM section 3.1.2.5.1).
const OBJECT_EXPORTER: Uuid = Uuid::from_fields(
    0x99fcfec4,
    0x5260,
    0x101b,
    [0xbb, 0xcb, 0x00, 0xaa, 0x00, 0x21, 0x34, 0x7a],
);
/// `IRemoteSCMActivator`: RemoteGetClassObject, RemoteCreateInstance (section 3.1.2.5.2.3).
const ACTIVATOR: Uuid = Uuid::from_fields(0x000001a0, 0, 0, [0xc0, 0, 0, 0, 0, 0, 0, 0x46]);
/// `IActivation`: RemoteActivation (section 3.1.2.5.2.2).
const ACTIVATION: Uuid = Uuid::from_fields(
    0x4d9f4ab8,
    0x7d1c,
    0x11cf,
    [0x86, 0x1e, 0x00, 0x20, 0xaf, 0x6e, 0x7c, 0x57],
);

/// Tower identifiers of TCP and UDP, C706 appendix I.
const NCACN_IP_TCP: u16 = 0x07;
const NCADG_IP_UDP: u16 = 0x08;
/// Longest text: a host name of 255 characters (RFC 1035) and `[65535]`.
const MAX_TEXT: usize = 255 + 7;

/// An endpoint of an object exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringBinding {
    /// Its address; `None` where a name is given.
    pub address: Option<IpAddr>,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its port.
    pub port: u16,
}

/// Whether answers of an interface carry string bindings.
pub fn answers_with_bindings(interface: Uuid) -> bool {
    [OBJECT_EXPORTER, ACTIVATOR, ACTIVATION].contains(&interface)
}

/// The bindings in the stub of an answer that name a port, in order. Marshalled properties have a
/// byte order of their own (MS-RPCE section 2.2.6), so that either may hold.
pub fn string_bindings(stub: &[u8]) -> Vec<StringBinding> {
    let mut bindings = Vec::new();
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let mut words = words(stub, order);
        while let Some(word) = words.next() {
            let protocol = match word {
                NCACN_IP_TCP => Protocol::Tcp,
                NCADG_IP_UDP => Protocol::Udp,
                _ => continue,
            };
            if let Some((binding, length)) = binding(protocol, words.clone()) {
                bindings.push(binding);
                // The text and its terminator.
                words.nth(length);
            }
        }
    }
    bindings
}

/// Characters of two bytes. Arrays of them are aligned to two from the beginning of the stub.
fn words(stub: &[u8], order: ByteOrder) -> impl Iterator<Item = u16> + Clone + '_ {
    stub.chunks_exact(2).map(move |pair| {
        let pair = [pair[0], pair[1]];
        match order {
            ByteOrder::Big => u16::from_be_bytes(pair),
            ByteOrder::Little => u16::from_le_bytes(pair),
        }
    })
}

/// `host[port]` with its terminator, and how many characters it has.
fn binding(protocol: Protocol, words: impl Iterator<Item = u16>) -> Option<(StringBinding, usize)> {
    let mut text = String::new();
    for word in words {
        if word == 0 {
            let (host, port) = text.strip_suffix(']')?.rsplit_once('[')?;
            let port = port.parse().ok().filter(|&port| port != 0)?;
            // IPv6 addresses may stand in brackets, and have a zone.
            let bare = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'));
            let bare = bare.unwrap_or(host);
            let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
            let binding = StringBinding {
                address: bare.parse().ok(),
                protocol,
                port,
            };
            let is_host = !bare.is_empty() && !bare.contains(['[', ']']);
            return is_host.then_some((binding, text.len()));
        }
        let character = u8::try_from(word).ok().filter(u8::is_ascii_graphic)?;
        if text.len() == MAX_TEXT {
            return None;
        }
        text.push(char::from(character));
    }
    None
}

/// Every binding takes at least its own bytes, and its port stands there in digits.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let bindings = string_bindings(data);
    // Tower identifier, a character, brackets, a digit, terminator; in either byte order.
    assert!(bindings.len() * 12 <= 2 * data.len());
    let digits = data.iter().filter(|byte| byte.is_ascii_digit()).count();
    for binding in bindings {
        assert_ne!(binding.port, 0);
        assert!(binding.port.to_string().len() <= digits);
    }
}

/// Builds stubs for the tests of this stage and the next.
#[cfg(test)]
pub(crate) mod build {
    /// String bindings as they stand in a dual string array, little endian.
    pub(crate) fn bindings(texts: &[&str]) -> Vec<u8> {
        let mut stub = Vec::new();
        for text in texts {
            let words = [super::NCACN_IP_TCP].into_iter();
            let words = words.chain(text.encode_utf16()).chain([0]);
            stub.extend(words.flat_map(u16::to_le_bytes));
        }
        stub.extend([0, 0]);
        stub
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Vec<(Option<IpAddr>, u16)> {
        let mut stub = vec![0xff; 10];
        stub.extend(build::bindings(texts));
        string_bindings(&stub)
            .iter()
            .map(|binding| (binding.address, binding.port))
            .collect()
    }

    #[test]
    fn reads_names_and_addresses() {
        assert_eq!(
            read(&["DC01[49154]", "10.0.0.5[49154]", "DC01.contoso.com[1]"]),
            [
                (None, 49154),
                (Some([10, 0, 0, 5].into()), 49154),
                (None, 1)
            ]
        );
        let own: Option<IpAddr> = Some("2001:db8::5".parse().expect("an address"));
        assert_eq!(
            read(&[
                "2001:db8::5[50000]",
                "[2001:db8::5][50001]",
                "2001:db8::5%4[50002]"
            ]),
            [(own, 50000), (own, 50001), (own, 50002)]
        );
    }

    #[test]
    fn what_names_no_port_is_no_endpoint() {
        assert_eq!(
            read(&["DC01", "DC01[]", "[49154]", "DC01[0]", "a[70000]"]),
            []
        );
        let long = format!("{}[1]", "a".repeat(300));
        assert_eq!(read(&[&long, "b[2]"]), [(None, 2)]);
        // Without a terminator.
        let stub = build::bindings(&["DC01[49154]"]);
        assert!(string_bindings(&stub[..stub.len() - 4]).is_empty());
    }

    #[test]
    fn either_byte_order_holds_and_towers_tell_tcp_from_udp() {
        let mut stub = build::bindings(&["DC01[49154]"]);
        assert_eq!(string_bindings(&stub)[0].protocol, Protocol::Tcp);
        stub[0] = 8;
        assert_eq!(string_bindings(&stub)[0].protocol, Protocol::Udp);
        // A named pipe, and a name in a tower of NetBIOS.
        stub[0] = 0x0f;
        assert_eq!(string_bindings(&stub), []);
        let little = build::bindings(&["DC01[49154]"]);
        let big: Vec<u8> = little
            .chunks(2)
            .flat_map(|pair| [pair[1], pair[0]])
            .collect();
        assert_eq!(string_bindings(&big), string_bindings(&little));
    }
}
