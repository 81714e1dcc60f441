//! One notification to one device: sealed, sent, tried again, and written down.

use std::time::Duration;

use afield_flow::push::retry::{Answer, Next, after};
use afield_flow::push::words::{Sending, sending};
use afield_proto::Timestamp;
use afield_proto::push::{PushDelivery, PushMessage, PushOutcome};
use afield_store::PushListener;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::http::{Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;

use super::endpoint::Endpoint;
use super::seal::{Receiver, TEXT_BYTES_MAX};
use crate::core::Core;

/// Bytes of the hash that names what a notification takes the place of: 32 letters, the most RFC 8030
/// allows.
const TOPIC_BYTES: usize = 24;

/// Whether a notification that is not taken is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as it is of use.
    Retries,
    /// Not at all.
    Once,
}

/// Sends, and writes down what became of it.
pub(super) async fn deliver(
    core: &Core,
    listener: &PushListener,
    message: &PushMessage,
    patience: Patience,
) -> PushDelivery {
    let delivery = attempt_all(core, listener, message, patience).await;
    if delivery.outcome == PushOutcome::Gone {
        let endpoint = listener.subscription.endpoint.clone();
        if let Err(error) = core.store.push_gone(listener.device, endpoint).await {
            tracing::error!(%error, "can't end a subscription");
        }
    }
    let written = core.store.push_sent(listener.org, listener.device, delivery.clone()).await;
    if let Err(error) = written {
        tracing::error!(%error, "can't write to the delivery log");
    }
    delivery
}

async fn attempt_all(
    core: &Core,
    listener: &PushListener,
    message: &PushMessage,
    patience: Patience,
) -> PushDelivery {
    let life = sending(message.kind).life;
    let mut tries = 0;
    loop {
        tries += 1;
        let left = life.saturating_sub(Timestamp::now().since(message.at));
        let (answer, reason) = match request(core, listener, message, left) {
            Ok(request) => {
                let endpoint = &listener.subscription.endpoint;
                let answered = core.push.post.send(endpoint, request).await;
                (answered.answer, answered.reason)
            }
            Err(reason) => return delivery(message, PushOutcome::Failed, 0, None, Some(reason)),
        };
        let status = match answer {
            Answer::Status { status, .. } => Some(status),
            Answer::None => None,
        };
        let outcome = match after(answer, tries, left) {
            Next::Sent => PushOutcome::Sent,
            Next::Gone => PushOutcome::Gone,
            Next::Again(wait) if patience == Patience::Retries => {
                tracing::debug!(device = %listener.device, ?reason, "a notification waits");
                tokio::time::sleep(wait).await;
                continue;
            }
            Next::Failed | Next::Again(_) => PushOutcome::Failed,
        };
        return delivery(message, outcome, tries, status, reason);
    }
}

fn delivery(
    message: &PushMessage,
    outcome: PushOutcome,
    tries: u32,
    status: Option<u16>,
    reason: Option<String>,
) -> PushDelivery {
    let (at, kind, title) = (message.at, message.kind, message.title.clone());
    PushDelivery { at, kind, title, outcome, tries, status, reason }
}

/// The request that hands the message over (RFC 8030).
///
/// **Errors**: in words, when it can't be made.
fn request(
    core: &Core,
    listener: &PushListener,
    message: &PushMessage,
    left: Duration,
) -> Result<Request<Full<Bytes>>, String> {
    let subscription = &listener.subscription;
    let private = core.options.push.private_addresses;
    let endpoint = Endpoint::parse(&subscription.endpoint, private);
    let endpoint = endpoint.map_err(|unfit| unfit.to_string())?;
    let receiver = Receiver::read(&subscription.keys).map_err(|unfit| unfit.to_string())?;
    let body = receiver.seal(&text(message)).map_err(|_| "the message can't be sealed")?;
    let Sending { urgency, .. } = sending(message.kind);
    let contact = core.options.push.contact.as_str();
    let key = &core.push.key;
    let request = Request::post(&endpoint.path)
        .header(header::HOST, &endpoint.authority)
        .header(
            header::AUTHORIZATION,
            key.authorization(&endpoint.origin, contact, Timestamp::now()),
        )
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_ENCODING, "aes128gcm")
        .header("TTL", left.as_secs())
        .header("Urgency", urgency)
        .header("Topic", topic(&message.tag));
    request.body(Full::new(body.into())).map_err(|error| error.to_string())
}

/// What takes the place of what, in the letters a push service takes.
fn topic(tag: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, tag.as_bytes()).as_ref()[..TOPIC_BYTES])
}

/// The message as JSON; its body is cut until it fits.
fn text(message: &PushMessage) -> Vec<u8> {
    let json = |message: &PushMessage| {
        serde_json::to_vec(message).expect("Afield's own types always serialise")
    };
    let mut message = message.clone();
    let mut text = json(&message);
    while text.len() > TEXT_BYTES_MAX && !message.body.is_empty() {
        let half = message.body.floor_char_boundary(message.body.len() / 2);
        message.body.truncate(half);
        text = json(&message);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_until_it_fits() {
        let message = PushMessage {
            kind: None,
            title: "title".into(),
            body: "é".repeat(5000),
            tag: "tag".into(),
            count: 1,
            at: Timestamp::from_unix_ms(0),
            project_id: None,
            runner_id: None,
            command_id: None,
            approval_id: None,
            danger: None,
            token: None,
        };
        let cut = text(&message);
        assert!(cut.len() <= TEXT_BYTES_MAX);
        let back: PushMessage = serde_json::from_slice(&cut).unwrap();
        assert!(
            back.title == "title" && back.body.len() > 1000 && message.body.starts_with(&back.body)
        );
        assert_eq!(topic("project:1").len(), 32);
        assert_ne!(topic("project:1"), topic("project:2"));
    }
}
