//! `cargo xtask generate`: the files made from the code, and the check that they are up to date.
//!
//! Called by `cargo xtask test` with `--check`. Everything written here is committed, so that a
//! change of the protocol shows in review.

use std::path::Path;

use afield_proto::schema;
use anyhow::{Context as _, Result, bail};

struct Generated {
    path: &'static str,
    text: String,
}

/// Every generated file, as it should be.
fn all() -> Result<[Generated; 3]> {
    let json = serde_json::to_string_pretty(&schema::json_schema())?;
    let openapi = serde_json::to_string_pretty(&schema::openapi(env!("CARGO_PKG_VERSION")))?;
    Ok([
        Generated { path: "docs/protocol.schema.json", text: json + "\n" },
        Generated { path: "crates/afield-server/openapi.json", text: openapi + "\n" },
        Generated { path: "web/src/generated/protocol.ts", text: schema::typescript() },
    ])
}

/// Writes the files that differ.
pub(crate) fn write() -> Result<()> {
    for file in all()? {
        if difference(&file).is_some() {
            let folder = Path::new(file.path).parent().expect("every path above has a folder");
            std::fs::create_dir_all(folder)?;
            std::fs::write(file.path, &file.text).with_context(|| file.path.to_owned())?;
            println!("wrote {}", file.path);
        }
    }
    Ok(())
}

/// Compares the files with what they should be.
///
/// **Errors**: names each file that differs and its first differing line.
pub(crate) fn check() -> Result<()> {
    let stale: Vec<String> = all()?.iter().filter_map(difference).collect();
    if stale.is_empty() {
        return Ok(());
    }
    bail!(
        "generated files are not up to date; run `cargo xtask generate` and commit the result\n{}",
        stale.join("\n")
    )
}

fn difference(file: &Generated) -> Option<String> {
    match std::fs::read_to_string(file.path) {
        Ok(found) if found == file.text => None,
        Ok(found) => Some(first_difference(file.path, &found, &file.text)),
        Err(error) => Some(format!("  {}: {error}", file.path)),
    }
}

fn first_difference(path: &str, found: &str, expected: &str) -> String {
    let same = found.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(end of file)").to_owned();
    format!(
        "  {path}:{}\n    is:        {}\n    should be: {}",
        same + 1,
        line(found),
        line(expected)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differing_line_is_named() {
        let told = first_difference("a.json", "1\n2\n3\n", "1\nzwei\n3\n");
        assert!(told.contains("a.json:2") && told.contains("is:        2"), "{told}");
        let told = first_difference("a.json", "1\n", "1\n2\n");
        assert!(told.contains("a.json:2") && told.contains("(end of file)"), "{told}");
    }

    #[test]
    fn generating_twice_gives_the_same() {
        for (first, second) in all().unwrap().iter().zip(all().unwrap()) {
            assert_eq!(first.text, second.text, "{}", second.path);
            assert!(first.text.ends_with('\n') && first.text.len() > 1000);
        }
    }
}
