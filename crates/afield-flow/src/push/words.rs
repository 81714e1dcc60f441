//! What a notification says, and how it is sent.

use std::time::Duration;

use afield_proto::Timestamp;
use afield_proto::device::shown_name;
use afield_proto::push::{PushKind, PushMessage};

use super::gather::Due;
use super::{Notice, Subject};

/// How long an approval or a question is of use on a screen that was off, and may be answered from it.
pub const URGENT_LIFE: Duration = Duration::from_secs(60 * 60);
/// The same for what only tells.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Lines of a notification that tells of several things; phones show about as many.
const LINES_MAX: usize = 4;

/// How a notification is handed to the push service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// How long it is kept for a device that is off.
    pub life: Duration,
    /// The service's word for how urgent it is: whether it may wake a device that saves power.
    pub urgency: &'static str,
}

/// How what is of this kind is sent; a test, which is of none, at once.
pub fn sending(kind: Option<PushKind>) -> Sending {
    match kind {
        None => Sending { life: URGENT_LIFE, urgency: "high" },
        Some(kind) if kind.is_urgent() => Sending { life: URGENT_LIFE, urgency: "high" },
        Some(PushKind::Runner) => Sending { life: LIFE, urgency: "low" },
        Some(_) => Sending { life: LIFE, urgency: "normal" },
    }
}

/// What the notification says; `name` is that of the project or runner.
pub fn message(due: &Due, name: &str, now: Timestamp) -> PushMessage {
    let name = shown_name(name);
    let (project_id, runner_id, tag) = match due.subject {
        Subject::Project(id) => (Some(id), None, format!("project:{id}")),
        Subject::Runner(id) => (None, Some(id), format!("runner:{id}")),
    };
    let frame = PushMessage {
        kind: due.notices.iter().map(|notice| notice.kind).min_by_key(|kind| rank(*kind)),
        title: String::new(),
        body: String::new(),
        tag,
        count: u32::try_from(due.notices.len()).unwrap_or(u32::MAX),
        at: now,
        project_id,
        runner_id,
        command_id: None,
        approval_id: None,
        danger: None,
        token: None,
    };
    match due.notices.as_slice() {
        [notice] => of_one(notice, &name, frame),
        notices => of_many(notices, &name, frame),
    }
}

/// What names a notification of several: what an agent waits for before what is only told.
fn rank(kind: PushKind) -> u8 {
    match kind {
        PushKind::Approval => 0,
        PushKind::Question => 1,
        PushKind::DeadLetter => 2,
        PushKind::Failure => 3,
        PushKind::Finished => 4,
        PushKind::Runner => 5,
    }
}

fn of_one(notice: &Notice, name: &str, frame: PushMessage) -> PushMessage {
    let asked = notice.approval;
    PushMessage {
        title: format!("{name}: {}", notice.what),
        body: notice.more.clone(),
        // Each approval stands beside the others until it is answered.
        tag: asked.map_or(frame.tag, |asked| format!("approval:{}", asked.id)),
        command_id: notice.command_id,
        approval_id: asked.map(|asked| asked.id),
        danger: asked.and_then(|asked| asked.danger),
        ..frame
    }
}

fn of_many(notices: &[Notice], name: &str, frame: PushMessage) -> PushMessage {
    let waiting = notices.iter().filter(|notice| notice.kind.is_urgent()).count();
    let title = match waiting {
        0 => format!("{name}: {} things happened", notices.len()),
        1 => format!("{name}: one thing waits for you"),
        many => format!("{name}: {many} things wait for you"),
    };
    let line = |notice: &Notice| match notice.more.is_empty() {
        true => notice.what.clone(),
        false => format!("{}: {}", notice.what, notice.more),
    };
    let lines: Vec<_> = notices.iter().take(LINES_MAX).map(line).collect();
    PushMessage { title, body: lines.join("\n"), ..frame }
}
