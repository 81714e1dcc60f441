//! `afield doctor`: looks for what is wrong, and says what to do about each.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use afield_client::Connection;
use afield_proto::Timestamp;
use afield_proto::agent::AgentKind;
use afield_proto::fact::{HealthCheck, HealthStatus};
use afield_proto::request::HealthCheckAsk;
use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::connect::{Global, connect};
use crate::data_dir::readable_by_others;
use crate::exit::Exit;
use crate::words::{DISK_REFUSES, age, duration};
use crate::{Outcome, out, serve};

/// Clocks further apart than this make ages and expiries wrong.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5);
/// A durable write that takes longer makes every prompt feel slow.
const WRITE_MS_MAX: f64 = 50.0;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Odd,
    Bad,
}

/// One check, what it found, and what to do.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

fn good(check: &'static str, found: impl Into<String>) -> Check {
    Check { check, verdict: Verdict::Good, found: found.into(), next: None }
}

fn odd(check: &'static str, found: impl Into<String>, next: impl Into<String>) -> Check {
    Check { check, verdict: Verdict::Odd, found: found.into(), next: Some(next.into()) }
}

fn bad(check: &'static str, found: impl Into<String>, next: impl Into<String>) -> Check {
    Check { check, verdict: Verdict::Bad, found: found.into(), next: Some(next.into()) }
}

/// Does it. Fails when something is bad.
pub(super) async fn run(global: &Global) -> Outcome {
    let mut checks = vec![terminal()];
    checks.extend(data_dir(global)?);
    checks.push(configuration(global));
    checks.extend(server(global).await);
    for check in &checks {
        if global.json {
            out::json(check);
        } else {
            out::line(text(check));
        }
    }
    let bad = checks.iter().any(|check| check.verdict == Verdict::Bad);
    Ok(if bad { Exit::Failed } else { Exit::Done })
}

fn text(check: &Check) -> String {
    let mark = match check.verdict {
        Verdict::Good => "✓".green().to_string(),
        Verdict::Odd => "!".yellow().bold().to_string(),
        Verdict::Bad => "✗".red().bold().to_string(),
    };
    let next = check.next.as_deref().map(|next| format!("\n    → {next}")).unwrap_or_default();
    format!("{mark} {:<14} {}{next}", check.check, check.found)
}

fn terminal() -> Check {
    if !std::io::stdout().is_terminal() {
        return good("terminal", "output goes to a file or pipe: no colours, no progress line");
    }
    let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    let locale = locale.unwrap_or_default();
    let name = set("TERM").unwrap_or_else(|| "unknown".to_owned());
    if !locale.to_uppercase().replace('-', "").contains("UTF8") {
        let found = format!("{name}, and the locale {locale:?} is not UTF-8");
        return odd("terminal", found, "export LANG=C.UTF-8, or QR codes and marks look broken");
    }
    good("terminal", name)
}

fn data_dir(global: &Global) -> Result<Vec<Check>, crate::failure::Failure> {
    let data_dir = global.data_dir()?;
    let shown = data_dir.path().display().to_string();
    let fix = format!("chmod go= {shown}");
    Ok(vec![match readable_by_others(data_dir.path()) {
        None => odd("data", format!("{shown} does not exist yet"), "afield up makes it"),
        Some(true) => bad("data", format!("{shown} can be read by others"), fix),
        Some(false) if readable_by_others(&data_dir.file("server.json")) == Some(true) => {
            bad("data", "server.json can be read by others, and holds a credential", fix)
        }
        Some(false) => good("data", shown),
    }])
}

fn configuration(global: &Global) -> Check {
    let checked = super::load_config(global, None, Vec::new())
        .and_then(|loaded| serve::options(&loaded, &global.data_dir()?).map(|_| loaded));
    match checked {
        Ok(loaded) => {
            let chosen = loaded.values.keys().filter(|key| loaded.chosen(key)).count();
            good("configuration", format!("valid; {chosen} values differ from the defaults"))
        }
        Err(failure) => {
            let next = failure.next().unwrap_or("see what can be set: afield config default");
            bad("configuration", failure.to_string(), next)
        }
    }
}

async fn server(global: &Global) -> Vec<Check> {
    let address = global.endpoint().map(|endpoint| endpoint.url()).unwrap_or_default();
    let began = Instant::now();
    let connection = match connect(global).await {
        Ok(connection) => connection,
        Err(failure) => {
            let next = match failure.code() {
                Some(code) => format!("afield explain {code}"),
                None => "start one with: afield up; or name one: --server URL".to_owned(),
            };
            return vec![bad("server", failure.to_string(), next)];
        }
    };
    let found = format!("{address}, connected in {}", duration(began.elapsed()));
    let mut checks = vec![good("server", found)];
    checks.extend(measured(&connection).await);
    checks
}

async fn measured(connection: &Connection) -> Vec<Check> {
    match connection.ask(&HealthCheckAsk {}).await {
        Ok(health) => {
            let mut checks = vec![clock(&health, Timestamp::now()), store(&health)];
            checks.extend(runners(&health));
            checks
        }
        Err(error) => {
            let next = "see the server's log (standard error of afield up)";
            vec![bad("health", error.to_string(), next)]
        }
    }
}

