//! Which script plays, and the steps no scenario uses.

use serde_json::{Value, json};

use super::driver::{FIRST, Home, Outcome, RECIPE, Running, SECOND, kind};

fn scripted(home: &Home, script: &str) -> Running {
    home.bare(&RECIPE).env("MOCK_CLAUDE_SCRIPT", home.file("script.jsonl", script)).start()
}

fn mistake(scenario: &str) -> String {
    let outcome = Home::new().mock(scenario).run("");
    assert_eq!(outcome.code, Some(64), "{scenario}");
    outcome.stderr
}

#[test]
fn unknown_scenarios_are_mistakes() {
    assert_eq!(mistake("nope"), "mock: unknown scenario `nope`\n");
    assert_eq!(mistake("burst,m=1"), "mock: scenario `burst` has no parameter `m`\n");
    assert!(
        mistake("burst,n=x").starts_with("mock: scenario `burst`: line"),
        "{}",
        mistake("burst,n=x")
    );
    let mut mock = Home::new().bare(&RECIPE).start();
    mock.prompt(FIRST, "[[mock:nope]]");
    assert_eq!(mock.finish().code, Some(64));
}

#[test]
fn markers_select_a_scenario_per_turn() {
    let mut mock = Home::new().bare(&RECIPE).start();
    for (n, text) in ["fix it [[mock:error_result]] [[mock:no_result]]", "go on", "never"]
        .into_iter()
        .enumerate()
    {
        mock.prompt(&format!("c0000000-0000-4000-8000-00000000000{n}"), text);
    }
    let outcome = mock.finish();
    assert_eq!(outcome.kinds(), ["init", "text", "result/error_during_execution", "init", "text"]);
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn the_environment_goes_before_the_marker_and_lasts_one_turn() {
    let mut mock = Home::new().mock("max_turns").start();
    mock.prompt(FIRST, "[[mock:no_result]]");
    mock.prompt(SECOND, "again");
    let outcome = mock.finish();
    let results: Vec<String> = outcome.all("result").iter().map(kind).collect();
    assert_eq!(results, ["result/error_max_turns", "result/success"]);
}

#[test]
fn a_script_plays_from_the_start() {
    let home = Home::new();
    let script = r#"# before anybody asks
{"op":"raw","text":"good morning"}
{"op":"await","what":"user"}
{"op":"emit","json":{"type":"zebra","prompt":"${prompt}","by":"${user_uuid}","at":"${ts}","uuid":"${uuid}","n":"${n}"}}
{"op":"emit","json":{"type":"where","sid":"${sid}","cwd":"${cwd}","model":"${model}","mode":"${mode}"}}
{"op":"stderr","text":"so long"}
{"op":"exit","code":5}"#;
    let mut mock = scripted(&home, script);
    assert_eq!(mock.line().unwrap(), b"good morning\n");
    mock.prompt(FIRST, "say \"hi\"");
    let zebra = mock.until("zebra");
    assert_eq!(
        (&zebra["prompt"], &zebra["by"], &zebra["n"]),
        (&json!("say \"hi\""), &json!(FIRST), &json!("1"))
    );
    assert_eq!(
        (&zebra["at"], &zebra["uuid"]),
        (&json!("2026-11-20T12:00:03.000Z"), &json!("b0000000-0000-4000-8000-000000000003"),)
    );
    let place = mock.until("where");
    assert_eq!((&place["cwd"], &place["mode"]), (&json!(home.cwd()), &json!("default")));
    let outcome = mock.finish();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(5), "so long\n"));
}

#[test]
fn a_script_branches_on_an_answer() {
    let script = r#"{"op":"await","what":"user"}
{"op":"emit","json":{"type":"control_request","request_id":"${req}","request":{"subtype":"can_use_tool","tool_name":"X","input":{}}}}
{"op":"await","what":"control_response"}
{"op":"goto_if","cond":"behavior==deny","to":"denied"}
{"op":"exit","code":0}
{"op":"label","name":"denied"}
{"op":"exit","code":8}"#;
    for (behavior, code) in [("allow", 0), ("deny", 8)] {
        let home = Home::new();
        let mut mock = scripted(&home, script);
        mock.prompt(FIRST, "go");
        let request = mock.until("can_use_tool");
        assert_eq!(request["request_id"], "5a1e0000-0000-4000-8000-000000000001");
        mock.answer(&request, &json!({ "behavior": behavior }));
        assert_eq!(mock.finish().code, Some(code));
    }
}

fn run_script(script: &str) -> Outcome {
    scripted(&Home::new(), script).finish()
}

#[test]
fn patience_ends_as_the_script_says() {
    let wait =
        |rest: &str| format!(r#"{{"op":"await","what":"control_request","timeout_ms":1{rest}}}"#);
    let code = |rest: &str| {
        let home = Home::new();
        let mut mock = scripted(&home, &wait(rest));
        mock.wait().code()
    };
    assert_eq!(code(""), Some(3));
    assert_eq!(code(r#","on_timeout":"exit:4""#), Some(4));
    let then = r#","on_timeout":"continue"}
{"op":"exit","code":6"#;
    assert_eq!(code(then), Some(6));
}

#[test]
fn delays_are_scaled_and_files_written() {
    let home = Home::new();
    let script = r#"{"op":"delay","ms":50}
{"op":"write_file","path":"made.txt","text":"${sid}"}
{"op":"goto_if","cond":"always","to":"end"}
{"op":"exit","code":1}
{"op":"label","name":"end"}
{"op":"fill","tmpl":"tool_result","bytes":40}"#;
    let outcome = scripted(&home, script).finish();
    assert_eq!(outcome.code, Some(0));
    let made = std::fs::read_to_string(home.cwd().join("made.txt")).unwrap();
    assert_eq!(made, "a0000000-0000-4000-8000-000000000001");
    assert_eq!(
        outcome.all("user")[0]["tool_use_result"]["stdout"],
        "0123456789abcdef0123456789abcdef01234567"
    );
}

#[test]
fn loops_are_counted() {
    let script = r#"{"op":"label","name":"L"}
{"op":"raw","text":"again"}
{"op":"goto_if","cond":"always","to":"L","times":2}"#;
    assert_eq!(run_script(script).raw, b"again\nagain\nagain\n");
}

#[test]
fn wrong_scripts_are_mistakes() {
    for (script, said) in [
        (r#"{"op":"dance"}"#, "line 1: unknown variant `dance`"),
        (r#"{"op":"emit","tmpl":"nothing"}"#, "unknown frame `nothing`"),
        (r#"{"op":"raw","text":"${nothing}"}"#, "unknown placeholder ${nothing}"),
        (r#"{"op":"goto_if","cond":"always","to":"L"}"#, "there is no label `L`"),
    ] {
        let outcome = run_script(script);
        assert_eq!(outcome.code, Some(64));
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    }
    let outcome = Home::new().bare(&RECIPE).env("MOCK_CLAUDE_SCRIPT", "/nowhere").run("");
    assert_eq!(outcome.code, Some(64));
}

#[test]
fn traps_catch_signals() {
    let home = Home::new();
    let script = r#"{"op":"trap","sig":"INT","do":"goto:caught"}
{"op":"raw","text":"ready"}
{"op":"await","what":"signal"}
{"op":"label","name":"caught"}
{"op":"trap","sig":"TERM","do":"exit:12"}
{"op":"emit","json":{"type":"caught","eof":"${eof}"}}
{"op":"await","what":"signal"}"#;
    let mut mock = scripted(&home, script);
    mock.line();
    mock.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(mock.until("caught")["eof"], Value::from(""));
    mock.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(mock.finish().code, Some(12));
}
