//! What a file is, by its first bytes. Names and suffixes are never asked.

use super::ReadError;
use super::pcap::is_pcap;
use super::pcapng::is_pcapng;

/// A container that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pcap,
    Pcapng,
}

/// What to do about a capture in another container.
const CONVERT: &str = "convert it with `editcap -F pcapng IN OUT`";

/// What to do about one that must be unpacked.
const UNPACK: &str = "unpack it first";

/// What gzip, zstd and lz4 are where they are met here, as sources are unpacked once before.
const TWICE: &str = "doubly compressed";

/// Beginnings of what people take for a capture that is read here, with what to call it and
/// what to do next.
const FOREIGN: &[(&[u8], &str, &str)] = &[
    (&[0x1f, 0x8b], TWICE, UNPACK),
    (&[0x28, 0xb5, 0x2f, 0xfd], TWICE, UNPACK),
    (&[0x04, 0x22, 0x4d, 0x18], TWICE, UNPACK),
    (
        b"\xfd7zXZ\0",
        "xz",
        "pipe it in: `xz -dc FILE | portolan COMMAND -`",
    ),
    (
        b"BZh",
        "bzip2",
        "pipe it in: `bzip2 -dc FILE | portolan COMMAND -`",
    ),
    (b"PK\x03\x04", "zip", UNPACK),
    (
        b"\x93portolan-part",
        "portolan part",
        "give it to `portolan merge`",
    ),
    (b"GMBU", "Network Monitor 2", CONVERT),
    (b"RTSS", "Network Monitor 1", CONVERT),
    (b"snoop\0\0\0", "snoop", CONVERT),
    (b"XCP\0", "NetXray", CONVERT),
    (b"TRSNIFF data    \x1a", "Sniffer", CONVERT),
    (&[0xa1, 0xb2, 0x34, 0xcd], "patched pcap", CONVERT),
    (&[0xcd, 0x34, 0xb2, 0xa1], "patched pcap", CONVERT),
];

impl Format {
    /// Stable name, as in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        }
    }

    /// The format of an input that begins with `bytes`: its first 24, or all where it is shorter;
    /// more make the errors better.
    pub(super) fn recognise(bytes: &[u8], name: &str) -> Result<Self, ReadError> {
        if is_pcap(bytes) {
            return Ok(Self::Pcap);
        }
        if is_pcapng(bytes) {
            return Ok(Self::Pcapng);
        }
        let name = name.to_owned();
        if bytes.is_empty() {
            return Err(ReadError::Empty { name });
        }
        if bytes.iter().all(|&byte| byte == 0) {
            return Err(ReadError::Zeros { name });
        }
        let foreign = FOREIGN.iter().find(|entry| bytes.starts_with(entry.0));
        if let Some(&(_, format, advice)) = foreign {
            return Err(ReadError::Foreign {
                name,
                format,
                advice,
            });
        }
        Err(ReadError::Unrecognised {
            name,
            begins: hexadecimal(&bytes[..bytes.len().min(4)]),
        })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let words: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: &[u8]) -> String {
        Format::recognise(bytes, "x").unwrap_err().to_string()
    }

    #[test]
    fn recognises_captures() {
        for magic in [
            [0xd4, 0xc3, 0xb2, 0xa1],
            [0xa1, 0xb2, 0xc3, 0xd4],
            [0x4d, 0x3c, 0xb2, 0xa1],
            [0xa1, 0xb2, 0x3c, 0x4d],
            [0x34, 0xcd, 0xb2, 0xa1],
            [0xa1, 0xb2, 0xcd, 0x34],
        ] {
            assert_eq!(Format::recognise(&magic, "x").unwrap(), Format::Pcap);
        }
        let section = *b"\n\r\r\n\x1c\0\0\0\x4d\x3c\x2b\x1a";
        assert_eq!(Format::recognise(&section, "x").unwrap(), Format::Pcapng);
        assert!(message(b"\n\r\r\n\x1c\0\0\0text").contains("begins with 0a 0d 0d 0a"));
    }

    #[test]
    fn says_what_else_it_is_and_what_to_do() {
        assert!(message(b"BZh91AY").contains("bzip2 -dc FILE | portolan"));
        assert!(message(&[0x1f, 0x8b, 8, 0]).contains("doubly compressed"));
        assert!(message(b"GMBU\0\x02").contains("editcap -F pcapng"));
        assert!(message(b"").contains("empty"));
        assert!(message(&[0; 64]).contains("zeros"));
        assert!(message(b"hi").contains("begins with 68 69"));
    }
}
