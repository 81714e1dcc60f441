//! When to start a part again that has ended: soon at first, later and later if it keeps ending.

use std::time::Duration;

use tokio::time::Instant;

const WAIT_MIN: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// A part that ran for so long had no trouble starting.
const SETTLED: Duration = Duration::from_secs(30);

/// The restarts of one part.
#[derive(Debug, Default)]
pub(super) struct Revive {
    due_at: Option<Instant>,
    wait: Option<Duration>,
    reviving: bool,
}

impl Revive {
    /// It ended: says how long to wait.
    pub(super) fn ended(&mut self) -> Duration {
        let now = Instant::now();
        let started = self.due_at.unwrap_or(now);
        let settled = now.saturating_duration_since(started) >= SETTLED;
        let wait = match self.wait {
            Some(wait) if !settled => (wait * 2).min(WAIT_MAX),
            _ => WAIT_MIN,
        };
        self.wait = Some(wait);
        self.due_at = Some(now + wait);
        self.reviving = true;
        wait
    }

    /// It is to stay down.
    pub(super) fn never(&mut self) {
        self.due_at = None;
    }

    /// It works again; returns whether that is news.
    pub(super) fn revived(&mut self) -> bool {
        std::mem::take(&mut self.reviving)
    }

    /// Waits until it is time; for ever when it never is.
    ///
    /// **Cancel safety**: nothing is lost.
    pub(super) async fn due(&self) {
        match self.due_at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_longer_each_time_and_forgets_after_a_good_run() {
        let mut revive = Revive::default();
        assert_eq!(revive.ended(), WAIT_MIN);
        revive.due().await;
        assert_eq!(revive.ended(), WAIT_MIN * 2);
        revive.due().await;
        assert!(revive.revived() && !revive.revived());
        for _ in 0..10 {
            revive.ended();
            revive.due().await;
        }
        assert_eq!(revive.ended(), WAIT_MAX);
        revive.due().await;
        tokio::time::advance(SETTLED).await;
        assert_eq!(revive.ended(), WAIT_MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_to_stay_down_stays_down() {
        let mut revive = Revive::default();
        revive.ended();
        revive.never();
        let waited = tokio::time::timeout(Duration::from_secs(3600), revive.due()).await;
        assert!(waited.is_err());
    }
}
