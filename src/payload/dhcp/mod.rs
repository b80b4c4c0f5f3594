//! DHCPv4 messages: RFC 2131 and 2132, with the network boot options of RFC 4578 and the
//! PXE specification 2.1. One message at a time; who offered what is put together elsewhere.
//! A message that the snaplen cut is read as far as it goes.

mod architecture;
mod pxe_options;

use std::net::Ipv4Addr;

pub use self::architecture::{architecture_name, boots_over_http};
pub use self::pxe_options::PxeOptions;
use super::reader::{ReadError, Reader};

/// Port that servers and relays listen on.
pub const SERVER_PORT: u16 = 67;
/// Port that clients listen on.
pub const CLIENT_PORT: u16 = 68;
/// Port of the boot information negotiation layer (PXE specification section 2.2.3).
pub const BINL_PORT: u16 = 4011;

/// Option codes: RFC 2132, RFC 3004, RFC 4578, and <https://ipxe.org/howto/dhcpd>.
pub mod code {
    /// Vendor-specific information; PXE boot servers and menus.
    pub const VENDOR_SPECIFIC: u8 = 43;
    /// Address asked for.
    pub const REQUESTED_ADDRESS: u8 = 50;
    /// Option overload: the options go on in `file`, `sname` or both.
    pub const OVERLOAD: u8 = 52;
    /// Message type.
    pub const MESSAGE_TYPE: u8 = 53;
    /// Server identifier.
    pub const SERVER_IDENTIFIER: u8 = 54;
    /// Parameter request list.
    pub const PARAMETER_LIST: u8 = 55;
    /// Vendor class identifier.
    pub const VENDOR_CLASS: u8 = 60;
    /// TFTP server name.
    pub const TFTP_SERVER: u8 = 66;
    /// Boot file name.
    pub const BOOT_FILE: u8 = 67;
    /// User class, RFC 3004; iPXE names itself there.
    pub const USER_CLASS: u8 = 77;
    /// Client system architecture.
    pub const ARCHITECTURE: u8 = 93;
    /// Client machine identifier.
    pub const MACHINE_IDENTIFIER: u8 = 97;
    /// Options of iPXE and its ancestor Etherboot.
    pub const IPXE: u8 = 175;
    /// Padding.
    pub const PAD: u8 = 0;
    /// No more options here.
    pub const END: u8 = 255;
}

/// Before the options, RFC 2131 section 3.
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Bits of option 52.
const OVERLOADS_FILE: u8 = 1;
const OVERLOADS_SNAME: u8 = 2;

/// Message type, option 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// DHCPDISCOVER.
    Discover,
    /// DHCPOFFER.
    Offer,
    /// DHCPREQUEST.
    Request,
    /// DHCPDECLINE: somebody else has the address.
    Decline,
    /// DHCPACK.
    Ack,
    /// DHCPNAK.
    Nak,
    /// DHCPINFORM: the client has an address and asks for the rest.
    Inform,
    /// Any other.
    Other(u8),
}

/// Where a message names the server or file of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedIn {
    /// Option 66 or 67.
    Option,
    /// A field of the fixed part: `siaddr`, `sname`, `file`.
    Field,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dhcp<'a> {
    /// 1 from a client, 2 from a server.
    pub op: u8,
    /// Hardware type; 1 is Ethernet.
    pub htype: u8,
    /// Length of the hardware address.
    pub hlen: u8,
    /// Transaction.
    pub xid: u32,
    /// Address that the client has.
    pub ciaddr: Ipv4Addr,
    /// Address given to the client.
    pub yiaddr: Ipv4Addr,
    /// Server of the next step of the boot.
    pub siaddr: Ipv4Addr,
    /// Relay.
    pub giaddr: Ipv4Addr,
    /// Hardware address, `hlen` bytes of it.
    pub chaddr: [u8; 16],
    sname: &'a [u8],
    file: &'a [u8],
    options: &'a [u8],
}

