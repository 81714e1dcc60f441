//! Tables of a terminal. What is copied (ids, names, paths) stays whole: on a narrow screen a line
//! runs over its edge before such a word is broken, and only columns of prose are wrapped.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

/// Fewest characters of a column of prose: narrower ones break words of ordinary length.
const PROSE_MIN: u16 = 16;

/// An empty table; `prose` are the heads of the columns that may be wrapped.
pub(crate) fn table(heads: &[&str], prose: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(heads.iter().copied());
    for (column, head) in table.column_iter_mut().zip(heads) {
        column.set_constraint(match prose.contains(head) {
            true => ColumnConstraint::LowerBoundary(Width::Fixed(PROSE_MIN)),
            false => ColumnConstraint::ContentWidth,
        });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_narrow_screen_only_prose_is_wrapped() {
        let mut table = table(&["STATE", "PATH", "ID"], &["STATE"]);
        let path = "/home/somebody/with/a/rather/long/path/to/a/project";
        table.add_row(["error: the agent can't be started", path, "0123456789ab"]);
        let text = table.set_width(40).to_string();
        assert!(text.contains(path) && text.contains("0123456789ab"), "{text}");
        assert!(text.lines().count() > 2, "{text}");
        for word in ["error:", "agent", "started"] {
            assert!(text.contains(word), "{text}");
        }
    }
}
