//! Which options go together. Pure; what depends on files is decided by the session.

use uuid::Uuid;

use super::Args;

/// Checks the combination of options.
///
/// **Errors**: the line the real program prints to stderr.
pub(super) fn check(args: &Args) -> Result<(), String> {
    formats(args)?;
    session(args)?;
    permissions(args)?;
    number(args, "max-turns")?;
    number(args, "max-budget-usd")
}

fn formats(args: &Args) -> Result<(), String> {
    let stream_out = args.value("output-format") == Some("stream-json");
    let stream_in = args.value("input-format") == Some("stream-json");
    if stream_out && args.has("print") && !args.has("verbose") {
        return refuse("When using --print, --output-format=stream-json requires --verbose");
    }
    if stream_in && !stream_out {
        return refuse("--input-format=stream-json requires --output-format=stream-json.");
    }
    if args.has("replay-user-messages") && !(stream_in && stream_out) {
        return refuse(
            "--replay-user-messages requires both --input-format=stream-json and --output-format=stream-json.",
        );
    }
    for name in ["include-partial-messages", "include-hook-events", "forward-subagent-text"] {
        if args.has(name) && !stream_out {
            return refuse(&format!("--{name} requires --output-format=stream-json."));
        }
    }
    if args.has("bg") && args.has("print") {
        return refuse("--bg cannot be used with --print.");
    }
    Ok(())
}

fn session(args: &Args) -> Result<(), String> {
    let resumes = args.has("resume") || args.has("continue");
    if args.value("session-id").is_some_and(|id| Uuid::try_parse(id).is_err()) {
        return refuse("Invalid session ID. Must be a valid UUID.");
    }
    if args.has("session-id") && resumes && !args.has("fork-session") {
        return refuse(
            "--session-id can only be used with --continue or --resume if --fork-session is also specified.",
        );
    }
    if args.has("resume") && args.value("resume").is_none() {
        return refuse(super::super::session::RESUME_NEEDS_A_SESSION);
    }
    Ok(())
}

fn permissions(args: &Args) -> Result<(), String> {
    let bypasses = args.has("dangerously-skip-permissions")
        || args.value("permission-mode") == Some("bypassPermissions");
    if args.has("restricted") && bypasses {
        return refuse("--restricted cannot be combined with bypassing permissions.");
    }
    Ok(())
}

fn number(args: &Args, name: &str) -> Result<(), String> {
    match args.value(name) {
        Some(value) if value.parse::<f64>().is_err() => {
            refuse(&format!("--{name} must be a number."))
        }
        _ => Ok(()),
    }
}

fn refuse(text: &str) -> Result<(), String> {
    Err(format!("Error: {text}"))
}
