//! A server whose database is put back to an older copy, while its runner kept all it knew.

use super::*;

/// Copies the database of a server that is stopped, and nothing else of its directory.
fn copy_database(from: &Path, to: &Path) {
    for name in ["afield.db", "afield.db-wal", "afield.db.redo"] {
        let _ = std::fs::remove_file(to.join(name));
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

#[tokio::test]
async fn what_began_after_the_backup_is_not_started_again_and_waits_for_a_person() {
    let mut afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    client.ask("command_hold", json!({})).await.unwrap();
    let ask = json!({
        "target": { "project_id": project },
        "kind": "shell",
        "payload": { "options": { "argv": ["/bin/sh", "-c", "echo x >> starts; test -e ok"] } },
        "retry": { "attempts": 2, "wait_ms": 50, "on": ["failed"] },
    });
    let command = client.ask("command_submit", ask).await.unwrap();
    let id = command["id"].as_str().unwrap();
    let copy = afield.path("copy");
    std::fs::create_dir(&copy).unwrap();
    afield = afield.restart_after(|data| copy_database(data, &copy)).await;
    assert_eq!(released(&afield, &project, &command).await["state"], "dead", "after two attempts");

    afield = afield.restart_after(|data| copy_database(&copy, data)).await;
    let end = released(&afield, &project, &command).await;
    assert_eq!((end["state"].as_str(), &end["started_at"]), (Some("interrupted"), &Value::Null));
    for ask in ["show", "explain"] {
        let said = afield.cli(&["queue", ask, id]).await.stdout;
        assert!(said.contains("put back to an earlier state"), "queue {ask}: {said}");
    }
    let starts =
        || std::fs::read_to_string(afield.root().join("p/starts")).unwrap().lines().count();
    assert_eq!(starts(), 2, "none of them after the older copy was put back");

    std::fs::write(afield.root().join("p/ok"), "").unwrap();
    let mut client = afield.client().await;
    follow(&mut client, &project, 0).await;
    let decided = json!({ "command_id": id, "resolution": "requeue" });
    client.ask("command_resolve", decided).await.unwrap();
    let succeeded = |data: &Value| data["id"] == command["id"] && data["state"] == "succeeded";
    client.event("command_state", succeeded).await.unwrap();
    assert_eq!(starts(), 3, "the runner takes the next attempt, whatever it was given before");
}

/// Lets go what is held, and returns how the command ended.
async fn released(afield: &Afield, project: &str, command: &Value) -> Value {
    let mut client = afield.client().await;
    follow(&mut client, project, 0).await;
    client.ask("command_release", json!({})).await.unwrap();
    finished(&mut client, command).await
}
