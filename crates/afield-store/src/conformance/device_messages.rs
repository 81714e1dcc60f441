//! Messages that wait for their receiver: in order, once, bounded, until they expire.

use afield_proto::device::{DeviceKind, DeviceMessage, MessageState};
use afield_proto::{DeviceId, MessageId, OrgId, Topic};
use serde_json::json;

use super::world::{assert_refused, new_device};
use super::{Outcome, Place, World, at};
use crate::{HoldMessage, Refusal};

fn hold(world: &World, text: &str) -> HoldMessage {
    let message = DeviceMessage {
        id: MessageId::generate(),
        from: world.phone,
        from_name: "phone".into(),
        body: json!({ "text": text }),
        sent_at: at(1),
    };
    HoldMessage {
        org: world.org,
        to: world.runner,
        from_user: world.user,
        message,
        expires_at: at(100),
        limit: 3,
    }
}

/// The oldest comes until it is acknowledged; then the next.
pub async fn held_messages_come_once_and_in_order(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (first, second) = (hold(&world, "one \0"), hold(&world, "two"));
    for message in [&first, &second, &first] {
        let state = world.store.hold_message(message.clone(), at(1)).await?;
        assert_eq!(state, MessageState::Held);
    }
    let next = || world.store.next_held_message(world.org, world.runner, at(2));
    assert_eq!(next().await?, Some(first.message.clone()));
    assert_eq!(next().await?, Some(first.message.clone()));
    let delivered = |device, id| world.store.message_delivered(world.org, device, id, at(3));
    assert!(!delivered(world.phone, first.message.id).await?, "it is another device's");
    assert!(delivered(world.runner, first.message.id).await?);
    assert!(!delivered(world.runner, first.message.id).await?, "once");
    assert_eq!(next().await?, Some(second.message.clone()));
    let again = world.store.hold_message(first.clone(), at(4)).await?;
    assert_eq!(again, MessageState::Delivered);
    let mut other = first;
    other.message.body = json!("something else");
    assert_refused!(world.store.hold_message(other, at(4)).await, Refusal::MessageConflict);
    let elsewhere = world.store.next_held_message(OrgId::generate(), world.runner, at(2)).await?;
    assert_eq!(elsewhere, None);
    assert_eq!(world.told(Topic::User(world.user)).await?, ["device_message_state"]);
    Ok(())
}

/// So many wait and no more; what is over makes room; nobody sends to a device that is not there.
pub async fn held_messages_are_bounded_and_expire(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    for n in 0..3 {
        world.store.hold_message(hold(&world, &n.to_string()), at(1)).await?;
    }
    let more = world.store.hold_message(hold(&world, "more"), at(2)).await;
    assert_refused!(more, Refusal::HeldMessages { limit: 3 });
    assert_eq!(world.store.next_held_message(world.org, world.runner, at(100)).await?, None);
    let mut later = hold(&world, "later");
    later.expires_at = at(300);
    world.store.hold_message(later.clone(), at(200)).await?;
    let next = world.store.next_held_message(world.org, world.runner, at(201)).await?;
    assert_eq!(next, Some(later.message.clone()));
    let gone = new_device(world.org, world.user, DeviceKind::Cli);
    let gone = world.store.create_device(gone, at(1)).await?.id;
    world.store.revoke_device(world.org, gone, world.phone, false, at(2)).await?;
    for to in [gone, DeviceId::generate()] {
        let hold = HoldMessage { to, ..hold(&world, "nobody") };
        assert_refused!(world.store.hold_message(hold, at(3)).await, Refusal::DeviceNotFound);
    }
    Ok(())
}
