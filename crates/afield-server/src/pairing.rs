//! Pairing: a trusted device starts it, a new one claims it, a trusted one decides; or it is a link,
//! which was decided when it was made.
//!
//! The claim is the one thing of weight that is answered without a credential: it is counted per
//! address and in all before anything is looked up.

mod link;

use std::net::IpAddr;
use std::time::Duration;

use afield_proto::device::{DeviceKind, Scope, is_name};
use afield_proto::pairing::{
    CODE_FRONT, CODE_LENGTH, CODE_LETTERS, Claim, PairClaim, PairClaimReply, Pairing, normal_code,
};
use afield_proto::proof::{claim_statement, match_digits, match_text, server_statement};
use afield_proto::request::{
    DevicePairDecide, DevicePairListReply, DevicePairStart, DevicePairStartReply, DevicePairStatus,
};
use afield_proto::{ErrorBody, ErrorCode, PairingId, Timestamp};
use afield_store::{Claimed, Coming, Decision, Entry, NewPairing, PairingRecord, ShownSecret};
use aws_lc_rs::rand;

use crate::auth::key::{self, sha256};
use crate::auth::token::{self, Secret};
use crate::auth::{replay, stale};
use crate::core::Core;
use crate::devices::{bad_name, check_scopes};
use crate::error::{from_store, invalid};
use crate::socket::conn::Actor;
pub(crate) use link::{Maker, link, new_link};

/// How long a pairing waits.
const PAIRING_LIFE: Duration = Duration::from_secs(10 * 60);
/// Longest text a device says about its machine, in bytes.
const ABOUT_BYTES_MAX: usize = 100;

/// `device_pair_start`
pub(crate) async fn start(
    core: &Core,
    actor: &Actor,
    ask: DevicePairStart,
) -> Result<DevicePairStartReply, ErrorBody> {
    if ask.name.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(bad_name());
    }
    check_scopes(actor, ask.scopes)?;
    if ask.scopes.has(Scope::Runner) && ask.scopes.iter().count() > 1 {
        return Err(invalid("a runner has the scope runner and no other"));
    }
    let (secret, code, now) = (Secret::generate(), new_code(), Timestamp::now());
    let new = NewPairing {
        org: actor.org,
        user: actor.user,
        created_by: actor.device,
        secret_hash: secret.hash(),
        entry: Entry::Decided {
            front_hash: sha256(&code.as_bytes()[..CODE_FRONT]),
            code_hash: sha256(code.as_bytes()),
        },
        name: ask.name,
        scopes: ask.scopes,
        expires_at: now.plus(PAIRING_LIFE),
    };
    let open_max = core.limits().pairings_open;
    let pairing = core.store.create_pairing(new, open_max, now).await.map_err(from_store)?;
    tracing::info!(pairing = %pairing.id, by = %actor.device, "pairing started");
    let server_fingerprint = core.key.fingerprint();
    Ok(DevicePairStartReply {
        pairing,
        secret: secret.token(),
        code: shown(&code),
        server_fingerprint,
    })
}

/// Letters drawn evenly: bytes that would favour some are thrown away.
fn new_code() -> String {
    let mut code = String::with_capacity(CODE_LENGTH);
    let (letters, mut bytes) = (CODE_LETTERS.len(), [0_u8; 32]);
    while code.len() < CODE_LENGTH {
        rand::fill(&mut bytes).expect("the operating system gives random bytes");
        let even = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < 12 * letters);
        let missing = CODE_LENGTH - code.len();
        code.extend(even.take(missing).map(|byte| CODE_LETTERS[byte % letters]));
    }
    code
}

/// A code as it is shown: in two halves.
fn shown(code: &str) -> String {
    let (front, back) = code.split_at(CODE_FRONT);
    format!("{front}-{back}")
}

/// The digits both screens show.
fn digits(core: &Core, public_key: &[u8], id: PairingId) -> String {
    let text = match_text(core.key.public(), &key::written(public_key), id);
    match_digits(&sha256(text.as_bytes()))
}

fn seen(core: &Core, record: PairingRecord) -> Pairing {
    let PairingRecord { pairing, public_key, .. } = record;
    let digits = public_key.map(|key| digits(core, &key, pairing.id));
    Pairing { digits, ..pairing }
}

/// `device_pair_status`
pub(crate) async fn status(
    core: &Core,
    actor: &Actor,
    ask: DevicePairStatus,
) -> Result<Pairing, ErrorBody> {
    let found = core.store.pairing(actor.org, ask.pairing_id).await.map_err(from_store)?;
    Ok(seen(core, found))
}

/// `device_pair_list`
pub(crate) async fn list(core: &Core, actor: &Actor) -> Result<DevicePairListReply, ErrorBody> {
    let found = core.store.pairings(actor.org, Timestamp::now()).await.map_err(from_store)?;
    Ok(DevicePairListReply { pairings: found.into_iter().map(|one| seen(core, one)).collect() })
}

/// `device_pair_decide`: who lets a device in has seen its digits.
pub(crate) async fn decide(
    core: &Core,
    actor: &Actor,
    ask: DevicePairDecide,
) -> Result<Pairing, ErrorBody> {
    let found = core.store.pairing(actor.org, ask.pairing_id).await.map_err(from_store)?;
    let let_in = match ask.approve {
        true => Some(matched(core, actor, &found, ask.digits.as_deref())?),
        false => None,
    };
    let (org, id, by) = (actor.org, ask.pairing_id, actor.device);
    let token_hash = Secret::generate().hash();
    let decision = Decision { org, id, by, let_in, token_hash };
    let decided = core.store.decide_pairing(decision, Timestamp::now()).await;
    let record = decided.map_err(from_store)?;
    begin_anew(core, &record.pairing);
    Ok(seen(core, record))
}

