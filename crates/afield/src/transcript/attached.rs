//! The files that went with a prompt, a line each.

use afield_proto::attachment::Attachment;
use owo_colors::OwoColorize as _;
use serde::Deserialize;

use super::clean;

/// The frame of a prompt, as far as it is about files.
#[derive(Default, Deserialize)]
struct Frame {
    #[serde(default)]
    attachments: Vec<Attachment>,
}

/// What is attached: name, type and size.
pub(crate) fn attached(file: &Attachment) -> String {
    let (name, media_type) = (clean(&file.name), clean(&file.media_type));
    format!("{name} ({media_type}, {})", size(file.bytes))
}

/// The files in the frame of a prompt, a line each.
pub(super) fn of_frame(frame: &str) -> String {
    let Frame { attachments } = serde_json::from_str(frame).unwrap_or_default();
    let line = |file: &Attachment| format!("  {}\n", format!("└ {}", attached(file)).dimmed());
    attachments.iter().map(line).collect()
}

/// A size as people say it.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_line() {
        let frame = r#"{"prompt":"x","attachments":[{"hash":"0","name":"a\u001b[2J.png",
            "media_type":"image/png","bytes":2048}]}"#;
        assert!(of_frame(frame).contains("└ a[2J.png (image/png, 2 KiB)"));
        assert_eq!(of_frame(r#"{"prompt":"x"}"#), "");
        assert_eq!(size(5 * 1024 * 1024 + 200_000), "5.2 MiB");
    }
}
