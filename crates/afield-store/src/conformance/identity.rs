//! Owner, devices, runners.

use afield_proto::device::{Device, DeviceKind, Scope, Scopes};
use afield_proto::runner::RunnerFacts;
use afield_proto::{DeviceId, OrgId, Topic};
use serde_json::{json, to_value};

use super::world::{assert_refused, new_device};
use super::{Outcome, Place, World, another_org, at};
use crate::{LabelDevice, Refusal};

/// Starting again finds the same owner.
pub async fn the_owner_is_made_once(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let again = world.store.bootstrap(at(9)).await?;
    assert_eq!((again.org_id, again.user_id, again.created), (world.org, world.user, false));
    Ok(())
}

/// A device is found by its token's hash, also when it was thrown out.
pub async fn devices_are_found_by_their_token_and_thrown_out(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let mut new = new_device(world.org, world.user, DeviceKind::Cli);
    new.name = "nul \0 and ✓".into();
    new.expires_at = Some(at(100));
    new.created_by = Some(world.phone);
    let made = world.store.create_device(new.clone(), at(1)).await?;
    world.store.record_device_seen(made.id, None, at(2)).await?;
    let found = world.store.device_by_token(new.token_hash).await?.ok_or("not found")?;
    assert_eq!((found.org, found.user), (world.org, world.user));
    assert_eq!((found.device.id, found.device.last_seen_at), (made.id, Some(at(2))));
    assert_eq!(found.device.expires_at, Some(at(100)));
    assert!(found.device.scopes.has(Scope::Prompt) && found.device.name.ends_with("✓"));
    let gone = world.store.revoke_device(world.org, made.id, world.phone, false, at(3)).await?;
    let again = world.store.revoke_device(world.org, made.id, world.phone, false, at(4)).await?;
    assert_eq!((gone.revoked_at, again.revoked_at), (Some(at(3)), Some(at(3))));
    let found = world.store.device_by_token(new.token_hash).await?.ok_or("not found")?;
    assert_eq!(found.device.revoked_at, Some(at(3)));
    assert_eq!(world.store.device_by_token([9; 32]).await?, None);
    assert_eq!(world.store.devices(world.org).await?.len(), 3);
    let other =
        world.store.revoke_device(OrgId::generate(), made.id, world.phone, false, at(4)).await;
    assert_refused!(other, Refusal::DeviceNotFound);
    Ok(())
}

/// Labels and rank are the owner's, change apart, and are told to the audit log.
pub async fn devices_are_labelled(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let label =
        |labels, priority| LabelDevice { id: world.runner, labels, base_labels: None, priority };
    let labelled = label(Some(vec!["gpu".to_owned()]), None);
    world.store.label_device(world.org, world.phone, labelled, at(1)).await?;
    let ranked = world.store.label_device(world.org, world.phone, label(None, Some(-2)), at(2));
    ranked.await?;
    let runner = &world.store.runners(world.org).await?[0].device;
    assert_eq!((runner.labels.as_slice(), runner.priority), (&["gpu".to_owned()][..], -2));
    let records = world.store.audit_entries(world.org, None, 1).await?;
    let what = records.last().map(|record| record.entry.what.name());
    assert_eq!(what, Some("device_labelled"));
    let foreign = another_org(&world.store).await?.org_id;
    let refused = world.store.label_device(foreign, world.phone, label(None, Some(1)), at(3));
    assert_refused!(refused.await, Refusal::DeviceNotFound);
    Ok(())
}

