//! `afield audit`: what was done, and whether the record of it is whole.

use afield_proto::audit::AuditRecord;
use afield_proto::device::is_hostile;
use afield_proto::request::{AuditList, AuditVerify};

use crate::connect::{Global, ask};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{Outcome, out};

/// Hexadecimal digits of an entry's hash (SHA-256).
const HASH_CHARS: usize = 64;

/// What to do with the audit log.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show the newest entries
    #[command(alias = "list")]
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
        #[arg(long, value_name = "NUMBER:HASH", value_parser = noted)]
        since: Option<Noted>,
    },
}

/// The line of an earlier check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noted {
    number: u64,
    hash: String,
}

/// Reads the line of an earlier check. Another form would find the log broken that is whole.
fn noted(text: &str) -> Result<Noted, String> {
    let read = || {
        let (number, hash) = text.trim().split_once(':')?;
        let is_hash = hash.len() == HASH_CHARS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then_some(Noted { number: number.parse().ok()?, hash: hash.to_lowercase() })
    };
    read().ok_or_else(|| {
        format!(
            "write it as afield audit verify printed it: NUMBER:HASH, a hash of {HASH_CHARS} digits"
        )
    })
}

/// Does it.
pub(super) async fn run(global: &Global, command: Command) -> Outcome {
    match command {
        Command::Ls { limit, before } => {
            list(global, AuditList { before, limit: Some(limit) }).await
        }
        Command::Verify { since } => verify(global, since).await,
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

async fn verify(global: &Global, since: Option<Noted>) -> Outcome {
    let (number, hash) = since.map(|noted| (noted.number, noted.hash)).unzip();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_of_an_earlier_check_is_taken_for_one() {
        let hash = "0a".repeat(32);
        assert_eq!(noted(&format!(" 3:{hash}\n")), Ok(Noted { number: 3, hash: hash.clone() }));
        assert_eq!(
            noted(&format!("3:{}", "0A".repeat(32))),
            Ok(Noted { number: 3, hash: hash.clone() })
        );
        for bad in ["3:00", "3", "", &hash, &format!("x:{hash}"), &format!("3:{}", "zz".repeat(32))]
        {
            assert!(noted(bad).unwrap_err().contains("NUMBER:HASH"), "{bad}");
        }
    }
}
