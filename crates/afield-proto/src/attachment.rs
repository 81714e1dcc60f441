//! Attachments: files that go with a prompt, and the bytes they name.
//!
//! The bytes are a *blob* of the org, stored once under their hash; an attachment is a name for one.
//! What a blob is (an image, text, or just bytes) is told by its bytes, never by its sender alone.

use serde::{Deserialize, Serialize};

use crate::limits::{ATTACHMENT_BYTES_MAX, ATTACHMENTS_BYTES_MAX, ATTACHMENTS_MAX, NAME_BYTES_MAX};

/// What any bytes may be called.
pub const OCTETS: &str = "application/octet-stream";
/// What a text is called, whatever it is a text of: nothing a browser would run.
pub const TEXT: &str = "text/plain";
/// The images agents take, and how their bytes begin. (WebP has its name at byte 8.)
const IMAGES: [(&str, &[u8]); 5] = [
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF87a"),
    ("image/gif", b"GIF89a"),
    ("image/webp", b"RIFF"),
];

/// A file that goes with a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// SHA-256 of its bytes, in hexadecimal: the blob.
    pub hash: String,
    /// How its sender calls it: a name without directories.
    pub name: String,
    /// What its bytes are, as the upload was answered.
    pub media_type: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// What is known of bytes that were uploaded: the answer to `POST /api/v1/blobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct StoredBlob {
    /// SHA-256 of the bytes, in hexadecimal.
    pub hash: String,
    /// What they are.
    pub media_type: String,
    /// How many they are.
    pub bytes: u64,
}

impl Attachment {
    /// Whether an agent that sees can look at it.
    pub fn is_image(&self) -> bool {
        self.media_type.starts_with("image/")
    }

    /// Whether it can be given to an agent as words.
    pub fn is_text(&self) -> bool {
        self.media_type == TEXT
    }

    fn check(&self) -> Result<(), String> {
        let Self { hash, name, bytes, .. } = self;
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hash.len() != 64 || !hash.bytes().all(hexadecimal) {
            return Err("the hash of an attachment must be SHA-256 in small hexadecimal".into());
        }
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !is_file_name(name) {
            return Err(format!(
                "the name of an attachment must be a file's, without directories and control \
                 characters, of 1 to {NAME_BYTES_MAX} bytes"
            ));
        }
        match *bytes {
            0 => Err(format!("the attachment {name:?} is empty")),
            1..=ATTACHMENT_BYTES_MAX => Ok(()),
            _ => Err(format!(
                "the attachment {name:?} has {bytes} bytes (limit attachment_bytes: \
                 {ATTACHMENT_BYTES_MAX})"
            )),
        }
    }
}

fn is_file_name(name: &str) -> bool {
    let plain = |letter: char| !letter.is_control() && letter != '/' && letter != '\\';
    name.chars().all(plain) && name != "." && name != ".."
}

/// Why these can't go with one prompt, if so.
pub fn check(attachments: &[Attachment]) -> Result<(), String> {
    if attachments.len() > ATTACHMENTS_MAX {
        let count = attachments.len();
        return Err(format!("{count} attachments (limit attachments: {ATTACHMENTS_MAX})"));
    }
    attachments.iter().try_for_each(Attachment::check)?;
    let bytes: u64 = attachments.iter().map(|attachment| attachment.bytes).sum();
    match bytes <= ATTACHMENTS_BYTES_MAX {
        true => Ok(()),
        false => Err(format!(
            "the attachments have {bytes} bytes together (limit attachments_bytes: \
             {ATTACHMENTS_BYTES_MAX})"
        )),
    }
}

/// What bytes are, whatever they are called.
pub fn media_type(bytes: &[u8]) -> &'static str {
    let image = IMAGES.iter().find(|(name, start)| {
        bytes.starts_with(start) && (*name != "image/webp" || bytes.get(8..12) == Some(b"WEBP"))
    });
    match image {
        Some((name, _)) => name,
        None if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() => TEXT,
        None => OCTETS,
    }
}

/// Whether bytes that are `found` may be called `declared`: an image or a text must be one.
pub fn may_be_called(declared: &str, found: &str) -> bool {
    let declared = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match declared.split_once('/') {
        Some(("image", _)) => {
            declared == found || !IMAGES.iter().any(|(name, _)| *name == declared)
        }
        Some(("text", _)) => found == TEXT,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(name: &str, bytes: u64) -> Attachment {
        let (hash, media_type) = ("a".repeat(64), TEXT.to_owned());
        Attachment { hash, name: name.into(), media_type, bytes }
    }

    #[test]
    fn bytes_say_what_they_are() {
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\n\0\0"), "image/png");
        assert_eq!(media_type(b"\xff\xd8\xff\xe0\0"), "image/jpeg");
        assert_eq!(media_type(b"RIFF\x01\x02\x03\x04WEBPVP8 "), "image/webp");
        assert_eq!(media_type(b"RIFF\x01\x02\x03\x04WAVE\0"), OCTETS);
        assert_eq!(media_type("<script>grüße".as_bytes()), TEXT);
        assert_eq!(media_type(b"a\0b"), OCTETS);
        assert_eq!(media_type(b"\xff\xfe"), OCTETS);
    }

    #[test]
    fn a_name_does_not_make_an_image() {
        assert!(may_be_called("image/png", "image/png"));
        assert!(may_be_called("text/html; charset=utf-8", TEXT));
        assert!(may_be_called("application/pdf", OCTETS));
        assert!(may_be_called("image/svg+xml", TEXT), "a drawing in words is a text");
        assert!(!may_be_called("image/png", "image/jpeg"));
        assert!(!may_be_called("text/plain", OCTETS));
    }

    #[test]
    fn names_stay_in_their_directory() {
        let said = |name: &str| check(&[attachment(name, 1)]).is_ok();
        assert!(said("photo 1.png") && said("größe.txt") && said(".env"));
        for name in ["", ".", "..", "a/b", "..\\b", "a\nb", "a\u{7f}", &"n".repeat(201)] {
            assert!(!said(name), "{name:?}");
        }
        let odd = Attachment { hash: "../x".into(), ..attachment("a", 1) };
        assert!(check(&[odd]).is_err());
    }

    #[test]
    fn limits_have_names() {
        let refused = |all: Vec<Attachment>| check(&all).unwrap_err();
        let many = vec![attachment("a", 1); ATTACHMENTS_MAX + 1];
        assert!(refused(many).contains("limit attachments:"));
        let large = vec![attachment("a", ATTACHMENT_BYTES_MAX + 1)];
        assert!(refused(large).contains("limit attachment_bytes:"));
        let together = vec![attachment("a", ATTACHMENT_BYTES_MAX); 3];
        assert!(refused(together).contains("limit attachments_bytes:"));
        assert!(refused(vec![attachment("a", 0)]).contains("empty"));
    }
}
