//! Web Push: subscriptions of devices, what they want to be told, and the log of what was sent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use afield_proto::device::Scopes;
use afield_proto::push::{PushDelivery, PushKeys, PushSettings, PushState};
use afield_proto::{DeviceId, OrgId, Timestamp, Topic};

use crate::sql::{Row, params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Store};

/// Lines kept of each device's delivery log: enough to see why something did not come.
const LOG_MAX: u32 = 100;

statements! {
    STATE = "SELECT settings, endpoint, subscribed_at FROM push_devices \
        WHERE org_id = ?1 AND device_id = ?2";
    /// A browser has one subscription: paired anew, it is another device with the same one.
    LEAVE_OTHERS = "UPDATE push_devices SET endpoint = NULL, keys = NULL, subscribed_at = NULL \
        WHERE org_id = ?1 AND device_id <> ?2 AND endpoint = ?3";
    SUBSCRIBE = "INSERT INTO push_devices (device_id, org_id, settings, endpoint, keys, subscribed_at) \
        VALUES (?2, ?1, ?3, ?4, ?5, ?6) ON CONFLICT (device_id) DO UPDATE SET \
        settings = ?3, endpoint = ?4, keys = ?5, subscribed_at = ?6";
    UNSUBSCRIBE = "UPDATE push_devices SET endpoint = NULL, keys = NULL, subscribed_at = NULL \
        WHERE org_id = ?1 AND device_id = ?2";
    GONE = "UPDATE push_devices SET endpoint = NULL, keys = NULL, subscribed_at = NULL \
        WHERE device_id = ?1 AND endpoint = ?2";
    SET_SETTINGS = "INSERT INTO push_devices (device_id, org_id, settings) VALUES (?2, ?1, ?3) \
        ON CONFLICT (device_id) DO UPDATE SET settings = ?3";
    ORG_OF_PROJECT = "SELECT org_id FROM projects WHERE id = ?1 AND deleted_at IS NULL";
    NAME_OF_DEVICE = "SELECT name FROM devices WHERE org_id = ?1 AND id = ?2";
    LISTENERS = "SELECT p.device_id, d.scopes, p.settings, p.endpoint, p.keys, p.org_id \
        FROM push_devices p JOIN devices d ON d.id = p.device_id \
        WHERE p.org_id = ?1 AND p.endpoint IS NOT NULL AND d.revoked_at IS NULL \
        AND (d.expires_at IS NULL OR d.expires_at > ?2) ORDER BY p.device_id";
    LISTENER = "SELECT p.device_id, d.scopes, p.settings, p.endpoint, p.keys, p.org_id \
        FROM push_devices p JOIN devices d ON d.id = p.device_id \
        WHERE p.device_id = ?1 AND p.endpoint IS NOT NULL AND d.revoked_at IS NULL \
        AND (d.expires_at IS NULL OR d.expires_at > ?2)";
    INSERT_DELIVERY = "INSERT INTO push_log (org_id, device_id, content) VALUES (?1, ?2, ?3)";
    SHORTEN_LOG = "DELETE FROM push_log WHERE device_id = ?1 AND number <= (SELECT number FROM push_log \
        WHERE device_id = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)";
    DELIVERIES = "SELECT content FROM push_log WHERE org_id = ?1 AND device_id = ?2 \
        ORDER BY number DESC LIMIT ?3";
}

/// A browser's subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushSubscription {
    /// The address of its push service.
    pub endpoint: String,
    /// The keys that go with it.
    pub keys: PushKeys,
}

/// A device that can be notified.
#[derive(Debug, Clone)]
pub struct PushListener {
    /// Which.
    pub device: DeviceId,
    /// Its org.
    pub org: OrgId,
    /// What it may do.
    pub scopes: Scopes,
    /// What it wants to be told.
    pub settings: PushSettings,
    /// Where it is reached.
    pub subscription: PushSubscription,
}

/// Who can be notified of what happens in a topic.
pub type PushListeners = HashMap<Topic, Arc<[PushListener]>>;

impl Store {
    /// How a device stands with Web Push.
    pub async fn push_state(&self, org: OrgId, device: DeviceId) -> Result<PushState, Error> {
        self.look((org, device), push_state).await
    }

    /// Has a device notified, from now on through this subscription.
    pub async fn push_subscribe(
        &self,
        org: OrgId,
        device: DeviceId,
        subscription: PushSubscription,
        settings: Option<PushSettings>,
        now: Timestamp,
    ) -> Result<PushState, Error> {
        self.write((org, device, subscription, settings, now), push_subscribe).await
    }

    /// Ends that; what the device wants to be told is kept.
    pub async fn push_unsubscribe(&self, org: OrgId, device: DeviceId) -> Result<PushState, Error> {
        self.write((org, device), push_unsubscribe).await
    }

    /// Changes what a device is told.
    pub async fn push_settings(
        &self,
        org: OrgId,
        device: DeviceId,
        settings: PushSettings,
    ) -> Result<PushState, Error> {
        self.write((org, device, settings), push_settings).await
    }

    /// The push service does not know this subscription any more. Another one, which the device may
    /// have made since, stays.
    pub async fn push_gone(&self, device: DeviceId, endpoint: String) -> Result<(), Error> {
        self.write((device, endpoint), push_gone).await
    }

    /// The devices that can be notified of what happens in each of these topics: of projects and orgs.
    pub async fn push_listeners(
        &self,
        topics: HashSet<Topic>,
        now: Timestamp,
    ) -> Result<PushListeners, Error> {
        self.look((topics, now), push_listeners).await
    }

    /// One device, if it can be notified.
    pub async fn push_listener(
        &self,
        device: DeviceId,
        now: Timestamp,
    ) -> Result<Option<PushListener>, Error> {
        self.look((device, now), push_listener).await
    }

