//! What a runner reports: numbered records applied exactly once, and the comparison after a
//! reconnect of what it works on with what the server believes.

mod output;

use afield_flow::command::{self as life, Batch};
use afield_flow::retry::{self, Next};
use afield_proto::approval::ApprovalAsk;
use afield_proto::audit::Audited;
use afield_proto::command::{Command, CommandState, Outcome, OutcomeKind};
use afield_proto::fact::Fact;
use afield_proto::output::{LineBodies, Speaker};
use afield_proto::project::{Project, ProjectState};
use afield_proto::runner::{
    Acknowledged, Attempt, AttemptReport, KilledProcess, Record, RunnerRecords,
};
use afield_proto::{DeviceId, OrgId, ProjectId, Timestamp};

use crate::approvals::{self, Withdraw};
use crate::commands::{self, CommandRow, back, lane, steer, stop};
use crate::log::append::one_line;
use crate::tx::Tx;
use crate::{Error, Refusal, Store, blobs, projects, sessions};

/// What applying a batch of records did.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// What the runner is answered.
    pub acknowledged: Acknowledged,
    /// The project.
    pub project_id: ProjectId,
    /// The command as it is now.
    pub command: Command,
    /// How many records were new.
    pub new_records: u64,
    /// The project began or ceased to execute.
    pub executing_changed: bool,
    /// These records ended the attempt: the project is free.
    pub attempt_over: bool,
}

impl Store {
    /// Applies records of an attempt. Those already known are left out; nothing is applied to a
    /// closed attempt, which the acknowledgement says.
    ///
    /// **Errors**: [`Refusal::CommandNotFound`] when the command is not this runner's,
    /// [`Refusal::RecordGap`], [`Refusal::RecordIllegal`]; nothing of the batch is applied then.
    pub async fn apply_records(
        &self,
        org: OrgId,
        runner_id: DeviceId,
        records: RunnerRecords,
        now: Timestamp,
    ) -> Result<Applied, Error> {
        self.write((org, runner_id, records, now), apply_records).await
    }

    /// Compares what a runner's journal knows with what the server believes, when it connects.
    /// Answers each report with how far the server is. A command believed to run that the runner
    /// does not report is interrupted, and so is one of which this server has lost records or leases; one that was
    /// leased and never begun stays leased, unless its time is over.
    pub async fn reconcile_runner(
        &self,
        org: OrgId,
        runner_id: DeviceId,
        reports: &[AttemptReport],
        now: Timestamp,
    ) -> Result<Vec<Acknowledged>, Error> {
        self.write((org, runner_id, reports.to_vec(), now), reconcile_runner).await
    }
}

/// A command under change, its project read when it is needed.
struct Work {
    row: CommandRow,
    project: Option<Project>,
    /// The row is written already.
    saved: bool,
    now: Timestamp,
}

impl Work {
    async fn project(&mut self, tx: &mut Tx) -> Result<&mut Project, Error> {
        if self.project.is_none() {
            let id = self.row.command.project_id;
            self.project = Some(projects::locked(tx, self.row.org, id).await?);
        }
        Ok(self.project.as_mut().expect("it was just read"))
    }
}

async fn apply_records(
    tx: &mut Tx,
    (org, runner_id, records, now): &(OrgId, DeviceId, RunnerRecords, Timestamp),
) -> Result<Applied, Error> {
    let row = commands::locked(tx, *org, records.attempt.command_id).await?;
    if row.command.runner_id != *runner_id {
        return Err(Refusal::CommandNotFound.into());
    }
    if life::is_closed(&row.known(), &records.attempt) && !planted::is("store_fence") {
        return Ok(applied(&row, records.attempt, 0, false));
    }
    let skip = match life::fit(row.applied, records.first_record) {
        Batch::Apply { skip } => skip,
        Batch::Gap { expected } => return Err(Refusal::RecordGap { expected }.into()),
    };
    let before = row.command.state;
    let mut work = Work { row, project: None, saved: false, now: *now };
    if let Some(seen) = records.fence_seen {
        work.row.has_seen(seen);
    }
    let new = records.records.get(skip..).unwrap_or_default();
    for record in new {
        apply(tx, &mut work, record).await?;
        // The last one was counted before it was written with all the rest.
        work.row.applied += u64::from(!work.saved && !planted::is("applied"));
    }
    save(tx, &work, before, !new.is_empty()).await?;
    let executing_changed = work.row.command.state != before;
    Ok(applied(&work.row, records.attempt, new.len() as u64, executing_changed))
}

