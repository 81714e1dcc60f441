//! Hand-off: one holder whatever is asked at once, and every change is told.

use afield_flow::handoff::{Refused, Screen, Step};
use afield_proto::handoff::{Focus, Handoff, Holder};
use afield_proto::{OrgId, ReplicaId, Topic};
use futures::future::join_all;

use super::world::assert_refused;
use super::{Outcome, Place, World, at};
use crate::Refusal;

fn screen(world: &World) -> Holder {
    let screen = ReplicaId::generate();
    Holder { device_id: world.phone, device_name: "phone \0".into(), screen }
}

fn take(from_version: u64, by: &Holder) -> Step {
    Step::Take { from_version, by: by.clone(), focus: None }
}

/// Of many that take it at once one has it, and all others are told who.
pub async fn a_focus_has_one_holder(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    for round in 0..3 {
        // None of them holds it: the holder's own screen would keep it.
        let screens: Vec<_> = (0..8).map(|_| screen(&world)).collect();
        let step = |by| world.store.step_handoff(world.org, world.user, take(round, by), at(1));
        let taken = join_all(screens.iter().map(step)).await;
        let now = world.store.handoff(world.org, world.user).await?;
        assert_eq!(now.version, round + 1);
        let winners: Vec<_> = taken.iter().filter_map(|taken| taken.as_ref().ok()).collect();
        assert_eq!(winners, [&now]);
        for lost in taken.into_iter().filter(Result::is_err) {
            let told = |handoff: &Handoff| *handoff == now;
            let why = Refused::Moved;
            assert_refused!(lost, Refusal::HandoffRefused { why: w, handoff } if w == why && told(&handoff));
        }
    }
    Ok(())
}

/// What is moved and offered is told; what changes nothing is not.
pub async fn a_focus_moves_and_is_told(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let holder = screen(&world);
    let by = Screen { device_id: holder.device_id, screen: holder.screen };
    let step = |step| world.store.step_handoff(world.org, world.user, step, at(1));
    assert_eq!(world.store.handoff(world.org, world.user).await?.version, 0);
    step(take(0, &holder)).await?;
    step(take(0, &holder)).await?;
    let focus = Focus { seq: Some(9), ..Focus::default() };
    step(Step::Move { by, focus: focus.clone() }).await?;
    let offered = step(Step::Offer { by, to: world.runner }).await?;
    assert_eq!((offered.offered_to, &offered.focus), (Some(world.runner), &focus));
    let held = world.store.held_handoffs().await?;
    assert_eq!(held, [(world.org, world.user, offered)]);
    step(Step::End { version: 0 }).await?;
    let ended = step(Step::End { version: 1 }).await?;
    assert_eq!((ended.version, &ended.holder, &ended.focus), (2, &None, &focus));
    assert!(world.store.held_handoffs().await?.is_empty());
    assert_eq!(world.told(Topic::User(world.user)).await?, ["handoff_state"; 4]);
    let other = world.store.handoff(OrgId::generate(), world.user).await?;
    assert_eq!(other.version, 0);
    Ok(())
}
