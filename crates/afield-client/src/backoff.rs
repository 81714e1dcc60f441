//! How long to wait before the next try: full jitter, so that clients which lost the same server
//! do not come back in step.

use std::time::Duration;

/// Counts failed tries and says how long to wait.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), failures: 0 }
    }

    /// Forgets the failures: the next wait is none at all.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait before the next try: none at first, then random up to a doubling bound.
    /// `chance` lies between 0 and 1.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        if failures == 0 {
            return Duration::ZERO;
        }
        let bound = self.min.saturating_mul(2_u32.saturating_pow(failures)).min(self.max);
        self.min + bound.saturating_sub(self.min).mul_f64(chance.clamp(0.0, 1.0))
    }
}

/// A random number between 0 and 1.
pub(crate) fn chance() -> f64 {
    let mut bytes = [0_u8; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_try_is_immediate_and_the_rest_is_bounded() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        assert_eq!(backoff.next(1.0), Duration::ZERO);
        let waits: Vec<_> = (0..12).map(|_| backoff.next(1.0)).collect();
        assert_eq!(waits[0], Duration::from_millis(200));
        assert!(waits.is_sorted());
        assert_eq!(*waits.last().unwrap(), Duration::from_secs(30));
        assert_eq!(backoff.next(0.0), Duration::from_millis(100));
        backoff.reset();
        assert_eq!(backoff.next(1.0), Duration::ZERO);
    }

    #[test]
    fn chance_varies() {
        let drawn: std::collections::HashSet<_> = (0..20).map(|_| chance().to_bits()).collect();
        assert!(drawn.len() > 10);
    }
}
