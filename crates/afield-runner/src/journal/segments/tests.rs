//! Segments of real files: torn, damaged, full and failing.

use super::*;

const ALL: BatchLimit = BatchLimit { count: 1000, bytes: usize::MAX, up_to: u64::MAX };

fn filled(records: &[&str]) -> (tempfile::TempDir, Segments) {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Segments::create(folder.path()).unwrap();
    for record in records {
        log.append(record.as_bytes()).unwrap();
    }
    (folder, log)
}

#[test]
fn a_torn_tail_is_cut_and_the_numbers_go_on() {
    let (folder, log) = filled(&["one", "two", "three"]);
    drop(log);
    let path = segment_path(folder.path(), 1);
    let data = std::fs::read(&path).unwrap();
    std::fs::write(&path, &data[..data.len() - 3]).unwrap();
    let (mut log, contents) = Segments::open(folder.path()).unwrap();
    assert_eq!(contents, Contents { last: 2, finished: false });
    assert_eq!(log.append(b"{\"finished\":{}}").unwrap(), 3);
    drop(log);
    let (_, contents) = Segments::open(folder.path()).unwrap();
    assert_eq!(contents, Contents { last: 3, finished: true });
}

#[test]
fn what_lies_behind_damage_is_set_aside() {
    let (folder, log) = filled(&["one", "two", "three"]);
    drop(log);
    let path = segment_path(folder.path(), 1);
    let mut data = std::fs::read(&path).unwrap();
    let middle = data.windows(3).position(|window| window == b"two").unwrap();
    data[middle] ^= 1;
    std::fs::write(&path, &data).unwrap();
    let (_, contents) = Segments::open(folder.path()).unwrap();
    assert_eq!(contents.last, 1);
    assert!(path.with_extension("damaged").exists());
}

#[test]
fn batches_are_bounded_and_follow_each_other_over_files() {
    let (folder, mut log) = filled(&["a", "b", "c"]);
    log.rotate(4).unwrap();
    for record in ["d", "e"] {
        log.append(record.as_bytes()).unwrap();
    }
    let limit = BatchLimit { count: 2, ..ALL };
    let mut next = cursor(folder.path(), 1).unwrap();
    let mut read_back = Vec::new();
    loop {
        let batch = read(folder.path(), next, BatchLimit { up_to: 5, ..limit }).unwrap();
        if batch.records.is_empty() {
            break;
        }
        assert_eq!(batch.first, read_back.len() as u64 + 1);
        read_back.extend(batch.records);
        next = batch.next;
    }
    assert_eq!(read_back, ["a", "b", "c", "d", "e"]);
}

#[test]
fn nothing_is_read_that_is_not_on_disk_for_certain() {
    let (folder, _log) = filled(&["a", "b", "c"]);
    let start = cursor(folder.path(), 2).unwrap();
    let batch = read(folder.path(), start, BatchLimit { up_to: 2, ..ALL }).unwrap();
    assert_eq!((batch.first, batch.records), (2, vec!["b".to_owned()]));
}

#[test]
fn acknowledged_files_are_given_back() {
    let (folder, mut log) = filled(&["a", "b"]);
    log.rotate(3).unwrap();
    log.append(b"c").unwrap();
    let before = log.bytes();
    log.acknowledge(1).unwrap();
    assert_eq!(log.bytes(), before);
    log.acknowledge(2).unwrap();
    assert!(log.bytes() < before);
    assert_eq!(cursor(folder.path(), 3).unwrap().number, 3);
    let (_, contents) = Segments::open(folder.path()).unwrap();
    assert_eq!(contents.last, 3);
}

#[test]
fn acknowledged_files_are_given_back_by_a_disk_too_full_to_note_it() {
    let (folder, mut log) = filled(&["a"]);
    log.rotate(2).unwrap();
    log.append(b"b").unwrap();
    std::fs::create_dir(folder.path().join("ack")).unwrap();
    log.acknowledge(1).unwrap_err();
    assert!(!segment_path(folder.path(), 1).exists());
    let left = cursor(folder.path(), 1).unwrap();
    assert_eq!(read(folder.path(), left, ALL).unwrap().records, ["b"]);
}

/// A log whose open file is one that takes everything and syncs nothing.
fn on_a_bad_disk(log: &mut Segments) {
    log.file = File::options().append(true).open("/dev/null").unwrap();
}

#[test]
fn after_a_failed_sync_it_goes_on_in_another_file_behind_what_is_on_disk() {
    let (folder, mut log) = filled(&["a", "b"]);
    log.sync().unwrap();
    let before = log.bytes();
    log.append(b"c").unwrap();
    on_a_bad_disk(&mut log);
    assert_eq!(log.append(b"d").unwrap(), 4);
    log.sync().unwrap_err();
    assert_eq!((log.last(), log.bytes(), log.has_failed()), (2, before, true));
    assert_eq!(log.append(b"e").unwrap(), 3);
    on_a_bad_disk(&mut log);
    log.sync().unwrap_err();
    assert_eq!((log.append(b"f").unwrap(), log.has_failed()), (3, false));
    log.sync().unwrap();
    let batch = read(folder.path(), cursor(folder.path(), 1).unwrap(), ALL).unwrap();
    assert_eq!(batch.records, ["a", "b"]);
    assert_eq!(read(folder.path(), batch.next, ALL).unwrap().records, ["f"]);
    let (_, contents) = Segments::open(folder.path()).unwrap();
    assert_eq!(contents.last, 3);
}

#[test]
fn what_comes_back_of_a_failed_file_is_not_read_before_its_successor() {
    let (folder, mut log) = filled(&["a", "b", "{\"finished\":{}}"]);
    let path = segment_path(folder.path(), 1);
    let whole = std::fs::read(&path).unwrap();
    (log.synced, log.failed) = (End { bytes: (whole.len() / 2) as u64, next: 3 }, true);
    log.append(b"c").unwrap();
    log.sync().unwrap();
    // The cut was not on disk when the power went.
    std::fs::write(&path, &whole).unwrap();
    let (_, contents) = Segments::open(folder.path()).unwrap();
    assert_eq!(contents, Contents { last: 3, finished: false });
    let batch = read(folder.path(), cursor(folder.path(), 3).unwrap(), ALL).unwrap();
    assert_eq!(batch.records, ["c"]);
}

#[test]
fn numbers_the_server_has_are_not_given_again() {
    let (folder, mut log) = filled(&["a"]);
    log.skip_to(7).unwrap();
    assert_eq!(log.append(b"b").unwrap(), 8);
    let batch = read(folder.path(), cursor(folder.path(), 8).unwrap(), ALL).unwrap();
    assert_eq!((batch.first, batch.records), (8, vec!["b".to_owned()]));
    log.sync().unwrap();
    let (_, contents) = Segments::open(folder.path()).unwrap();
    assert_eq!(contents.last, 8, "the next runner reads on");
}
