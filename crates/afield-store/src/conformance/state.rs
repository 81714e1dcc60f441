//! Shared state: one order of writes, merged, limited, and told to the person's devices.

use afield_proto::request::StateSetReply;
use afield_proto::state::{Hlc, StateVerdict, Write};
use afield_proto::{DeviceId, OrgId, ReplicaId, Topic, UserId};
use serde_json::{Value, json};

use super::world::assert_refused;
use super::{Outcome, Place, World, at};
use crate::{Error, Refusal, StateLimits, StateWrite};

const DAY_MS: i64 = 86_400_000;

impl World {
    fn state_write(&self, by: DeviceId, key: &str, base: Option<u64>, value: Value) -> StateWrite {
        let hlc = Hlc { ms: at(0).unix_ms(), count: 0, node: by.uuid().into() };
        let value = Some(value).filter(|value| !value.is_null());
        StateWrite {
            org: self.org,
            user: self.user,
            key: key.parse().expect("a key of the cases"),
            write: Write {
                base_version: base,
                value,
                hlc,
                device_id: by,
                device_name: "nul \0 and ✓".into(),
            },
            limits: StateLimits { keys: 100, bytes: 100_000 },
        }
    }

    async fn set(
        &self,
        by: DeviceId,
        key: &str,
        (base, value): (Option<u64>, Value),
        now: i64,
    ) -> Result<StateSetReply, Error> {
        let mut write = self.state_write(by, key, base, value);
        write.write.hlc.ms = at(now).unix_ms();
        self.store.set_state(write, at(now)).await
    }
}

/// Versions are one row for all keys; the register, the page and the fact say the same.
pub async fn state_is_written_in_one_order(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let dark = world.set(world.phone, "pref:theme", (Some(0), json!("dark \0")), 1).await?;
    let pin = world.set(world.runner, "pin:p/1", (None, json!({ "at": 1 })), 2).await?;
    let light = world.set(world.runner, "pref:theme", (Some(1), json!("light")), 3).await?;
    let versions = [&dark, &pin, &light].map(|reply| reply.register.version);
    assert_eq!(versions, [1, 2, 3]);
    assert_eq!(light.verdict, StateVerdict::Written);
    assert_eq!(light.register.device_id, world.runner);
    assert_eq!(light.register.device_name, "nul \0 and ✓");
    let late = world.set(world.phone, "pref:theme", (Some(1), json!("grey")), 2).await?;
    assert_eq!((late.verdict, &late.register), (StateVerdict::Superseded, &light.register));
    let page = world.store.state(world.org, world.user, None).await?;
    assert_eq!(page.registers, [pin.register.clone(), light.register.clone()]);
    assert!(!page.more);
    let gone = world.set(world.phone, "pin:p/1", (Some(2), Value::Null), 4).await?;
    let all = world.store.state(world.org, world.user, None).await?.registers;
    assert_eq!(all, [light.register]);
    let later = world.store.state(world.org, world.user, Some(3)).await?.registers;
    assert_eq!(later, std::slice::from_ref(&gone.register));
    let one = world.store.state_register(world.org, world.user, &gone.register.key).await?;
    assert_eq!(one.map(|one| one.value), Some(None));
    assert_eq!(world.told(Topic::User(world.user)).await?, ["state_changed"; 4]);
    for (org, user) in [(OrgId::generate(), world.user), (world.org, UserId::generate())] {
        assert!(world.store.state(org, user, None).await?.registers.is_empty());
        let one = world.store.state_register(org, user, &gone.register.key).await?;
        assert_eq!(one, None);
    }
    Ok(())
}

