//! Projects: path rules, nesting, limits, settings, deletion.

use testkit::harness::code;

use super::*;

async fn create(client: &mut Client, path: &str) -> Result<Value, testkit::client::ClientError> {
    client.ask("project_create", json!({ "path": path })).await
}

#[tokio::test]
async fn paths_must_keep_the_rules_and_the_error_names_which() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let root = afield.root();
    let outside = afield.path("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(root.join("file"), "x").unwrap();
    std::os::unix::fs::symlink(&outside, root.join("escape")).unwrap();
    let root = root.to_str().unwrap();
    for bad in [
        String::new(),
        "relative".into(),
        "/".into(),
        "/etc".into(),
        format!("{root}/missing"),
        format!("{root}/file"),
        format!("{root}/escape"),
        format!("{root}/../outside"),
        format!("{root}/a/../../outside"),
        outside.to_str().unwrap().into(),
        format!("{root}/{}", "a".repeat(5000)),
        format!("{root}/a\0b"),
    ] {
        let refused = create(&mut client, &bad).await;
        let shown: String = bad.chars().take(80).collect();
        let message = format!("{refused:?}");
        assert_eq!(code(refused), "INVALID_PATH", "{shown:?}: {message}");
    }
}

#[tokio::test]
async fn projects_do_not_nest_and_are_unique() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let middle = afield.make_dir("a/b");
    let inner = afield.make_dir("a/b/c");
    let outer = afield.make_dir("a");
    let sibling = afield.make_dir("a/bc");
    let project = create(&mut client, &middle).await.unwrap();
    assert_eq!(code(create(&mut client, &inner).await), "PROJECT_NESTING");
    assert_eq!(code(create(&mut client, &outer).await), "PROJECT_NESTING");
    assert_eq!(code(create(&mut client, &middle).await), "CONFLICT");
    assert_eq!(code(create(&mut client, &format!("{middle}/")).await), "CONFLICT");
    create(&mut client, &sibling).await.unwrap();
    client.ask("project_delete", json!({ "project_id": project["id"] })).await.unwrap();
    create(&mut client, &inner).await.unwrap();
    assert!(std::path::Path::new(&middle).is_dir(), "the directory is not touched");
}

#[tokio::test]
async fn a_directory_swapped_for_a_link_later_is_not_used() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let path = afield.make_dir("swapped");
    let project = create(&mut client, &path).await.unwrap();
    let project = project["id"].as_str().unwrap();
    let outside = afield.path("elsewhere");
    std::fs::create_dir(&outside).unwrap();
    std::fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    follow(&mut client, project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "hello", "agent": "demo" });
    let command = client.ask("execute", ask).await.unwrap();
    let end = finished(&mut client, &command).await;
    assert_eq!(end["state"], "failed");
    assert_eq!(end["outcome"]["code"], "INVALID_PATH", "{end}");
}

#[tokio::test]
async fn the_hundred_and_first_project_is_refused_by_name() {
    let afield = demo().await;
    let mut client = afield.client().await;
    for index in 0..100 {
        let path = afield.make_dir(&format!("p{index}"));
        create(&mut client, &path).await.unwrap();
    }
    let path = afield.make_dir("one-more");
    let refused = create(&mut client, &path).await;
    assert!(format!("{refused:?}").contains("projects_per_org"), "{refused:?}");
    assert_eq!(code(refused), "RESOURCE_LIMIT");
}

#[tokio::test]
async fn a_working_project_takes_no_second_prompt_and_can_not_be_deleted() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "busy").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:hang]]" });
    client.ask("execute", ask.clone()).await.unwrap();
    assert_eq!(code(client.ask("execute", ask).await), "PROCESS_ACTIVE");
    client.event("project_state", |data| data["state"] == "EXECUTING").await.unwrap();
    let delete = json!({ "project_id": project });
    assert_eq!(code(client.ask("project_delete", delete.clone()).await), "PROCESS_ACTIVE");
    assert_eq!(code(client.ask("agent_new_session", delete.clone()).await), "PROCESS_ACTIVE");
    client.ask("agent_kill", delete.clone()).await.unwrap();
    client.ask("project_delete", delete).await.unwrap();
}

/// A repository with one commit in a directory of the root.
fn repository(afield: &Afield, name: &str, from: Option<&str>) -> String {
    let path = afield.make_dir(name);
    let git = |words: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let mut git = std::process::Command::new("git");
        let done = git.current_dir(&path).args(identity).args(words).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    match from {
        Some(from) => git(&["clone", "-q", from, "."]),
        None => {
            git(&["init", "-q"]);
            git(&["commit", "-q", "--allow-empty", "-m", "one"]);
        }
    }
    path
}

#[tokio::test]
async fn a_conversation_goes_on_in_the_same_commit_only() {
    let afield = demo().await;
    let here = repository(&afield, "here", None);
    let there = repository(&afield, "there", Some(&here));
    for path in [&here, &there] {
        assert_eq!(afield.cli(&["projects", "add", path]).await.code, Some(0));
    }
    let ran = afield.cli(&["run", "-p", "here", "--agent", "demo", "first"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    std::fs::write(format!("{there}/new"), "").unwrap();
    let refused = afield.cli(&["sessions", "move", "here", "there"]).await;
    assert!(refused.stderr.contains("the other directory has 1 changed files"), "{refused:?}");
    std::fs::remove_file(format!("{there}/new")).unwrap();
    let moved = afield.cli(&["sessions", "move", "here", "there"]).await;
    assert!(moved.code == Some(0) && moved.stdout.contains("continues it"), "{moved:?}");
    let ran = afield.cli(&["run", "-p", "there", "--agent", "demo", "second"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
}
