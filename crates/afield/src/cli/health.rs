//! `afield health`: what the server measures when it is asked.

use afield_proto::Timestamp;
use afield_proto::fact::{HealthCheck, HealthStatus, RunnerLinkHealth};
use afield_proto::request::HealthCheckAsk;
use owo_colors::OwoColorize as _;

use crate::connect::{Global, ask};
use crate::exit::Exit;
use crate::words::{DISK_REFUSES, age, bytes};
use crate::{Outcome, out};

/// Does it. Fails when something does not work.
pub(super) async fn run(global: &Global) -> Outcome {
    let health = ask(global, &HealthCheckAsk {}).await?;
    if global.json {
        out::json(&health);
    } else {
        out::text(&text(&health, Timestamp::now()));
    }
    Ok(if health.status == HealthStatus::Failed { Exit::Failed } else { Exit::Done })
}

fn status(status: HealthStatus) -> String {
    match status {
        HealthStatus::Ok => "ok".green().to_string(),
        HealthStatus::Degraded => "degraded".yellow().to_string(),
        HealthStatus::Failed => "failed".red().bold().to_string(),
    }
}

fn text(health: &HealthCheck, now: Timestamp) -> String {
    let mut text = format!("{} · afield {}\n", status(health.status), health.version);
    text.push_str(&format!(
        "machine  {:.0} % processor · {} of {} memory · {} free on disk\n",
        health.cpu * 100.0,
        bytes(health.memory_used_bytes),
        bytes(health.memory_total_bytes),
        bytes(health.disk_free_bytes),
    ));
    let store = &health.store;
    text.push_str(&format!(
        "store    {} · {} · a durable write takes {:.1} ms",
        status(store.status),
        store.engine,
        store.write_ms
    ));
    if store.damaged > 0 {
        text.push_str(&format!(" · {} damaged parts set aside", store.damaged));
    }
    text.push('\n');
    if health.runners.is_empty() {
        text.push_str("runners  none: start one with afield up, or afield runner\n");
    }
    for runner in &health.runners {
        text.push_str(&runner_text(runner, now));
    }
    text
}

fn runner_text(runner: &RunnerLinkHealth, now: Timestamp) -> String {
    let seen = runner.last_seen_at.map_or("never".to_owned(), |at| age(at, now));
    let link = match (runner.online, runner.round_trip_ms) {
        (true, Some(ms)) => format!("{} · answers in {ms:.1} ms", "online".green()),
        (true, None) => format!("{} · does not answer", "online".yellow()),
        (false, _) => format!("{} · last seen {seen}", "offline".red()),
    };
    let mut text = format!("runner   {} · {link}\n", runner.name.bold());
    if runner.disk_refuses {
        text.push_str(&format!("         {} {DISK_REFUSES}\n", "✗".red()));
    }
    for agent in &runner.agents {
        let mark =
            if agent.available { "✓".green().to_string() } else { "✗".red().to_string() };
        let version = agent.version.as_deref().unwrap_or_default();
        let note = agent.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
        let line = format!("         {mark} {} {version}{note}", agent.agent);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::DeviceId;
    use afield_proto::agent::AgentKind;
    use afield_proto::fact::StoreHealth;
    use afield_proto::runner::AgentFacts;

    #[test]
    fn says_what_was_measured() {
        let now = Timestamp::from_unix_ms(1_000_000);
        let agent = |agent, available, note: Option<&str>| AgentFacts {
            agent,
            available,
            version: available.then(|| "2.1".to_owned()),
            note: note.map(str::to_owned),
            can: Vec::new(),
        };
        let health = HealthCheck {
            status: HealthStatus::Degraded,
            at: now,
            version: "0.1.0".into(),
            cpu: 0.25,
            memory_used_bytes: 1024 * 1024 * 1024,
            memory_total_bytes: 4 * 1024 * 1024 * 1024,
            disk_free_bytes: 10 * 1024 * 1024 * 1024,
            store: StoreHealth {
                status: HealthStatus::Ok,
                engine: "sqlite 3.54.1".into(),
                write_ms: 0.4,
                damaged: 0,
            },
            runners: vec![RunnerLinkHealth {
                runner_id: DeviceId::generate(),
                name: "laptop".into(),
                online: false,
                last_seen_at: Some(Timestamp::from_unix_ms(880_000)),
                round_trip_ms: None,
                disk_refuses: true,
                agents: vec![
                    agent(AgentKind::Demo, true, None),
                    agent(AgentKind::Claude, false, Some("no program found")),
                ],
            }],
        };
        let expected = "\
degraded · afield 0.1.0
machine  25 % processor · 1.0 GiB of 4.0 GiB memory · 10.0 GiB free on disk
store    ok · sqlite 3.54.1 · a durable write takes 0.4 ms
runner   laptop · offline · last seen 2 min ago
         ✗ its disk takes no writes (is it full?): nothing starts there until it does
         ✓ demo 2.1
         ✗ claude  (no program found)
";
        assert_eq!(anstream::adapter::strip_str(&text(&health, now)).to_string(), expected);
    }
}