async fn save(tx: &mut Tx, work: &Work, before: CommandState, any_new: bool) -> Result<(), Error> {
    match (before, work.row.command.state) {
        // An end is saved where it is concluded.
        _ if work.saved => {}
        (CommandState::Leased, CommandState::Running) => {
            commands::save::started(tx, &work.row).await?;
        }
        (before, now) if before != now => commands::save(tx, &work.row).await?,
        _ if any_new => commands::save::applied(tx, &work.row).await?,
        _ => {}
    }
    match &work.project {
        Some(project) => projects::save(tx, project).await,
        None => Ok(()),
    }
}

fn applied(row: &CommandRow, attempt: Attempt, new_records: u64, changed: bool) -> Applied {
    Applied {
        acknowledged: acknowledged(row, attempt),
        project_id: row.command.project_id,
        command: row.command.clone(),
        new_records,
        executing_changed: changed,
        attempt_over: changed && row.command.state != CommandState::Running,
    }
}

fn acknowledged(row: &CommandRow, attempt: Attempt) -> Acknowledged {
    let is_own = row.attempt() == attempt;
    Acknowledged {
        attempt,
        last_record: if is_own { row.applied } else { 0 },
        closed: life::is_closed(&row.known(), &attempt),
    }
}

/// Applies one record.
async fn apply(tx: &mut Tx, work: &mut Work, record: &Record) -> Result<(), Error> {
    let state = work.row.command.state;
    life::after_record(state, record)
        .map_err(|illegal| illegal_record(work, illegal.to_string()))?;
    match record {
        Record::Started { at } => started(tx, work, *at).await,
        Record::Message(message) => {
            // Partial messages are relayed, never stored; a runner that numbers one all the same
            // loses nothing but the message.
            if !message.kind.ephemeral() {
                let body = one_line(speaker(work).body(message)).into();
                tx.tell_encoded(work.row.org, work.row.command.project_id, &body, work.now);
            }
            match (&message.news, work.row.command.session_id) {
                (Some(news), Some(session)) => sessions::known::learn(tx, session, news).await,
                _ => Ok(()),
            }
        }
        Record::Output { at, stream, lines } => {
            let speaker = speaker(work);
            let bodies = LineBodies::new(speaker, *stream, *at);
            output::tell(tx, (work.row.org, speaker), &bodies, lines, work.now);
            Ok(())
        }
        Record::NativeSession { native_id } => {
            sessions::set_native(tx, work.row.session()?, native_id).await
        }
        Record::Asked { at, ask } => asked(tx, work, ask, *at).await,
        Record::Withdrawn { approval_id, .. } => {
            let (org, id) = (work.row.org, work.row.command.id);
            approvals::withdraw(tx, org, id, Withdraw::One(*approval_id), work.now).await
        }
        Record::Steered { at, command_id } => {
            steer::taken(tx, &work.row, *command_id, *at, work.now).await
        }
        Record::Finished { at, outcome, killed } => {
            work.row.applied += 1;
            finish(tx, work, outcome.clone(), killed, *at).await
        }
    }
}

fn illegal_record(work: &Work, reason: String) -> Error {
    Refusal::RecordIllegal { number: work.row.applied + 1, reason }.into()
}

fn tell(tx: &mut Tx, work: &Work, fact: &Fact) {
    tx.tell_project(work.row.org, work.row.command.project_id, fact, work.now);
}

fn speaker(work: &Work) -> Speaker {
    let command = &work.row.command;
    let (project_id, session_id) = (command.project_id, command.session_id);
    Speaker { project_id, command_id: command.id, session_id }
}

async fn started(tx: &mut Tx, work: &mut Work, at: Timestamp) -> Result<(), Error> {
    work.row.enter(CommandState::Running);
    work.row.command.started_at = Some(at);
    work.row.tell(tx, work.now);
    let command = &work.row.command;
    let what = Audited::WorkStarted {
        command_id: command.id,
        project_id: command.project_id,
        runner_id: command.runner_id,
        attempt: command.attempt,
        agent: command.agent,
    };
    tx.audit(work.row.org, Some(command.submitted_by), what, work.now);
    sessions::known::used(tx, work.row.session()?, &work.row.command, at).await?;
    show(tx, work, ProjectState::Executing, None).await
}

