//! The generated TypeScript says `?` exactly where the wire may lack a field.

use std::collections::BTreeMap;

use super::*;

/// Types whose fields stand among those of another.
const PARTS: [(&str, &str); 4] = [
    ("ApprovalAsk", "Approval"),
    ("AgentMessage", "HistoryMessage"),
    ("HistoryMessage", "FoundMessage"),
    ("SessionFacts", "Session"),
];

/// Definitions by name.
type Definitions = serde_json::Map<String, Value>;

/// What the server says, as it writes it.
fn said() -> Definitions {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    generator.subschema_for::<Fact>();
    generator.subschema_for::<ErrorBody>();
    request::reply_schemas(&mut generator);
    generator.take_definitions(true)
}

/// What the server is asked, as it reads it.
fn asked() -> Definitions {
    let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    generator.subschema_for::<Request>();
    generator.take_definitions(true)
}

/// The fields of every declared object, each with whether it may be missing.
fn declared() -> BTreeMap<String, Vec<(String, bool)>> {
    let text = without_comments(&typescript());
    let types = text.split("export type ").skip(1).filter_map(|one| {
        let (name, shape) = one.split_once(" = ")?;
        Some((name.to_owned(), fields(shape.strip_prefix('{')?)))
    });
    types.collect()
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("/**");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once("*/").map_or("", |(_, rest)| rest))
}

/// The fields of an object, from behind its opening brace to its closing one.
fn fields(shape: &str) -> Vec<(String, bool)> {
    let (mut depth, mut found, mut start) = (0, Vec::new(), 0);
    for (at, sign) in shape.char_indices() {
        match sign {
            '{' | '<' | '[' | '(' => depth += 1,
            '}' if depth == 0 => break,
            '}' | '>' | ']' | ')' => depth -= 1,
            ',' if depth == 0 => start = at + 1,
            ':' if depth == 0 => {
                let name = shape[start..at].trim();
                let plain = name.trim_end_matches('?').trim_matches('"');
                found.push((plain.to_owned(), name.ends_with('?')));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_field_is_optional_exactly_where_the_wire_may_lack_it() {
    let (said, asked) = (said(), asked());
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (name, fields) in declared() {
        // What is part of another's shape is as often there as in that.
        let whole =
            PARTS.iter().find(|(part, _)| *part == name).map_or(name.as_str(), |(_, of)| of);
        let Some(schema) = said.get(whole).or_else(|| asked.get(whole)) else { continue };
        if !schema["properties"].is_object() || schema["oneOf"].is_array() {
            continue;
        }
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (field, optional) in fields {
            checked += 1;
            if optional == required.iter().any(|one| one == &field) {
                wrong.push(format!("{name}.{field}"));
            }
        }
    }
    assert!(checked > 300, "{checked}");
    assert_eq!(
        wrong,
        Vec::<String>::new(),
        "`?` is missing, or stands where the wire always has it"
    );
}
