//! The queue over the wire: what waits, why, and what people do with it.

use testkit::harness::code;

use super::*;

async fn submit(client: &mut Client, project: &str, prompt: &str, more: Value) -> Value {
    let mut ask = json!({
        "target": { "project_id": project },
        "payload": { "prompt": prompt, "agent": "demo" },
    });
    for (name, value) in more.as_object().unwrap() {
        ask[name] = value.clone();
    }
    client.ask("command_submit", ask).await.unwrap()
}

async fn shown(client: &mut Client, command: &Value) -> Value {
    client.ask("command_show", json!({ "command_id": command["id"] })).await.unwrap()
}

/// Stops the local runner's work by holding everything, as a runner that is away would.
async fn hold_all(client: &mut Client) {
    assert_eq!(client.ask("command_hold", json!({})).await.unwrap()["changed"], true);
}

#[tokio::test]
async fn what_is_sent_to_a_busy_project_runs_in_order() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    hold_all(&mut client).await;
    let first = submit(&mut client, &project, "one", json!({})).await;
    let second = submit(&mut client, &project, "two", json!({})).await;
    let third = submit(&mut client, &project, "three", json!({})).await;
    let moved = json!({ "command_id": third["id"], "to": { "before": second["id"] } });
    client.ask("command_move", moved).await.unwrap();
    let detail = shown(&mut client, &second).await;
    assert_eq!((&detail["state"], &detail["waiting_for"]), (&json!("queued"), &json!("order")));
    assert_eq!(detail["waiting"]["command_id"], first["id"]);
    assert_eq!(shown(&mut client, &first).await["waiting"]["reason"], "hold");
    let list = client.ask("command_list", json!({ "waiting": true })).await.unwrap();
    let ids: Vec<_> = list["commands"].as_array().unwrap().iter().map(|c| &c["id"]).collect();
    assert_eq!(ids, [&first["id"], &third["id"], &second["id"]]);
    client.ask("command_release", json!({})).await.unwrap();
    let mut ended = Vec::new();
    for command in [&first, &third, &second] {
        let end = finished(&mut client, command).await;
        assert_eq!(end["state"], "succeeded", "{end}");
        ended.push(end["finished_at"].as_str().unwrap().to_owned());
    }
    assert!(ended.is_sorted(), "{ended:?}");
    let chain = shown(&mut client, &second).await["chain"].clone();
    let steps: Vec<_> = chain.as_array().unwrap().iter().map(|link| &link["step"]).collect();
    assert_eq!(steps, ["submitted", "accepted", "leased", "consumed", "finished"]);
}

#[tokio::test]
async fn who_follows_the_org_is_told_what_is_held() {
    let afield = demo().await;
    let (mut owner, mut watcher) = (afield.client().await, afield.client().await);
    let project = afield.project(&mut owner, "p").await;
    follow_org(&mut watcher).await;
    for ask in [json!({ "project_id": project }), json!({})] {
        let named = |data: &Value| data.get("project_id") == ask.get("project_id");
        for _ in 0..2 {
            owner.ask("command_hold", ask.clone()).await.unwrap();
        }
        let held = watcher.event("hold_state", named).await.unwrap()["data"]["data"].clone();
        let holds = owner.ask("hold_list", json!({})).await.unwrap()["holds"].clone();
        assert_eq!(holds, json!([held["hold"]]), "{held}");
        owner.ask("command_release", ask.clone()).await.unwrap();
        let released = watcher.event("hold_state", named).await.unwrap()["data"]["data"].clone();
        assert_eq!(released, ask, "told once each");
    }
}

#[tokio::test]
async fn a_command_waits_for_its_time_and_expires_at_its_end() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let after = |ms: i64| {
        let now = afield_proto::Timestamp::now().unix_ms();
        afield_proto::Timestamp::from_unix_ms(now + ms).to_string()
    };
    let due = after(700);
    let later = submit(&mut client, &project, "later", json!({ "not_before": due })).await;
    assert_eq!(later["waiting_for"], "time");
    let held = json!({ "expires_at": after(600), "hold": true, "order": "own" });
    let held = submit(&mut client, &project, "never", held).await;
    let over = finished(&mut client, &held).await;
    assert_eq!(over["state"], "expired", "{over}");
    assert!(over["started_at"].is_null());
    let done = finished(&mut client, &later).await;
    assert_eq!(done["state"], "succeeded");
    assert!(done["started_at"].as_str().unwrap() >= due.as_str(), "{done} before {due}");
}

