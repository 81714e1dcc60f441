//! Each proof counts once: its time must be near the server's, and its nonce new.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use afield_proto::Timestamp;

/// How far the time of a proof may lie from the server's clock, either way. A device learns that
/// clock with the challenge, so this is for the way and not for wrong clocks.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(60);
/// Nonces that are remembered for at least as long as a proof could be shown again.
const GENERATION: Duration = Duration::from_secs(2 * 60 + 1);
/// Nonces of one generation; only paired devices can fill it.
const NONCES_MAX: usize = 500_000;
/// Longest nonce, in bytes: 16 random ones are 22.
const NONCE_BYTES_MAX: usize = 64;

/// Why a proof does not count although it may be well signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// It was signed too long ago, or for a time to come.
    Time,
    /// It was shown before.
    Replayed,
    /// So many proofs came that no more can be remembered.
    Full,
}

/// The nonces of the last minutes.
pub(crate) struct Replay(Mutex<Seen>);

struct Seen {
    young: HashSet<Box<str>>,
    old: HashSet<Box<str>>,
    turned: Instant,
}

impl Default for Replay {
    fn default() -> Self {
        let turned = Instant::now();
        Self(Mutex::new(Seen { young: HashSet::new(), old: HashSet::new(), turned }))
    }
}

/// **Errors**: [`Stale::Time`]
pub(crate) fn check_time(time: Timestamp, now: Timestamp) -> Result<(), Stale> {
    let apart = u128::from(time.unix_ms().abs_diff(now.unix_ms()));
    if apart <= TOLERANCE.as_millis() { Ok(()) } else { Err(Stale::Time) }
}

impl Replay {
    /// Uses a nonce up.
    ///
    /// **Errors**: [`Stale::Replayed`], [`Stale::Full`]
    pub(crate) fn take(&self, nonce: &str) -> Result<(), Stale> {
        if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX {
            return Err(Stale::Replayed);
        }
        let mut seen = self.0.lock().expect("nothing panics while it holds the nonces");
        if seen.turned.elapsed() >= GENERATION {
            seen.old = std::mem::take(&mut seen.young);
            seen.turned = Instant::now();
        }
        if seen.old.contains(nonce) || seen.young.contains(nonce) {
            return Err(Stale::Replayed);
        }
        if seen.young.len() >= NONCES_MAX {
            return Err(Stale::Full);
        }
        seen.young.insert(nonce.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_counts_once() {
        let replay = Replay::default();
        assert_eq!(replay.take("a"), Ok(()));
        assert_eq!(replay.take("a"), Err(Stale::Replayed));
        assert_eq!(replay.take("b"), Ok(()));
        assert_eq!(replay.take(""), Err(Stale::Replayed));
        assert_eq!(replay.take(&"x".repeat(65)), Err(Stale::Replayed));
        replay.0.lock().unwrap().turned -= GENERATION;
        assert_eq!(replay.take("c"), Ok(()));
        assert_eq!(replay.take("a"), Err(Stale::Replayed), "it may still be in time");
    }

    #[test]
    fn a_proof_is_for_now() {
        let at = |ms: i64| Timestamp::from_unix_ms(1_000_000 + ms);
        assert_eq!(check_time(at(60_000), at(0)), Ok(()));
        assert_eq!(check_time(at(-60_000), at(0)), Ok(()));
        assert_eq!(check_time(at(60_001), at(0)), Err(Stale::Time));
        assert_eq!(check_time(Timestamp::from_unix_ms(i64::MIN), at(0)), Err(Stale::Time));
    }
}
