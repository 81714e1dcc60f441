//! Files that go with prompts: the agent gets what was attached, byte for byte; nobody runs it.

use afield_client::{Endpoint, LocalFile, upload};
use testkit::harness::code;
use testkit::http::status;

use super::access::http;
use super::*;

/// An image as its bytes say, with every byte in it somewhere.
fn picture(bytes: usize) -> Vec<u8> {
    let noise = (0..bytes).map(|at| (at * 31 + at / 256) as u8);
    b"\x89PNG\r\n\x1a\n".iter().copied().chain(noise).collect()
}

async fn put(afield: &Afield, file: &LocalFile) -> Value {
    let endpoint = Endpoint::new(&afield.url, &afield.token).unwrap();
    let stored = upload(&endpoint, file).await.unwrap();
    assert_eq!(stored.hash, file.attachment.hash, "both sides count alike");
    assert_eq!(stored.media_type, file.attachment.media_type);
    json!(file.attachment)
}

#[tokio::test]
async fn the_agent_gets_what_was_attached_and_history_shows_it() {
    let (afield, journal) = with_journal().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let image = LocalFile::new("photo.png".into(), picture(2_000_000));
    let text = LocalFile::new("notes.md".into(), b"# Notes\nremember the milk\n".to_vec());
    let attachments = json!([put(&afield, &image).await, put(&afield, &text).await]);
    let ask = json!({ "project_id": project, "prompt": "look", "attachments": attachments });
    let command = client.ask("execute", ask).await.unwrap();
    assert_eq!(finished(&mut client, &command).await["state"], "succeeded");
    let images = journal.of("image");
    assert_eq!(images.len(), 1);
    assert_eq!(images[0]["sha256"], image.attachment.hash.as_str(), "byte for byte");
    assert_eq!(images[0]["media_type"], "image/png");
    let page = client
        .ask("get_messages", json!({ "project_id": project, "kind": "prompt" }))
        .await
        .unwrap();
    assert_eq!(page["messages"][0]["message"]["attachments"], attachments);
    let shown = client.ask("command_show", json!({ "command_id": command["id"] })).await.unwrap();
    assert_eq!(shown["payload"]["attachments"], attachments);
    let history = afield.cli(&["history", "-p", &project]).await;
    assert!(history.stdout.contains("photo.png (image/png, 1.9 MiB)"), "{history:?}");
}

#[tokio::test]
async fn texts_and_words_reach_the_agent_and_go_into_a_running_turn() {
    let (afield, journal) = with_journal().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:queue]] first" });
    let turn = client.ask("execute", ask).await.unwrap();
    client.event("command_state", |data| data["state"] == "running").await.unwrap();
    let text = LocalFile::new("notes.md".into(), b"remember the milk".to_vec());
    let payload = json!({ "prompt": "and this", "attachments": [put(&afield, &text).await] });
    let steer = json!({ "target": { "project_id": project }, "payload": payload, "mode": "steer" });
    let steered = client.ask("command_submit", steer).await.unwrap();
    finished(&mut client, &turn).await;
    finished(&mut client, &steered).await;
    let content = |frame: &Value| frame["message"]["content"].clone();
    let said: Vec<Value> = journal.frames().iter().map(content).filter(Value::is_array).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0][0]["text"], "Attached file \"notes.md\":\nremember the milk");
    assert_eq!(said[0][1]["text"], "and this");
}

#[tokio::test]
async fn a_program_finds_its_files_and_they_are_gone_afterwards() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    let body: Vec<u8> = (0..=255).collect();
    let path = afield.path("data.bin");
    std::fs::write(&path, &body).unwrap();
    let line = "cd \"$AFIELD_ATTACHMENTS\" && pwd && sha256sum *";
    let args = ["run", "-p", &project, "--attach", path.to_str().unwrap(), "--", "sh", "-c", line];
    let output = afield.cli(&args).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    let hash = LocalFile::new("data.bin".into(), body).attachment.hash;
    assert!(output.stdout.contains(&format!("{hash}  1-data.bin")), "{output:?}");
    let folder = output.stdout.lines().find(|line| line.starts_with('/')).unwrap();
    assert!(!Path::new(folder).exists(), "{folder} is gone");
}

#[tokio::test]
async fn what_can_not_be_attached_is_refused_with_the_reason() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    let bearer = format!("Authorization: Bearer {}", afield.token);
    let put = |more: &str| format!("POST /api/v1/blobs\n{bearer}{more}");
    let refused = |response: &str| {
        let json = testkit::http::json(response);
        (status(response), json["code"].as_str().unwrap_or_default().to_owned())
    };
    let large = "x".repeat(10 * 1024 * 1024 + 1);
    let answered = http(&afield, &put(""), &large).await;
    assert!(answered.is_empty() || answered.contains("limit attachment_bytes"), "{answered}");
    let lies = http(&afield, &put("\nContent-Type: image/png"), "no image").await;
    assert_eq!(refused(&lies), (400, "VALIDATION_FAILED".into()));
    let empty = http(&afield, &put(""), "").await;
    assert_eq!(refused(&empty), (400, "VALIDATION_FAILED".into()));
    let file = LocalFile::new("a.txt".into(), b"never uploaded".to_vec()).attachment;
    let with = |attachments: Value| json!({ "project_id": project, "prompt": "x", "agent": "demo", "attachments": attachments });
    let missing = client.ask("execute", with(json!([file]))).await;
    assert_eq!(code(missing), "VALIDATION_FAILED");
    let many = client.ask("execute", with(json!(vec![file; 11]))).await;
    assert_eq!(code(many), "VALIDATION_FAILED");
    let looks = client
        .ask("device_create", json!({ "name": "looks", "kind": "cli", "scopes": ["view"] }))
        .await
        .unwrap();
    let viewer = format!("Authorization: Bearer {}", looks["token"].as_str().unwrap());
    let forbidden = http(&afield, &format!("POST /api/v1/blobs\n{viewer}"), "x").await;
    assert_eq!(refused(&forbidden), (403, "FORBIDDEN".into()));
}

#[tokio::test]
async fn a_browser_never_runs_what_was_attached() {
    let afield = demo().await;
    let page = LocalFile::new("page.html".into(), b"<script>alert(1)</script>".to_vec());
    let hash = put(&afield, &page).await["hash"].as_str().unwrap().to_owned();
    let bearer = format!("Authorization: Bearer {}", afield.token);
    let got = http(&afield, &format!("GET /api/v1/blobs/{hash}/bytes\n{bearer}"), "").await;
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    for expected in [
        "content-type: text/plain; charset=utf-8",
        "content-disposition: attachment",
        "x-content-type-options: nosniff",
        "content-security-policy: default-src 'none'; sandbox",
        "cache-control: no-store",
    ] {
        assert!(head.contains(expected), "{expected}: {head}");
    }
    assert_eq!(body, "<script>alert(1)</script>");
    let none = format!("GET /api/v1/blobs/{}/bytes\n{bearer}", "0".repeat(64));
    assert_eq!(status(&http(&afield, &none, "").await), 404);
}
