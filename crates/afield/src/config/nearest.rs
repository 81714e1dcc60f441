//! Finding the key somebody meant.

/// The known key nearest to a mistyped one, if one is near enough to be worth naming. Where its section is
/// known, only keys of that are meant.
pub(super) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let known: Vec<_> = known.into_iter().collect();
    let in_section: Vec<_> = match typed.split_once('.') {
        Some((section, name)) => {
            let rest = |key: &&'a str| Some((*key, key.strip_prefix(section)?.strip_prefix('.')?));
            let found = known.iter().filter_map(rest);
            found.map(|(key, other)| (distance(name, other), key, name)).collect()
        }
        None => Vec::new(),
    };
    let (likeness, key, typed) = match in_section.is_empty() {
        false => in_section.into_iter().min()?,
        true => known.into_iter().map(|key| (likeness(typed, key), key, typed)).min()?,
    };
    let bound = (typed.chars().count() / 3).max(2);
    (likeness <= bound).then_some(key)
}

/// Distance of the whole keys, or of their last parts: the section is wrong or missing.
fn likeness(typed: &str, key: &str) -> usize {
    let last = |text: &str| text.rsplit('.').next().unwrap_or(text).to_owned();
    distance(typed, key).min(distance(&last(typed), &last(key)) + 1)
}

/// How many letters must be typed, removed or changed to come from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_was_probably_meant() {
        let known = ["server.listen", "limits.connections", "log.level", "log.format"];
        assert_eq!(nearest("server.lisen", known), Some("server.listen"));
        assert_eq!(nearest("listen", known), Some("server.listen"));
        assert_eq!(nearest("limit.connections", known), Some("limits.connections"));
        assert_eq!(nearest("log.levle", known), Some("log.level"));
        assert_eq!(nearest("completely.different", known), None);
        let known = [known.as_slice(), &["discovery.name"]].concat();
        assert_eq!(nearest("limits.nope", known.clone()), None);
        assert_eq!(nearest("limits.name", known.clone()), None, "not one of another section");
        assert_eq!(nearest("limits.conections", known), Some("limits.connections"));
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
