//! TFTP packets: RFC 1350 with the option extension of RFC 2347 (blksize RFC 2348, timeout and
//! tsize RFC 2349, windowsize RFC 7440). Knows nothing of transfers; a packet that the snaplen
//! cut is read as far as it goes, and says so.

use super::reader::{ReadError, Reader};

/// Port that requests are sent to (RFC 1350 section 4).
pub const PORT: u16 = 69;
/// Block size without the blksize option (RFC 1350 section 2).
pub const DEFAULT_BLOCK_SIZE: u16 = 512;
/// Opcode and block number before the payload of DATA (RFC 1350 section 5).
const DATA_HEADER: u32 = 4;
/// Error codes end here (RFC 1350 section 5, RFC 2347).
const LAST_ERROR_CODE: u16 = 8;

/// Kind of a packet, RFC 1350 section 5 and RFC 2347.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// RRQ, 1.
    ReadRequest,
    /// WRQ, 2.
    WriteRequest,
    /// DATA, 3.
    Data,
    /// ACK, 4.
    Acknowledgment,
    /// ERROR, 5.
    Error,
    /// OACK, 6.
    OptionAcknowledgment,
}

impl Opcode {
    fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::ReadRequest,
            2 => Self::WriteRequest,
            3 => Self::Data,
            4 => Self::Acknowledgment,
            5 => Self::Error,
            6 => Self::OptionAcknowledgment,
            _ => return None,
        })
    }
}

/// A TFTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tftp<'a> {
    /// RRQ.
    ReadRequest(Request<'a>),
    /// WRQ.
    WriteRequest(Request<'a>),
    /// DATA.
    Data {
        /// Block number.
        block: u16,
        /// Payload bytes on the wire.
        length: u32,
    },
    /// ACK.
    Acknowledgment {
        /// Block number.
        block: u16,
        /// Window that a client with the `msftwindow` extension asks for.
        window: Option<u8>,
    },
    /// ERROR.
    Error {
        /// Error code.
        code: u16,
        /// Message, without its terminator.
        text: &'a [u8],
    },
    /// OACK.
    OptionAcknowledgment(Options<'a>),
}

/// RRQ or WRQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// File name; its beginning where the packet was cut inside it.
    pub file: &'a [u8],
    /// Transfer mode, spelt as sent; empty where the packet was cut before its end.
    pub mode: &'a [u8],
    /// Options asked for.
    pub options: Options<'a>,
}

/// Options of a request or of an OACK (RFC 2347).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    bytes: &'a [u8],
    cut: bool,
}

impl<'a> Options<'a> {
    /// Whether bytes are missing, so that there may have been more options.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Names and values, as sent. Ends before what lacks its terminator.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            let name = reader.until_nul("option name").ok()?;
            let value = reader.until_nul("option value").ok()?;
            (!name.is_empty()).then_some((name, value))
        })
    }
}

impl<'a> Tftp<'a> {
    /// Reads a packet of which `payload` was captured and `wire_length` bytes were sent.
    pub fn parse(payload: &'a [u8], wire_length: u32) -> Result<Self, ReadError> {
        let mut reader = Reader::new(payload);
        let cut = payload.len() < wire_length as usize;
        let number = reader.u16_be("opcode")?;
        let opcode = Opcode::from_number(number)
            .ok_or_else(|| reader.invalid("opcode", u64::from(number)))?;
        Ok(match opcode {
            Opcode::ReadRequest => Self::ReadRequest(request(reader, cut)?),
            Opcode::WriteRequest => Self::WriteRequest(request(reader, cut)?),
            Opcode::Data => Self::Data {
                block: reader.u16_be("block number")?,
                length: wire_length.max(payload.len() as u32) - DATA_HEADER,
            },
            Opcode::Acknowledgment => Self::Acknowledgment {
                block: reader.u16_be("block number")?,
                window: reader.u8("window").ok(),
            },
            Opcode::Error => Self::Error {
                code: reader.u16_be("error code")?,
                text: text(reader),
            },
            Opcode::OptionAcknowledgment => Self::OptionAcknowledgment(Options {
                bytes: reader.rest(),
                cut,
            }),
        })
    }
}