impl<'a> Dhcp<'a> {
    /// Reads a message, of which at least the hardware address has to be there.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(payload);
        let [op, htype, hlen, _hops] = reader.array("op, htype, hlen, hops")?;
        if !matches!(op, 1 | 2) {
            return Err(reader.invalid("op", u64::from(op)));
        }
        let xid = reader.u32_be("xid")?;
        reader.take("secs and flags", 4)?;
        let mut address = |what| reader.array::<4>(what).map(Ipv4Addr::from);
        let (ciaddr, yiaddr) = (address("ciaddr")?, address("yiaddr")?);
        let (siaddr, giaddr) = (address("siaddr")?, address("giaddr")?);
        let chaddr = reader.array("chaddr")?;
        let sname = reader.take("sname", 64).unwrap_or_default();
        let file = reader.take("file", 128).unwrap_or_default();
        let options = match reader.array("magic cookie") {
            Ok(MAGIC_COOKIE) => reader.rest(),
            _ => &[],
        };
        Ok(Self {
            op,
            htype,
            hlen,
            xid,
            ciaddr,
            yiaddr,
            siaddr,
            giaddr,
            chaddr,
            sname,
            file,
            options,
        })
    }

    /// The hardware address, where it is one of six bytes.
    pub fn hardware_address(&self) -> Option<[u8; 6]> {
        let [a, b, c, d, e, f, ..] = self.chaddr;
        let address = [a, b, c, d, e, f];
        (self.hlen == 6 && address != [0; 6]).then_some(address)
    }

    /// Options in order, through `file` and `sname` where they hold some.
    pub fn options(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let overload = self.overload();
        let part = |used: bool, bytes: &'a [u8]| list(if used { bytes } else { &[] });
        list(self.options)
            .chain(part(overload & OVERLOADS_FILE != 0, self.file))
            .chain(part(overload & OVERLOADS_SNAME != 0, self.sname))
    }

    /// The first option of a code.
    pub fn option(&self, code: u8) -> Option<&'a [u8]> {
        self.options()
            .find(|&(found, _)| found == code)
            .map(|(_, value)| value)
    }

    /// What kind of message it is; `None` for BOOTP.
    pub fn message_type(&self) -> Option<MessageType> {
        let &[kind] = self.option(code::MESSAGE_TYPE)? else {
            return None;
        };
        Some(match kind {
            1 => MessageType::Discover,
            2 => MessageType::Offer,
            3 => MessageType::Request,
            4 => MessageType::Decline,
            5 => MessageType::Ack,
            6 => MessageType::Nak,
            8 => MessageType::Inform,
            other => MessageType::Other(other),
        })
    }

    /// The server that speaks, by its own word.
    pub fn server_identifier(&self) -> Option<Ipv4Addr> {
        let address: [u8; 4] = self.option(code::SERVER_IDENTIFIER)?.try_into().ok()?;
        Some(address.into())
    }

    /// Address that the client asks for, option 50.
    pub fn requested_address(&self) -> Option<Ipv4Addr> {
        let address: [u8; 4] = self.option(code::REQUESTED_ADDRESS)?.try_into().ok()?;
        Some(address.into())
    }

    /// Boot file named, and where: in option 67 or else in `file`.
    pub fn boot_file(&self) -> Option<(&'a [u8], NamedIn)> {
        self.name(code::BOOT_FILE, self.file, OVERLOADS_FILE)
    }

    /// Name of the TFTP server, and where: in option 66 or else in `sname`.
    pub fn tftp_server(&self) -> Option<(&'a [u8], NamedIn)> {
        self.name(code::TFTP_SERVER, self.sname, OVERLOADS_SNAME)
    }

    fn name(&self, code: u8, field: &'a [u8], overload: u8) -> Option<(&'a [u8], NamedIn)> {
        let by_option = self.option(code).map(until_nul);
        if let Some(name) = by_option.filter(|name| !name.is_empty()) {
            return Some((name, NamedIn::Option));
        }
        let name = until_nul(field);
        let is_name = !name.is_empty() && self.overload() & overload == 0;
        is_name.then_some((name, NamedIn::Field))
    }

    /// The machine's UUID, option 97 of type 0, in the byte order of the wire.
    pub fn machine_identifier(&self) -> Option<[u8; 16]> {
        match self.option(code::MACHINE_IDENTIFIER)? {
            [0, identifier @ ..] => identifier.try_into().ok(),
            _ => None,
        }
    }

    /// Whether iPXE speaks: option 77 says so, as text or as one class of RFC 3004, or option 175
    /// is there.
    pub fn is_ipxe(&self) -> bool {
        self.option(code::IPXE).is_some()
            || self
                .option(code::USER_CLASS)
                .is_some_and(|class| class == b"iPXE" || class == b"gPXE" || class == b"\x04iPXE")
    }

    /// The PXE options inside option 43; `None` where option 60 is not `PXEClient`, as then the
    /// option means something else.
    pub fn pxe_options(&self) -> Option<PxeOptions<'a>> {
        let class = self.option(code::VENDOR_CLASS)?;
        let options = self.option(code::VENDOR_SPECIFIC)?;
        class
            .starts_with(b"PXEClient")
            .then_some(PxeOptions::new(options))
    }

    /// The first architecture of option 93; where that is missing, the one in option 60,
    /// `PXEClient:Arch:00007:…`.
    pub fn architecture(&self) -> Option<u16> {
        if let Some(&[high, low, ..]) = self.option(code::ARCHITECTURE) {
            return Some(u16::from_be_bytes([high, low]));
        }
        let class = std::str::from_utf8(self.option(code::VENDOR_CLASS)?).ok()?;
        class.split_once(":Arch:")?.1.get(..5)?.parse().ok()
    }

    fn overload(&self) -> u8 {
        list(self.options)
            .find(|&(found, _)| found == code::OVERLOAD)
            .and_then(|(_, value)| value.first().copied())
            .unwrap_or(0)
    }
}

