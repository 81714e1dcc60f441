//! The outside checker: compares what clients did and saw, what was really started, and what the
//! product says in the end.
//!
//! Tests under faults write three records that never go through the server: the history of client
//! calls ([`HistoryLog`]), the effects file to which the double of an agent appends `START` lines,
//! and the final state read after everything has healed. [`check`] names each broken promise. It
//! knows nothing of how the product works inside and must not.

mod heard;
mod queue;
mod records;
mod rules;

pub use heard::{Heard, read_conversations};
pub use records::{
    HistoryLog, Line, ReadError, Start, Step, Terms, read_effects, read_history, unix_ms,
};
pub use rules::check;

use std::collections::BTreeMap;

use afield_proto::command::{Command, CommandState};
use afield_proto::queue::Steer;
use afield_proto::wire::Incoming;

/// A command as the product shows it in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalCommand {
    /// Its id.
    pub id: String,
    /// The mark its submitter put into it (part of the prompt, or its key).
    pub mark: String,
    /// Where it ended, or stands.
    pub state: CommandState,
    /// When it ended, in unix milliseconds.
    pub finished_ms: Option<i64>,
    /// What became of the wish to go into a turn, where it had that.
    pub steer: Option<Steer>,
}

impl FinalCommand {
    /// A command of which no more is known.
    pub fn new(id: impl Into<String>, mark: impl Into<String>, state: CommandState) -> Self {
        Self { id: id.into(), mark: mark.into(), state, finished_ms: None, steer: None }
    }

    /// A command as the product shows it.
    pub fn of(command: &Command, mark: impl Into<String>) -> Self {
        let finished_ms = command.finished_at.map(|at| at.unix_ms());
        let bare = Self::new(command.id.to_string(), mark, command.state);
        Self { finished_ms, steer: command.steer, ..bare }
    }
}

/// One numbered event as somebody saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its number in the topic.
    pub seq: u64,
    /// Its content, word for word.
    pub body: String,
    /// The command and its state, where the event tells one.
    pub command: Option<(String, CommandState)>,
}

impl Seen {
    /// An event from a frame of a subscription. `None` for replies and ephemeral events.
    pub fn of(frame: &Incoming) -> Option<Self> {
        let (seq, body) = (frame.seq?, frame.data.as_deref()?.get().to_owned());
        let inner: Option<Incoming> = serde_json::from_str(&body).ok();
        let told = inner.filter(|fact| fact.kind == "command_state");
        let command = told.and_then(|fact| fact.data::<Command>().ok());
        Some(Self {
            seq,
            body,
            command: command.map(|command| (command.id.to_string(), command.state)),
        })
    }
}

/// What one follower of a topic received, in order of arrival and over all its connections.
#[derive(Debug, Clone, Default)]
pub struct Follower {
    /// A name for messages.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// It asked for what comes after this event.
    pub after: u64,
    /// It was told that there are events up to this one.
    pub head: u64,
    /// What arrived.
    pub seen: Vec<Seen>,
}

/// What the product says after everything has healed.
#[derive(Debug, Clone, Default)]
pub struct FinalState {
    /// Every command.
    pub commands: Vec<FinalCommand>,
    /// Every topic's events, as a new follower from the beginning gets them.
    pub topics: BTreeMap<String, Vec<Seen>>,
    /// The last number of each topic, as that follower was told.
    pub heads: BTreeMap<String, u64>,
}

/// All there is to compare.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// What clients did.
    pub history: Vec<Line>,
    /// What was really started.
    pub starts: Vec<Start>,
    /// What agents were told.
    pub heard: Vec<Heard>,
    /// What followers saw.
    pub followers: Vec<Follower>,
    /// What the product says in the end.
    pub end: FinalState,
    /// Commands (by id) that somebody asked to run again.
    pub retried: Vec<String>,
    /// Everything had the time to end: what neither did nor is held is stuck.
    pub settled: bool,
}