    /// The name of a device of an org, as its owner knows it.
    pub async fn device_name(&self, org: OrgId, device: DeviceId) -> Result<Option<String>, Error> {
        self.look((org, device), device_name).await
    }

    /// Writes down what became of a notification.
    pub async fn push_sent(
        &self,
        org: OrgId,
        device: DeviceId,
        delivery: PushDelivery,
    ) -> Result<(), Error> {
        self.write((org, device, delivery), push_sent).await
    }

    /// What a device was sent, newest first; the last 100 are kept.
    pub async fn push_log(
        &self,
        org: OrgId,
        device: DeviceId,
        limit: u32,
    ) -> Result<Vec<PushDelivery>, Error> {
        self.read((org, device, limit), push_log).await
    }
}

async fn push_state(tx: &mut Tx, (org, device): &(OrgId, DeviceId)) -> Result<PushState, Error> {
    let found = tx.opt(&STATE, params![org, device], state).await?;
    let unknown =
        PushState { settings: PushSettings::default(), service: None, subscribed_at: None };
    Ok(found.unwrap_or(unknown))
}

fn state(row: &Row<'_>) -> Result<PushState, Error> {
    let service = row.opt_text(1)?.map(|endpoint| host(endpoint).to_owned());
    Ok(PushState { settings: row.json(0)?, service, subscribed_at: row.opt_time(2)? })
}

/// What of an endpoint may be shown.
fn host(endpoint: &str) -> &str {
    let behind = endpoint.split_once("://").map_or(endpoint, |(_, behind)| behind);
    behind.split('/').next().unwrap_or(behind)
}

type Subscribing = (OrgId, DeviceId, PushSubscription, Option<PushSettings>, Timestamp);

async fn push_subscribe(
    tx: &mut Tx,
    (org, device, subscription, settings, now): &Subscribing,
) -> Result<PushState, Error> {
    let PushSubscription { endpoint, keys } = subscription;
    let before = push_state(tx, &(*org, *device)).await?;
    let settings = settings.as_ref().unwrap_or(&before.settings);
    tx.execute(&LEAVE_OTHERS, params![org, device, endpoint]).await?;
    let (settings, keys) = (to_json(settings), to_json(keys));
    let values = params![org, device, settings, endpoint, keys, now];
    tx.execute(&SUBSCRIBE, values).await?;
    push_state(tx, &(*org, *device)).await
}

async fn push_unsubscribe(tx: &mut Tx, of: &(OrgId, DeviceId)) -> Result<PushState, Error> {
    tx.execute(&UNSUBSCRIBE, params![of.0, of.1]).await?;
    push_state(tx, of).await
}

async fn push_settings(
    tx: &mut Tx,
    (org, device, settings): &(OrgId, DeviceId, PushSettings),
) -> Result<PushState, Error> {
    tx.execute(&SET_SETTINGS, params![org, device, to_json(settings)]).await?;
    push_state(tx, &(*org, *device)).await
}

async fn push_gone(tx: &mut Tx, (device, endpoint): &(DeviceId, String)) -> Result<(), Error> {
    tx.execute(&GONE, params![device, endpoint]).await.map(drop)
}

async fn push_listeners(
    tx: &mut Tx,
    (topics, now): &(HashSet<Topic>, Timestamp),
) -> Result<PushListeners, Error> {
    let mut of_orgs: HashMap<OrgId, Arc<[PushListener]>> = HashMap::new();
    let mut found = PushListeners::with_capacity(topics.len());
    for topic in topics {
        let org = match topic {
            Topic::Org(org) => Some(*org),
            Topic::Project(id) => tx.opt(&ORG_OF_PROJECT, params![id], |row| row.id(0)).await?,
            Topic::User(_) | Topic::Run(_) => None,
        };
        let Some(org) = org else { continue };
        let listeners = match of_orgs.get(&org) {
            Some(known) => Arc::clone(known),
            None => {
                let all: Arc<[_]> = tx.all(&LISTENERS, params![org, now], listener).await?.into();
                of_orgs.insert(org, Arc::clone(&all));
                all
            }
        };
        found.insert(*topic, listeners);
    }
    Ok(found)
}

async fn push_listener(
    tx: &mut Tx,
    (device, now): &(DeviceId, Timestamp),
) -> Result<Option<PushListener>, Error> {
    tx.opt(&LISTENER, params![device, now], listener).await
}

fn listener(row: &Row<'_>) -> Result<PushListener, Error> {
    let bits = u8::try_from(row.int(1)?).unwrap_or(0);
    let subscription = PushSubscription { endpoint: row.text(3)?.to_owned(), keys: row.json(4)? };
    Ok(PushListener {
        device: row.id(0)?,
        org: row.id(5)?,
        scopes: Scopes::from_bits(bits),
        settings: row.json(2)?,
        subscription,
    })
}

async fn device_name(
    tx: &mut Tx,
    (org, device): &(OrgId, DeviceId),
) -> Result<Option<String>, Error> {
    tx.opt(&NAME_OF_DEVICE, params![org, device], |row| Ok(row.text(0)?.to_owned())).await
}

async fn push_sent(
    tx: &mut Tx,
    (org, device, delivery): &(OrgId, DeviceId, PushDelivery),
) -> Result<(), Error> {
    tx.execute(&INSERT_DELIVERY, params![org, device, to_json(delivery)]).await?;
    tx.execute(&SHORTEN_LOG, params![device, LOG_MAX]).await.map(drop)
}

async fn push_log(
    tx: &mut Tx,
    (org, device, limit): &(OrgId, DeviceId, u32),
) -> Result<Vec<PushDelivery>, Error> {
    tx.all(&DELIVERIES, params![org, device, limit], |row| row.json(0)).await
}
