//! Shared state and hand-off: what one screen writes is on the other, and exactly one holds on.

use super::*;

/// Follows what the person's devices share; returns the topic.
pub(crate) async fn follow_user(client: &mut Client) -> String {
    let state = client.ask("state_get", json!({})).await.unwrap();
    let topic = state["topic"].as_str().unwrap().to_owned();
    client.ask("subscribe", json!({ "topic": topic })).await.unwrap();
    topic
}

#[tokio::test]
async fn what_one_screen_writes_the_other_sees() {
    let afield = demo().await;
    let (mut phone, mut laptop) = (afield.client().await, afield.client().await);
    follow_user(&mut phone).await;
    let set = json!({ "key": "pref:theme", "base_version": 0, "value": "dark" });
    let written = laptop.ask("state_set", set).await.unwrap();
    assert_eq!(written["verdict"], "written");
    let told = phone.event("state_changed", |data| data["key"] == "pref:theme").await.unwrap();
    assert_eq!(told["data"]["data"], written["register"]);
    let draft = |text: &str| json!({ "key": "draft:s", "base_version": 0, "value": text });
    laptop.ask("state_set", draft("from the laptop")).await.unwrap();
    let both = phone.ask("state_set", draft("from the phone")).await.unwrap();
    assert_eq!(both["verdict"], "conflict", "{both}");
    let node = |n: u8| json!({ "ms": n, "count": 0, "node": format!("00000000-0000-7000-8000-00000000000{n}") });
    let mut here = draft("typed here");
    here["hlc"] = node(1);
    let both = laptop.ask("state_set", here).await.unwrap();
    assert_eq!(both["verdict"], "conflict", "{both}");
    assert_eq!(both["register"]["others"].as_array().unwrap().len(), 2);
    let name = both["register"]["others"][0]["device_name"].as_str();
    assert_eq!(name, Some("test"), "it says from which device");
    let list = laptop.ask("state_get", json!({})).await.unwrap();
    assert_eq!(list["registers"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_no_state_is_refused_by_name() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let mut refused = async |ask: Value| match client.ask("state_set", ask).await {
        Err(testkit::client::ClientError::Refused(error)) => {
            (error["code"].as_str().unwrap().to_owned(), error["message"].to_string())
        }
        other => panic!("not refused: {other:?}"),
    };
    let (code, why) = refused(json!({ "key": "focus:x", "value": 1 })).await;
    assert!(code == "VALIDATION_FAILED" && why.contains("draft:"), "{why}");
    let (code, why) = refused(json!({ "key": "draft:x", "value": 1 })).await;
    assert!(code == "VALIDATION_FAILED" && why.contains("text"), "{why}");
    let long = format!("pref:{}", "x".repeat(300));
    let (_, why) = refused(json!({ "key": long, "value": 1 })).await;
    assert!(why.contains("state_key_bytes"), "{why}");
    let (code, why) = refused(json!({ "key": "draft:x", "value": "x".repeat(70_000) })).await;
    assert!(code == "MESSAGE_TOO_LARGE" && why.contains("state_value_bytes"), "{why}");
}

#[tokio::test]
async fn the_command_line_writes_offline_and_sends_it_later() {
    let afield = demo().await;
    let set = afield.cli(&["state", "set", "pref:theme", "dark", "--json"]).await;
    let set: Value = serde_json::from_str(&set.stdout).unwrap();
    assert_eq!((&set["value"], &set["waits"]), (&json!("dark"), &json!(false)));
    let away = ["--server", "http://127.0.0.1:9", "--token", "afd_x"];
    let away = [&["state", "set", "draft:s", "typed away", "--json"], &away[..]].concat();
    let kept = afield.cli(&away).await;
    assert_eq!(kept.code, Some(4), "{kept:?}");
    let kept: Value = serde_json::from_str(&kept.stdout).unwrap();
    assert_eq!(kept["waits"], true);
    // The same file, under the name of the server that is there.
    let folder = afield.data_dir().join("shared-state");
    let name = |url: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        folder.join(format!("{}.json", url.chars().map(plain).collect::<String>()))
    };
    std::fs::rename(name("http://127.0.0.1:9"), name(&afield.url)).unwrap();
    let list =
        afield.cli(&["state", "ls", "--server", &afield.url, "--token", &afield.token]).await;
    assert!(list.stdout.contains("draft:s  \"typed away\"\n"), "{list:?}");
    assert!(list.stdout.contains("pref:theme  \"dark\"\n"), "{list:?}");
    let gone = afield.cli(&["state", "rm", "pref:theme"]).await;
    assert!(gone.stdout.contains("(deleted)"), "{gone:?}");
}
