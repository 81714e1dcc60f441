//! Conversations as the server knows them, and a search through what was said, over the real binary.

use testkit::http::status;

use super::access::http;
use super::*;

async fn rest(afield: &Afield, path: &str) -> Value {
    let head = format!("GET {path}\nAuthorization: Bearer {}", afield.token);
    let response = http(afield, &head, "").await;
    assert_eq!(status(&response), 200, "{response}");
    let text = response.split_once("\r\n\r\n").unwrap().1;
    let mut values =
        serde_json::Deserializer::from_str(&text[text.find('{').unwrap()..]).into_iter();
    values.next().unwrap().unwrap()
}

#[tokio::test]
async fn a_session_is_known_by_what_its_agent_told() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    run(&mut client, &project, "fix the test").await;
    run(&mut client, &project, "and the other one").await;
    let list = client.ask("session_list", json!({ "project_id": project })).await.unwrap();
    assert_eq!(list["sessions"].as_array().unwrap().len(), 1, "{list}");
    let session = &list["sessions"][0];
    assert_eq!((&session["title"], &session["turns"]), (&json!("fix the test"), &json!(2)));
    assert_eq!((&session["agent"], &session["model"]), (&json!("claude"), &json!("claude-mock-1")));
    assert_eq!((&session["state"], &session["setup"]), (&json!("active"), &Value::Null));
    assert_eq!(session["usage"]["output_tokens"], 12);
    assert_eq!(session["usage"]["cost_usd"], 0.002);
    assert_eq!(session["context"]["window_tokens"], 200_000);
    let id = session["id"].as_str().unwrap();
    let one = rest(&afield, &format!("/api/v1/sessions/{id}")).await;
    let commands = one["setup"]["slash_commands"].as_array().unwrap();
    assert!(commands.contains(&json!("compact")), "{one}");
    assert_eq!(rest(&afield, "/api/v1/sessions?limit=5").await["sessions"][0], *session);
    client.ask("agent_new_session", json!({ "project_id": project })).await.unwrap();
    run(&mut client, &project, "something else").await;
    let listed = afield.cli(&["sessions", "ls"]).await;
    assert!(
        listed.stdout.contains("ended") && listed.stdout.contains("something else"),
        "{listed:?}"
    );
    let shown = afield.cli(&["sessions", "show", id]).await;
    assert!(shown.stdout.contains("of 200000 tokens"), "{shown:?}");
    let json = afield.cli(&["sessions", "show", id, "--json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["id"], &json["state"]), (&json!(id), &json!("ended")));
    let nobody = afield.cli(&["sessions", "show", "ffffffff"]).await;
    assert_eq!(nobody.code, Some(3), "{nobody:?}");
}

#[tokio::test]
async fn what_was_said_anywhere_is_found() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let mut projects = Vec::new();
    for (name, prompt) in [("p", "the first needle"), ("q", "hay"), ("r", "the last NEEDLE")] {
        let project = afield.project(&mut client, name).await;
        follow(&mut client, &project, 0).await;
        let ask = json!({ "project_id": project, "prompt": prompt, "agent": "demo" });
        let command = client.ask("execute", ask).await.unwrap();
        finished(&mut client, &command).await;
        projects.push(project);
    }
    let ask = json!({ "text": "needle", "kind": "prompt" });
    let found = client.ask("message_search", ask).await.unwrap();
    let at =
        |found: &Value, n: usize| found["messages"][n]["project_id"].as_str().map(str::to_owned);
    assert_eq!(
        (at(&found, 0), at(&found, 1)),
        (Some(projects[2].clone()), Some(projects[0].clone()))
    );
    assert_eq!((&found["more"], at(&found, 2)), (&json!(false), None));
    let path = format!(
        "/api/v1/search?text=needle&kind=prompt&project_ids={},{}",
        projects[0], projects[1]
    );
    let narrowed = rest(&afield, &path).await;
    assert_eq!((at(&narrowed, 0), at(&narrowed, 1)), (Some(projects[0].clone()), None));
    let first = rest(&afield, "/api/v1/search?text=needle&kind=prompt&limit=1").await;
    assert_eq!((at(&first, 0), &first["more"]), (Some(projects[2].clone()), &json!(true)));
    let next = format!(
        "/api/v1/search?text=needle&kind=prompt&limit=1&before={}",
        first["before"].as_str().unwrap()
    );
    assert_eq!(at(&rest(&afield, &next).await, 0), Some(projects[0].clone()));
    let said = afield.cli(&["search", "needle", "--kind", "prompt"]).await;
    assert!(said.stdout.contains("the last NEEDLE") && !said.stdout.contains("/q"), "{said:?}");
    let json = afield.cli(&["search", "needle", "-p", "p", "--kind", "prompt", "--json"]).await;
    assert_eq!(json.stdout.lines().count(), 1, "{json:?}");
    let nothing = afield.cli(&["search", "no such words"]).await;
    assert_eq!(nothing.stdout, "Nothing fits.\n");
    let odd = client.ask("message_search", json!({ "text": "x", "before": "what" })).await;
    assert_eq!(testkit::harness::code(odd), "VALIDATION_FAILED");
}
