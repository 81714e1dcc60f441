//! Bursts and large lines: nothing lost, order kept, memory bounded.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn ten_thousand_lines_arrive_in_order_live_and_in_history() {
    let (afield, _dir) = with_fake("for n in range(10000): say(f'line {n}')").await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "burst").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "go" });
    let command = client.ask("execute", ask).await.unwrap();
    let mut lines = Vec::new();
    let mut last = 0;
    loop {
        let frame = client.next().await.unwrap();
        let Some(seq) = frame["seq"].as_u64().filter(|_| frame["type"] == "event") else {
            continue;
        };
        assert_eq!(seq, last + 1, "no gap and no duplicate");
        last = seq;
        let data = &frame["data"]["data"];
        if data["kind"] == "text" {
            lines.push(data["text"].as_str().unwrap().to_owned());
        }
        if data["id"] == command["id"] && !data["finished_at"].is_null() {
            assert_eq!(data["state"], "succeeded", "{data}");
            break;
        }
    }
    let expected: Vec<String> = (0..10_000).map(|n| format!("line {n}")).collect();
    assert_eq!(lines, expected);
    // The same from history, page by page, once the log was moved into segments.
    let rotated = async {
        while metric(&afield, "afield_logs_rotated_total").await.is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), rotated).await.expect("the log is rotated");
    let mut history = Vec::new();
    let mut after = 0;
    loop {
        let ask = json!({ "project_id": project, "after": after, "limit": 1000, "kind": "text" });
        let page = client.ask("get_messages", ask).await.unwrap();
        let messages = page["messages"].as_array().unwrap();
        history.extend(messages.iter().map(|m| m["text"].as_str().unwrap().to_owned()));
        match messages.last() {
            Some(message) => after = message["seq"].as_u64().unwrap(),
            None => break,
        }
    }
    assert_eq!(history, expected);
}

#[tokio::test]
async fn ordinary_long_lines_and_one_of_ten_mebibytes_are_delivered() {
    let body = "for n in range(20): say('x' * 70000)\nsay('0123456789abcdef' * (10 * 65536))";
    let (afield, _dir) = with_fake(body).await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "long").await;
    follow(&mut client, &project, 0).await;
    let runner = afield.child_pid("runner");
    let server = afield.child_pid("server");
    let before = (resident(runner), resident(server));
    let ask = json!({ "project_id": project, "prompt": "go" });
    let command = client.ask("execute", ask).await.unwrap();
    for _ in 0..20 {
        let seventy = |data: &Value| data["kind"] == "text";
        let event = client.event("agent_message", seventy).await.unwrap();
        let text = &event["data"]["data"]["message"]["message"]["content"][0]["text"];
        assert_eq!(text.as_str().unwrap().len(), 70_000);
    }
    let event = client.event("agent_message", |data| data["kind"] == "text").await.unwrap();
    let message = &event["data"]["data"];
    assert!(message["message"].is_object(), "the long line is delivered");
    assert_eq!(finished(&mut client, &command).await["state"], "succeeded");
    let line = 10 * 1024 * 1024;
    let resident_now =
        (resident(runner).saturating_sub(before.0), resident(server).saturating_sub(before.1));
    let grown = (peak(runner).saturating_sub(before.0), peak(server).saturating_sub(before.1));
    assert!(
        grown.0 < 8 * line && grown.1 < 8 * line,
        "grew by {grown:?} bytes at its peak, {resident_now:?} now"
    );
}

fn status_line(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

fn resident(pid: u32) -> u64 {
    status_line(pid, "VmRSS:")
}

fn peak(pid: u32) -> u64 {
    status_line(pid, "VmHWM:")
}
