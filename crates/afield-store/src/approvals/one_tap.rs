//! Answering from a notification: a token that is bound to one approval and one device, and good for
//! a while, in place of the device's credential.
//!
//! It answers at most once, because an approval is answered once; from then on it shows nothing.

use afield_proto::approval::{Answer, Approval, ApprovalState, Behavior, DangerLevel};
use afield_proto::device::{Scope, Scopes};
use afield_proto::{ApprovalId, DeviceId, OrgId, Timestamp};

use super::{APPROVAL_LOCKED, Answered, Answering, answer_approval, answered};
use crate::sql::{Row, params, statements};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

statements! {
    INSERT_TOKEN = "INSERT INTO approval_tokens (hash, approval_id, org_id, device_id, expires_at) \
        VALUES (?1, ?2, ?3, ?4, ?5)";
    FORGET_OLD = "DELETE FROM approval_tokens WHERE expires_at <= ?1";
    /// What a device may do counts when its token is used, not when it was made.
    TOKEN = "SELECT t.org_id, t.approval_id, t.device_id, d.scopes FROM approval_tokens t \
        JOIN devices d ON d.id = t.device_id AND d.org_id = t.org_id \
        WHERE t.hash = ?1 AND t.expires_at > ?2 AND d.revoked_at IS NULL \
        AND (d.expires_at IS NULL OR d.expires_at > ?2)";
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct OneTapToken {
    /// SHA-256 of it.
    pub hash: [u8; 32],
    /// The approval it answers.
    pub approval: ApprovalId,
    /// The org of both.
    pub org: OrgId,
    /// In whose name it answers.
    pub device: DeviceId,
    /// Until when.
    pub expires_at: Timestamp,
}

struct Held {
    org: OrgId,
    approval: ApprovalId,
    device: DeviceId,
    scopes: Scopes,
}

impl Store {
    /// Makes a token; those that are over are forgotten.
    pub async fn new_one_tap(&self, token: OneTapToken, now: Timestamp) -> Result<(), Error> {
        self.write((token, now), new_one_tap).await
    }

    /// What a token would answer.
    ///
    /// **Errors**: those of [`Self::answer_one_tap`], but for [`Refusal::NotConfirmed`].
    pub async fn show_one_tap(&self, hash: [u8; 32], now: Timestamp) -> Result<Approval, Error> {
        self.write((hash, now), show_one_tap).await
    }

    /// Answers with a token. A yes to what is destructive needs to be `confirmed`.
    ///
    /// **Errors**: [`Refusal::TokenUnknown`] for one that is not (or no longer) one;
    /// [`Refusal::ApprovalResolved`]; [`Refusal::NotConfirmed`].
    pub async fn answer_one_tap(
        &self,
        hash: [u8; 32],
        behavior: Behavior,
        confirmed: bool,
        now: Timestamp,
    ) -> Result<Answered, Error> {
        self.write((hash, behavior, confirmed, now), answer_one_tap).await
    }
}

async fn new_one_tap(tx: &mut Tx, (token, now): &(OneTapToken, Timestamp)) -> Result<(), Error> {
    tx.execute(&FORGET_OLD, params![now]).await?;
    let OneTapToken { hash, approval, org, device, expires_at } = token;
    tx.execute(&INSERT_TOKEN, params![hash, approval, org, device, expires_at]).await.map(drop)
}

async fn held(tx: &mut Tx, hash: &[u8; 32], now: Timestamp) -> Result<Held, Error> {
    let decode = |row: &Row<'_>| {
        let scopes = Scopes::from_bits(u8::try_from(row.int(3)?).unwrap_or(0));
        Ok(Held { org: row.id(0)?, approval: row.id(1)?, device: row.id(2)?, scopes })
    };
    let now = if planted::is("one_tap_expiry") { Timestamp::from_unix_ms(0) } else { now };
    let held = tx.opt(&TOKEN, params![hash, now], decode).await?;
    Ok(held.filter(|held| held.scopes.has(Scope::Approve)).ok_or(Refusal::TokenUnknown)?)
}

async fn open(tx: &mut Tx, held: &Held) -> Result<Approval, Error> {
    let found = tx.opt(&APPROVAL_LOCKED, params![held.org, held.approval], answered).await?;
    let approval = found.ok_or(Refusal::TokenUnknown)?.approval;
    match approval.state {
        ApprovalState::Open => Ok(approval),
        _ if planted::is("one_tap_again") => Ok(approval),
        _ => Err(Refusal::ApprovalResolved { approval: Box::new(approval) }.into()),
    }
}

async fn show_one_tap(tx: &mut Tx, (hash, now): &([u8; 32], Timestamp)) -> Result<Approval, Error> {
    let held = held(tx, hash, *now).await?;
    open(tx, &held).await
}

async fn answer_one_tap(
    tx: &mut Tx,
    (hash, behavior, confirmed, now): &([u8; 32], Behavior, bool, Timestamp),
) -> Result<Answered, Error> {
    let held = held(tx, hash, *now).await?;
    let approval = open(tx, &held).await?;
    let destructive = approval.danger.filter(|danger| danger.level == DangerLevel::Destructive);
    if let Some(danger) = destructive
        && *behavior == Behavior::Allow
        && !confirmed
    {
        return Err(Refusal::NotConfirmed { danger }.into());
    }
    let answering = Answering {
        org: held.org,
        id: held.approval,
        by: held.device,
        answer: Answer::plain(*behavior),
        one_tap: true,
    };
    answer_approval(tx, &(answering, *now)).await
}
