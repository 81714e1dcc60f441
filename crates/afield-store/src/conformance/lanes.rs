//! What is always true of the lanes, looked up behind the store's back.

use std::collections::BTreeMap;

use afield_proto::{CommandId, Timestamp};

use super::{Outcome, World};
use crate::sql::{Sql, params};
use crate::tx::Tx;
use crate::{Error, Store};

static UNFINISHED: Sql = Sql::new(
    "SELECT id, project, lane, head, state, due_at, expires_at, wake_at, into_id \
     FROM commands \
     WHERE finished_at IS NULL ORDER BY project, lane, position",
);
static OVER: Sql = Sql::new(
    "SELECT COUNT(*) FROM commands WHERE finished_at IS NOT NULL \
     AND (head = 1 OR wake_at IS NOT NULL OR held_by IS NOT NULL)",
);

/// A command in its lane.
struct Member {
    id: CommandId,
    lane: (i64, String),
    head: bool,
    state: String,
    due_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    wake_at: Option<Timestamp>,
    /// It goes into a turn.
    into: bool,
}

/// Every lane has one head, its first; what is worked on is a head, one of a project, and what
/// goes into its turn is beside it; only heads that wait are woken, not later than they must be.
pub(super) async fn check_lanes(world: &World) -> Outcome {
    let members = members(&world.store).await?;
    let mut active = BTreeMap::new();
    let mut before = None;
    for member in &members {
        let (id, first) = (member.id, before != Some(&member.lane));
        assert_eq!(member.head, first, "head of {id} in {:?}", member.lane);
        before = Some(&member.lane);
        if member.state != "queued" && !member.into {
            assert!(member.head, "{id} is worked on behind another");
            let other = active.insert(member.lane.0, id);
            assert_eq!(other, None, "{id} is worked on beside another");
        }
        check_wake(member);
    }
    assert_eq!(world.store.read((), left_behind).await?, 0, "something is left of what is over");
    Ok(())
}

fn check_wake(member: &Member) {
    let id = member.id;
    let waits = member.state == "queued";
    if waits && !member.head {
        return assert_eq!(member.wake_at, member.expires_at, "{id} is woken at its end alone");
    }
    assert!(waits || member.wake_at.is_none(), "{id} is woken for nothing");
    let due = [member.expires_at, member.due_at].into_iter().flatten().min();
    let never = member.wake_at.is_none();
    assert!(!waits || !never || member.expires_at.is_none(), "{id} is not woken at its end");
    assert!(never || member.wake_at >= due, "{id} is woken before anything happens");
    assert!(never || member.wake_at <= member.expires_at.or(member.due_at), "{id} wakes late");
}

/// The ids of a project's waiting commands, lane by lane in their order.
pub(super) async fn order(world: &World) -> Result<Vec<CommandId>, Error> {
    Ok(members(&world.store).await?.into_iter().map(|member| member.id).collect())
}

async fn members(store: &Store) -> Result<Vec<Member>, Error> {
    store.read((), read_members).await
}

async fn read_members(tx: &mut Tx, (): &()) -> Result<Vec<Member>, Error> {
    tx.all(&UNFINISHED, params![], |row| {
        Ok(Member {
            id: row.id(0)?,
            lane: (row.int(1)?, row.text(2)?.to_owned()),
            head: row.int(3)? != 0,
            state: row.text(4)?.to_owned(),
            due_at: row.opt_time(5)?,
            expires_at: row.opt_time(6)?,
            wake_at: row.opt_time(7)?,
            into: row.opt_text(8)?.is_some(),
        })
    })
    .await
}

async fn left_behind(tx: &mut Tx, (): &()) -> Result<i64, Error> {
    tx.one(&OVER, params![], |row| row.int(0)).await
}
