//! Pairings: one use, few tries, a short life; and devices that come back.

use afield_proto::device::{CredentialKind, DeviceAbout, DeviceKind, Scopes};
use afield_proto::pairing::{CODE_TRIES, Claim, Pairing, PairingState};
use afield_proto::{DeviceId, OrgId, PairingId, Topic};
use serde_json::to_value;

use super::world::assert_refused;
use super::{Outcome, Place, World, at};
use crate::{
    Claimed, Coming, Decision, Entry, Error, NewPairing, PairingRecord, Refusal, ShownSecret,
};

const OPEN_MAX: u64 = 3;

fn scopes(text: &str) -> Scopes {
    text.parse().unwrap_or(Scopes::NONE)
}

/// A pairing whose secret, front and code are these bytes.
fn new(world: &World, byte: u8) -> NewPairing {
    NewPairing {
        org: world.org,
        user: world.user,
        created_by: world.phone,
        secret_hash: [byte; 32],
        entry: Entry::Decided { front_hash: [byte + 100; 32], code_hash: [byte + 50; 32] },
        name: None,
        scopes: scopes("view,prompt"),
        expires_at: at(100),
    }
}

fn claim(name: &str) -> Claim {
    let about = DeviceAbout { system: "linux".into(), version: "1".into() };
    Claim { name: name.into(), kind: DeviceKind::Cli, about, address: "192.0.2.1".into() }
}

async fn start(world: &World, byte: u8) -> Result<Pairing, Error> {
    world.store.create_pairing(new(world, byte), OPEN_MAX, at(1)).await
}

async fn come(world: &World, shown: ShownSecret, key: u8, ms: i64) -> Result<Claimed, Error> {
    let (public_key, claim) = (vec![key; 32], claim("laptop"));
    let coming = Coming { shown, public_key, claim, token_hash: random_hash() };
    world.store.claim_pairing(coming, at(ms)).await
}

fn random_hash() -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(DeviceId::generate().uuid().as_bytes());
    hash
}

fn code(byte: u8, whole: u8) -> ShownSecret {
    ShownSecret::Code { front: [byte + 100; 32], whole: [whole; 32] }
}

fn decision(world: &World, id: PairingId, key: Option<u8>) -> Decision {
    let let_in = key.map(|key| vec![key; 32]);
    Decision { org: world.org, id, by: world.phone, let_in, token_hash: random_hash() }
}

async fn paired(world: &World, byte: u8, key: u8) -> Result<afield_proto::device::Device, Error> {
    let id = start(world, byte).await?.id;
    come(world, ShownSecret::Secret([byte; 32]), key, 2).await?;
    let record = world.store.decide_pairing(decision(world, id, Some(key)), at(3)).await?;
    let device = record.pairing.device_id.ok_or(Refusal::DeviceNotFound)?;
    let found = world.store.device_by_id(device).await?.ok_or(Refusal::DeviceNotFound)?;
    Ok(found.device)
}

fn yes(claimed: Claimed) -> Result<PairingRecord, String> {
    match claimed {
        Claimed::Yes(record) => Ok(*record),
        Claimed::LetIn(_) => Err("nobody decided".into()),
        Claimed::No => Err("the claim was not taken".into()),
    }
}

/// By secret or by code, once; the same key may ask again.
pub async fn a_pairing_is_claimed_once(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    for (byte, shown) in [(1, ShownSecret::Secret([1; 32])), (2, code(2, 52))] {
        let made = start(&world, byte).await?;
        assert_eq!((made.state, made.claim, made.device_id), (PairingState::Open, None, None));
        let record = yes(come(&world, shown, 7, 2).await?)?;
        assert_eq!(record.pairing.state, PairingState::Claimed);
        assert_eq!(record.pairing.claim, Some(claim("laptop")));
        assert_eq!(come(&world, shown, 8, 3).await?, Claimed::No, "by another key");
        assert_eq!(yes(come(&world, shown, 7, 4).await?)?, record, "by the same key");
        let found = world.store.pairing(world.org, made.id).await?;
        assert_eq!(found, record);
        assert_eq!(come(&world, shown, 7, 100).await?, Claimed::No, "it is over");
    }
    assert_refused!(
        world.store.pairing(OrgId::generate(), PairingId::generate()).await,
        Refusal::PairingNotFound
    );
    Ok(())
}

