//! The outbox's files; sending is tested end to end.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn submit(prompt: &str) -> CommandSubmit {
    serde_json::from_value(serde_json::json!({ "payload": { "prompt": prompt } })).unwrap()
}

fn outbox() -> (tempfile::TempDir, Outbox) {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(dir.path().join("outbox"));
    (dir, outbox)
}

fn prompts(unsent: &[Unsent]) -> Vec<&str> {
    unsent.iter().map(|unsent| unsent.submit.payload.prompt.as_str()).collect()
}

#[test]
fn what_is_put_there_is_read_in_its_order_with_key_and_time() {
    let (dir, outbox) = outbox();
    assert!(outbox.pending().unwrap().is_empty(), "an outbox that is not there is empty");
    for prompt in ["one", "two", "three"] {
        outbox.put(Some("http://h:1".into()), submit(prompt), &[]).unwrap();
    }
    let mine = outbox.put(None, CommandSubmit { key: Some("mine".into()), ..submit("four") }, &[]);
    assert_eq!(mine.unwrap().submit.key.as_deref(), Some("mine"));
    let pending = outbox.pending().unwrap();
    assert_eq!(prompts(&pending), ["one", "two", "three", "four"]);
    assert_eq!(pending[0].server.as_deref(), Some("http://h:1"));
    assert!(pending.iter().all(|it| it.submit.key.is_some() && it.submit.submitted_at.is_some()));
    assert_ne!(pending[0].submit.key, pending[1].submit.key);
    let file = dir.path().join("outbox").join(format!("{}.json", pending[0].id));
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_crash_while_writing_leaves_nothing_half() {
    let (dir, outbox) = outbox();
    outbox.put(None, submit("whole"), &[]).unwrap();
    let directory = dir.path().join("outbox");
    // What a crash between the write and the rename leaves.
    let half = directory.join(format!("{UNFINISHED}0190.json"));
    std::fs::write(&half, b"{\"submit\":{\"payl").unwrap();
    assert_eq!(prompts(&outbox.pending().unwrap()), ["whole"]);
    outbox.put(None, submit("next"), &[]).unwrap();
    assert!(half.exists(), "somebody may be writing it now");
    let long_ago = std::time::SystemTime::now() - 2 * ABANDONED;
    std::fs::File::options().write(true).open(&half).unwrap().set_modified(long_ago).unwrap();
    outbox.put(None, submit("later"), &[]).unwrap();
    assert!(!half.exists(), "it belongs to nobody any more");
    assert_eq!(prompts(&outbox.pending().unwrap()), ["whole", "next", "later"]);
}

#[test]
fn a_damaged_file_hides_nothing_and_stays() {
    let (dir, outbox) = outbox();
    outbox.put(None, submit("good"), &[]).unwrap();
    let damaged = dir.path().join("outbox/0000.json");
    std::fs::write(&damaged, b"no JSON").unwrap();
    assert_eq!(prompts(&outbox.pending().unwrap()), ["good"]);
    assert!(damaged.exists());
}

#[test]
fn there_is_an_end_to_how_much_it_takes() {
    let (dir, outbox) = outbox();
    outbox.put(None, submit("first"), &[]).unwrap();
    let directory = dir.path().join("outbox");
    for index in 1..FILES_MAX {
        std::fs::write(directory.join(format!("{index:04}.json")), b"{}").unwrap();
    }
    let full = outbox.put(None, submit("one too many"), &[]).unwrap_err();
    assert!(matches!(full, OutboxError::Full { files: FILES_MAX, .. }), "{full}");
    std::fs::remove_file(directory.join("0001.json")).unwrap();
    std::fs::File::create(directory.join("0002.json")).unwrap().set_len(BYTES_MAX).unwrap();
    assert!(matches!(outbox.put(None, submit("x"), &[]), Err(OutboxError::Full { .. })));
    std::fs::remove_file(directory.join("0002.json")).unwrap();
    outbox.put(None, submit("fits again"), &[]).unwrap();
    let large = "x".repeat(limits::MESSAGE_BYTES_MAX);
    assert!(matches!(outbox.put(None, submit(&large), &[]), Err(OutboxError::TooLarge { .. })));
}

#[test]
fn what_was_refused_lies_aside_with_its_reason_and_can_come_back() {
    let (dir, outbox) = outbox();
    let unsent = outbox.put(None, submit("no"), &[]).unwrap();
    let error = ErrorBody::new(ErrorCode::ProjectNotFound, "there is none");
    outbox.set_aside(&unsent.id, &error).unwrap();
    assert!(outbox.pending().unwrap().is_empty());
    let refused = outbox.refused().unwrap();
    assert_eq!((prompts(&refused), &refused[0].refused), (vec!["no"], &Some(error)));
    assert!(dir.path().join("outbox/refused").join(format!("{}.error", unsent.id)).exists());
    assert_eq!(outbox.put_back().unwrap(), 1);
    assert_eq!(prompts(&outbox.pending().unwrap()), ["no"]);
    assert!(outbox.refused().unwrap().is_empty());
    assert!(outbox.discard(&unsent.id).unwrap());
    assert!(!outbox.discard(&unsent.id).unwrap());
}

#[test]
fn only_what_can_not_change_is_final() {
    for code in [ErrorCode::ValidationFailed, ErrorCode::ProjectNotFound, ErrorCode::Conflict] {
        assert!(is_final(code), "{code}");
    }
    for code in [
        ErrorCode::RateLimited,
        ErrorCode::ResourceLimit,
        ErrorCode::Forbidden,
        ErrorCode::Unavailable,
        ErrorCode::InternalError,
    ] {
        assert!(!is_final(code), "{code}");
    }
}

#[test]
fn files_stay_as_long_as_something_here_needs_them() {
    let (dir, outbox) = outbox();
    let file = LocalFile::new("a.txt".into(), b"hello".to_vec());
    let with = |prompt: &str| {
        let mut submit = submit(prompt);
        submit.payload.attachments = vec![file.attachment.clone()];
        submit
    };
    let one = outbox.put(None, with("one"), std::slice::from_ref(&file)).unwrap();
    let two = outbox.put(None, with("two"), std::slice::from_ref(&file)).unwrap();
    let path = dir.path().join("outbox/files").join(&file.attachment.hash);
    assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    let kept = outbox.pending().unwrap();
    assert_eq!(kept[0].submit.payload.attachments.first(), Some(&file.attachment));
    let long_ago = std::time::SystemTime::now() - 2 * WRITTEN_TOGETHER;
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    outbox.discard(&one.id).unwrap();
    assert!(path.exists(), "the other needs it");
    outbox.discard(&two.id).unwrap();
    assert!(!path.exists());
}
