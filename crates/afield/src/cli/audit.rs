//! `afield audit`: what was done, and whether the record of it is whole.

use afield_proto::audit::AuditRecord;
use afield_proto::device::is_hostile;
use afield_proto::request::{AuditList, AuditVerify};

use crate::connect::{Global, ask};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{Outcome, out};

/// What to do with the audit log.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show the newest entries
    Ls {
        /// At most so many
        #[arg(long, default_value_t = 100, value_name = "COUNT")]
        limit: u32,
        /// Only entries before this number
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
    },
    /// Check that no entry was changed, removed or cut off
    Verify {
        /// A line of an earlier check, NUMBER:HASH, kept elsewhere: that entry must still be there
        #[arg(long, value_name = "NUMBER:HASH")]
        since: Option<String>,
    },
}

/// Does it.
pub(super) async fn run(global: &Global, command: Command) -> Outcome {
    match command {
        Command::Ls { limit, before } => {
            list(global, AuditList { before, limit: Some(limit) }).await
        }
        Command::Verify { since } => verify(global, since.as_deref()).await,
    }
}

async fn list(global: &Global, request: AuditList) -> Outcome {
    let reply = ask(global, &request).await?;
    for record in &reply.records {
        if global.json {
            out::json(record);
        } else {
            out::line(line(record));
        }
    }
    Ok(Exit::Done)
}

/// JSON escapes what would control a terminal, but for marks of direction and the like.
fn line(record: &AuditRecord) -> String {
    let entry = &record.entry;
    let by = entry.by.map_or_else(|| "server".to_owned(), |by| by.to_string());
    let mut what = serde_json::to_value(&entry.what).unwrap_or_default();
    if let Some(fields) = what.as_object_mut() {
        fields.remove("action");
    }
    let name = entry.what.name();
    let what: String =
        what.to_string().chars().map(|c| if is_hostile(c) { '\u{fffd}' } else { c }).collect();
    format!("{:>6}  {}  {name}  {what}  by {by}", entry.number, entry.at)
}

async fn verify(global: &Global, since: Option<&str>) -> Outcome {
    let (number, hash) = match since {
        Some(noted) => {
            let bad = || Failure::usage(format!("{noted:?} is not NUMBER:HASH"));
            let (number, hash) = noted.trim().split_once(':').ok_or_else(bad)?;
            (Some(number.parse().map_err(|_| bad())?), Some(hash.to_owned()))
        }
        None => (None, None),
    };
    let check = ask(global, &AuditVerify { number, hash }).await?;
    if global.json {
        out::json(&check);
    } else if check.broken.is_none() {
        out::line(format!("{}:{}", check.entries, check.hash));
        out::error_line(format!(
            "{} entries are whole; keep the line above elsewhere and give it to --since later",
            check.entries
        ));
    }
    match check.broken {
        None => Ok(Exit::Done),
        Some(_) if global.json => Ok(Exit::Failed),
        Some(broken) => Err(Failure::new(
            Exit::Failed,
            format!(
                "the audit log is not whole: {broken}; the first {} entries are",
                check.entries
            ),
        )),
    }
}
