//! The command line: what the real parser refuses is refused.

use super::driver::{Home, RECIPE};

/// Runs with just these arguments and no input; returns exit code, stdout and stderr.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let outcome = Home::new().bare(args).run("");
    (outcome.code, String::from_utf8(outcome.raw).unwrap(), outcome.stderr)
}

#[track_caller]
fn refused(args: &[&str], text: &str) {
    let (code, stdout, stderr) = run(args);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{args:?} {stderr}");
    assert!(stderr.contains(text), "{args:?} said {stderr}");
}

#[track_caller]
fn accepted(args: &[&str]) {
    let args: Vec<&str> = RECIPE.iter().chain(args).copied().collect();
    assert_eq!(run(&args), (Some(0), String::new(), String::new()), "{args:?}");
}

#[test]
fn unknown_options_are_refused() {
    refused(&["-p", "--colour"], "error: unknown option '--colour'");
    refused(&["-p", "-x"], "error: unknown option '-x'");
    refused(&["-p", "--verbose=yes"], "error: unknown option '--verbose=yes'");
    refused(&["-p", "--model"], "error: option '--model <value>' argument missing");
}

#[test]
fn options_are_taken_in_both_forms_and_spellings() {
    accepted(&["--model=sonnet", "--fallback-model", "opus,haiku", "--effort", "high"]);
    accepted(&[
        "--allowedTools",
        "Bash(git *)",
        "Read",
        "--disallowed-tools=Write",
        "--add-dir",
        "/a",
        "/b",
    ]);
    accepted(&[
        "--mcp-config",
        "{}",
        "--strict-mcp-config",
        "--setting-sources=",
        "--json-schema={}",
    ]);
    accepted(&[
        "--append-system-prompt=-x",
        "--system-prompt-snapshot=off",
        "--max-turns",
        "3",
        "--name",
        "-n",
    ]);
    accepted(&[
        "--permission-prompts=none",
        "--include-partial-messages",
        "--replay-user-messages",
        "-d",
    ]);
}

#[test]
fn lists_swallow_what_follows() {
    let home = Home::new();
    let outcome = home.bare(&["-p", "--allowedTools", "Read", "do it"]).run("");
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.starts_with("Error: Input must be provided"), "{}", outcome.stderr);
    let outcome = home.bare(&["-p", "--allowedTools=Read", "do it"]).run("");
    assert_eq!(String::from_utf8(outcome.raw).unwrap(), "Hello from the mock.\n");
}

#[test]
fn values_from_closed_sets_are_checked() {
    refused(
        &["-p", "--permission-mode=sometimes"],
        "argument 'sometimes' is invalid. Allowed choices are acceptEdits",
    );
    refused(&["-p", "--permission-prompts=maybe"], "Allowed choices are host, none.");
    refused(&["-p", "--output-format=xml"], "Allowed choices are text, json, stream-json.");
    refused(&["-p", "--max-turns=many"], "--max-turns must be a number");
}

#[test]
fn options_that_need_each_other_are_checked() {
    refused(&["-p", "--output-format=stream-json"], "requires --verbose");
    refused(&["-p", "--input-format=stream-json"], "requires --output-format=stream-json");
    refused(&["-p", "--replay-user-messages"], "--replay-user-messages requires both");
    refused(&["-p", "--include-partial-messages"], "requires --output-format=stream-json");
    refused(&["-p", "--bg"], "--bg cannot be used with --print");
    refused(&["-p", "--restricted", "--dangerously-skip-permissions"], "--restricted");
}

#[test]
fn session_ids_are_checked() {
    let id = "dddddddd-dddd-4ddd-8ddd-dddddddddddd";
    refused(&["-p", "--session-id=mine"], "Error: Invalid session ID. Must be a valid UUID.");
    refused(&["-p", "--session-id", id, "--resume", id], "--fork-session is also specified.");
    refused(&["-p", "--resume"], "Error: --resume requires a valid session ID or session title");
    refused(
        &["-p", "--resume=untitled"],
        "Error: --resume requires a valid session ID or session title",
    );
    refused(&["-p", "--continue"], "No conversation found to continue");
}

/// The trap: the value becomes the prompt.
#[test]
fn continue_takes_no_value() {
    let home = Home::new();
    assert_eq!(home.bare(&["-p", "first"]).run("").code, Some(0));
    let outcome =
        home.bare(&["-p", "--output-format=stream-json", "--verbose", "-c", "some-id"]).run("");
    assert_eq!(outcome.code, Some(0));
    let transcript =
        std::fs::read_to_string(home.transcript("a0000000-0000-4000-8000-000000000001")).unwrap();
    assert!(transcript.contains(r#""content":"some-id""#), "{transcript}");
}

#[test]
fn questions_about_the_program_are_answered() {
    for flag in ["--version", "-v"] {
        assert_eq!(run(&[flag]), (Some(0), "2.1.329 (Claude Code)\n".to_owned(), String::new()));
    }
    let outcome = Home::new().bare(&["--version"]).env("MOCK_CLAUDE_VERSION", "1.0.9").run("");
    assert_eq!(outcome.raw, b"1.0.9 (Claude Code)\n");
    assert!(run(&["--help"]).1.starts_with("Usage: mock-claude"));
    assert_eq!(run(&["auth", "status"]).1, "{\"loggedIn\":true,\"authMethod\":\"mock\"}\n");
    assert_eq!(run(&["agents", "--json"]).1, "[]\n");
}

#[test]
fn other_formats_print_the_result_only() {
    let outcome = Home::new().bare(&["-p"]).run("what is up?");
    assert_eq!(
        (outcome.code, outcome.raw.as_slice()),
        (Some(0), b"Hello from the mock.\n".as_slice())
    );
    let outcome = Home::new().bare(&["-p", "--output-format", "json"]).run("what is up?");
    assert_eq!(outcome.kinds(), ["result/success"]);
    assert_eq!(outcome.raw.iter().filter(|byte| **byte == b'\n').count(), 1);
}