/// Five codes with the right first half lock it; others do not touch it.
pub async fn a_code_endures_few_tries(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let id = start(&world, 1).await?.id;
    for _ in 0..20 {
        assert_eq!(come(&world, code(99, 51), 7, 2).await?, Claimed::No);
    }
    for _ in 1..CODE_TRIES {
        assert_eq!(come(&world, code(1, 9), 7, 2).await?, Claimed::No);
    }
    assert_eq!(world.store.pairing(world.org, id).await?.pairing.state, PairingState::Open);
    assert_eq!(come(&world, code(1, 9), 7, 2).await?, Claimed::No);
    assert_eq!(world.store.pairing(world.org, id).await?.pairing.state, PairingState::Locked);
    assert_eq!(come(&world, code(1, 51), 7, 2).await?, Claimed::No, "the right one comes too late");
    assert_eq!(come(&world, ShownSecret::Secret([1; 32]), 7, 2).await?, Claimed::No);
    let last = world.store.audit_entries(world.org, None, 1).await?;
    assert_eq!(last[0].entry.what.name(), "pairing_locked");
    Ok(())
}

/// Only so many wait at once.
pub async fn open_pairings_are_limited(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    for byte in 1..=3 {
        start(&world, byte).await?;
    }
    assert_refused!(start(&world, 4).await, Refusal::PairingLimit { limit: OPEN_MAX });
    assert_eq!(world.store.pairings(world.org, at(50)).await?.len(), 3);
    assert!(world.store.pairings(world.org, at(100)).await?.is_empty());
    world.store.create_pairing(new(&world, 4), OPEN_MAX, at(100)).await?;
    Ok(())
}

/// Whoever decides lets in the key that was seen, or nobody.
pub async fn a_pairing_is_decided_once(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let id = start(&world, 1).await?.id;
    let nobody = world.store.decide_pairing(decision(&world, id, Some(7)), at(2)).await;
    assert_refused!(nobody, Refusal::NotPossible { .. });
    come(&world, ShownSecret::Secret([1; 32]), 7, 2).await?;
    let other = world.store.decide_pairing(decision(&world, id, Some(8)), at(3)).await;
    assert_refused!(other, Refusal::NotPossible { .. });
    let foreign = Decision { org: OrgId::generate(), ..decision(&world, id, Some(7)) };
    assert_refused!(world.store.decide_pairing(foreign, at(3)).await, Refusal::PairingNotFound);
    let record = world.store.decide_pairing(decision(&world, id, Some(7)), at(3)).await?;
    let device = record.pairing.device_id.ok_or("no device")?;
    let found = world.store.device_by_id(device).await?.ok_or("not found")?;
    assert_eq!((found.org, found.public_key), (world.org, Some(vec![7; 32])));
    let device = found.device;
    assert_eq!((device.credential, device.scopes), (CredentialKind::Key, scopes("view,prompt")));
    assert_eq!((device.name.as_str(), device.kind), ("laptop", DeviceKind::Cli));
    let again = world.store.decide_pairing(decision(&world, id, Some(7)), at(4)).await;
    assert_refused!(again, Refusal::NotPossible { .. });
    let refused = start(&world, 2).await?.id;
    come(&world, ShownSecret::Secret([2; 32]), 9, 2).await?;
    let pairing = world.store.decide_pairing(decision(&world, refused, None), at(3)).await?.pairing;
    assert_eq!((pairing.state, pairing.device_id), (PairingState::Refused, None));
    Ok(())
}

/// A key that was thrown out or forgotten is the same device when it is paired again, and is told so.
pub async fn a_device_that_comes_back_is_no_ghost(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let before = world.store.devices(world.org).await?.len();
    let first = paired(&world, 1, 7).await?;
    for (byte, forget) in [(2, false), (3, true)] {
        world.store.revoke_device(world.org, first.id, world.phone, forget, at(4)).await?;
        let shown = world.store.devices(world.org).await?.len();
        assert_eq!(shown, before + usize::from(!forget));
        let again = paired(&world, byte, 7).await?;
        assert_eq!((again.id, again.revoked_at), (first.id, None));
        assert_eq!(world.store.devices(world.org).await?.len(), before + 1);
    }
    // Also one that never left.
    assert_eq!(paired(&world, 4, 7).await?.id, first.id);
    assert_eq!(world.store.devices(world.org).await?.len(), before + 1);
    let told = world.told(Topic::Org(world.org)).await?;
    let (state, gone) = ("device_state", "device_gone");
    assert_eq!(told[before..], [state, state, state, gone, state, state]);
    let told = world.said(Topic::Org(world.org), state).await?;
    let kept = &world.store.devices(world.org).await?[before];
    assert_eq!(told.last(), Some(&to_value(kept)?));
    Ok(())
}

