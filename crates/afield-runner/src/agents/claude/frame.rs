//! A lenient look at one frame of Claude Code: nothing is required, nothing unknown is an error.
//!
//! Borrows from the line; only what is asked for is read further. A field of an unexpected kind is
//! as good as absent, and of a repeated key the last value counts.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The fields of a JSON object, unread.
#[derive(Debug, Default)]
pub(super) struct Fields<'a>(HashMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Fields<'a> {
    /// The fields of an object; none of anything else.
    pub(super) fn of(json: &'a str) -> Self {
        Self(serde_json::from_str(json).unwrap_or_default())
    }

    /// A field as it came.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|raw| raw.get() != "null")
    }

    /// A field as a `T`.
    pub(super) fn get<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// A field as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name)
    }

    /// Whether a field is text and equal to this.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.text(name).is_some_and(|text| text == value)
    }

    /// Whether a field is `true`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw.get() == "true")
    }

    /// The fields of a field.
    pub(super) fn inner(&self, name: &str) -> Fields<'a> {
        self.raw(name).map(|raw| Fields::of(raw.get())).unwrap_or_default()
    }

    /// The items of a field that is a list.
    pub(super) fn list(&self, name: &str) -> Vec<&'a RawValue> {
        self.get(name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_required_and_the_last_of_two_counts() {
        let fields = Fields::of(r#"{"type":7,"a":"x","a":"y","ok":true,"none":null,"l":[1,{}]}"#);
        assert_eq!(fields.text("type"), None);
        assert_eq!(fields.text("a").as_deref(), Some("y"));
        assert!(fields.flag("ok") && fields.raw("none").is_none());
        assert_eq!(fields.list("l").len(), 2);
        assert!(Fields::of("[1]").raw("a").is_none());
        assert!(fields.inner("missing").raw("a").is_none());
    }
}
