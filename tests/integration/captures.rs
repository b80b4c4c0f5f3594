//! Every real capture of the shared folder, read whole: packet counts must be those of the
//! folder's index.

use std::fs;
use std::path::{Path, PathBuf};

use portolan::capture::{Compression, Reader, fuzz_container, sources};

use crate::support::shared::shared;

/// A line of the folder's index.
struct Entry {
    path: PathBuf,
    file_type: String,
    link_types: Vec<String>,
    packets: u64,
    malformed: bool,
}

fn index(folder: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let column = |name: &str| head.iter().position(|it| *it == name).unwrap();
    let (file, file_type, link_type) = (column("file"), column("file type"), column("link type"));
    let (packets, features) = (column("packets"), column("features"));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            Entry {
                path: folder.join(fields[file]),
                file_type: fields[file_type].to_owned(),
                link_types: fields[link_type].split('+').map(str::to_owned).collect(),
                packets: fields[packets].parse().unwrap(),
                malformed: fields[features].split(',').any(|it| it == "malformed-set"),
            }
        })
        .collect()
}

#[test]
fn packet_counts_are_those_of_the_index() {
    let Some(folder) = shared("captures") else {
        return;
    };
    let mut read = 0;
    for entry in index(&folder).iter().filter(|it| !it.malformed) {
        let name = entry.path.display();
        let found = sources(std::slice::from_ref(&entry.path)).unwrap();
        let mut reader = found.list[0].open().unwrap();
        let (mut packets, mut last, mut first) = (0, 0, None);
        reader.read(|frame| {
            assert!(frame.number > last, "{name}");
            last = frame.number;
            packets += 1;
            first.get_or_insert(frame.time);
        });
        assert_eq!(reader.problem(), None, "{name}");
        assert_eq!(packets, entry.packets, "{name}");
        assert_eq!(Some(reader.source_bytes()), found.list[0].size, "{name}");
        let compression = reader.compression().map(Compression::name);
        let packed = entry.file_type.contains("gzip").then_some("gzip");
        assert_eq!(compression, packed, "{name}");
        assert_eq!(found.list[0].first, first, "{name}");
        assert!(entry.file_type.starts_with(reader.format()), "{name}");
        let link_types = reader.link_types();
        for link_type in &entry.link_types {
            let known = link_types
                .iter()
                .any(|it| it.name().ends_with(link_type.as_str()));
            // The index shortens names, and numbers those that it does not know.
            let other = link_type.starts_with("LT") || link_type.starts_with("tshark");
            assert!(known || other || link_type == "-", "{name}: {link_type}");
        }
        read += 1;
    }
    assert!(read > 100, "the index names only {read} captures");
}

#[test]
fn malformed_captures_are_read_alike_in_every_buffer() {
    let Some(folder) = shared("captures") else {
        return;
    };
    let mut problems = 0;
    for entry in index(&folder).iter().filter(|it| it.malformed) {
        let bytes = fs::read(&entry.path).unwrap();
        fuzz_container(&bytes);
        let name = entry.path.file_name().unwrap().to_string_lossy();
        match Reader::new(&bytes[..], &name) {
            Ok(mut reader) => {
                reader.read(|_| {});
                // The index also counts a cut record, and sections of unknown versions.
                assert!(reader.frames() <= entry.packets, "{name}");
                problems += u32::from(reader.problem().is_some());
            }
            Err(error) => {
                let foreign = ["NetMon 2", "snoop", "NetXray/Sniffer"];
                assert!(foreign.contains(&&*entry.file_type), "{error}");
                assert!(error.to_string().contains("editcap"), "{error}");
            }
        }
    }
    assert!(problems > 0, "no malformed capture has a problem");
}

#[test]
fn the_folder_is_read_whole() {
    let Some(folder) = shared("captures") else {
        return;
    };
    let found = sources(std::slice::from_ref(&folder)).unwrap();
    let readable = |it: &&Entry| it.file_type.starts_with("pcap");
    for entry in index(&folder).iter().filter(readable) {
        let name = entry.path.display().to_string();
        assert!(found.list.iter().any(|it| it.name == name), "{name}");
    }
    assert!(
        found
            .list
            .is_sorted_by_key(|it| (it.first.is_none(), it.first))
    );
    assert!(found.failed.is_empty(), "{:?}", found.failed);
    let skipped: Vec<_> = found.warnings.iter().map(ToString::to_string).collect();
    assert!(
        skipped
            .iter()
            .any(|it| it.contains("INDEX.tsv: not a pcap"))
    );
}
