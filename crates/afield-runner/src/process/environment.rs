//! The environment an agent starts with: an allow-list, never the runner's own.
//!
//! Pure: takes the runner's variables as a list. The variables by which Claude knows that it runs
//! inside another Claude never get through, whatever the policy says.

use std::ffi::OsString;

/// Passed on where the runner has them.
const ALLOWED: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
];

/// Never passed on: with them a nested Claude refuses to start, or does not keep its conversation.
const REMOVED: &[&str] = &[
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_SIMPLE",
    "CLAUDE_CODE_SAFE_MODE",
    super::MARKER,
];

/// Set for every agent: no colours, no terminal, no updates behind the back of a running command.
const FIXED: &[(&str, &str)] = &[("TERM", "dumb"), ("NO_COLOR", "1"), ("DISABLE_AUTOUPDATER", "1")];

/// The variables an agent gets. `passed` are further names from the policy; a name that ends in
/// `*` stands for all that begin like it.
pub(crate) fn environment(
    own: impl Iterator<Item = (OsString, OsString)>,
    passed: &[String],
) -> Vec<(OsString, OsString)> {
    let fixed = FIXED.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    own.filter(|(name, _)| name.to_str().is_some_and(|name| allowed(name, passed)))
        .chain(fixed)
        .collect()
}

fn allowed(name: &str, passed: &[String]) -> bool {
    if REMOVED.contains(&name) {
        return false;
    }
    ALLOWED.contains(&name)
        || name.starts_with("LC_")
        || passed.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == pattern,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(own: &[&str], passed: &[&str]) -> Vec<String> {
        let own = own.iter().map(|name| (OsString::from(name), OsString::from("x")));
        let passed: Vec<String> = passed.iter().map(|&name| name.to_owned()).collect();
        let environment = environment(own, &passed);
        environment.into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
    }

    #[test]
    fn only_listed_variables_get_through() {
        let names = names(&["PATH", "LC_ALL", "AWS_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY"], &[]);
        assert_eq!(names, ["PATH", "LC_ALL", "TERM", "NO_COLOR", "DISABLE_AUTOUPDATER"]);
    }

    #[test]
    fn the_policy_can_add_names_and_beginnings() {
        let names = names(&["A_1", "A_2", "B"], &["A_*", "C"]);
        assert_eq!(names[..2], ["A_1", "A_2"]);
        assert!(!names.contains(&"B".to_owned()));
    }

    #[test]
    fn traces_of_a_parent_claude_are_removed_even_if_everything_is_passed() {
        let names = names(REMOVED, &["*"]);
        assert_eq!(names, ["TERM", "NO_COLOR", "DISABLE_AUTOUPDATER"]);
    }
}
