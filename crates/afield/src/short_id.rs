//! Ids as lists show them, and as people give them back: enough of an id to tell it from others.

/// How many characters of an id are shown.
const SHOWN: usize = 8;
/// Fewest characters that are taken for a part of an id.
pub(crate) const PART_MIN: usize = 6;
/// Fewest characters that are taken for its beginning where there are few: of devices, projects and
/// conversations.
const BEGINNING_MIN: usize = 4;

/// The end of an id, which tells ids apart that were made at the same time.
pub(crate) fn short(id: impl ToString) -> String {
    let id = id.to_string();
    id.get(id.len().saturating_sub(SHOWN)..).unwrap_or(&id).to_owned()
}

/// Whether the id begins or ends with the part, hyphens or none.
pub(crate) fn fits(id: impl ToString, part: &str) -> bool {
    let (id, part) = (id.to_string(), part.to_lowercase());
    let bare = id.replace('-', "");
    part.len() >= PART_MIN
        && (id.starts_with(&part)
            || id.ends_with(&part)
            || bare.starts_with(&part)
            || bare.ends_with(&part))
}

/// The same among few, where a shorter beginning is enough.
pub(crate) fn fits_among_few(id: impl ToString, part: &str) -> bool {
    let id = id.to_string();
    (part.len() >= BEGINNING_MIN && id.starts_with(&part.to_lowercase())) || fits(id, part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_an_id_is_enough_to_name_it() {
        let id = "01990000-0000-7000-8000-0123456789ab";
        assert_eq!(short(id), "456789ab");
        assert!(fits(id, &short(id)) && fits(id, "456789AB") && fits(id, "0199000000007"));
        assert!(!fits(id, "0199") && !fits(id, "89ab") && !fits(id, ""));
        assert!(fits_among_few(id, "0199") && fits_among_few(id, &short(id)));
        assert!(!fits_among_few(id, "019") && !fits_among_few(id, "89ab"));
    }
}
