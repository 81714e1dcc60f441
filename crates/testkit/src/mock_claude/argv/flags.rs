//! The table of options. Data only: what an option means is decided in `rules` and in the session.

/// How many values an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// Zero or one; a following option is not a value.
    Optional,
    /// Exactly one, even if it looks like an option.
    One,
    /// One or more: greedy.
    Many,
}

/// One option.
#[derive(Debug)]
pub(super) struct Flag {
    /// The canonical long name, without dashes.
    pub(super) name: &'static str,
    /// Other spellings, with dashes.
    aliases: &'static [&'static str],
    pub(super) takes: Takes,
    /// The allowed values, if they are a closed set.
    choices: &'static [&'static str],
}

impl Flag {
    /// Checks a value against the closed set.
    pub(super) fn check(&self, value: &str) -> Result<(), String> {
        if self.choices.is_empty() || self.choices.contains(&value) {
            return Ok(());
        }
        let choices = self.choices.join(", ");
        Err(format!(
            "error: option '{}' argument '{value}' is invalid. Allowed choices are {choices}.",
            self.usage()
        ))
    }

    /// The option as an error message shows it.
    pub(super) fn usage(&self) -> String {
        match self.takes {
            Takes::Nothing => format!("--{}", self.name),
            Takes::Optional => format!("--{} [value]", self.name),
            Takes::One => format!("--{} <value>", self.name),
            Takes::Many => format!("--{} <values...>", self.name),
        }
    }
}

/// Finds an option by any of its spellings.
pub(super) fn find(token: &str) -> Option<&'static Flag> {
    FLAGS
        .iter()
        .find(|flag| token.strip_prefix("--") == Some(flag.name) || flag.aliases.contains(&token))
}

const fn flag(name: &'static str, takes: Takes) -> Flag {
    Flag { name, aliases: &[], takes, choices: &[] }
}

const fn alias(name: &'static str, takes: Takes, aliases: &'static [&'static str]) -> Flag {
    Flag { name, aliases, takes, choices: &[] }
}

const fn choice(name: &'static str, choices: &'static [&'static str]) -> Flag {
    Flag { name, aliases: &[], takes: Takes::One, choices }
}

const FLAGS: &[Flag] = &[
    // The conversation.
    alias("print", Takes::Nothing, &["-p"]),
    choice("output-format", &["text", "json", "stream-json"]),
    choice("input-format", &["text", "stream-json"]),
    flag("verbose", Takes::Nothing),
    flag("include-partial-messages", Takes::Nothing),
    flag("replay-user-messages", Takes::Nothing),
    flag("include-hook-events", Takes::Nothing),
    flag("forward-subagent-text", Takes::Nothing),
    flag("prompt-suggestions", Takes::Nothing),
    flag("brief", Takes::Nothing),
    // The session.
    flag("session-id", Takes::One),
    alias("resume", Takes::Optional, &["-r"]),
    alias("continue", Takes::Nothing, &["-c"]),
    flag("fork-session", Takes::Nothing),
    flag("resume-session-at", Takes::One),
    flag("resume-drops-turn", Takes::One),
    flag("no-session-persistence", Takes::Nothing),
    flag("session-mirror", Takes::Nothing),
    alias("name", Takes::One, &["-n"]),
    // Permissions.
    choice(
        "permission-mode",
        &["acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "manual", "plan"],
    ),
    flag("permission-prompt-tool", Takes::One),
    choice("permission-prompts", &["host", "none"]),
    flag("dangerously-skip-permissions", Takes::Nothing),
    flag("allow-dangerously-skip-permissions", Takes::Nothing),
    flag("restricted", Takes::Nothing),
    alias("allowed-tools", Takes::Many, &["--allowedTools"]),
    alias("disallowed-tools", Takes::Many, &["--disallowedTools"]),
    flag("tools", Takes::Many),
    // The model.
    flag("model", Takes::One),
    flag("fallback-model", Takes::One),
    choice("effort", &["low", "medium", "high", "xhigh", "max"]),
    flag("thinking", Takes::One),
    flag("max-thinking-tokens", Takes::One),
    flag("thinking-display", Takes::One),
    flag("betas", Takes::Many),
    flag("json-schema", Takes::One),
    flag("system-prompt", Takes::One),
    flag("system-prompt-file", Takes::One),
    flag("append-system-prompt", Takes::One),
    flag("append-system-prompt-file", Takes::One),
    choice("system-prompt-snapshot", &["on", "off"]),
    // Limits.
    flag("max-turns", Takes::One),
    flag("max-budget-usd", Takes::One),
    flag("task-budget", Takes::One),
    // Surroundings.
    flag("add-dir", Takes::Many),
    flag("file", Takes::Many),
    flag("mcp-config", Takes::Many),
    flag("strict-mcp-config", Takes::Nothing),
    flag("agents", Takes::One),
    flag("settings", Takes::One),
    flag("setting-sources", Takes::One),
    flag("bare", Takes::Nothing),
    flag("safe-mode", Takes::Nothing),
    flag("bg", Takes::Nothing),
    flag("remote-control", Takes::Optional),
    flag("cloud", Takes::Optional),
    alias("worktree", Takes::Optional, &["-w"]),
    flag("chrome", Takes::Nothing),
    flag("ide", Takes::Nothing),
    // The program.
    alias("debug", Takes::Optional, &["-d"]),
    alias("version", Takes::Nothing, &["-v"]),
    alias("help", Takes::Nothing, &["-h"]),
];