/// What is typed on two screens at once stands side by side, and a repetition changes nothing.
pub async fn a_draft_typed_twice_keeps_both_texts(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let key = "draft:0190";
    world.set(world.phone, key, (Some(0), json!("from the phone")), 1).await?;
    let both = world.set(world.runner, key, (Some(0), json!("from the box")), 2).await?;
    assert_eq!(both.verdict, StateVerdict::Conflict);
    assert_eq!(both.register.value, Some(json!("from the box")));
    let other = both.register.others.first().ok_or("the other text is lost")?;
    assert_eq!((other.text.as_str(), other.device_id), ("from the phone", world.phone));
    let again = world.set(world.phone, key, (Some(0), json!("from the phone")), 1).await?;
    assert_eq!((again.verdict, &again.register), (StateVerdict::Known, &both.register));
    let chosen = world.set(world.phone, key, (Some(2), json!("one of them")), 3).await?;
    assert!(chosen.register.others.is_empty());
    assert_eq!(world.told(Topic::User(world.user)).await?.len(), 3);
    for copy in 0..9 {
        let mut write = world.state_write(world.phone, key, Some(0), json!(copy.to_string()));
        write.write.hlc.node = ReplicaId::generate();
        let reply = world.store.set_state(write, at(4)).await;
        match copy < 7 {
            true => assert_eq!(reply?.verdict, StateVerdict::Conflict),
            false => assert_refused!(reply, Refusal::DraftTexts { limit: 8 }),
        }
    }
    Ok(())
}

/// A limit refuses and changes nothing; what was deleted long ago makes room.
pub async fn state_is_limited(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let limited = |key: &str, value: Value| {
        let mut write = world.state_write(world.phone, key, None, value);
        write.write.hlc.node = ReplicaId::generate();
        write.limits = StateLimits { keys: 2, bytes: 4_000 };
        write
    };
    let set = |key: &str, value, now| world.store.set_state(limited(key, value), at(now));
    set("pref:a", json!(1), 1).await?;
    set("pref:b", json!(1), 1).await?;
    let full = set("pref:c", json!(1), 2).await;
    assert_refused!(full, Refusal::StateLimit { name: "state_keys", value: 2 });
    let large = set("pref:a", json!("x".repeat(5_000)), 2).await;
    assert_refused!(large, Refusal::StateLimit { name: "state_bytes", value: 4_000 });
    let deleted = world.set(world.phone, "pref:a", (Some(1), Value::Null), 3).await?;
    assert_eq!(deleted.register.version, 3);
    let soon = set("pref:c", json!(1), 4).await;
    assert_refused!(soon, Refusal::StateLimit { name: "state_keys", .. });
    let later = set("pref:c", json!(1), 91 * DAY_MS).await?;
    assert_eq!(later.register.version, 4);
    Ok(())
}

/// Writes from everywhere at once: every version is given once, and all agree on the end.
pub async fn concurrent_writes_are_put_in_order(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let writes = (0..24_i64).map(|n| {
        let mut write = world.state_write(world.phone, "pref:theme", Some(0), json!(n));
        write.write.hlc = Hlc { ms: at(n).unix_ms(), count: 0, node: ReplicaId::generate() };
        world.store.set_state(write, at(30))
    });
    let replies = futures::future::try_join_all(writes).await?;
    let mut given: Vec<_> = replies
        .iter()
        .filter(|reply| reply.verdict == StateVerdict::Written)
        .map(|reply| reply.register.version)
        .collect();
    given.sort_unstable();
    assert_eq!(given, (1..=given.len() as u64).collect::<Vec<_>>());
    let page = world.store.state(world.org, world.user, None).await?;
    assert_eq!(page.registers.len(), 1);
    assert_eq!(page.registers[0].value, Some(json!(23)), "the last by its clock");
    Ok(())
}

/// Pages go on where they end.
pub async fn state_comes_in_pages(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    for n in 0..20 {
        let mut write = world.state_write(
            world.phone,
            &format!("pref:{n}"),
            Some(0),
            json!("x".repeat(40_000)),
        );
        write.limits.bytes = 10_000_000;
        write.write.hlc.count = n;
        world.store.set_state(write, at(1)).await?;
    }
    let first = world.store.state(world.org, world.user, None).await?;
    assert!(first.more && first.registers.len() < 20);
    let last = first.registers.last().map(|register| register.version);
    let rest = world.store.state(world.org, world.user, last).await?;
    assert!(!rest.more);
    assert_eq!(first.registers.len() + rest.registers.len(), 20);
    Ok(())
}
