//! `portolan watch` before and after it captures: what it refuses, and how it ends.

use std::process::Stdio;

use super::command::{Run, portolan, portolan_in, root};
use crate::support::namespaces;

/// A refusal leaves nothing on standard output, and status 2.
fn refused(run: &Run, wanted: &[&str]) {
    assert_eq!((run.status, run.out.as_str()), (2, ""), "{}", run.err);
    for words in wanted {
        assert!(run.err.contains(words), "`{words}` is not in:\n{}", run.err);
    }
}

#[test]
fn asks_for_an_interface_and_a_site() {
    refused(&portolan(["watch"]), &["--interface <IFACE>"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = portolan_in(folder.path(), ["watch", "-i", "lo"]);
    refused(&run, &["error: no site file", "help: name one with --site"]);
}

#[test]
fn does_not_wait_for_what_nobody_requires() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let site = "version = 1\nname = \"open\"\n[roles]\nclient = [\"10.0.0.0/8\"]\n";
    std::fs::write(folder.path().join("portolan.toml"), site).expect("writes");
    let run = portolan_in(folder.path(), ["watch", "-i", "lo", "--until-satisfied"]);
    refused(&run, &["the site requires nothing", "[require]"]);
}

#[test]
fn says_how_times_and_sizes_are_written() {
    for (option, value, wanted) in [
        ("--duration", "soon", "write a duration as 90s, 3m, 1h30m"),
        ("--settle", "0", "more than nothing"),
        ("--settle", "9s", "--until-satisfied"),
        ("--packets", "0", "0 is not in"),
        ("--max-flows", "0", "at least 1"),
        ("--snaplen", "10", "10 is not in"),
        ("--rotate", "100", "at least 64K"),
    ] {
        let run = portolan(["watch", "--site", "lab.toml", "-i", "lo", option, value]);
        refused(&run, &[option, wanted]);
    }
}

#[test]
fn options_that_belong_together_are_asked_for() {
    let watch = ["watch", "--site", "lab.toml", "-i", "lo"];
    for (options, missing) in [
        (&["--interval", "1m"][..], "--report"),
        (&["--rotate", "1G"][..], "--write"),
        (&["--write", "x.pcapng", "--keep", "3"][..], "--rotate"),
    ] {
        refused(&portolan(watch.iter().chain(options)), &[missing]);
    }
}

#[test]
fn finds_out_first_what_can_not_be_written() {
    let watch = ["watch", "--site", "lab.toml", "-i", "lo"];
    for (option, value) in [
        ("--write", "missing/x.pcapng"),
        ("--metrics", "missing/x.prom"),
        ("--report", "json=missing/x.json"),
    ] {
        let run = portolan(watch.iter().chain(&[option, value]));
        refused(&run, &["can't be written", "make the folder missing first"]);
    }
    let run = portolan(watch.iter().chain(&["--write", "lab.toml"]));
    refused(&run, &["would replace an input"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().display().to_string();
    for (option, value) in [
        ("--write", path.clone()),
        ("--report", format!("json={path}")),
    ] {
        let run = portolan(watch.iter().copied().chain([option, value.as_str()]));
        refused(&run, &["can't be written", "is a directory"]);
    }
}

#[test]
fn no_two_files_are_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (one, same) = (path("x"), path("./x"));
    let watch = ["watch", "--site", "lab.toml", "-i", "lo"];
    for files in [
        ["--write", &one, "--metrics", &same],
        ["--write", &one, "--report", &format!("json={same}")],
    ] {
        let run = portolan(watch.iter().copied().chain(files));
        refused(&run, &["two files would be written there"]);
    }
    let audit = ["audit", "--site", "clean.toml", "clean.pcap"];
    let [json, text] = [format!("json={one}"), format!("text={same}")];
    let run = portolan(
        audit
            .iter()
            .copied()
            .chain(["--report", &json, "--report", &text]),
    );
    refused(&run, &["two files would be written there"]);
    for option in ["--write", "--metrics"] {
        let run = portolan(watch.iter().copied().chain([option, "-"]));
        refused(&run, &[&format!("{option} /dev/stdout")]);
    }
}

#[test]
fn writes_to_nothing_that_was_open_before() {
    let watch = ["watch", "--site", "lab.toml", "-i", "lo"];
    for file in [["--write", "/dev/fd/63"], ["--report", "json=/dev/fd/63"]] {
        let run = portolan(watch.iter().chain(&file));
        refused(&run, &["/dev/fd/63: can't be written", "mkfifo"]);
    }
}

#[test]
fn an_interface_has_a_name() {
    refused(
        &portolan(["watch", "--site", "lab.toml", "-i", ""]),
        &["--interface"],
    );
}

#[test]
fn warns_of_frames_that_count_twice() {
    let run = portolan(["watch", "--site", "lab.toml", "-i", "any", "-i", "missing0"]);
    refused(
        &run,
        &["warning: any shows", "those of missing0 count twice"],
    );
    let run = portolan(["watch", "--site", "lab.toml", "-i", "missing0"]);
    assert!(!run.err.contains("warning"), "{}", run.err);
}

/// What a terminal shows of `portolan watch …`, its escapes included, and the exit status. `None`,
/// said on standard error, where there is none to be had.
fn on_a_terminal(arguments: &str) -> Option<(String, Option<i32>)> {
    if !namespaces::can_run(&["ip", "script", "unshare"]) {
        return None;
    }
    let program = env!("CARGO_BIN_EXE_portolan");
    let watch = format!("{program} watch --site fixtures/lab.toml -i lo --duration 1 {arguments}");
    let output = namespaces::on_a_loopback()
        .args([
            "script",
            "--quiet",
            "--return",
            "--command",
            &watch,
            "/dev/null",
        ])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let screen = String::from_utf8(output.stdout).expect("text");
    Some((screen, output.status.code()))
}

#[test]
fn a_terminal_is_told_how_it_ended() {
    let Some((screen, status)) = on_a_terminal("--quiet") else {
        return;
    };
    assert_eq!(status, Some(1), "{screen}");
    assert!(
        screen.contains("waits for pxe-boot/dhcp-discover"),
        "{screen:?}"
    );
    // Nothing of the checklist is left.
    let last = screen.rsplit('\u{1b}').next().expect("what came last");
    assert!(last.contains(" s  ended       duration  "), "{screen:?}");
}

#[test]
fn the_checklist_keeps_off_what_others_write_there() {
    let Some((screen, _)) = on_a_terminal("--format jsonl | grep '\"type\":\"event\"'") else {
        return;
    };
    assert!(screen.contains("watch-ended"), "{screen:?}");
    assert!(!screen.contains("waits for"), "{screen:?}");
}