#[tokio::test]
async fn a_failing_command_is_tried_again_and_put_back_from_the_dead() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({
        "target": { "project_id": project },
        "kind": "shell",
        "payload": { "options": { "argv": ["/bin/sh", "-c", "test -e ok"] } },
        "retry": { "attempts": 3, "wait_ms": 50, "on": ["failed"] },
    });
    let command = client.ask("command_submit", ask.clone()).await.unwrap();
    let dead = finished(&mut client, &command).await;
    assert_eq!(dead["state"], "dead", "{dead}");
    let detail = shown(&mut client, &command).await;
    assert_eq!(detail["attempts"].as_array().unwrap().len(), 3, "{detail}");
    std::fs::write(afield.root().join("p/ok"), "").unwrap();
    let list = client.ask("command_list", json!({ "state": "dead" })).await.unwrap();
    assert_eq!(list["commands"][0]["id"], command["id"]);
    let back = client.ask("command_retry", json!({ "all_dead": true })).await.unwrap();
    assert_eq!(back["commands"][0]["state"], "queued");
    let ended = |data: &Value| data["id"] == command["id"] && data["state"] == "succeeded";
    client.event("command_state", ended).await.unwrap();
    let again = client.ask("command_retry", json!({ "command_ids": [command["id"]] })).await;
    assert_eq!(code(again), "CONFLICT");
    std::fs::remove_file(afield.root().join("p/ok")).unwrap();
    let command = client.ask("command_submit", ask).await.unwrap();
    assert_eq!(finished(&mut client, &command).await["state"], "dead");
    let purge = json!({ "command_ids": [command["id"]] });
    client.ask("command_purge", purge).await.unwrap();
    let gone = client.event("command_gone", |_| true).await.unwrap()["data"].clone();
    let expected = json!({ "command_id": command["id"] });
    assert_eq!((&gone["data"], &gone["project_id"]), (&expected, &json!(project)));
    assert_eq!(code(client.ask("command_get", expected).await), "NOT_FOUND");
}

#[tokio::test]
async fn a_selector_finds_a_runner_and_what_fits_none_waits() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = |selector: &str| {
        json!({
            "target": { "selector": selector },
            "payload": { "prompt": "hi", "agent": "demo" },
        })
    };
    let here = format!("agents has \"demo\" and os = \"{}\"", std::env::consts::OS);
    let command = client.ask("command_submit", ask(&here)).await.unwrap();
    assert_eq!(command["project_id"], project);
    assert_eq!(finished(&mut client, &command).await["state"], "succeeded");
    let waits = client.ask("command_submit", ask("labels has \"gpu\"")).await.unwrap();
    assert_eq!(waits["waiting_for"], "runner");
    let why = json!({ "command_id": waits["id"] });
    let why = client.ask("command_explain", why).await.unwrap();
    let message = why["waiting"]["message"].as_str().unwrap();
    assert!(message.contains("fits labels has \"gpu\""), "{message}");
    let runners = client.ask("runner_list", json!({})).await.unwrap();
    let label = json!({ "device_id": runners["runners"][0]["runner_id"], "labels": ["gpu"] });
    client.ask("device_label", label).await.unwrap();
    assert_eq!(finished(&mut client, &waits).await["state"], "succeeded");
    assert_eq!(code(client.ask("command_submit", ask("os ~ 1")).await), "VALIDATION_FAILED");
}

#[tokio::test]
async fn a_long_result_is_a_blob_and_a_new_session_keeps_its_place() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    hold_all(&mut client).await;
    let claude = json!({ "payload": { "prompt": "[[mock:success]]", "agent": "claude" } });
    let before = submit(&mut client, &project, "", claude.clone()).await;
    let reset = submit(&mut client, &project, "", json!({ "kind": "new_session" })).await;
    let after = submit(&mut client, &project, "", claude).await;
    client.ask("command_release", json!({})).await.unwrap();
    let (first, reset) =
        (finished(&mut client, &before).await, finished(&mut client, &reset).await);
    let second = finished(&mut client, &after).await;
    assert_eq!((&reset["state"], &second["state"]), (&json!("succeeded"), &json!("succeeded")));
    assert_ne!(first["session_id"], second["session_id"]);
    assert_eq!(reset["session_id"], second["session_id"]);
    let missing = client.ask("blob_get", json!({ "hash": "00" })).await;
    assert_eq!(code(missing), "NOT_FOUND");
}

#[tokio::test]
async fn a_full_queue_names_its_limit_and_when_to_come_back() {
    let env = vec![("AFIELD_LIMITS__QUEUED_PER_PROJECT".into(), "2".into())];
    let afield = with_mock_and(env).await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    hold_all(&mut client).await;
    let first = submit(&mut client, &project, "a", json!({})).await;
    submit(&mut client, &project, "b", json!({})).await;
    let ask = json!({ "target": { "project_id": project }, "payload": { "prompt": "c" } });
    let refused = client.ask("command_submit", ask.clone()).await.unwrap_err();
    let text = format!("{refused:?}");
    assert!(text.contains("RESOURCE_LIMIT") && text.contains("queued_per_project"), "{text}");
    assert!(text.contains("retry_after_ms"), "{text}");
    client.ask("command_cancel", json!({ "command_id": first["id"] })).await.unwrap();
    client.ask("command_submit", ask).await.unwrap();
}

/// Whoever sends several without waiting for the answers has them done in that order.
#[tokio::test]
async fn what_is_sent_without_waiting_keeps_its_order() {
    const COUNT: usize = 900;
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    hold_all(&mut client).await;
    let mut asked = Vec::new();
    for number in 0..COUNT {
        let target = json!({ "project_id": project });
        let payload = json!({ "prompt": format!("{number}"), "agent": "demo" });
        let ask = json!({ "target": target, "payload": payload });
        asked.push(client.begin("command_submit", ask).await.unwrap());
    }
    for id in &asked {
        client.reply(id).await.unwrap();
    }
    let ask = json!({ "project_id": project, "waiting": true, "limit": COUNT });
    let list = client.ask("command_list", ask).await.unwrap();
    let summaries = list["commands"].as_array().unwrap().iter().map(|one| one["summary"].clone());
    let expected: Vec<_> = (0..COUNT).map(|number| json!(number.to_string())).collect();
    assert_eq!(summaries.collect::<Vec<_>>(), expected);
}
