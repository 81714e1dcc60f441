//! Clients that speak only the older message set: no `id`, no `after`, no subprotocol.

use super::*;

#[tokio::test]
async fn the_older_dialogue_works_unchanged() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let path = afield.make_dir("old");
    let create = json!({ "type": "project_create", "data": { "path": path } });
    client.send_text(create.to_string()).await.unwrap();
    let state = client.fact("project_state", |_| true).await.unwrap();
    let id = state["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(state["data"]["state"], "IDLE");
    assert_eq!(state["project_id"], id.as_str());
    for field in ["path", "session_id", "created_at", "last_active"] {
        assert!(state["data"].get(field).is_some(), "{field}");
    }
    client.send_text(r#"{"type":"project_list"}"#).await.unwrap();
    let list = client.wait_for("project_list", |f| f["type"] == "project_list").await.unwrap();
    assert_eq!(list["data"]["projects"].as_array().unwrap().len(), 1);
    let join = json!({ "type": "project_join", "project_id": id });
    client.send_text(join.to_string()).await.unwrap();
    client.wait_for("project_join", |f| f["type"] == "project_join").await.unwrap();
    // The joined project may be left out; so may the agent, when the project names one.
    let settings = json!({ "settings": { "agent": "demo" } });
    client.ask("project_update", settings).await.unwrap();
    client.send_text(r#"{"type":"execute","data":{"prompt":"hello"}}"#).await.unwrap();
    let executing =
        client.fact("project_state", |data| data["state"] == "EXECUTING").await.unwrap();
    let answer = client
        .fact("agent_message", |data| data["direction"] == "claude" && data["kind"] == "result")
        .await
        .unwrap();
    assert!(answer["data"]["timestamp"].is_string() && answer["data"]["message"].is_object());
    // Not one of those that were told before it began.
    let later = |f: &Value| f["seq"].as_u64() > executing["seq"].as_u64();
    let idle = |f: &Value| f["type"] == "project_state" && f["data"]["state"] == "IDLE" && later(f);
    client.wait_for("the end", idle).await.unwrap();
    client.send_text(r#"{"type":"get_messages"}"#).await.unwrap();
    let page = client.wait_for("get_messages", |f| f["type"] == "get_messages").await.unwrap();
    let messages = page["data"]["messages"].as_array().unwrap();
    assert_eq!(messages[0]["direction"], "client");
    client.send_text(r#"{"type":"agent_new_session"}"#).await.unwrap();
    client.fact("session_reset", |_| true).await.unwrap();
    client.send_text(r#"{"type":"agent_kill"}"#).await.unwrap();
    let refused = client.wait_for("error", |f| f["type"] == "error").await.unwrap();
    assert_eq!(refused["data"]["code"], "PROCESS_NOT_FOUND");
    client.send_text(r#"{"type":"health_check"}"#).await.unwrap();
    let health = client.wait_for("health", |f| f["type"] == "health_check").await.unwrap();
    assert_eq!(health["data"]["status"], "ok");
    assert!(health["data"]["store"]["write_ms"].as_f64().unwrap() > 0.0);
    client.send_text(r#"{"type":"project_leave"}"#).await.unwrap();
    client.wait_for("project_leave", |f| f["type"] == "project_leave").await.unwrap();
    let delete = json!({ "type": "project_delete", "project_id": id });
    client.send_text(delete.to_string()).await.unwrap();
    client.fact("project_deleted", |_| true).await.unwrap();
}
