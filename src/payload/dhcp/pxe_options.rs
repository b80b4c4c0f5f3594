//! What option 43 holds for PXE firmware.

use std::net::Ipv4Addr;

use super::list;
use crate::payload::reader::Reader;

/// The PXE options inside option 43 (PXE specification 2.1, table 2-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PxeOptions<'a> {
    options: &'a [u8],
}

/// Tags of PXE options.
mod tag {
    pub(super) const DISCOVERY_CONTROL: u8 = 6;
    pub(super) const BOOT_SERVERS: u8 = 8;
    pub(super) const BOOT_MENU: u8 = 9;
    pub(super) const MENU_PROMPT: u8 = 10;
}

impl<'a> PxeOptions<'a> {
    pub(super) fn new(options: &'a [u8]) -> Self {
        Self { options }
    }

    fn option(&self, tag: u8) -> Option<&'a [u8]> {
        let mut options = list(self.options);
        options
            .find(|&(found, _)| found == tag)
            .map(|(_, value)| value)
    }

    /// Discovery control: bit 0 no broadcast, bit 1 no multicast, bit 2 only the servers listed,
    /// bit 3 take the file of the offer.
    pub fn discovery_control(&self) -> Option<u8> {
        self.option(tag::DISCOVERY_CONTROL)?.first().copied()
    }

    /// Boot servers: their type, and the addresses of those of that type.
    pub fn boot_servers(
        &self,
    ) -> impl Iterator<Item = (u16, impl Iterator<Item = Ipv4Addr> + use<'a>)> {
        let mut reader = Reader::new(self.option(tag::BOOT_SERVERS).unwrap_or_default());
        std::iter::from_fn(move || {
            let kind = reader.u16_be("boot server type").ok()?;
            let count = usize::from(reader.u8("address count").ok()?);
            let addresses = reader.take("boot server addresses", 4 * count).ok()?;
            let addresses = addresses.chunks_exact(4);
            let addresses =
                addresses.map(|octets| Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]));
            Some((kind, addresses))
        })
    }

    /// Entries of the boot menu: their type and text.
    pub fn menu(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.option(tag::BOOT_MENU).unwrap_or_default());
        std::iter::from_fn(move || {
            let kind = reader.u16_be("boot server type").ok()?;
            let length = usize::from(reader.u8("description length").ok()?);
            Some((kind, reader.take("description", length).ok()?))
        })
    }

    /// Prompt of the boot menu: seconds that it waits (0 none, 255 for ever), and text.
    pub fn prompt(&self) -> Option<(u8, &'a [u8])> {
        let (seconds, text) = self.option(tag::MENU_PROMPT)?.split_first()?;
        Some((*seconds, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::dhcp::{Dhcp, build, code};

    #[test]
    fn reads_what_pxe_puts_into_option_43() {
        let inside = [
            &[6, 1, 0b1010][..],
            &[8, 10, 0, 0, 1, 10, 0, 0, 12, 0x80, 1, 0],
            &[9, 8, 0, 0, 5, b'L', b'o', b'c', b'a', b'l'],
            &[10, 4, 20, b'F', b'1', b'2', 255],
        ]
        .concat();
        let options = [(code::VENDOR_CLASS, &b"PXEClient"[..]), (43, &inside[..])];
        let bytes = build::message(2, &[], &options);
        let dhcp = Dhcp::parse(&bytes).expect("a message");
        let options = dhcp.pxe_options().expect("PXE options");
        assert_eq!(options.discovery_control(), Some(0b1010));
        let servers = options.boot_servers();
        let servers: Vec<(u16, Vec<_>)> =
            servers.map(|(kind, list)| (kind, list.collect())).collect();
        assert_eq!(
            servers,
            [(0, vec![Ipv4Addr::new(10, 0, 0, 12)]), (0x8001, vec![])]
        );
        assert_eq!(options.menu().collect::<Vec<_>>(), [(0, &b"Local"[..])]);
        assert_eq!(options.prompt(), Some((20, &b"F12"[..])));
        // Of another vendor class, the option means something else.
        let bytes = build::message(2, &[], &[(60, b"MSFT 5.0"), (43, &inside)]);
        assert_eq!(Dhcp::parse(&bytes).expect("a message").pxe_options(), None);
    }
}