impl Evidence {
    /// Adds what another witness has.
    pub fn extend(&mut self, other: Self) {
        self.history.extend(other.history);
        self.starts.extend(other.starts);
        self.heard.extend(other.heard);
        self.followers.extend(other.followers);
        self.end.commands.extend(other.end.commands);
        self.end.topics.extend(other.end.topics);
        self.end.heads.extend(other.end.heads);
        self.retried.extend(other.retried);
        self.settled |= other.settled;
    }
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// An acknowledged command is not there.
    #[error("command {id} (mark {mark}) was acknowledged and is lost")]
    Lost {
        /// The id that was acknowledged.
        id: String,
        /// Its mark.
        mark: String,
    },
    /// The product broke down over a submission.
    #[error("mark {mark} was answered with {code}")]
    BrokeDown {
        /// The mark.
        mark: String,
        /// The error code, which says that nobody but the product is to blame.
        code: String,
    },
    /// A command is there that nobody submitted, or whose submission was refused.
    #[error("command {id} (mark {mark}) was never submitted")]
    Phantom {
        /// Its id.
        id: String,
        /// Its mark.
        mark: String,
    },
    /// One submission became several commands.
    #[error("mark {mark} became the commands {ids:?}")]
    Doubled {
        /// The mark.
        mark: String,
        /// The commands.
        ids: Vec<String>,
    },
    /// An acknowledgement named another command than the one that is there.
    #[error("mark {mark} was acknowledged as {acknowledged} and is {found}")]
    Swapped {
        /// The mark.
        mark: String,
        /// The id in the acknowledgement.
        acknowledged: String,
        /// The id in the end.
        found: String,
    },
    /// One attempt was started more than once.
    #[error("attempt {attempt} of command {id} was started {count} times")]
    StartedTwice {
        /// The command.
        id: String,
        /// The attempt.
        attempt: u32,
        /// How often.
        count: usize,
    },
    /// A command was started again though nobody asked for it.
    #[error("command {id} was started in the attempts {attempts:?} and nobody asked for a second")]
    StartedAgain {
        /// The command.
        id: String,
        /// The attempts.
        attempts: Vec<u32>,
    },
    /// Something was started that is no command.
    #[error("{command} was started and is no command")]
    UnknownStart {
        /// What the effects file names.
        command: String,
    },
    /// A command counts as expired, and was started.
    #[error("command {id} is expired and was started")]
    StartedExpired {
        /// The command.
        id: String,
    },
    /// A command was started before its time.
    #[error("command {id} was to start at {not_before_ms} at the earliest, and did at {at_ms}")]
    StartedEarly {
        /// The command.
        id: String,
        /// Its time.
        not_before_ms: i64,
        /// When it started.
        at_ms: i64,
    },
    /// A command was started after its end.
    #[error("command {id} was to start at {expires_ms} at the latest, and did at {at_ms}")]
    StartedLate {
        /// The command.
        id: String,
        /// Its end.
        expires_ms: i64,
        /// When it started.
        at_ms: i64,
    },
    /// A command expired before its end.
    #[error("command {id} was to expire at {expires_ms:?}, and did at {at_ms}")]
    ExpiredEarly {
        /// The command.
        id: String,
        /// Its end, if it was given one.
        expires_ms: Option<i64>,
        /// When it expired.
        at_ms: i64,
    },
    /// A command was started although its cancel had been acknowledged.
    #[error("command {id} was cancelled after {attempts} attempts, and attempt {attempt} started")]
    StartedCancelled {
        /// The command.
        id: String,
        /// How many attempts it had when it was cancelled.
        attempts: u32,
        /// The attempt that was started.
        attempt: u32,
    },
    /// A command was started while it was held.
    #[error("command {id} was started while it was held")]
    StartedHeld {
        /// The command.
        id: String,
    },
    /// Two commands of one lane were started in another order than they were sent.
    #[error("{first} was acknowledged before {second} was sent, and started after it in {lane}")]
    OutOfOrder {
        /// The lane.
        lane: String,
        /// The mark that was sent first.
        first: String,
        /// The mark that was started first.
        second: String,
    },
    /// A command did not come to an end although nothing is in its way.
    #[error("command {id} (mark {mark}) is still {state:?}")]
    Stuck {
        /// The command.
        id: String,
        /// Its mark.
        mark: String,
        /// Its state.
        state: CommandState,
    },
    /// A command counts as succeeded, and was never started.
    #[error("command {id} succeeded and was never started")]
    SucceededWithoutStart {
        /// The command.
        id: String,
    },
    /// An agent was told words more than once.
    #[error("the words of command {id} were said {count} times")]
    SaidTwice {
        /// The command.
        id: String,
        /// How often.
        count: usize,
    },
    /// Words were said in a turn and not there, other than the product tells.
    #[error("the words of command {id} count as {steer:?}, and were said elsewhere")]
    SaidElsewhere {
        /// The command.
        id: String,
        /// What the product tells.
        steer: Steer,
    },
    /// Numbers of a topic are missing.
    #[error("{who}: after event {after} of {topic} comes {next}")]
    Gap {
        /// Who saw it.
        who: String,
        /// The topic.
        topic: String,
        /// The last number before.
        after: u64,
        /// The next number.
        next: u64,
    },
    /// There are said to be events that never came.
    #[error("{who}: {topic} goes on to event {head}, and nothing comes after {last}")]
    CutShort {
        /// Who waits for them.
        who: String,
        /// The topic.
        topic: String,
        /// The last number that came.
        last: u64,
        /// The last number there is said to be.
        head: u64,
    },
    /// A number of a topic came twice, or late.
    #[error("{who}: event {seq} of {topic} comes after event {last}")]
    Repeated {
        /// Who saw it.
        who: String,
        /// The topic.
        topic: String,
        /// The number.
        seq: u64,
        /// The last number before.
        last: u64,
    },
    /// Two readers saw different events under one number.
    #[error("{who} saw another event {seq} of {topic} than is in the log")]
    Different {
        /// Who saw it.
        who: String,
        /// The topic.
        topic: String,
        /// The number.
        seq: u64,
    },
    /// A follower saw an event that is not in the log any more.
    #[error("{who} saw event {seq} of {topic}, which is not in the log")]
    Vanished {
        /// Who saw it.
        who: String,
        /// The topic.
        topic: String,
        /// The number.
        seq: u64,
    },
    /// A command went from one state to another that cannot follow.
    #[error("command {id} went from {from:?} to {to:?} with event {seq}")]
    IllegalStep {
        /// The command.
        id: String,
        /// The state before.
        from: Option<CommandState>,
        /// The state after.
        to: CommandState,
        /// The event that tells it.
        seq: u64,
    },
    /// A command's last event tells another state than the command itself.
    #[error("command {id} is {found:?} and its last event says {told:?}")]
    StaleState {
        /// The command.
        id: String,
        /// Its state in the end.
        found: CommandState,
        /// What its last event says.
        told: CommandState,
    },
}
