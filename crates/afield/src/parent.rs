//! A supervised process and the one that started it: the parent holds the other end of standard
//! input, so that its end, however sudden, is noticed; news goes back on standard output.

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::out;

/// What a supervised process tells its parent, one line of JSON each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum News {
    /// The server serves.
    Ready {
        /// Its address.
        url: String,
        /// The address it listens on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        listen: Option<String>,
        /// Its certificate's fingerprint.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        /// A one-time link for a browser.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<String>,
    },
    /// The runner is connected.
    Connected,
    /// The runner lost its connection.
    Disconnected {
        /// Why.
        reason: String,
    },
}

impl News {
    /// Tells it.
    pub(crate) fn tell(&self) {
        out::json(self);
    }
}

/// Cancelled when the parent is gone or closes its end on purpose.
///
/// A thread of its own reads: tokio's standard input would hold up the end of the program.
pub(crate) fn watch() -> anyhow::Result<CancellationToken> {
    let gone = CancellationToken::new();
    let watched = gone.clone();
    std::thread::Builder::new().name("parent-watch".to_owned()).spawn(move || {
        let mut input = std::io::stdin().lock();
        // The parent writes nothing; the copy ends with its end of the pipe.
        let _ = std::io::copy(&mut input, &mut std::io::sink());
        watched.cancel();
    })?;
    Ok(gone)
}