/// Code, length, value; ends before what is cut.
fn list(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut reader = Reader::new(bytes);
    std::iter::from_fn(move || {
        loop {
            match reader.u8("option code").ok()? {
                code::PAD => {}
                code::END => return None,
                code => {
                    let length = usize::from(reader.u8("option length").ok()?);
                    return Some((code, reader.take("option", length).ok()?));
                }
            }
        }
    })
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0);
    &bytes[..end.unwrap_or(bytes.len())]
}

/// Reads `data` as a message: options lie inside it, and what is derived agrees with them.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(dhcp) = Dhcp::parse(data) else {
        return;
    };
    let length: usize = dhcp.options().map(|(_, value)| value.len() + 2).sum();
    assert!(length + 44 <= data.len());
    for (code, _) in dhcp.options() {
        assert!(code != code::PAD && code != code::END);
        assert!(dhcp.option(code).is_some());
    }
    for (name, _) in dhcp.boot_file().into_iter().chain(dhcp.tftp_server()) {
        assert!(!name.is_empty() && !name.contains(&0));
    }
    if let Some(options) = dhcp.pxe_options() {
        let servers: usize = options
            .boot_servers()
            .map(|(_, addresses)| 3 + 4 * addresses.count())
            .sum();
        let menu: usize = options.menu().map(|(_, text)| 3 + text.len()).sum();
        assert!(servers < 256 && menu < 256);
    }
    if dhcp.message_type().is_some() {
        assert_eq!(dhcp.option(code::MESSAGE_TYPE).map(<[u8]>::len), Some(1));
    }
}

/// Builds messages for the tests of this stage and the next.
#[cfg(test)]
pub(crate) mod build {
    use super::*;

