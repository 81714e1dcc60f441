//! Web Push: how devices subscribe, and how what happens reaches those nobody looks at.
//!
//! [`follow`] hears of committed facts and asks `afield-flow` who is told what; [`deliver`] sends it.
//! Nobody asks this module to notify: it follows events like any client. What waits to be sent is in
//! memory: a server that stops in between leaves it out, and what it was about still stands in the
//! lists.

mod deliver;
mod endpoint;
pub(crate) mod follow;
mod key;
mod post;
mod seal;
mod zone;

use std::sync::atomic::AtomicU64;

use afield_proto::push::{PushDelivery, PushKeys, PushMessage, PushSettings, PushState};
use afield_proto::request::{
    DeviceLooking, Empty, PushKeyReply, PushLog, PushLogReply, PushSettingsAsk, PushSubscribe,
};
use afield_proto::{ErrorBody, ErrorCode, Timestamp};
use afield_store::PushSubscription;
use serde_json::json;
use tokio::sync::mpsc;

use crate::core::Core;
use crate::error::{Error, from_store, invalid, not_found};
use crate::options::Options;
use crate::socket::conn::{Actor, Conn};

use self::deliver::Patience;
use self::endpoint::Endpoint;
use self::follow::Noted;
use self::key::PushKey;
use self::seal::Receiver;

/// Facts that may wait to be looked at. More at once than that are not told.
const NOTED_MAX: usize = 1024;
/// Lines of the delivery log in one answer; as many as are kept.
const LOG_MAX: u32 = 100;
/// A test follows on another after this: who presses a button is patient, who has a loop is not.
const TEST_INTERVAL_MS: u64 = 5_000;

/// What sending needs, and where facts are handed in.
pub(crate) struct Push {
    key: PushKey,
    post: post::Post,
    noted: mpsc::Sender<Noted>,
    /// Facts that found no room there.
    left_out: AtomicU64,
}

impl Push {
    /// With the key in the data directory; the receiver is for [`follow::run`].
    ///
    /// **Errors**: those of the key's file.
    pub(crate) fn load(options: &Options) -> Result<(Self, mpsc::Receiver<Noted>), Error> {
        let (noted, receiver) = mpsc::channel(NOTED_MAX);
        let key = PushKey::load(&options.data_dir)?;
        let post = post::Post::new(options.push.private_addresses);
        Ok((Self { key, post, noted, left_out: AtomicU64::new(0) }, receiver))
    }
}

/// `push_key`
pub(crate) fn key(core: &Core) -> PushKeyReply {
    PushKeyReply { public_key: core.push.key.public().to_owned() }
}

/// `push_subscribe`
pub(crate) async fn subscribe(
    core: &Core,
    actor: &Actor,
    ask: PushSubscribe,
) -> Result<PushState, ErrorBody> {
    let PushSubscribe { endpoint, keys, settings } = ask;
    Endpoint::parse(&endpoint, core.options.push.private_addresses)
        .map_err(|unfit| invalid(format!("endpoint: {unfit}")))?;
    check_keys(&keys)?;
    settings.as_ref().map_or(Ok(()), check_settings)?;
    let subscription = PushSubscription { endpoint, keys };
    let (org, device, now) = (actor.org, actor.device, Timestamp::now());
    let state = core.store.push_subscribe(org, device, subscription, settings, now).await;
    state.map_err(from_store)
}

fn check_keys(keys: &PushKeys) -> Result<(), ErrorBody> {
    let found = Receiver::read(keys);
    found.map(drop).map_err(|unfit| invalid(format!("keys: {unfit}")))
}

fn check_settings(settings: &PushSettings) -> Result<(), ErrorBody> {
    let Some(quiet) = &settings.quiet else { return Ok(()) };
    if zone::is_known(&quiet.time_zone) {
        return Ok(());
    }
    let shown = afield_proto::device::shown_name(&quiet.time_zone);
    Err(invalid(format!("quiet: there is no time zone {shown:?} (such as Europe/Berlin)")))
}

/// `push_unsubscribe`
pub(crate) async fn unsubscribe(core: &Core, actor: &Actor) -> Result<PushState, ErrorBody> {
    core.store.push_unsubscribe(actor.org, actor.device).await.map_err(from_store)
}

/// `push_settings`
pub(crate) async fn settings(
    core: &Core,
    actor: &Actor,
    ask: PushSettingsAsk,
) -> Result<PushState, ErrorBody> {
    let state = match ask.settings {
        Some(settings) => {
            check_settings(&settings)?;
            core.store.push_settings(actor.org, actor.device, settings).await
        }
        None => core.store.push_state(actor.org, actor.device).await,
    };
    state.map_err(from_store)
}

/// `push_test`: sent once, so that the answer comes soon.
pub(crate) async fn test(core: &Core, actor: &Actor) -> Result<PushDelivery, ErrorBody> {
    let now = Timestamp::now();
    let listener = core.store.push_listener(actor.device, now).await.map_err(from_store)?;
    let listener = listener.ok_or_else(|| not_found("subscription; push_subscribe makes one"))?;
    let log = core.store.push_log(actor.org, actor.device, LOG_MAX).await.map_err(from_store)?;
    let last = log.iter().find(|delivery| delivery.kind.is_none()).map(|test| test.at);
    check_interval(last, now)?;
    let message = PushMessage {
        kind: None,
        title: "Afield".to_owned(),
        body: format!("{} is notified.", actor.device_name),
        tag: "test".to_owned(),
        count: 1,
        at: now,
        project_id: None,
        runner_id: None,
        command_id: None,
        approval_id: None,
        danger: None,
        token: None,
    };
    Ok(deliver::deliver(core, &listener, &message, Patience::Once).await)
}

/// **Errors**: RATE_LIMITED, with the time to wait.
fn check_interval(last: Option<Timestamp>, now: Timestamp) -> Result<(), ErrorBody> {
    let since = last
        .map_or(u64::MAX, |last| u64::try_from(now.since(last).as_millis()).unwrap_or(u64::MAX));
    if since >= TEST_INTERVAL_MS {
        return Ok(());
    }
    let wait_ms = TEST_INTERVAL_MS - since;
    let message = format!("the last test was a moment ago; try again in {wait_ms} ms");
    Err(ErrorBody::new(ErrorCode::RateLimited, message)
        .with_details(json!({ "limit": "push_test_interval", "retry_after_ms": wait_ms })))
}

/// `push_log`
pub(crate) async fn log(
    core: &Core,
    actor: &Actor,
    ask: PushLog,
) -> Result<PushLogReply, ErrorBody> {
    let limit = ask.limit.unwrap_or(LOG_MAX).min(LOG_MAX);
    let deliveries = core.store.push_log(actor.org, actor.device, limit).await;
    Ok(PushLogReply { deliveries: deliveries.map_err(from_store)? })
}

/// `device_looking`
pub(crate) fn looking(conn: &Conn, ask: &DeviceLooking) -> Empty {
    conn.set_looking(ask.visible);
    Empty {}
}
