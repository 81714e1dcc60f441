//! A program under the library loses what it did not sync, and nothing else.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use powercut_shim::{Error, LYING_DISK, Mode, Report, environment, rollback};

/// Runs the writing half of the test and kills it once everything is written.
fn written_then_killed(root: &Path, dir: &Path) {
    written_with(root, dir, &[]);
}

fn written_with(root: &Path, dir: &Path, more: &[(&str, &str)]) {
    std::fs::write(root.join("changed"), "0123456").expect("a file can be written");
    std::fs::write(root.join("appended"), "zero\n").expect("a file can be written");
    std::fs::write(root.join("emptied"), "whole").expect("a file can be written");
    std::fs::write(root.join("cut"), "0123456").expect("a file can be written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_powercut-writer"))
        .arg("files")
        .arg(root)
        .envs(environment(root, dir).expect("the library is there"))
        .envs(more.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the writer starts");
    let mut line = String::new();
    let output = child.stdout.take().expect("it was piped");
    BufReader::new(output).read_line(&mut line).expect("it can be read");
    assert_eq!(line, "written\n");
    child.kill().expect("it can be killed");
    child.wait().expect("it is dead");
}

fn contents(root: &Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = std::fs::read_dir(root)
        .expect("the folder is there")
        .map(|entry| {
            let path = entry.expect("it can be listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).expect("it is text"))
        })
        .collect();
    found.sort();
    found
}

fn named(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

const ALL_WRITTEN: [(&str, &str); 8] = [
    ("appended", "zero\none\ntwo\n"),
    ("changed", "01XX456"),
    ("copied", "synced and not"),
    ("cut", "012"),
    ("emptied", ""),
    ("kept", "synced and not"),
    ("never", "never synced"),
    ("renamed", "never synced"),
];

const ALL_LOST: [(&str, &str); 8] = [
    ("appended", "zero\none\n"),
    ("changed", "0123456"),
    ("copied", ""),
    ("cut", "0123456"),
    ("emptied", "whole"),
    ("kept", "synced"),
    ("never", ""),
    ("renamed", ""),
];

#[test]
fn what_was_not_synced_vanishes() {
    let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written_then_killed(root.path(), dir.path());
    assert_eq!(contents(root.path()), named(&ALL_WRITTEN), "a kill alone loses nothing");
    let report = rollback(dir.path(), Mode::All).unwrap();
    assert_eq!(contents(root.path()), named(&ALL_LOST));
    assert!(report.undone >= 8 && report.kept == 0 && report.gone == 0, "{report:?}");
}

#[test]
fn a_lying_disk_keeps_nothing() {
    let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written_with(root.path(), dir.path(), &[LYING_DISK]);
    rollback(dir.path(), Mode::All).unwrap();
    let mut lost = ALL_LOST;
    (lost[0].1, lost[5].1) = ("zero\n", "");
    assert_eq!(contents(root.path()), named(&lost));
}

#[test]
fn a_random_prefix_keeps_whole_changes_in_their_order() {
    let mut kept = Vec::new();
    for seed in 0..8 {
        let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        written_then_killed(root.path(), dir.path());
        let Report { undone, kept: few, .. } =
            rollback(dir.path(), Mode::RandomPrefix(seed)).unwrap();
        let found = contents(root.path());
        // The order of the program: kept, never, changed, appended, emptied, cut, copied, renamed.
        let order = [5, 6, 1, 0, 4, 3, 2, 7];
        let stayed: Vec<bool> =
            order.iter().map(|at| found[*at].1 == named(&ALL_WRITTEN)[*at].1).collect();
        assert!(stayed.is_sorted_by(|a, b| a >= b), "seed {seed}: {found:?}");
        assert_eq!(found.iter().filter(|(name, _)| name == "kept").count(), 1);
        kept.push((few, undone));
    }
    kept.sort_unstable();
    kept.dedup();
    assert!(kept.len() > 2, "the seeds differ: {kept:?}");
}

#[test]
fn a_cut_without_a_journal_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(rollback(dir.path(), Mode::All), Err(Error::NoJournal(_))));
}
