//! `portolan shard` and `portolan merge`: part files, reports, exit status and errors.

use std::fs::{self, File};
use std::path::Path;

use portolan::capture::Reader;
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Run, fixture, portolan, portolan_in, portolan_reading, root};
use crate::merge::{audit_of, drop_what_may_differ};
use crate::support::build::{Pcapng, Record, Rng};
use crate::support::frames::read;
use crate::support::shared::captures;

/// A folder with the fixtures in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in [
        "boundary.pcapng",
        "clean.pcap",
        "pxe-good.pcap",
        "pxe-stalled.pcap",
        "boundary.toml",
        "pxe.toml",
    ] {
        fs::write(folder.path().join(name), fixture(name)).expect("writes");
    }
    folder
}

fn run(folder: &TempDir, line: &str) -> Run {
    portolan_in(folder.path(), line.split(' '))
}

/// Runs `line`, which must end so and say nothing.
fn silent(folder: &TempDir, line: &str, status: i32) -> Run {
    let run = run(folder, line);
    assert_eq!((run.status, run.err.as_str()), (status, ""), "{line}");
    run
}

fn refused(run: &Run, words: &[&str]) {
    assert_eq!(run.status, 2, "{}{}", run.out, run.err);
    for word in words {
        assert!(run.err.contains(word), "`{word}` is not in: {}", run.err);
    }
    assert!(!run.err.contains("panicked"), "{}", run.err);
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn merged_parts_are_one_audit_in_every_format() {
    let folder = folder();
    silent(&folder, "shard boundary.pcapng pxe-good.pcap -o b.part", 0);
    silent(&folder, "shard clean.pcap -o c.part", 0);
    silent(&folder, "shard pxe-stalled.pcap -o s.part", 0);
    silent(&folder, "merge c.part b.part -o bc.part", 0);
    let captures = "boundary.pcapng clean.pcap pxe-good.pcap pxe-stalled.pcap";
    for format in ["text", "json", "jsonl", "csv"] {
        let judge = format!("--site boundary.toml --format {format}");
        let whole = silent(&folder, &format!("audit {judge} {captures}"), 1);
        for parts in [
            "b.part c.part s.part",
            "s.part c.part b.part",
            "s.part bc.part",
        ] {
            let merged = silent(&folder, &format!("merge {judge} {parts}"), 1);
            assert!(whole.out == merged.out, "{format} of {parts}");
        }
    }
}

#[test]
fn arguments_of_the_report_are_those_of_audit() {
    let folder = folder();
    silent(&folder, "shard boundary.pcapng -o b.part", 0);
    let merge = |more: &str| {
        run(
            &folder,
            &format!("merge --site boundary.toml b.part {more}"),
        )
    };
    let quiet = merge("--quiet --fail-on none --report json=out.json");
    assert_eq!(
        (quiet.status, quiet.out.as_str(), quiet.err.as_str()),
        (0, "", "")
    );
    let json = fs::read_to_string(folder.path().join("out.json")).expect("was written");
    assert!(json.contains("portolan.report.v1"));
    let strict = |command: &str, input: &str| {
        let line = format!("{command} --site boundary.toml --strict --format json {input}");
        silent(&folder, &line, 1).out
    };
    assert!(strict("merge", "b.part") == strict("audit", "boundary.pcapng"));
    refused(&merge("--report json=b.part"), &["would replace an input"]);
    refused(
        &merge("--report json=none/a.json"),
        &["make the folder none first"],
    );
    refused(&merge("-o all.part"), &["cannot be used with"]);

    let without = run(&folder, "merge b.part");
    refused(&without, &["nothing is judged without a site file"]);
    assert_eq!(without.out, run(&folder, "audit boundary.pcapng").out);
}

/// TFTP and RPC conversations go on in the next file, and in the next part.
#[test]
fn a_capture_cut_into_files_and_parts_is_the_same_audit() {
    let real = captures().into_iter().filter(|path| {
        let name = path.to_string_lossy();
        ["tftp", "rpc", "pxe"]
            .iter()
            .any(|tracker| name.contains(tracker))
    });
    let fixtures =
        ["boundary.pcapng", "pxe-good.pcap"].map(|name| root().join("fixtures").join(name));
    for (seed, path) in fixtures.into_iter().chain(real).enumerate() {
        let name = path.to_string_lossy();
        let file = File::open(&path).expect("the capture is there");
        let records = read(&mut Reader::new(file, &name).expect("it is a capture"));
        // Records without a time can't be written with one.
        if records.len() < 4 || records.iter().any(|record| record.time_ns == i64::MIN) {
            continue;
        }
        let mut rng = Rng::new(seed as u64);
        let mut cuts: Vec<_> = (0..4)
            .map(|_| 1 + rng.below(records.len() as u64 - 1) as usize)
            .collect();
        cuts.extend([0, records.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let files: Vec<_> = cuts
            .windows(2)
            .map(|cut| &records[cut[0]..cut[1]])
            .collect();
        assert!(
            audit_of(&[&records]) == merge_of(&files),
            "{name} cut at {cuts:?}"
        );
    }
}

/// What a merge says of these files, each in a part of its own; parts are named in an order that
/// is not that of time.
fn merge_of(files: &[&[Record]]) -> Value {
    let folder = folder();
    let mut line = "merge --site pxe.toml --format json".to_owned();
    for (number, records) in files.iter().enumerate() {
        let name = format!("{number}.pcapng");
        fs::write(folder.path().join(&name), Pcapng::encode(records)).expect("writes");
        silent(&folder, &format!("shard {name} -o {number}.part"), 0);
    }
    for number in (0..files.len()).rev() {
        line += &format!(" {number}.part");
    }
    let run = run(&folder, &line);
    let mut report = serde_json::from_str(&run.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", run.out, run.err));
    drop_what_may_differ(&mut report);
    report
}

#[test]
fn streams_have_names() {
    let folder = folder();
    let shard = |line: &str, capture: &str| {
        let run = portolan_reading(folder.path(), line.split(' '), fixture(capture));
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{line}");
    };
    shard("shard - --name gate1 -o 1.part", "boundary.pcapng");
    shard("shard --name gate2 -o 2.part -", "pxe-good.pcap");
    let run_merge = "merge --site boundary.toml --format json 1.part 2.part";
    let report: Value = serde_json::from_str(&run(&folder, run_merge).out).expect("JSON");
    let sources: Vec<_> = report["captures"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|capture| capture["source"].as_str().expect("a name"))
        .collect();
    assert_eq!(sources, ["gate1", "gate2"]);
    // Nobody listens to one stream twice.
    shard("shard - --name gate1 -o again.part", "boundary.pcapng");
    let twice = run(&folder, "merge --site boundary.toml 1.part again.part");
    refused(
        &twice,
        &[
            "again.part: holds gate1, which 1.part holds too",
            "leave one of the parts out",
        ],
    );
    shard("shard - --name other -o other.part", "boundary.pcapng");
    let alike = run(&folder, "merge --site boundary.toml 1.part other.part");
    assert_eq!(alike.status, 1);
    assert!(
        alike
            .err
            .contains("warning: gate1 in 1.part and other in other.part look like")
    );

    refused(
        &run(&folder, "shard clean.pcap --name gate1 -o 3.part"),
        &[
            "--name names standard input, and - is not among the captures",
            "help: leave it out",
        ],
    );
    refused(
        &portolan_in(folder.path(), ["shard", "-", "--name", "", "-o", "3.part"]),
        &["--name"],
    );
    refused(
        &run(&folder, "shard - clean.pcap --name clean.pcap -o 3.part"),
        &["--name clean.pcap: a capture has this name already"],
    );
    assert!(!folder.path().join("3.part").exists());
}

#[test]
fn parts_go_through_pipes() {
    let folder = folder();
    let shard = |output: &str| {
        let output = assert_cmd::Command::cargo_bin("portolan")
            .expect("the program is built")
            .current_dir(folder.path())
            .args(["shard", "boundary.pcapng", "-o", output])
            .output()
            .expect("the program runs");
        assert_eq!(output.status.code(), Some(0));
        output.stdout
    };
    assert!(shard("b.part").is_empty());
    let part = shard("-");
    assert_eq!(
        part,
        fs::read(folder.path().join("b.part")).expect("was written")
    );
    let merge = "merge --site boundary.toml --format json";
    let piped = portolan_reading(folder.path(), format!("{merge} -").split(' '), part);
    assert_eq!((piped.status, piped.err.as_str()), (1, ""));
    assert!(piped.out == run(&folder, &format!("{merge} b.part")).out);
}

#[test]
fn a_damaged_capture_makes_a_part_and_an_incomplete_report() {
    let folder = folder();
    let whole = fixture("boundary.pcapng");
    fs::write(folder.path().join("cut.pcapng"), &whole[..whole.len() - 9]).expect("writes");
    let shard = run(&folder, "shard cut.pcapng missing.pcap -o cut.part");
    refused(
        &shard,
        &[
            "cut.pcapng: ",
            "the capture ends inside",
            "missing.pcap: no such file",
        ],
    );
    let merged = run(&folder, "merge --site boundary.toml --format json cut.part");
    let whole = run(
        &folder,
        "audit --site boundary.toml --format json cut.pcapng missing.pcap",
    );
    refused(
        &merged,
        &["the capture ends inside", "missing.pcap: no such file"],
    );
    assert_eq!((merged.out, merged.err), (whole.out, whole.err));

    silent(
        &folder,
        "shard cut.pcapng --accept-truncated -o whole.part",
        0,
    );
    silent(
        &folder,
        "merge --site boundary.toml --quiet --fail-on none whole.part",
        0,
    );
    refused(
        &run(&folder, "merge cut.part -o again.part"),
        &["the capture ends inside"],
    );
    assert!(folder.path().join("again.part").exists());
}

#[test]
fn without_a_capture_there_is_no_part() {
    let folder = folder();
    refused(
        &run(&folder, "shard missing.pcap -o a.part"),
        &["missing.pcap"],
    );
    refused(&run(&folder, "shard clean.pcap"), &["--output"]);
    refused(
        &run(&folder, "shard clean.pcap -o none/a.part"),
        &["make the folder none first"],
    );
    let before = names(folder.path());
    refused(
        &run(&folder, "shard clean.pcap -o clean.pcap"),
        &["would replace an input"],
    );
    refused(
        &run(&folder, "shard clean.pcap -o boundary.pcapng"),
        &["boundary.pcapng: is there, and is no part file"],
    );
    assert_eq!(
        fs::read(folder.path().join("boundary.pcapng")).expect("is there"),
        fixture("boundary.pcapng")
    );
    assert_eq!(names(folder.path()), before);
    silent(&folder, "shard clean.pcap -o a.part", 0);
    silent(&folder, "shard boundary.pcapng -o a.part", 0);
    assert_eq!(names(folder.path()).len(), before.len() + 1);
}

#[test]
fn windows_belong_to_parts() {
    let folder = folder();
    let window = "--from 2021-03-01T08:00:01Z --to 2021-03-01T08:00:09Z";
    silent(
        &folder,
        &format!("shard boundary.pcapng {window} -o b.part"),
        0,
    );
    silent(
        &folder,
        &format!("shard pxe-good.pcap {window} -o p.part"),
        0,
    );
    silent(&folder, "shard pxe-good.pcap -o all.part", 0);
    let judge = "--site boundary.toml --format json";
    let whole = run(
        &folder,
        &format!("audit {judge} {window} boundary.pcapng pxe-good.pcap"),
    );
    let merged = run(&folder, &format!("merge {judge} p.part b.part"));
    assert_eq!((whole.status, &whole.out), (merged.status, &merged.out));
    assert!(
        whole.out
            != run(
                &folder,
                &format!("audit {judge} boundary.pcapng pxe-good.pcap")
            )
            .out
    );
    // The boot was over by then.
    let window = "--from 2021-03-01T09:00:00Z";
    silent(
        &folder,
        &format!("shard pxe-good.pcap {window} -o l.part"),
        0,
    );
    let judge_boot = "--site pxe.toml --format json";
    let later = run(
        &folder,
        &format!("audit {judge_boot} {window} pxe-good.pcap"),
    );
    assert!(
        later.out.contains("\"state\": \"missing\""),
        "{}",
        later.out
    );
    let merged = run(&folder, &format!("merge {judge_boot} l.part"));
    assert_eq!((later.status, &later.out), (merged.status, &merged.out));
    refused(
        &run(&folder, &format!("merge {judge} b.part all.part")),
        &[
            "all.part: judges packets of any time, b.part those from 2021-03-01T08:00:01",
            "the same --from and --to",
        ],
    );
}

#[test]
fn what_is_no_part_is_named_each() {
    let folder = folder();
    silent(&folder, "shard clean.pcap -o good.part", 0);
    let good = fs::read(folder.path().join("good.part")).expect("is there");
    let put =
        |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("writes");
    let mut damaged = good.clone();
    damaged[200] ^= 1;
    let mut future = good.clone();
    future[14] = 200;
    put("cut.part", &good[..good.len() - 1]);
    put("short.part", &good[..40]);
    put("damaged.part", &damaged);
    put("future.part", &future);
    put("empty.part", b"");
    let all = "merge --site boundary.toml good.part short.part future.part empty.part clean.pcap none.part";
    refused(
        &run(&folder, all),
        &[
            "short.part: cut: it ends inside",
            "future.part: a part file of format 200",
            "help: make it anew",
            "empty.part: not a part file",
            "clean.pcap: not a part file",
            "help: part files are made by `portolan shard",
            "none.part: can't be read (No such file",
        ],
    );
    // What shows only later ends the merge, too: no report.
    for name in ["cut.part", "damaged.part"] {
        let run = run(
            &folder,
            &format!("merge --site boundary.toml good.part {name}"),
        );
        refused(&run, &[name]);
        assert_eq!(run.out, "");
    }
    assert!(portolan(["merge"]).status == 2);
    // And the other way round.
    for command in ["audit --site boundary.toml", "flows", "shard -o again.part"] {
        refused(
            &run(&folder, &format!("{command} good.part")),
            &["good.part", "portolan part", "`portolan merge`"],
        );
    }
}
