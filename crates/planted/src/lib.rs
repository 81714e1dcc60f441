//! Planted bugs: promises broken on purpose, to show that the tests outside find them.
//!
//! Without the feature `on` every hook is `false` and compiles to nothing. With it,
//! `AFIELD_PLANTED` names the one bug that is on. No release build has the feature.

#[cfg(all(feature = "on", not(debug_assertions)))]
compile_error!("planted bugs are for tests: no release build has them");

/// Whether this bug is on.
#[cfg(not(feature = "on"))]
pub const fn is(_name: &str) -> bool {
    false
}

/// Whether this bug is on.
#[cfg(feature = "on")]
pub fn is(name: &str) -> bool {
    use std::sync::OnceLock;
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("AFIELD_PLANTED").ok()).as_deref() == Some(name)
}
