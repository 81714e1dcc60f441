//! Where each person's focus is. `afield-flow` decides; the row is locked while it does.

use afield_flow::handoff::{self, Step};
use afield_proto::fact::Fact;
use afield_proto::handoff::Handoff;
use afield_proto::{OrgId, Timestamp, UserId};

use crate::sql::{params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

statements! {
    INSERT_HANDOFF = "INSERT INTO handoffs (user_id, org_id, held, content) VALUES (?1, ?2, 0, ?3) \
        ON CONFLICT (user_id) DO NOTHING";
    HANDOFF_LOCKED = "SELECT content FROM handoffs WHERE user_id = ?1 AND org_id = ?2 FOR UPDATE";
    HANDOFF = "SELECT content FROM handoffs WHERE user_id = ?1 AND org_id = ?2";
    SET_HANDOFF = "UPDATE handoffs SET held = ?2, content = ?3 WHERE user_id = ?1";
    HELD_HANDOFFS = "SELECT org_id, user_id, content FROM handoffs WHERE held = 1";
}

impl Store {
    /// Where a person's focus is.
    pub async fn handoff(&self, org: OrgId, user: UserId) -> Result<Handoff, Error> {
        self.read((org, user), read_handoff).await
    }

    /// Carries a step of a hand-off out.
    ///
    /// **Errors**: [`Refusal::HandoffRefused`] with the state as it is.
    pub async fn step_handoff(
        &self,
        org: OrgId,
        user: UserId,
        step: Step,
        now: Timestamp,
    ) -> Result<Handoff, Error> {
        self.write((org, user, step, now), step_handoff).await
    }

    /// Every focus that somebody holds.
    pub async fn held_handoffs(&self) -> Result<Vec<(OrgId, UserId, Handoff)>, Error> {
        self.read((), held_handoffs).await
    }
}

async fn read_handoff(tx: &mut Tx, (org, user): &(OrgId, UserId)) -> Result<Handoff, Error> {
    let found = tx.opt(&HANDOFF, params![user, org], |row| row.json(0)).await?;
    Ok(found.unwrap_or_else(handoff::nobody))
}

async fn step_handoff(
    tx: &mut Tx,
    (org, user, step, now): &(OrgId, UserId, Step, Timestamp),
) -> Result<Handoff, Error> {
    let nobody = to_json(&handoff::nobody());
    tx.execute(&INSERT_HANDOFF, params![user, org, nobody]).await?;
    let before: Handoff = tx.one(&HANDOFF_LOCKED, params![user, org], |row| row.json(0)).await?;
    let careless;
    let step = match step {
        Step::Take { by, focus, .. } if planted::is("focus") => {
            let (by, focus) = (by.clone(), focus.clone());
            careless = Step::Take { from_version: before.version, by, focus };
            &careless
        }
        step => step,
    };
    let after = handoff::after(&before, step, *now)
        .map_err(|why| Refusal::HandoffRefused { why, handoff: Box::new(before.clone()) })?;
    if after != before {
        let held = i64::from(after.holder.is_some());
        tx.execute(&SET_HANDOFF, params![user, held, to_json(&after)]).await?;
        tx.tell_user(*org, *user, &Fact::HandoffState(after.clone()), *now);
    }
    Ok(after)
}

async fn held_handoffs(tx: &mut Tx, (): &()) -> Result<Vec<(OrgId, UserId, Handoff)>, Error> {
    tx.all(&HELD_HANDOFFS, params![], |row| Ok((row.id(0)?, row.id(1)?, row.json(2)?))).await
}
