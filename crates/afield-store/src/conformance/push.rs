//! Web Push: subscriptions of devices, and the log of what was sent.

use std::sync::Arc;

use afield_proto::device::DeviceKind;
use afield_proto::push::{PushDelivery, PushKeys, PushKind, PushOutcome, PushSettings};
use afield_proto::{OrgId, ProjectId, Topic};

use super::world::new_device;
use super::{Outcome, Place, World, another_org, at};
use crate::{Error, PushListener, PushSubscription, Store};

fn subscription(secret: &str) -> PushSubscription {
    let keys = PushKeys { p256dh: "key".into(), auth: "secret".into() };
    PushSubscription { endpoint: format!("https://push.example/{secret}"), keys }
}

async fn listeners(store: &Store, topic: Topic, now: i64) -> Result<Arc<[PushListener]>, Error> {
    let mut found = store.push_listeners([topic].into(), at(now)).await?;
    Ok(found.remove(&topic).unwrap_or_default())
}

/// Devices of an org are found by its topics, with what they want and may do; nobody else is.
pub async fn subscribed_devices_are_found(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (store, org, phone) = (&world.store, world.org, world.phone);
    let project = world.project("/a").await?;
    let project = Topic::Project(project.id);
    assert!(listeners(store, project, 1).await?.is_empty());
    let wanted = PushSettings { kinds: vec![PushKind::Runner], quiet: None };
    store.push_settings(org, phone, wanted.clone()).await?;
    assert!(listeners(store, project, 1).await?.is_empty(), "it only said what it wants");
    let state = store.push_subscribe(org, phone, subscription("one"), None, at(2)).await?;
    assert_eq!((state.settings, state.subscribed_at), (wanted.clone(), Some(at(2))));
    assert_eq!(state.service.as_deref(), Some("push.example"), "the rest is secret");
    for topic in [project, Topic::Org(org)] {
        let found = listeners(store, topic, 3).await?;
        assert_eq!(found.len(), 1, "{topic}");
        assert_eq!((found[0].device, found[0].org), (phone, org));
        assert_eq!((&found[0].settings, found[0].scopes), (&wanted, "all".parse()?));
        assert_eq!(found[0].subscription, subscription("one"));
    }
    let other = another_org(store).await?;
    for topic in [Topic::Org(other.org_id), Topic::Project(ProjectId::generate())] {
        assert!(listeners(store, topic, 3).await?.is_empty());
    }
    let several = [project, Topic::Org(org), Topic::Org(other.org_id)];
    let found = store.push_listeners(several.into(), at(3)).await?;
    assert_eq!(several.map(|topic| found[&topic].len()), [1, 1, 0], "asked at once");
    store.push_gone(phone, "https://push.example/older".into()).await?;
    assert!(store.push_listener(phone, at(3)).await?.is_some(), "another one is gone");
    store.push_gone(phone, subscription("one").endpoint).await?;
    assert!(store.push_listener(phone, at(3)).await?.is_none());
    assert_eq!(store.push_state(org, phone).await?.settings, wanted, "what it wants stays");
    Ok(())
}

/// A subscription is one device's; one that is thrown out or expired is not notified.
pub async fn a_subscription_has_one_device(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (store, org, phone) = (&world.store, world.org, world.phone);
    let mut again = new_device(org, world.user, DeviceKind::Browser);
    again.expires_at = Some(at(50));
    let again = store.create_device(again, at(1)).await?.id;
    for device in [phone, again] {
        store.push_subscribe(org, device, subscription("one"), None, at(2)).await?;
    }
    let found = listeners(store, Topic::Org(org), 3).await?;
    assert_eq!(found.iter().map(|found| found.device).collect::<Vec<_>>(), [again]);
    assert!(listeners(store, Topic::Org(org), 50).await?.is_empty(), "it expired");
    store.push_subscribe(org, phone, subscription("two"), None, at(4)).await?;
    assert!(store.push_listener(phone, at(5)).await?.is_some());
    store.revoke_device(org, phone, again, false, at(6)).await?;
    assert!(store.push_listener(phone, at(7)).await?.is_none(), "it was thrown out");
    let state = store.push_unsubscribe(org, again).await?;
    assert_eq!((state.service, state.subscribed_at), (None, None));
    Ok(())
}

/// The newest 100 deliveries of each device are kept.
pub async fn deliveries_are_kept_for_a_while(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (store, org, phone) = (&world.store, world.org, world.phone);
    let delivery = |n: u32| PushDelivery {
        at: at(i64::from(n)),
        kind: None,
        title: format!("number {n}"),
        outcome: PushOutcome::Sent,
        tries: 1,
        status: Some(201),
        reason: None,
    };
    store.push_sent(org, world.runner, delivery(0)).await?;
    for n in 0..103 {
        store.push_sent(org, phone, delivery(n)).await?;
    }
    let kept = store.push_log(org, phone, 1000).await?;
    assert_eq!(kept.len(), 100);
    assert_eq!((&kept[0], &kept[99]), (&delivery(102), &delivery(3)));
    assert_eq!(store.push_log(org, phone, 2).await?.len(), 2);
    assert_eq!(store.push_log(org, world.runner, 9).await?.len(), 1, "each device has its own");
    assert!(store.push_log(OrgId::generate(), phone, 9).await?.is_empty());
    assert_eq!(store.device_name(org, phone).await?.as_deref(), Some("a device"));
    assert_eq!(store.device_name(OrgId::generate(), phone).await?, None);
    Ok(())
}
