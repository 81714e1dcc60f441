//! Bodies of requests, read whole: within a limit of bytes and within a time, so that nobody holds a
//! connection by promising more than comes.

use std::time::Duration;

use afield_proto::{ErrorBody, ErrorCode};
use axum::body::{Body, Bytes};
use futures::StreamExt as _;
use serde_json::json;

/// A time a body did not come in, with the name of its limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Within {
    pub(crate) limit: &'static str,
    pub(crate) time: Duration,
}

/// A body that was not read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unread {
    /// It has more bytes than it may.
    TooLarge,
    /// It did not come in time.
    Late(Within),
    /// The connection ended, or was no HTTP any more.
    BrokeOff,
}

/// Reads a body that must come within a time in all.
pub(crate) async fn whole(body: Body, bytes_max: usize, all: Within) -> Result<Bytes, Unread> {
    let read = tokio::time::timeout(all.time, flowing(body, bytes_max, all)).await;
    read.map_err(|_| Unread::Late(all))?
}

/// Reads a body of which something must come within each time.
pub(crate) async fn flowing(body: Body, bytes_max: usize, each: Within) -> Result<Bytes, Unread> {
    let mut parts = body.into_data_stream();
    let mut next = async || {
        let part = tokio::time::timeout(each.time, parts.next()).await;
        let part = part.map_err(|_| Unread::Late(each))?;
        part.transpose().map_err(|_| Unread::BrokeOff)
    };
    let mut body = Vec::new();
    while let Some(part) = next().await? {
        if body.len() + part.len() > bytes_max {
            return Err(Unread::TooLarge);
        }
        body.extend_from_slice(&part);
    }
    Ok(body.into())
}

impl Unread {
    /// The refusal; `too_large` is for one with too many bytes.
    pub(crate) fn refusal(self, too_large: impl FnOnce() -> ErrorBody) -> ErrorBody {
        match self {
            Self::TooLarge => too_large(),
            Self::Late(Within { limit, time }) => {
                let seconds = time.as_secs();
                let message = format!("the body did not come within {seconds} s (limit {limit})");
                ErrorBody::new(ErrorCode::RequestTimeout, message)
                    .with_details(json!({ "limit": limit, "value": seconds }))
            }
            Self::BrokeOff => crate::error::invalid("the body broke off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn within(ms: u64) -> Within {
        Within { limit: "x", time: Duration::from_millis(ms) }
    }

    /// A body of so many parts of two bytes, each after a pause.
    fn body(parts: usize, pause_ms: u64) -> Body {
        Body::from_stream(stream::iter(0..parts).then(move |_| async move {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b"ab"))
        }))
    }

    #[tokio::test]
    async fn a_body_is_read_whole_or_not_at_all() {
        for parts in 0..4 {
            let read = whole(body(parts, 0), 6, within(10_000)).await.unwrap();
            assert_eq!(read, "ab".repeat(parts).as_bytes());
        }
        let large = whole(body(4, 0), 6, within(10_000)).await;
        assert!(matches!(large, Err(Unread::TooLarge)));
        let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
        let broken = whole(Body::from_stream(broken), 6, within(10_000)).await;
        assert!(matches!(broken, Err(Unread::BrokeOff)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_late_as_a_whole_but_not_in_its_parts() {
        let late = whole(body(20, 30), 40, within(500)).await;
        assert!(matches!(late, Err(Unread::Late(_))));
        assert_eq!(flowing(body(20, 30), 40, within(500)).await.unwrap().len(), 40);
        let stalls = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert!(matches!(flowing(stalls, 40, within(10)).await, Err(Unread::Late(_))));
    }
}
