//! Approvals: asked by a runner, answered once by a person, withdrawn when nobody waits any more.

use afield_flow::danger;
use afield_proto::approval::{Answer, Approval, ApprovalAsk, ApprovalState, Behavior};
use afield_proto::audit::Audited;
use afield_proto::fact::Fact;
use afield_proto::runner::{Attempt, RunnerAnswer};
use afield_proto::{ApprovalId, CommandId, DeviceId, OrgId, ProjectId, Timestamp};

use crate::audit::sha256_hex;
use crate::commands::CommandRow;
use crate::sql::{Row, params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

pub(crate) mod one_tap;

macro_rules! approval_columns {
    () => {
        "a.ask, a.project_id, a.command_id, a.state, a.requested_at, a.resolved_at, \
         a.resolved_by, a.answer, a.runner_id, a.attempt, a.fence"
    };
}

statements! {
    INSERT_APPROVAL = "INSERT INTO approvals (id, org_id, project_id, command_id, runner_id, attempt, \
        fence, state, ask, requested_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'open', ?8, ?9) \
        ON CONFLICT (id) DO NOTHING";
    APPROVAL_LOCKED = concat!("SELECT ", approval_columns!(), " FROM approvals a \
        WHERE a.id = ?2 AND a.org_id = ?1 FOR UPDATE");
    RESOLVE = "UPDATE approvals SET state = ?2, answer = ?3, resolved_at = ?4, resolved_by = ?5 \
        WHERE id = ?1 AND state = 'open'";
    OPEN_OF_COMMAND = concat!("SELECT ", approval_columns!(), " FROM approvals a \
        WHERE a.command_id = ?1 AND a.state = 'open' ORDER BY a.id FOR UPDATE");
    /// The newest of an org, every state.
    APPROVALS = concat!("SELECT ", approval_columns!(), " FROM approvals a \
        WHERE a.org_id = ?1 ORDER BY a.id DESC LIMIT ?2");
    APPROVALS_OF_PROJECT = concat!("SELECT ", approval_columns!(), " FROM approvals a \
        WHERE a.org_id = ?1 AND a.project_id = ?3 ORDER BY a.id DESC LIMIT ?2");
    /// What waits for a person: only what is worked on can ask.
    OPEN_APPROVALS = concat!("SELECT ", approval_columns!(), " FROM projects p \
        JOIN commands c ON c.project = p.number \
        AND c.state IN ('leased', 'running') AND c.into_id IS NULL \
        JOIN approvals a ON a.command_id = c.id \
        WHERE p.org_id = ?1 AND p.deleted_at IS NULL AND a.state = 'open' ORDER BY a.id");
    ANSWERED = concat!("SELECT ", approval_columns!(), " FROM projects p \
        JOIN commands c ON c.project = p.number \
        AND c.state IN ('leased', 'running') AND c.into_id IS NULL \
        JOIN approvals a ON a.command_id = c.id \
        WHERE p.runner_id = ?2 AND p.org_id = ?1 AND p.deleted_at IS NULL \
        AND a.state IN ('allowed', 'denied') ORDER BY a.id");
}

/// Most approvals in one list; older ones are history, which the log tells.
const LIST_MAX: u32 = 1000;

/// An approval that was just answered, with the attempt that waits for it.
#[derive(Debug, Clone)]
pub struct Answered {
    /// As it is now.
    pub approval: Approval,
    /// Which attempt asked.
    pub attempt: Attempt,
    /// The runner it works on.
    pub runner_id: DeviceId,
}

impl Store {
    /// Answers an approval. The first answer counts.
    ///
    /// **Errors**: [`Refusal::ApprovalNotFound`]; [`Refusal::ApprovalResolved`] with the approval
    /// as somebody else left it.
    pub async fn answer_approval(
        &self,
        org: OrgId,
        id: ApprovalId,
        by: DeviceId,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<Answered, Error> {
        let answering = Answering { org, id, by, answer: answer.clone(), one_tap: false };
        self.write((answering, now), answer_approval).await
    }

    /// The approvals of an org or of one project, oldest first: those that wait, or all (the
    /// newest 1,000).
    pub async fn approvals(
        &self,
        org: OrgId,
        project_id: Option<ProjectId>,
        all: bool,
    ) -> Result<Vec<Approval>, Error> {
        self.read((org, project_id, all), approvals).await
    }

    /// Every answer to a command of this runner that is not final: told again after a reconnect,
    /// a repetition is harmless.
    pub async fn answers_to_deliver(
        &self,
        org: OrgId,
        runner_id: DeviceId,
    ) -> Result<Vec<RunnerAnswer>, Error> {
        self.look((org, runner_id), answers_to_deliver).await
    }
}

/// Who answers what, and how.
struct Answering {
    org: OrgId,
    id: ApprovalId,
    by: DeviceId,
    answer: Answer,
    /// With the token of a notification.
    one_tap: bool,
}

async fn answer_approval(
    tx: &mut Tx,
    (answering, now): &(Answering, Timestamp),
) -> Result<Answered, Error> {
    let Answering { org, id, by, answer, one_tap } = answering;
    let found = tx.opt(&APPROVAL_LOCKED, params![org, id], answered).await?;
    let mut found = found.ok_or(Refusal::ApprovalNotFound)?;
    if found.approval.state != ApprovalState::Open && !planted::is("one_tap_again") {
        return Err(Refusal::ApprovalResolved { approval: Box::new(found.approval) }.into());
    }
    answer.check(&found.approval.ask).map_err(|reason| Refusal::AnswerRefused { reason })?;
    let state = match answer.behavior {
        Behavior::Allow => ApprovalState::Allowed,
        Behavior::Deny => ApprovalState::Denied,
    };
    found.approval.resolved_by = Some(*by);
    found.approval.answer = Some(answer.clone());
    resolve(tx, *org, &mut found.approval, state, *now).await?;
    let what = Audited::ApprovalAnswered {
        approval_id: *id,
        command_id: found.approval.command_id,
        state,
        tool: found.approval.ask.tool.clone(),
        input_sha256: sha256_hex(found.approval.ask.input.get().as_bytes()),
        one_tap: *one_tap,
        rules: answer.rules.clone(),
    };
    tx.audit(*org, Some(*by), what, *now);
    Ok(found)
}

/// Moves an open approval to its end and tells so.
async fn resolve(
    tx: &mut Tx,
    org: OrgId,
    approval: &mut Approval,
    state: ApprovalState,
    now: Timestamp,
) -> Result<(), Error> {
    approval.state = state;
    approval.resolved_at = Some(now);
    let (word, answer) = (state.name(), approval.answer.as_ref().map(to_json));
    let values = params![approval.ask.approval_id, word, answer, now, approval.resolved_by];
    tx.execute(&RESOLVE, values).await?;
    let fact = Fact::ApprovalState(approval.clone());
    tx.tell_project(org, approval.project_id, &fact, now);
    Ok(())
}

/// Keeps what a runner asks and tells it. `false` when the id is taken.
pub(crate) async fn ask(
    tx: &mut Tx,
    row: &CommandRow,
    ask: &ApprovalAsk,
    at: Timestamp,
    now: Timestamp,
) -> Result<bool, Error> {
    let (command, json) = (&row.command, to_json(ask));
    let values = params![
        ask.approval_id,
        row.org,
        command.project_id,
        command.id,
        command.runner_id,
        command.attempt,
        row.fence,
        json,
        at,
    ];
    if tx.execute(&INSERT_APPROVAL, values).await? == 0 {
        return Ok(false);
    }
    let approval = Approval {
        danger: Some(danger::rate(ask)),
        ask: ask.clone(),
        project_id: command.project_id,
        command_id: command.id,
        state: ApprovalState::Open,
        requested_at: at,
        resolved_at: None,
        resolved_by: None,
        answer: None,
    };
    tx.tell_project(row.org, command.project_id, &Fact::ApprovalState(approval), now);
    Ok(true)
}

/// Which open approvals of a command are withdrawn.
pub(crate) enum Withdraw {
    /// This one, if it is still open.
    One(ApprovalId),
    /// All of them: the command is over.
    All,
}

/// Withdraws open approvals of a command.
pub(crate) async fn withdraw(
    tx: &mut Tx,
    org: OrgId,
    command_id: CommandId,
    which: Withdraw,
    now: Timestamp,
) -> Result<(), Error> {
    for mut open in tx.all(&OPEN_OF_COMMAND, params![command_id], answered).await? {
        let wanted = match which {
            Withdraw::One(id) => open.approval.ask.approval_id == id,
            Withdraw::All => true,
        };
        if wanted {
            resolve(tx, org, &mut open.approval, ApprovalState::Withdrawn, now).await?;
        }
    }
    Ok(())
}

async fn approvals(
    tx: &mut Tx,
    (org, project_id, all): &(OrgId, Option<ProjectId>, bool),
) -> Result<Vec<Approval>, Error> {
    let mut found = match (all, project_id) {
        (false, _) => tx.all(&OPEN_APPROVALS, params![org], answered).await?,
        (true, None) => tx.all(&APPROVALS, params![org, LIST_MAX], answered).await?,
        (true, Some(id)) => {
            tx.all(&APPROVALS_OF_PROJECT, params![org, LIST_MAX, id], answered).await?
        }
    };
    if let Some(id) = project_id {
        found.retain(|found| found.approval.project_id == *id);
    }
    found.sort_by_key(|found| found.approval.ask.approval_id);
    Ok(found.into_iter().map(|found| found.approval).collect())
}

async fn answers_to_deliver(
    tx: &mut Tx,
    (org, runner_id): &(OrgId, DeviceId),
) -> Result<Vec<RunnerAnswer>, Error> {
    let found = tx.all(&ANSWERED, params![org, runner_id], answered).await?;
    let deliver = |found: Answered| {
        let (attempt, approval_id) = (found.attempt, found.approval.ask.approval_id);
        let answer = found.approval.answer?;
        Some(RunnerAnswer { attempt, approval_id, answer })
    };
    Ok(found.into_iter().filter_map(deliver).collect())
}

/// An approval of a row that begins with the approval's columns.
fn answered(row: &Row<'_>) -> Result<Answered, Error> {
    let ask = row.json(0)?;
    let approval = Approval {
        danger: Some(danger::rate(&ask)),
        ask,
        project_id: row.id(1)?,
        command_id: row.id(2)?,
        state: row.word(3)?,
        requested_at: row.time(4)?,
        resolved_at: row.opt_time(5)?,
        resolved_by: row.opt_id(6)?,
        answer: row.opt_json(7)?,
    };
    let attempt = Attempt {
        command_id: approval.command_id,
        attempt: u32::try_from(row.int(9)?).unwrap_or(u32::MAX),
        fence: row.count(10)?,
    };
    Ok(Answered { approval, attempt, runner_id: row.id(8)? })
}