/// Of two who saw the same scopes or labels, one changes them; the other is told what they are.
pub async fn devices_are_changed_as_they_were_seen(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (store, org, by, id) = (&world.store, world.org, world.phone, world.runner);
    let [seen, first, second]: [Scopes; 3] =
        ["runner".parse()?, "view,runner".parse()?, "runner,approve".parse()?];
    let scopes = |base, scopes| store.set_device_scopes(org, id, by, base, scopes, at(1));
    scopes(Some(seen), first).await?;
    let refused = scopes(Some(seen), second).await;
    assert_refused!(refused, Refusal::ScopesChanged { scopes } if scopes == first);
    scopes(Some(first), second).await?;
    scopes(None, seen).await?;
    let word = |word: &str| vec![word.to_owned()];
    let label = |base_labels, labels, priority| {
        let label = LabelDevice { id, labels, base_labels, priority };
        store.label_device(org, by, label, at(2))
    };
    label(Some(Vec::new()), Some(word("gpu")), None).await?;
    for labels in [Some(word("big")), None] {
        let refused = label(Some(Vec::new()), labels, Some(7)).await;
        assert_refused!(refused, Refusal::LabelsChanged { labels } if labels == word("gpu"));
    }
    label(Some(word("gpu")), Some(word("big")), None).await?;
    let device = label(None, None, None).await?;
    assert_eq!((device.scopes, device.labels, device.priority), (seen, word("big"), 0));
    Ok(())
}

/// An org is told of its devices: as they are listed, without what changes untold.
pub async fn an_org_is_told_of_its_devices(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (store, org, by) = (&world.store, world.org, world.phone);
    let made = store.create_device(new_device(org, world.user, DeviceKind::Cli), at(1)).await?;
    let id = made.id;
    store.record_device_seen(id, Some("192.0.2.1".into()), at(2)).await?;
    let renamed = store.rename_device(org, id, by, "tab", at(3)).await?;
    assert_eq!(renamed.last_seen_at, Some(at(2)));
    let narrowed = store.set_device_scopes(org, id, by, None, "view".parse()?, at(4)).await?;
    let labels = Some(vec!["gpu".to_owned()]);
    let label = LabelDevice { id, labels, base_labels: None, priority: Some(3) };
    let labelled = store.label_device(org, by, label.clone(), at(5)).await?;
    let revoked = store.revoke_device(org, id, by, false, at(6)).await?;
    for forget in [false, true, true, false] {
        store.revoke_device(org, id, by, forget, at(7)).await?;
    }
    let untold = |device| Device { last_seen_at: None, last_address: None, ..device };
    let states = [made, renamed, narrowed, labelled, revoked].map(untold).map(to_value);
    let states = states.into_iter().collect::<Result<Vec<_>, _>>()?;
    let told = world.said(Topic::Org(org), "device_state").await?;
    assert_eq!(told[2..], states, "behind the two of the world");
    let gone = [json!({ "device_id": id })];
    assert_eq!(world.said(Topic::Org(org), "device_gone").await?, gone);
    assert_eq!(world.told(Topic::Org(org)).await?.pop().as_deref(), Some("device_gone"));
    let refused = store.rename_device(org, id, by, "x", at(8)).await;
    assert_refused!(refused, Refusal::DeviceNotFound);
    let refused = store.set_device_scopes(org, id, by, None, "view".parse()?, at(8)).await;
    assert_refused!(refused, Refusal::DeviceNotFound);
    assert_refused!(store.label_device(org, by, label, at(8)).await, Refusal::DeviceNotFound);
    Ok(())
}

/// A runner is a device of that kind; its facts are kept.
pub async fn runners_keep_their_facts(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    assert_eq!(world.store.runners(world.org).await?[0].facts, None);
    let facts = RunnerFacts { host: "laptop".into(), cores: 8, ..RunnerFacts::default() };
    world.store.record_runner_facts(world.org, world.runner, &facts, at(5)).await?;
    let runners = world.store.runners(world.org).await?;
    assert_eq!(runners.len(), 1);
    assert_eq!((runners[0].device.id, &runners[0].facts), (world.runner, &Some(facts.clone())));
    assert_eq!(runners[0].device.last_seen_at, Some(at(5)));
    for id in [world.phone, DeviceId::generate()] {
        let refused = world.store.record_runner_facts(world.org, id, &facts, at(6)).await;
        assert_refused!(refused, Refusal::DeviceNotFound);
    }
    Ok(())
}
