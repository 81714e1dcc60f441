//! `afield queue`: what waits, why, and what can be done about it.

mod change;
mod find;
mod hold;
mod list;
mod names;
mod reason;
mod route;
mod show;

use afield_proto::Timestamp;
use afield_proto::command::CommandState;
use afield_proto::queue::Priority;

use super::run::word;
use super::when::when;
use crate::Outcome;
use crate::connect::Global;

/// What to do with the queue.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List what waits and runs, in the order it will run
    #[command(alias = "list")]
    Ls(ListArgs),
    /// Show everything about one command: delivery, attempts, content
    Show(OneArgs),
    /// Say why a command is not running, and what to do
    Explain(OneArgs),
    /// Stop commands: one that waits never starts, one that runs is killed
    Cancel(SeveralArgs),
    /// Move a waiting command within its order
    Move(MoveArgs),
    /// Keep a command, a project, a runner or everything from starting; what runs goes on
    Hold(HoldArgs),
    /// End a hold
    Release(HoldArgs),
    /// Put commands that failed, expired, were interrupted or cancelled back into the queue
    Retry(RetryArgs),
    /// List the dead letters: commands whose retries are used up
    Dead(DeadArgs),
    /// Forget dead letters; their history stays
    Purge(PurgeArgs),
    /// Say what became of a command nobody knows the end of
    Resolve(ResolveArgs),
    /// Change a command that waits
    Edit(EditArgs),
    /// Send what could not be handed over while the server was away
    Flush(FlushArgs),
}

/// `afield queue ls`
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only those of this project: id, name or directory
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// Only those of this runner: name or id
    #[arg(long, value_name = "RUNNER")]
    runner: Option<String>,
    /// Also those that are over, newest first
    #[arg(short, long)]
    all: bool,
    /// Only those in this state, such as queued, running, failed or dead
    #[arg(long, value_name = "STATE", value_parser = word::<CommandState>)]
    state: Option<CommandState>,
    /// At most so many
    #[arg(short = 'n', long, default_value_t = 1000, value_name = "N")]
    limit: u32,
}

/// `afield queue dead`
#[derive(Debug, clap::Args)]
pub(crate) struct DeadArgs {
    /// Only those of this project: id, name or directory
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
}

/// Which command.
#[derive(Debug, clap::Args)]
pub(crate) struct OneArgs {
    /// Its id, or at least 6 characters of its beginning or end
    #[arg(value_name = "ID")]
    id: String,
}

/// Which commands.
#[derive(Debug, clap::Args)]
pub(crate) struct SeveralArgs {
    /// Their ids, or at least 6 characters of their beginnings or ends
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

/// `afield queue move`
#[derive(Debug, clap::Args)]
pub(crate) struct MoveArgs {
    /// Its id, or at least 6 characters of its beginning or end
    #[arg(value_name = "ID")]
    id: String,
    /// To where.
    #[command(flatten)]
    to: MoveTo,
}

/// To where.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct MoveTo {
    /// Before all that wait
    #[arg(long)]
    first: bool,
    /// Behind all that wait
    #[arg(long)]
    last: bool,
    /// Right before this one
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    /// Right behind this one
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

/// `afield queue hold` and `release`
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct HoldArgs {
    /// A command: its id, or at least 6 characters of its beginning or end
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// A project: id, name or directory
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// A runner: name or id
    #[arg(long, value_name = "RUNNER")]
    runner: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
}

/// `afield queue retry`
#[derive(Debug, clap::Args)]
pub(crate) struct RetryArgs {
    /// Which.
    #[command(flatten)]
    which: WhichArgs,
    /// With one command: another prompt
    #[arg(long, value_name = "TEXT", conflicts_with = "all_dead")]
    prompt: Option<String>,
}

/// `afield queue purge`
#[derive(Debug, clap::Args)]
pub(crate) struct PurgeArgs {
    /// Which.
    #[command(flatten)]
    which: WhichArgs,
}

/// Some commands, or all dead letters.
#[derive(Debug, clap::Args)]
struct WhichArgs {
    /// Their ids, or at least 6 characters of their beginnings or ends
    #[arg(value_name = "ID", required_unless_present = "all_dead", conflicts_with = "all_dead")]
    ids: Vec<String>,
    /// Every dead letter
    #[arg(long)]
    all_dead: bool,
    /// With --all-dead: only those of this project
    #[arg(short, long, value_name = "PROJECT", requires = "all_dead")]
    project: Option<String>,
}

/// `afield queue resolve`
#[derive(Debug, clap::Args)]
pub(crate) struct ResolveArgs {
    /// Its id, or at least 6 characters of its beginning or end
    #[arg(value_name = "ID")]
    id: String,
    /// What became of it.
    #[command(flatten)]
    what: ResolveWhat,
}

/// What became of it, or shall.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct ResolveWhat {
    /// Start it again, although it may have been started before
    #[arg(long)]
    requeue: bool,
    /// It was not done, and shall not be
    #[arg(long)]
    failed: bool,
    /// It was done
    #[arg(long)]
    succeeded: bool,
}

/// `afield queue edit`
#[derive(Debug, clap::Args)]
pub(crate) struct EditArgs {
    /// Its id, or at least 6 characters of its beginning or end
    #[arg(value_name = "ID")]
    id: String,
    /// What is changed.
    #[command(flatten)]
    what: EditWhat,
}

/// What is changed.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct EditWhat {
    /// Another prompt
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// critical, high, normal or low
    #[arg(long, value_name = "PRIORITY", value_parser = word::<Priority>)]
    priority: Option<Priority>,
    /// Do not start before: a time, `now`, or so long from now (10m, 2h, 3d)
    #[arg(long, value_name = "TIME", value_parser = when)]
    not_before: Option<Timestamp>,
    /// Do not start after: a time, or so long from now
    #[arg(long, value_name = "TIME", value_parser = when)]
    expires: Option<Timestamp>,
}

/// `afield queue flush`
#[derive(Debug, clap::Args)]
pub(crate) struct FlushArgs {
    /// Also what the server refused before
    #[arg(long)]
    refused: bool,
}

/// Does it.
pub(super) async fn run(global: &Global, command: Command) -> Outcome {
    match command {
        Command::Ls(args) => list::ls(global, &args).await,
        Command::Dead(args) => list::dead(global, &args).await,
        Command::Show(args) => show::show(global, &args).await,
        Command::Explain(args) => show::explain(global, &args).await,
        Command::Cancel(args) => change::cancel(global, &args).await,
        Command::Move(args) => change::move_command(global, &args).await,
        Command::Hold(args) => hold::hold(global, &args).await,
        Command::Release(args) => hold::release(global, &args).await,
        Command::Retry(args) => change::retry(global, &args).await,
        Command::Purge(args) => change::purge(global, &args).await,
        Command::Resolve(args) => change::resolve(global, &args).await,
        Command::Edit(args) => change::edit(global, &args).await,
        Command::Flush(args) => change::flush(global, &args).await,
    }
}