/// What a device had begun ends when it is thrown out.
pub async fn a_revoked_device_pairs_nobody(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let id = start(&world, 1).await?.id;
    world.store.revoke_device(world.org, world.phone, world.phone, false, at(2)).await?;
    assert_eq!(world.store.pairing(world.org, id).await?.pairing.state, PairingState::Refused);
    assert_eq!(come(&world, ShownSecret::Secret([1; 32]), 7, 3).await?, Claimed::No);
    Ok(())
}

async fn start_link(world: &World, byte: u8) -> Result<PairingId, Error> {
    let new = NewPairing { entry: Entry::Link, ..new(world, byte) };
    Ok(world.store.create_pairing(new, OPEN_MAX, at(1)).await?.id)
}

/// Without a decision, once, and by its secret only; the same key may ask again.
pub async fn a_link_lets_one_device_in_at_once(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let id = start_link(&world, 1).await?;
    let typed = ShownSecret::Code { front: [1; 32], whole: [2; 32] };
    assert_eq!(come(&world, typed, 7, 2).await?, Claimed::No, "it has no code");
    let shown = ShownSecret::Secret([1; 32]);
    let Claimed::LetIn(record) = come(&world, shown, 7, 2).await? else {
        return Err("it was not let in".into());
    };
    assert_eq!((record.pairing.id, record.pairing.state), (id, PairingState::Approved));
    let device = record.pairing.device_id.ok_or("no device")?;
    let found = world.store.device_by_id(device).await?.ok_or("not found")?;
    assert_eq!((found.org, found.public_key), (world.org, Some(vec![7; 32])));
    assert_eq!(found.device.scopes, scopes("view,prompt"));
    assert_eq!(yes(come(&world, shown, 7, 3).await?)?, *record, "it asks again");
    assert_eq!(come(&world, shown, 8, 3).await?, Claimed::No, "by another key");
    assert_eq!(come(&world, shown, 7, 100).await?, Claimed::No, "it is over");
    let said = world.store.audit_entries(world.org, None, 3).await?;
    let said: Vec<_> =
        said.iter().map(|record| (record.entry.what.name(), record.entry.by)).collect();
    let by = Some(world.phone);
    let expected = [("link_created", by), ("pairing_claimed", None), ("device_paired", by)];
    assert_eq!(said, expected);
    Ok(())
}

/// A link is void once the device that made it is thrown out, or could not make it any more.
pub async fn a_link_gives_what_its_maker_has_when_it_is_used(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    for (byte, left) in [(1, "view,admin"), (2, "view,prompt")] {
        let id = start_link(&world, byte).await?;
        let set = async |scopes| {
            world
                .store
                .set_device_scopes(world.org, world.phone, world.runner, None, scopes, at(2))
                .await
        };
        set(scopes(left)).await?;
        let shown = ShownSecret::Secret([byte; 32]);
        assert_eq!(come(&world, shown, 7, 3).await?, Claimed::No, "made with more than {left}");
        set(scopes("all")).await?;
        assert_eq!(come(&world, shown, 7, 4).await?, Claimed::No, "it was refused for good");
        let state = world.store.pairing(world.org, id).await?.pairing.state;
        assert_eq!(state, PairingState::Refused);
    }
    start_link(&world, 3).await?;
    world.store.revoke_device(world.org, world.phone, world.runner, false, at(5)).await?;
    assert_eq!(come(&world, ShownSecret::Secret([3; 32]), 7, 6).await?, Claimed::No);
    Ok(())
}

/// Scopes and names change where the device is; elsewhere there is none.
pub async fn devices_are_changed_in_their_org(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (store, by) = (&world.store, world.runner);
    let changed =
        store.set_device_scopes(world.org, world.phone, by, None, scopes("view"), at(2)).await?;
    assert_eq!(changed.scopes, scopes("view"));
    assert_eq!(store.rename_device(world.org, world.phone, by, "tab", at(3)).await?.name, "tab");
    let other = OrgId::generate();
    let refused =
        store.set_device_scopes(other, world.phone, by, None, scopes("view"), at(2)).await;
    assert_refused!(refused, Refusal::DeviceNotFound);
    let refused = store.rename_device(other, world.phone, by, "x", at(2)).await;
    assert_refused!(refused, Refusal::DeviceNotFound);
    let said: Vec<_> = store.audit_entries(world.org, None, 2).await?;
    let said: Vec<_> = said.iter().map(|record| record.entry.what.name()).collect();
    assert_eq!(said, ["scopes_changed", "device_renamed"]);
    Ok(())
}
