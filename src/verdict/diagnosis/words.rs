//! Words that sentences of several diagnoses share.

use std::fmt::Write;
use std::net::IpAddr;

use crate::payload::Text;
use crate::verdict::Judge;

/// Machines named in one sentence; the others are counted.
const NAMED: usize = 3;
/// Characters of a file name in a sentence.
const FILE_NAME: usize = 80;

/// Addresses with their names, the first few of them.
pub(super) fn list(judge: &Judge<'_>, addresses: &[IpAddr]) -> String {
    let mut text = String::new();
    let shown = addresses.len().min(NAMED);
    for (index, address) in addresses[..shown].iter().enumerate() {
        let last = index > 0 && index + 1 == addresses.len();
        let between = match (index, last) {
            (0, _) => "",
            (_, true) => " and ",
            (_, false) => ", ",
        };
        text.push_str(between);
        text.push_str(&named(judge, *address));
    }
    if addresses.len() > shown {
        let _ = write!(text, " and {} more", addresses.len() - shown);
    }
    text
}

/// An address with its name in the site file.
pub(super) fn named(judge: &Judge<'_>, address: IpAddr) -> String {
    match judge.host_name(address) {
        Some(name) => format!("{address} ({name})"),
        None => address.to_string(),
    }
}

/// A file's name, or another text of a packet, for a sentence; the report escapes it.
pub(in crate::verdict) fn file_name(file: &Text) -> String {
    let text = String::from_utf8_lossy(file.bytes());
    match text.char_indices().nth(FILE_NAME) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
