//! What a device prefers: where its work goes, and who does it.

use super::*;

#[tokio::test]
async fn work_that_names_nothing_goes_where_the_device_prefers() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let lost = afield.cli(&["run", "hello"]).await;
    assert!(lost.stderr.contains("is no project"), "{lost:?}");
    let set = afield.cli(&["prefer", "-p", &project, "--agent", "demo"]).await;
    assert!(set.stdout.contains("agent    demo"), "{set:?}");
    let ran = afield.cli(&["run", "hello"]).await;
    assert!(ran.stdout.contains("You said"), "{ran:?}");
    let commands = client.ask("command_list", json!({ "project_id": project })).await.unwrap();
    assert_eq!(commands["commands"][0]["agent"], "demo");
    let state = client.ask("state_get", json!({})).await.unwrap();
    assert!(state["device_id"].is_string(), "{state}");
    let other = afield.cli(&["run", "--", "echo", "named"]).await;
    assert!(other.stdout.contains("named") && !other.stdout.contains("You said"), "{other:?}");
    let none = afield.cli(&["prefer", "--none", "--json"]).await;
    assert_eq!(none.stdout, "{}\n");
    assert!(afield.cli(&["run", "hello"]).await.stderr.contains("is no project"));
}