fn clock(health: &HealthCheck, now: Timestamp) -> Check {
    let skew = now.since(health.at).max(health.at.since(now));
    let found = format!("{} apart from the server's", duration(skew));
    if skew > CLOCK_SKEW_MAX {
        odd("clock", found, "set both clocks by NTP: ages and expiries are wrong")
    } else {
        good("clock", found)
    }
}

fn store(health: &HealthCheck) -> Check {
    let store = &health.store;
    let found = format!("{}, a durable write takes {:.1} ms", store.engine, store.write_ms);
    if store.status == HealthStatus::Failed {
        bad("store", found, "see the server's log; check free space and rights")
    } else if store.damaged > 0 {
        let found = format!("{found}; {} damaged parts set aside", store.damaged);
        odd("store", found, "the rest still loads; restore a copy if the parts matter")
    } else if store.write_ms > WRITE_MS_MAX {
        odd("store", found, "put the data directory on a faster disk")
    } else {
        good("store", found)
    }
}

fn runners(health: &HealthCheck) -> Vec<Check> {
    if health.runners.is_empty() {
        let next = "afield up starts one here; afield runner joins one from elsewhere";
        return vec![bad("runners", "none: nothing can be executed", next)];
    }
    let mut checks = Vec::new();
    for runner in &health.runners {
        let name = &runner.name;
        if !runner.online {
            let seen = runner.last_seen_at.map_or("never".to_owned(), |at| age(at, health.at));
            let found = format!("{name} is offline, last seen {seen}");
            checks.push(odd("runner", found, "start it, or revoke it: afield token revoke NAME"));
            continue;
        }
        checks.push(match runner.disk_refuses {
            false => good("runner", format!("{name} is online")),
            true => bad("runner", format!("{name}: {DISK_REFUSES}"), "make room on its disk"),
        });
        for agent in &runner.agents {
            let version = agent.version.as_deref().unwrap_or_default();
            let note = agent.note.as_deref().unwrap_or("not usable");
            checks.push(if agent.available {
                good("agent", format!("{} {version} on {name}", agent.agent))
            } else {
                odd("agent", format!("{} on {name}: {note}", agent.agent), remedy(agent.agent))
            });
        }
    }
    checks
}

fn remedy(agent: AgentKind) -> &'static str {
    match agent {
        AgentKind::Claude => {
            "install Claude Code on that machine, or name it there: AFIELD_CLAUDE_PATH=/path"
        }
        AgentKind::Command => "allow it in runner.toml on that machine, if it is wanted",
        AgentKind::Demo => "allow it in runner.toml on that machine",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::DeviceId;
    use afield_proto::fact::{RunnerLinkHealth, StoreHealth};
    use afield_proto::runner::AgentFacts;

    fn health() -> HealthCheck {
        HealthCheck {
            status: HealthStatus::Ok,
            at: Timestamp::from_unix_ms(100_000),
            version: "0.1.0".into(),
            cpu: 0.1,
            memory_used_bytes: 1,
            memory_total_bytes: 2,
            disk_free_bytes: 3,
            store: StoreHealth {
                status: HealthStatus::Ok,
                engine: "sqlite".into(),
                write_ms: 1.0,
                damaged: 0,
            },
            runners: Vec::new(),
        }
    }

    #[test]
    fn a_clock_that_is_off_is_odd_in_both_directions() {
        let at = |ms| clock(&health(), Timestamp::from_unix_ms(ms)).verdict;
        assert_eq!(at(100_500), Verdict::Good);
        assert_eq!(at(120_000), Verdict::Odd);
        assert_eq!(at(80_000), Verdict::Odd);
    }

    #[test]
    fn a_store_is_judged_by_what_it_measured() {
        let mut health = health();
        assert_eq!(store(&health).verdict, Verdict::Good);
        health.store.write_ms = 80.0;
        assert_eq!(store(&health).verdict, Verdict::Odd);
        health.store.status = HealthStatus::Failed;
        assert_eq!(store(&health).verdict, Verdict::Bad);
    }

    #[test]
    fn whatever_is_not_good_says_what_to_do() {
        let mut health = health();
        assert_eq!(runners(&health)[0].verdict, Verdict::Bad);
        let agents = AgentKind::ALL.map(|agent| AgentFacts {
            agent,
            available: false,
            version: None,
            note: None,
            can: Vec::new(),
        });
        for online in [true, false] {
            health.runners.push(RunnerLinkHealth {
                runner_id: DeviceId::generate(),
                name: "box".into(),
                online,
                last_seen_at: None,
                round_trip_ms: None,
                disk_refuses: false,
                agents: agents.to_vec(),
            });
        }
        health.runners[0].disk_refuses = true;
        let checks = runners(&health);
        assert_eq!(checks[0].verdict, Verdict::Bad);
        assert_eq!(checks.len(), 5, "an offline runner's agents are not judged");
        for check in checks {
            assert_eq!(check.verdict == Verdict::Good, check.next.is_none(), "{check:?}");
        }
    }
}