/// The key of the device that came, when its digits were given.
///
/// **Errors**: VALIDATION_FAILED for other digits; FORBIDDEN for scopes the decider has not.
fn matched(
    core: &Core,
    actor: &Actor,
    found: &PairingRecord,
    given: Option<&str>,
) -> Result<Vec<u8>, ErrorBody> {
    check_scopes(actor, found.pairing.scopes)?;
    let Some(key) = &found.public_key else {
        return Err(ErrorBody::new(ErrorCode::Conflict, "no device has come yet"));
    };
    if given.map(str::trim) != Some(digits(core, key, found.pairing.id).as_str()) {
        let message = "the digits are not those of the device that came; compare both screens";
        return Err(invalid(message));
    }
    Ok(key.clone())
}

/// `POST /api/v1/pair`: a new device comes, or asks how far it is.
///
/// **Errors**: UNAUTHORIZED, the same for every code and secret that is not (or no longer) one.
pub(crate) async fn claim(
    core: &Core,
    ask: PairClaim,
    address: IpAddr,
) -> Result<PairClaimReply, ErrorBody> {
    core.throttle.check_auth(address)?;
    let public_key = check_claim(core, &ask)?;
    core.pairing_try(address)?;
    let Some(shown) = shown_secret(&ask.secret) else { return Err(wrong(core, address)) };
    let PairClaim { name, kind, about, .. } = ask;
    let claim = Claim { name, kind, about, address: address.to_string() };
    let token_hash = Secret::generate().hash();
    let coming = Coming { shown, public_key: public_key.clone(), claim, token_hash };
    let claimed = core.store.claim_pairing(coming, Timestamp::now()).await.map_err(from_store)?;
    let record = match claimed {
        Claimed::No => return Err(wrong(core, address)),
        Claimed::Yes(record) => *record,
        Claimed::LetIn(record) => {
            begin_anew(core, &record.pairing);
            *record
        }
    };
    core.throttle.pairing_done(address);
    Ok(reply(core, record, &public_key, &ask.nonce))
}

/// A device was let in: what the same key opened with other scopes ends.
fn begin_anew(core: &Core, pairing: &Pairing) {
    if let Some(device) = pairing.device_id {
        core.renew_device(device);
        tracing::info!(%device, pairing = %pairing.id, "device paired");
    }
}

fn reply(core: &Core, record: PairingRecord, public_key: &[u8], nonce: &str) -> PairClaimReply {
    let Pairing { id, state, scopes, expires_at, device_id, .. } = record.pairing;
    let said = server_statement(core.key.public(), &key::written(public_key), nonce, id);
    let server_signature = core.key.sign(&said);
    PairClaimReply { pairing_id: id, state, scopes, expires_at, device_id, server_signature }
}

fn wrong(core: &Core, address: IpAddr) -> ErrorBody {
    core.auth_failed(address);
    let message = "this code or link is wrong, used or over; get a new one with: afield pair (or for a \
        browser: afield link)";
    ErrorBody::new(ErrorCode::Unauthorized, message)
}

fn shown_secret(text: &str) -> Option<ShownSecret> {
    if let Some(hash) = token::hash(text.trim()) {
        return Some(ShownSecret::Secret(hash));
    }
    let code = normal_code(text)?;
    let front = sha256(&code.as_bytes()[..CODE_FRONT]);
    Some(ShownSecret::Code { front, whole: sha256(code.as_bytes()) })
}

/// The key the new device showed that it holds.
fn check_claim(core: &Core, ask: &PairClaim) -> Result<Vec<u8>, ErrorBody> {
    if !is_name(&ask.name) {
        return Err(bad_name());
    }
    if ask.kind == DeviceKind::Console {
        return Err(invalid("the console is the server's own and is not paired"));
    }
    let texts = [&ask.about.system, &ask.about.version];
    if texts.iter().any(|text| text.len() > ABOUT_BYTES_MAX || !(text.is_empty() || is_name(text)))
    {
        let max = ABOUT_BYTES_MAX;
        return Err(invalid(format!("system and version are plain texts of up to {max} bytes")));
    }
    let public_key = key::public_key(&ask.public_key)
        .ok_or_else(|| invalid("public_key must be an Ed25519 key, 32 bytes in base64url"))?;
    let now = Timestamp::now();
    if !core.key.is_current(&ask.challenge) || replay::check_time(ask.time, now).is_err() {
        return Err(stale(core, now));
    }
    let PairClaim { challenge, public_key: written, time, nonce, secret, .. } = ask;
    let said = claim_statement(core.key.public(), challenge, written, *time, nonce, secret);
    if !key::signed(&public_key, &said, &ask.signature) {
        return Err(invalid("the signature is not by the key that is named"));
    }
    Ok(public_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_typable_and_differ() {
        let codes: std::collections::HashSet<_> = (0..1000).map(|_| new_code()).collect();
        assert_eq!(codes.len(), 1000);
        let mut letters = std::collections::HashMap::new();
        for code in &codes {
            assert_eq!(normal_code(&shown(code)).as_ref(), Some(code));
            code.chars().for_each(|letter| *letters.entry(letter).or_insert(0) += 1);
        }
        // 8,000 letters of 20: about 400 each.
        assert_eq!(letters.len(), CODE_LETTERS.len());
        assert!(letters.values().all(|count| (250..550).contains(count)), "{letters:?}");
    }
}
