//! How two directories lie to each other: equal, one inside the other, or apart.
//!
//! Asked when a project is made. Works on path *keys* as a runner folds them (letter case and
//! Unicode form already equal where its file system does not tell them apart); never touches a
//! file system.

/// How one directory lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// They are one directory.
    Same,
    /// The first lies somewhere below the second.
    Inside,
    /// The second lies somewhere below the first.
    Around,
    /// Neither holds the other.
    Apart,
}

/// How the directory with key `one` lies to the directory with key `other`, component by
/// component: `/a/bc` is not inside `/a/b`.
pub fn relation(one: &str, other: &str) -> Relation {
    let (mut one, mut other) = (components(one), components(other));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return Relation::Same,
            (Some(_), None) => return Relation::Inside,
            (None, Some(_)) => return Relation::Around,
            (Some(a), Some(b)) if a != b => return Relation::Apart,
            (Some(_), Some(_)) => {}
        }
    }
}

/// The parts between slashes; doubled and trailing slashes mean nothing.
fn components(key: &str) -> impl Iterator<Item = &str> {
    key.split('/').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn compares_whole_components() {
        for (one, other, expected) in [
            ("/a/b", "/a/b/", Relation::Same),
            ("/a/b/c", "/a/b", Relation::Inside),
            ("/a", "/a/b", Relation::Around),
            ("/a/bc", "/a/b", Relation::Apart),
            ("/a/b", "/a/bc", Relation::Apart),
            ("/", "/a", Relation::Around),
            ("//a", "/a", Relation::Same),
        ] {
            assert_eq!(relation(one, other), expected, "{one} to {other}");
        }
    }

    fn key() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]{1,2}", 0..4).prop_map(|parts| format!("/{}", parts.join("/")))
    }

    proptest! {
        #[test]
        fn the_other_way_round_is_the_mirror(one in key(), other in key()) {
            let mirrored = match relation(&other, &one) {
                Relation::Inside => Relation::Around,
                Relation::Around => Relation::Inside,
                same_or_apart => same_or_apart,
            };
            prop_assert_eq!(relation(&one, &other), mirrored);
        }

        #[test]
        fn what_is_appended_is_inside(base in key(), more in "[ab]{1,2}") {
            let below = format!("{}/{more}", base.trim_end_matches('/'));
            prop_assert_eq!(relation(&below, &base), Relation::Inside);
        }
    }
}
