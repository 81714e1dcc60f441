//! The frames the mock can print, by name: data, kept beside the crate in `fixtures/wire/frames.jsonl`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::values::With;

/// One frame with its placeholders.
#[derive(Debug, Deserialize)]
pub(super) struct Frame {
    name: String,
    /// Values of placeholders that a step need not give.
    #[serde(default)]
    pub(super) defaults: With,
    /// What a turn that ends in this frame adds to the total cost, in thousandths of a dollar.
    #[serde(default = "one")]
    pub(super) cost: u64,
    frame: Box<RawValue>,
}

fn one() -> u64 {
    1
}

impl Frame {
    /// The text with its placeholders, byte for byte as in the file.
    pub(super) fn template(&self) -> &str {
        self.frame.get()
    }
}

/// All frames.
pub(super) type Frames = BTreeMap<String, Frame>;

/// Reads the embedded file.
pub(super) fn load() -> Frames {
    let frames = include_str!("../../fixtures/wire/frames.jsonl").lines().map(|line| {
        let frame: Frame = serde_json::from_str(line).expect("the embedded frames are valid");
        (frame.name.clone(), frame)
    });
    frames.collect()
}