/// What the project is from now on.
async fn show(
    tx: &mut Tx,
    work: &mut Work,
    state: ProjectState,
    reason: Option<String>,
) -> Result<(), Error> {
    let (org, now) = (work.row.org, work.now);
    let project = work.project(tx).await?;
    project.state = state;
    project.reason = reason;
    project.last_active = now;
    let fact = Fact::ProjectState(project.clone());
    tx.tell_org(org, project.id, &fact, now);
    Ok(())
}

async fn asked(
    tx: &mut Tx,
    work: &mut Work,
    ask: &ApprovalAsk,
    at: Timestamp,
) -> Result<(), Error> {
    match approvals::ask(tx, &work.row, ask, at, work.now).await? {
        true => Ok(()),
        false => Err(illegal_record(work, format!("approval {} is known", ask.approval_id))),
    }
}

/// The attempt is over: what it still asked is withdrawn, the project is free, and the command
/// ends or waits for another attempt.
async fn finish(
    tx: &mut Tx,
    work: &mut Work,
    outcome: Outcome,
    killed: &[KilledProcess],
    at: Timestamp,
) -> Result<(), Error> {
    let (org, now, command_id) = (work.row.org, work.now, work.row.command.id);
    let (state, reason) = life::project_after(&outcome);
    let what = Audited::WorkEnded {
        command_id,
        attempt: work.row.command.attempt,
        outcome: outcome.kind,
        killed: killed.len() as u64,
    };
    tx.audit(org, work.row.command.kill_requested_by, what, now);
    let lost = outcome.kind == OutcomeKind::SessionLost;
    work.project(tx).await?;
    approvals::withdraw(tx, org, command_id, Withdraw::All, now).await?;
    if let (Some(by), false) = (work.row.command.kill_requested_by, killed.is_empty()) {
        tell(tx, work, &Fact::ProcessKilled { command_id, by, killed: killed.to_vec() });
    }
    let session_id = work.row.session()?;
    steer::turn_over(tx, &work.row, outcome.kind, now).await?;
    conclude(tx, work, outcome, at).await?;
    stop::end_kills(tx, work.row.project, now).await?;
    let project = work.project(tx).await?;
    project.command_id = None;
    if lost {
        sessions::lose(tx, org, project, session_id, now).await?;
    }
    show(tx, work, state, reason).await
}

/// Ends the command or lets it wait for another attempt, as its policy says.
async fn conclude(
    tx: &mut Tx,
    work: &mut Work,
    outcome: Outcome,
    at: Timestamp,
) -> Result<(), Error> {
    let (row, now) = (&mut work.row, work.now);
    let used = row.command.attempt - row.attempts_before;
    let next = match (&row.retry, row.command.kill_requested_by) {
        (Some(policy), None) => retry::after(policy, &outcome, used, chance(row), now),
        _ => Next::Over(outcome.kind.final_state()),
    };
    let next = match planted::is("retry") && outcome.kind == OutcomeKind::Interrupted {
        true => Next::Again { at: now, for_limit: false },
        false => next,
    };
    let outcome = blobs::shorten(tx, row.org, outcome, now).await?;
    match next {
        Next::Over(state) => commands::end(tx, row, state, Some(outcome), at).await?,
        Next::Again { at: due, for_limit } => {
            row.command.outcome = Some(outcome);
            row.command.finished_at = Some(at);
            back::keep_attempt(tx, row).await?;
            let command = &mut row.command;
            (command.leased_at, command.started_at, command.finished_at) = (None, None, None);
            (row.due_at, row.for_limit, row.command.not_before) = (Some(due), for_limit, Some(due));
            if for_limit {
                row.attempts_before += 1;
            }
            row.enter(CommandState::Queued);
            commands::save(tx, row).await?;
        }
    }
    work.saved = true;
    work.row.tell(tx, now);
    Ok(())
}

/// Between 0 and 1, the same whenever it is asked for the same attempt.
fn chance(row: &CommandRow) -> f64 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(row.command.id.uuid().as_bytes());
    hash.update(&row.command.attempt.to_le_bytes());
    f64::from(hash.finalize()) / f64::from(u32::MAX)
}