    /// A message whose fields are set by offset: `(28, chaddr)`, `(16, yiaddr)` …
    pub(crate) fn message(op: u8, fields: &[(usize, &[u8])], options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 236];
        bytes[..8].copy_from_slice(&[op, 1, 6, 0, 0, 0, 0, 7]);
        for &(offset, value) in fields {
            bytes[offset..offset + value.len()].copy_from_slice(value);
        }
        bytes.extend(MAGIC_COOKIE);
        for &(code, value) in options {
            bytes.extend([code, value.len() as u8]);
            bytes.extend(value);
        }
        bytes.push(code::END);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];

    #[test]
    fn reads_fields_and_options() {
        let bytes = build::message(
            2,
            &[
                (16, &[10, 0, 0, 50]),
                (20, &[10, 0, 0, 12]),
                (24, &[10, 0, 0, 254]),
                (28, &MAC),
                (108, b"boot\\x64\\wdsmgfw.efi\0"),
            ],
            &[
                (code::MESSAGE_TYPE, &[2]),
                (code::SERVER_IDENTIFIER, &[10, 0, 0, 1]),
                (code::VENDOR_CLASS, b"PXEClient:Arch:00009:UNDI:003016"),
                (code::TFTP_SERVER, b"10.0.0.12\0"),
            ],
        );
        let dhcp = Dhcp::parse(&bytes).expect("a message");
        assert_eq!((dhcp.op, dhcp.xid), (2, 7));
        assert_eq!(dhcp.yiaddr, Ipv4Addr::new(10, 0, 0, 50));
        assert_eq!(dhcp.siaddr, Ipv4Addr::new(10, 0, 0, 12));
        assert_eq!(dhcp.giaddr, Ipv4Addr::new(10, 0, 0, 254));
        assert_eq!(dhcp.hardware_address(), Some(MAC));
        assert_eq!(dhcp.message_type(), Some(MessageType::Offer));
        assert_eq!(dhcp.server_identifier(), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(
            dhcp.boot_file(),
            Some((&b"boot\\x64\\wdsmgfw.efi"[..], NamedIn::Field))
        );
        assert_eq!(
            dhcp.tftp_server(),
            Some((&b"10.0.0.12"[..], NamedIn::Option))
        );
        assert_eq!(dhcp.architecture(), Some(9));
    }

    #[test]
    fn options_go_on_in_overloaded_fields() {
        let bytes = build::message(
            2,
            &[
                (28, &MAC),
                (44, &[66, 3, b't', b'f', b't', 255]),
                (108, &[0, 67, 2, b'b', b'1', 93, 2, 0, 7, 255]),
            ],
            &[(code::OVERLOAD, &[3]), (code::MESSAGE_TYPE, &[5])],
        );
        let dhcp = Dhcp::parse(&bytes).expect("a message");
        let codes: Vec<_> = dhcp.options().map(|(code, _)| code).collect();
        assert_eq!(codes, [52, 53, 67, 93, 66]);
        assert_eq!(dhcp.boot_file(), Some((&b"b1"[..], NamedIn::Option)));
        assert_eq!(dhcp.tftp_server(), Some((&b"tft"[..], NamedIn::Option)));
        assert_eq!(dhcp.architecture(), Some(7));
        // Without the option they are names.
        let bytes = build::message(2, &[(44, b"server"), (108, b"file")], &[]);
        let dhcp = Dhcp::parse(&bytes).expect("a message");
        assert_eq!(dhcp.boot_file(), Some((&b"file"[..], NamedIn::Field)));
        assert_eq!(dhcp.tftp_server(), Some((&b"server"[..], NamedIn::Field)));
        assert_eq!((dhcp.message_type(), dhcp.hardware_address()), (None, None));
    }

    #[test]
    fn ipxe_and_the_machine_are_named() {
        let uuid = [7; 16];
        let mut identifier = vec![0];
        identifier.extend(uuid);
        let bytes = build::message(1, &[], &[(97, &identifier)]);
        let dhcp = Dhcp::parse(&bytes).expect("a message");
        assert_eq!(
            (dhcp.machine_identifier(), dhcp.is_ipxe()),
            (Some(uuid), false)
        );
        for (code, value) in [(77, &b"iPXE"[..]), (77, b"\x04iPXE"), (175, &[1, 1, 1])] {
            let bytes = build::message(1, &[], &[(code, value)]);
            assert!(Dhcp::parse(&bytes).expect("a message").is_ipxe());
        }
    }

    #[test]
    fn a_cut_message_is_read_as_far_as_it_goes() {
        let bytes = build::message(1, &[(28, &MAC)], &[(53, &[1]), (60, b"PXEClient")]);
        for end in 44..bytes.len() {
            let dhcp = Dhcp::parse(&bytes[..end]).expect("a message");
            assert_eq!(dhcp.hardware_address(), Some(MAC));
            assert_eq!(dhcp.message_type().is_some(), end >= 243, "{end}");
        }
        assert!(Dhcp::parse(&bytes[..43]).is_err());
        assert!(Dhcp::parse(&[3; 300]).is_err());
    }
}
