//! A person's words and files as the content of Claude's user message. Pure.
//!
//! Images and short texts are shown to it; anything else, and what is too large to be shown, lies in
//! the folder of the attempt, and the words end with its path.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::attachments::{File, Folder, Words};

/// Largest image that is shown, in bytes: 5 MiB in base64, which is what Claude takes.
const IMAGE_BYTES_MAX: usize = 3_900_000;
/// Largest text that is shown, in bytes: of more, Claude reads the parts it needs.
const TEXT_BYTES_MAX: usize = 128 * 1024;

/// Whether Claude is shown a file; otherwise it is given a path.
pub(crate) fn is_shown(file: &File) -> bool {
    let File { attachment, body } = file;
    (attachment.is_image() && body.len() <= IMAGE_BYTES_MAX)
        || (attachment.is_text() && body.len() <= TEXT_BYTES_MAX)
}

/// A person's message. Words alone are a text, as ever.
pub(super) fn user_frame(id: Uuid, words: &Words, folder: Option<&Folder>) -> String {
    let frame = json!({
        "type": "user",
        "message": { "role": "user", "content": content(words, folder) },
        "parent_tool_use_id": null,
        "uuid": id,
        "origin": { "kind": "human" },
    });
    frame.to_string()
}

fn content(words: &Words, folder: Option<&Folder>) -> Value {
    if words.files.is_empty() {
        return json!(words.text);
    }
    let mut blocks: Vec<Value> =
        words.files.iter().filter(|file| is_shown(file)).map(block).collect();
    let mut text = words.text.clone();
    let hidden = words.files.iter().enumerate().filter(|(_, file)| !is_shown(file));
    for (index, file) in hidden {
        let path = folder.map(|folder| folder.file(index, file));
        text.push_str(&line(file, path.as_deref()));
    }
    blocks.push(json!({ "type": "text", "text": text }));
    Value::Array(blocks)
}

fn block(file: &File) -> Value {
    let File { attachment, body } = file;
    if attachment.is_image() {
        let data = STANDARD.encode(body);
        let source = json!({ "type": "base64", "media_type": attachment.media_type, "data": data });
        return json!({ "type": "image", "source": source });
    }
    let text = String::from_utf8_lossy(body);
    json!({ "type": "text", "text": format!("Attached file {:?}:\n{text}", attachment.name) })
}

/// The line that says where a file lies which is not shown.
fn line(file: &File, path: Option<&Path>) -> String {
    let place = path.map_or_else(|| "(not here)".into(), |path| path.display().to_string());
    format!("\n\nAttached file {:?}: {place}", file.attachment.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::attachment::{Attachment, OCTETS, TEXT};

    fn file(name: &str, media_type: &str, body: &[u8]) -> File {
        let (name, media_type) = (name.to_owned(), media_type.to_owned());
        let bytes = body.len() as u64;
        let attachment = Attachment { hash: "0".repeat(64), name, media_type, bytes };
        File { attachment, body: body.to_vec() }
    }

    fn content_of(files: Vec<File>) -> Value {
        let words = Words { text: "look".into(), files };
        let frame = user_frame(Uuid::nil(), &words, None);
        serde_json::from_str::<Value>(&frame).unwrap()["message"]["content"].clone()
    }

    #[test]
    fn words_alone_are_a_text() {
        assert_eq!(content_of(Vec::new()), json!("look"));
    }

    #[test]
    fn images_come_before_the_words_byte_for_byte() {
        let body: Vec<u8> = (0..=255).collect();
        let content =
            content_of(vec![file("a.png", "image/png", &body), file("b.txt", TEXT, b"hi\n")]);
        assert_eq!(content[0]["source"]["media_type"], "image/png");
        let data = content[0]["source"]["data"].as_str().unwrap();
        assert_eq!(STANDARD.decode(data).unwrap(), body);
        assert_eq!(content[1]["text"], "Attached file \"b.txt\":\nhi\n");
        assert_eq!(content[2], json!({ "type": "text", "text": "look" }));
    }

    #[test]
    fn what_is_not_shown_has_a_path() {
        let large = vec![b'x'; TEXT_BYTES_MAX + 1];
        let files = vec![file("a.pdf", OCTETS, b"%PDF"), file("log.txt", TEXT, &large)];
        assert!(!files.iter().any(is_shown));
        let attempt = afield_proto::runner::Attempt {
            command_id: afield_proto::CommandId::generate(),
            attempt: 1,
            fence: 1,
        };
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::write(directory.path(), attempt, &files).unwrap();
        let words = Words { text: "look".into(), files };
        let frame = user_frame(Uuid::nil(), &words, Some(&folder));
        let frame: Value = serde_json::from_str(&frame).unwrap();
        let text = frame["message"]["content"][0]["text"].as_str().unwrap();
        let path = text.lines().last().unwrap().split_once(": ").unwrap().1;
        assert_eq!(std::fs::read(path).unwrap(), large);
        assert!(path.ends_with("/2-log.txt"));
        let kept = folder.path().to_owned();
        drop(folder);
        assert!(!kept.exists(), "gone with the attempt");
    }
}