async fn reconcile_runner(
    tx: &mut Tx,
    (org, runner_id, reports, now): &(OrgId, DeviceId, Vec<AttemptReport>, Timestamp),
) -> Result<Vec<Acknowledged>, Error> {
    for mut row in commands::with_runner(tx, *org, *runner_id).await? {
        if let Some(report) = reports.iter().find(|report| is_ahead(&report.attempt, &row)) {
            row.has_seen(report.attempt.fence);
            interrupt(tx, row, GIVEN_BEFORE, *now).await?;
            continue;
        }
        if let Some(report) = reports.iter().find(|report| report.attempt == row.attempt()) {
            if report.acknowledged > row.applied {
                interrupt(tx, row, SET_BACK, *now).await?;
            }
            continue;
        }
        match (row.command.state, row.command.kill_requested_by) {
            (CommandState::Running, _) => interrupt(tx, row, UNKNOWN, *now).await?,
            // It never started, and somebody stopped it meanwhile.
            (_, Some(_)) => {
                lane::lock(tx, row.project).await?;
                steer::turn_over(tx, &row, OutcomeKind::Cancelled, *now).await?;
                stop::cancelled(tx, &mut row, *now).await?;
                stop::end_kills(tx, row.project, *now).await?;
            }
            // It never started, and its time is over: what expired never starts.
            (_, None)
                if row.command.expires_at.is_some_and(|end| end <= *now)
                    && !planted::is("expiry") =>
            {
                lane::lock(tx, row.project).await?;
                steer::turn_over(tx, &row, OutcomeKind::Cancelled, *now).await?;
                commands::run_out(tx, &mut row, *now).await?;
            }
            (_, None) => {}
        }
    }
    let mut answers = Vec::with_capacity(reports.len());
    for report in reports {
        let own = reported(tx, *org, *runner_id, report.attempt, *now).await?;
        let unknown = Acknowledged { attempt: report.attempt, last_record: 0, closed: true };
        answers.push(own.map_or(unknown, |row| acknowledged(&row, report.attempt)));
    }
    Ok(answers)
}

/// The command of a report, if this runner was given it. One that waits here and was given to the runner
/// before does not begin again by itself: this server was put back to an earlier state.
async fn reported(
    tx: &mut Tx,
    org: OrgId,
    runner_id: DeviceId,
    attempt: Attempt,
    now: Timestamp,
) -> Result<Option<CommandRow>, Error> {
    let Some(row) = commands::find_locked(tx, org, attempt.command_id).await? else {
        return Ok(None);
    };
    let own = row.command.runner_id == runner_id;
    if row.command.state != CommandState::Queued || !is_ahead(&attempt, &row) {
        return Ok(own.then_some(row));
    }
    // What waits for whichever runner fits had not gone to this one yet in that earlier state.
    if !own && !commands::routes::waits(tx, row.command.id).await? {
        return Ok(None);
    }
    let mut row = commands::with_lane(tx, org, row.command.id).await?;
    if own {
        row.has_seen(attempt.fence);
    }
    // As it was, and as this server has forgotten.
    row.enter(CommandState::Leased);
    steer::turn_over(tx, &row, OutcomeKind::Interrupted, now).await?;
    let outcome = Outcome::new(OutcomeKind::Interrupted).with_message(GIVEN_BEFORE);
    let mut work = Work { row, project: None, saved: false, now };
    conclude(tx, &mut work, outcome, now).await?;
    Ok(Some(work.row))
}

/// The runner was given a command with a fence this server has not reached.
fn is_ahead(attempt: &Attempt, row: &CommandRow) -> bool {
    attempt.command_id == row.command.id && attempt.fence > row.fence
}

const GIVEN_BEFORE: &str = "the server was put back to an earlier state, and had given this command to its runner \
    before; the outcome is unknown";
const UNKNOWN: &str = "the runner no longer knows this command; its outcome is unknown";
const SET_BACK: &str = "the server was put back to an earlier state and misses what the runner had delivered; \
    the outcome is unknown";

/// Nobody will say any more how this command went on.
async fn interrupt(
    tx: &mut Tx,
    row: CommandRow,
    why: &'static str,
    now: Timestamp,
) -> Result<(), Error> {
    let before = row.command.state;
    let mut work = Work { row, project: None, saved: false, now };
    let outcome = Outcome::new(OutcomeKind::Interrupted).with_message(why);
    finish(tx, &mut work, outcome, &[], now).await?;
    save(tx, &work, before, false).await
}
