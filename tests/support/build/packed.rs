//! gzip, zstd and lz4 without compressing anything: each byte stands in the file as it is. Made by
//! hand after RFC 1952, RFC 8878 and the LZ4 frame format, so that no library's version shows.

/// Bytes of a stored block; no format allows fewer.
const BLOCK: usize = 0xffff;

/// A gzip member of stored blocks.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = content.chunks(BLOCK).peekable();
    if blocks.peek().is_none() {
        stored(&[], true, &mut file);
    }
    while let Some(block) = blocks.next() {
        stored(block, blocks.peek().is_none(), &mut file);
    }
    file.extend(crc32(content).to_le_bytes());
    file.extend((content.len() as u32).to_le_bytes());
    file
}

fn stored(block: &[u8], last: bool, file: &mut Vec<u8>) {
    let length = block.len() as u16;
    file.push(u8::from(last));
    file.extend(length.to_le_bytes());
    file.extend((!length).to_le_bytes());
    file.extend(block);
}

fn crc32(content: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
    let byte = |crc, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !content.iter().fold(!0, byte)
}

/// A zstd frame of raw blocks, without a checksum; its window is 64 KiB.
pub fn zstd(content: &[u8]) -> Vec<u8> {
    let mut file = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 6 << 3];
    for block in content.chunks(BLOCK) {
        file.extend(&((block.len() as u32) << 3).to_le_bytes()[..3]);
        file.extend(block);
    }
    // The last block is empty.
    file.extend([1, 0, 0]);
    file
}

/// An lz4 frame of uncompressed, independent blocks, without checksums.
pub fn lz4(content: &[u8]) -> Vec<u8> {
    // The third byte of the descriptor is the checksum of the two before.
    let mut file = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    for block in content.chunks(BLOCK) {
        file.extend((block.len() as u32 | 1 << 31).to_le_bytes());
        file.extend(block);
    }
    file.extend([0; 4]);
    file
}

/// A frame that decoders of zstd and lz4 pass over.
pub fn skippable(length: u32) -> Vec<u8> {
    let mut frame = vec![0x50, 0x2a, 0x4d, 0x18];
    frame.extend(length.to_le_bytes());
    frame.resize(frame.len() + length as usize, 0xaa);
    frame
}