/// Whether a UDP payload begins like TFTP, and as what. Cheap, for every packet of any port:
/// it holds for some packets of other protocols, whose flows no request explains.
#[inline]
pub fn looks_like_tftp(payload: &[u8]) -> Option<Opcode> {
    // Every opcode is below 256.
    let [0, low, third, fourth, ..] = *payload else {
        return None;
    };
    let opcode = Opcode::from_number(u16::from(low))?;
    let plausible = match opcode {
        Opcode::ReadRequest | Opcode::WriteRequest => is_request_body(&payload[2..]),
        Opcode::Data => true,
        Opcode::Acknowledgment => payload.len() <= 5,
        Opcode::Error => u16::from_be_bytes([third, fourth]) <= LAST_ERROR_CODE,
        Opcode::OptionAcknowledgment => third.is_ascii_alphabetic() && is_printable(fourth),
    };
    plausible.then_some(opcode)
}

fn request(mut reader: Reader<'_>, cut: bool) -> Result<Request<'_>, ReadError> {
    let mut field = |what| match reader.until_nul(what) {
        Ok(field) => Ok((field, false)),
        Err(_) if cut => Ok((reader.rest(), true)),
        Err(error) => Err(error),
    };
    let (file, _) = field("file name")?;
    let (mode, mode_cut) = field("mode")?;
    Ok(Request {
        file,
        mode: if mode_cut { &[] } else { mode },
        options: Options {
            bytes: reader.rest(),
            cut,
        },
    })
}

/// Up to the terminator, or all where that is missing.
fn text(mut reader: Reader<'_>) -> &[u8] {
    reader
        .until_nul("error message")
        .unwrap_or_else(|_| reader.rest())
}

/// A file name and a mode of RFC 1350, or the beginning of that.
fn is_request_body(body: &[u8]) -> bool {
    let mut reader = Reader::new(body);
    let Ok(file) = reader.until_nul("file name") else {
        return body.iter().all(|&byte| is_printable(byte));
    };
    if file.is_empty() || !file.iter().all(|&byte| is_printable(byte)) {
        return false;
    }
    let rest = reader.peek();
    ["octet", "netascii", "mail"].iter().any(|mode| {
        let shared = rest.len().min(mode.len());
        rest[..shared].eq_ignore_ascii_case(&mode.as_bytes()[..shared])
    })
}

/// File names may be in any character set that has ASCII in it.
fn is_printable(byte: u8) -> bool {
    byte >= 0x20 && byte != 0x7f
}

/// Reads `data` as a whole and as a cut packet: what is read of the cut one is a part of it.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let whole = Tftp::parse(data, data.len() as u32);
    let cut = Tftp::parse(data, data.len() as u32 + 1);
    if let Ok(Tftp::ReadRequest(request) | Tftp::WriteRequest(request)) = whole {
        let options: usize = request
            .options
            .iter()
            .map(|(a, b)| a.len() + b.len() + 2)
            .sum();
        assert!(2 + request.file.len() + request.mode.len() + 2 + options <= data.len());
        assert!(!request.options.is_cut());
    }
    if let Ok(Tftp::Data { length, .. }) = whole {
        assert_eq!(length as usize + 4, data.len());
    }
    // What is good whole is good cut: cutting only takes demands away.
    assert!(whole.is_err() || cut.is_ok());
    if looks_like_tftp(data).is_some() {
        assert!(cut.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Tftp<'_> {
        Tftp::parse(bytes, bytes.len() as u32).expect("a TFTP packet")
    }

    #[test]
    fn reads_a_request_with_options() {
        let Tftp::ReadRequest(request) =
            parse(b"\0\x01boot\\x64\\wdsmgfw.efi\0octet\0tsize\x000\0BLKSIZE\x001456\0")
        else {
            panic!("a read request");
        };
        assert_eq!(request.file, b"boot\\x64\\wdsmgfw.efi");
        assert_eq!(request.mode, b"octet");
        let options: Vec<_> = request.options.iter().collect();
        assert_eq!(options, [(&b"tsize"[..], &b"0"[..]), (b"BLKSIZE", b"1456")]);
        assert!(!request.options.is_cut());
    }

    #[test]
    fn reads_data_acknowledgments_errors_and_option_acknowledgments() {
        assert_eq!(
            parse(b"\0\x03\xff\xffabc"),
            Tftp::Data {
                block: 65535,
                length: 3
            }
        );
        assert_eq!(
            parse(b"\0\x04\0\x02"),
            Tftp::Acknowledgment {
                block: 2,
                window: None
            }
        );
        assert_eq!(
            parse(b"\0\x04\0\x02\x08"),
            Tftp::Acknowledgment {
                block: 2,
                window: Some(8)
            }
        );
        assert_eq!(
            parse(b"\0\x05\0\x01File not found\0"),
            Tftp::Error {
                code: 1,
                text: b"File not found"
            }
        );
        let Tftp::OptionAcknowledgment(options) =
            parse(b"\0\x06blksize\x001024\0windowsize\x004\0")
        else {
            panic!("an option acknowledgment");
        };
        assert_eq!(options.iter().count(), 2);
    }

    #[test]
    fn a_cut_packet_is_read_as_far_as_it_goes() {
        assert_eq!(
            Tftp::parse(b"\0\x03\0\x01", 516),
            Ok(Tftp::Data {
                block: 1,
                length: 512
            })
        );
        let cut = b"\0\x01file\0octet\0blksi";
        let Ok(Tftp::ReadRequest(request)) = Tftp::parse(cut, 40) else {
            panic!("a read request");
        };
        assert_eq!((request.file, request.mode), (&b"file"[..], &b"octet"[..]));
        assert!(request.options.is_cut() && request.options.iter().next().is_none());
        let Ok(Tftp::ReadRequest(request)) = Tftp::parse(b"\0\x01file\0oct", 40) else {
            panic!("a read request");
        };
        assert_eq!((request.file, request.mode), (&b"file"[..], &b""[..]));
    }

    #[test]
    fn refuses_what_is_no_packet() {
        assert!(Tftp::parse(b"\0\x01file\0oct", 10).is_err());
        assert!(Tftp::parse(b"\0\x07\0\0", 4).is_err());
        assert!(Tftp::parse(b"\0\x03\0", 3).is_err());
        assert!(Tftp::parse(b"", 0).is_err());
    }

    #[test]
    fn recognises_packets_by_their_beginning() {
        for (bytes, opcode) in [
            (&b"\0\x01pxelinux.0\0octet\0"[..], Opcode::ReadRequest),
            (b"\0\x01pxelin", Opcode::ReadRequest),
            (b"\0\x02up\0NetASCII\0", Opcode::WriteRequest),
            (b"\0\x03\0\x01", Opcode::Data),
            (b"\0\x04\0\0", Opcode::Acknowledgment),
            (b"\0\x04\0\0\x08", Opcode::Acknowledgment),
            (b"\0\x05\0\x08\0", Opcode::Error),
            (b"\0\x06tsize\0", Opcode::OptionAcknowledgment),
        ] {
            assert_eq!(looks_like_tftp(bytes), Some(opcode), "{bytes:?}");
        }
        for bytes in [
            &b"\0\x01\0\x02\0\0"[..],
            b"\0\x01file\0text\0",
            b"\0\x04\0\0\0\0",
            b"\0\x05\x01\0",
            b"\0\x06\x01a",
            b"\x12\x03\0\x01",
            b"\0\x03",
        ] {
            assert_eq!(looks_like_tftp(bytes), None, "{bytes:?}");
        }
    }
}
