//! Where pcapng blocks end, so that only whole ones reach a file.

/// Most of a block: 16 MiB of a packet, and what is around it.
const MAX_BLOCK_BYTES: usize = (16 << 20) + 4096;
/// Type, length, and the length again.
const FRAMING: usize = 12;
const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
/// Where the options of a section header begin.
const SECTION_OPTIONS: usize = 24;
/// The option that names the program.
const SHB_USERAPPL: u16 = 4;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// A block in bytes that begin with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Bytes of it.
    pub(super) length: usize,
    /// What it holds.
    pub(super) holds: Holds,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// The description of an interface.
    Interface,
    /// A packet of the interface with that number.
    Packet(u32),
    /// Anything else.
    Other,
}

/// Bytes that are no blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoBlock;

impl Block {
    /// The block that `bytes` begin with; `None` where they end before it does.
    ///
    /// # Errors
    /// Where no block begins so.
    pub(super) fn first(bytes: &[u8]) -> Result<Option<Self>, NoBlock> {
        let Some(length) = word(bytes, 4) else {
            return Ok(None);
        };
        let claimed = length as usize;
        if claimed < FRAMING || !claimed.is_multiple_of(4) || claimed > MAX_BLOCK_BYTES {
            return Err(NoBlock);
        }
        let Some(block) = bytes.get(..claimed) else {
            return Ok(None);
        };
        if word(block, claimed - 4) != Some(length) {
            return Err(NoBlock);
        }
        let holds = match (word(block, 0), word(block, 8)) {
            (Some(INTERFACE_DESCRIPTION), _) => Holds::Interface,
            (Some(ENHANCED_PACKET), Some(interface)) if claimed >= FRAMING + 20 => {
                Holds::Packet(interface)
            }
            _ => Holds::Other,
        };
        Ok(Some(Self {
            length: claimed,
            holds,
        }))
    }
}

/// How many of `bytes` are whole blocks.
///
/// # Errors
/// Where something else follows them; how many bytes they are.
pub(super) fn whole(bytes: &[u8]) -> Result<usize, usize> {
    let mut at = 0;
    loop {
        match Block::first(&bytes[at..]) {
            Ok(Some(block)) => at += block.length,
            Ok(None) => return Ok(at),
            Err(NoBlock) => return Err(at),
        }
    }
}

/// The blocks that `bytes` are.
pub(super) fn blocks(bytes: &[u8]) -> impl Iterator<Item = Block> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let block = Block::first(rest).ok()??;
        rest = &rest[block.length..];
        Some(block)
    })
}

/// The program that began a file as [`Blocks`](crate::capture::Blocks) does, without its version.
pub(super) fn program(bytes: &[u8]) -> Option<&[u8]> {
    let header = Block::first(bytes).ok()??;
    if word(bytes, 0) != Some(SECTION_HEADER) || word(bytes, 8) != Some(BYTE_ORDER_MAGIC) {
        return None;
    }
    let mut options = bytes.get(SECTION_OPTIONS..header.length - 4)?;
    loop {
        let ([a, b, c, d], rest) = options.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_le_bytes([*c, *d]));
        if u16::from_le_bytes([*a, *b]) == SHB_USERAPPL {
            return rest.get(..length)?.split(|byte| *byte == b' ').next();
        }
        options = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Blocks, Section};
    use crate::watch::scribe::testing::{header, packets};

    #[test]
    fn finds_whole_blocks_only() {
        let bytes = [header(2), packets(1, 1..3)].concat();
        let found: Vec<Holds> = blocks(&bytes).map(|block| block.holds).collect();
        let packet = Holds::Packet(1);
        assert_eq!(
            found,
            [
                Holds::Other,
                Holds::Interface,
                Holds::Interface,
                packet,
                packet
            ]
        );
        let borders: Vec<usize> = blocks(&bytes)
            .scan(0, |at, block| {
                *at += block.length;
                Some(*at)
            })
            .collect();
        for length in 0..=bytes.len() {
            let border = borders.iter().rfind(|border| **border <= length);
            assert_eq!(whole(&bytes[..length]), Ok(border.copied().unwrap_or(0)));
        }
    }

    #[test]
    fn tells_what_is_no_block() {
        let good = packets(0, 0..2);
        let half = good.len() / 2;
        // The length: too small, odd, too large; the length again.
        for (at, value) in [(4, 8), (4, 33), (7, 2), (half - 4, 0)] {
            let mut wrong = good.clone();
            wrong[half + at % half] = value;
            assert_eq!(whole(&wrong), Err(half), "{at}");
        }
        assert_eq!(whole(&[0; 12]), Err(0));
    }

    #[test]
    fn knows_which_program_began_a_file() {
        let section = |hardware, application| {
            let mut blocks = Blocks::new();
            blocks.section(&Section {
                hardware,
                os: Some("a system"),
                application,
            });
            blocks.into_bytes()
        };
        let begun = section(Some("odd"), Some("portolan 0.1.0"));
        assert_eq!(program(&begun), Some(&b"portolan"[..]));
        assert_eq!(program(&section(None, Some("other"))), Some(&b"other"[..]));
        assert_eq!(program(&section(None, None)), None);
        for length in 0..begun.len() {
            assert_eq!(program(&begun[..length]), None);
        }
        let followed = [&begun[..], &packets(0, 0..1)].concat();
        assert_eq!(program(&followed), Some(&b"portolan"[..]));
        assert_eq!(program(&packets(0, 0..1)), None);
    }
}
