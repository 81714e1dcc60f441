//! Which command is meant: a whole id, or enough of its beginning or end.

use afield_client::Connection;
use afield_proto::CommandId;
use afield_proto::command::Command;
use afield_proto::request::CommandList;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::short_id::{PART_MIN, fits};
use crate::words::one_line;

/// Candidates that are named when a part fits several.
const NAMED: usize = 8;
/// Commands that are looked through: as many of those that wait, and of the latest.
const LOOKED: u32 = 1000;

/// The command that is meant.
pub(super) async fn one(connection: &Connection, meant: &str) -> Result<CommandId, Failure> {
    let found = several(connection, &[meant.to_owned()]).await?;
    Ok(found[0])
}

/// The commands that are meant, in the same order. The server is asked only for parts of ids.
pub(super) async fn several(
    connection: &Connection,
    meant: &[String],
) -> Result<Vec<CommandId>, Failure> {
    let mut known = Vec::new();
    if meant.iter().any(|meant| meant.parse::<CommandId>().is_err()) {
        known = recent(connection).await?;
    }
    meant.iter().map(|meant| choose(&known, meant)).collect()
}

async fn recent(connection: &Connection) -> Result<Vec<Command>, Failure> {
    let list = |waiting| CommandList {
        project_id: None,
        runner_id: None,
        waiting,
        state: None,
        before_id: None,
        limit: Some(LOOKED),
    };
    let mut commands = connection.ask(&list(true)).await?.commands;
    commands.extend(connection.ask(&list(false)).await?.commands);
    commands.sort_by_key(|command| command.id);
    commands.dedup_by_key(|command| command.id);
    Ok(commands)
}

fn choose(known: &[Command], meant: &str) -> Result<CommandId, Failure> {
    if let Ok(id) = meant.parse() {
        return Ok(id);
    }
    if meant.len() < PART_MIN {
        return Err(Failure::usage(format!(
            "{meant}: at least {PART_MIN} characters of an id are needed"
        )));
    }
    let found: Vec<_> = known.iter().filter(|it| fits(it.id, meant)).collect();
    match found.as_slice() {
        [command] => Ok(command.id),
        [] => Err(Failure::new(
            Exit::Refused,
            format!("no command's id begins or ends with {meant} (among the latest {LOOKED})"),
        )
        .with_next("see them: afield queue ls --all")),
        several => Err(ambiguous(meant, several)),
    }
}

fn ambiguous(meant: &str, several: &[&Command]) -> Failure {
    let mut lines: Vec<_> = several
        .iter()
        .take(NAMED)
        .map(|it| format!("\n  {} {:<11} {}", it.id, it.state.name(), one_line(&it.summary, 40)))
        .collect();
    if several.len() > NAMED {
        lines.push(format!("\n  and {} more", several.len() - NAMED));
    }
    Failure::new(Exit::Refused, format!("{meant} fits several commands:{}", lines.concat()))
        .with_next("use more characters, or the end of the id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(id: &str) -> Command {
        serde_json::from_value(serde_json::json!({
            "id": id, "project_id": id, "runner_id": id, "kind": "prompt", "agent": "demo",
            "state": "queued", "summary": "do it", "attempt": 0, "submitted_by": id,
            "created_at": "2026-11-20T12:00:00.000Z",
        }))
        .unwrap()
    }

    #[test]
    fn beginnings_and_ends_are_enough_when_they_fit_one() {
        let first = "019a0000-0000-7000-8000-00000000aaaa";
        let second = "019a0000-0000-7000-8000-00000000bbbb";
        let known = [command(first), command(second)];
        let found = |meant: &str| choose(&known, meant).map(|id| id.to_string());
        assert_eq!(found("00bbbb").unwrap(), second);
        assert_eq!(found("00BBBB").unwrap(), second);
        assert_eq!(found("800000000000aaaa").unwrap(), first);
        assert_eq!(found(first).unwrap(), first);
        let several = found("019a0000").unwrap_err().to_string();
        assert!(several.contains(first) && several.contains(second), "{several}");
        assert_eq!(found("bbbb").unwrap_err().exit(), Exit::Usage);
        assert_eq!(found("cccccc").unwrap_err().exit(), Exit::Refused);
        let unknown = "019a0000-0000-7000-8000-00000000cccc";
        assert_eq!(found(unknown).unwrap(), unknown, "the server knows whether there is one");
    }
}
