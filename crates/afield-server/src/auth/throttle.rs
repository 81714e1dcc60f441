//! Limits per address: open connections, requests, failed sign-ins. Loopback is no exception.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afield_proto::{ErrorBody, ErrorCode};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use serde_json::json;

use crate::options::Limits;

/// The window in which failed sign-ins are counted.
const AUTH_WINDOW: Duration = Duration::from_secs(600);
/// The window in which tries to pair are counted.
const PAIRING_WINDOW: Duration = Duration::from_secs(60);

pub(crate) struct Throttle {
    open: Arc<Mutex<Open>>,
    connections: usize,
    per_address: usize,
    requests: DefaultKeyedRateLimiter<IpAddr>,
    requests_per_second: u32,
    failures: Mutex<HashMap<IpAddr, Failures>>,
    failures_max: u32,
    pairing: Mutex<Pairing>,
    pairing_max: u32,
    pairing_max_in_all: u32,
    clock: DefaultClock,
}

/// Tries to pair that did not succeed, in all and by address.
#[derive(Default)]
struct Pairing {
    in_all: Option<Failures>,
    by_address: HashMap<IpAddr, Failures>,
}

/// A try to pair that a limit stopped.
pub(crate) struct Hit {
    /// The limit.
    pub(crate) limit: &'static str,
    /// From where, when it is the limit of an address.
    pub(crate) address: Option<IpAddr>,
    /// It is the first one the limit stopped in this window.
    pub(crate) is_first: bool,
    /// What the client is told.
    pub(crate) error: ErrorBody,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

struct Failures {
    count: u32,
    since: std::time::Instant,
}

impl Failures {
    fn none() -> Self {
        Self { count: 0, since: std::time::Instant::now() }
    }

    /// Counts one; how many there are in this window.
    fn count(&mut self, window: Duration) -> u32 {
        if self.since.elapsed() >= window {
            *self = Self::none();
        }
        self.count = self.count.saturating_add(1);
        self.count
    }
}

/// One open connection. Counted until it is dropped.
pub(crate) struct Permit {
    open: Arc<Mutex<Open>>,
    address: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.open.lock().expect("nothing panics while it counts");
        open.all -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

impl Throttle {
    pub(crate) fn new(limits: &Limits) -> Self {
        let per_second = NonZeroU32::new(limits.http_requests_per_second.max(1));
        let quota = Quota::per_second(per_second.expect("at least one"));
        Self {
            open: Arc::default(),
            connections: limits.connections,
            per_address: limits.connections_per_address,
            requests: DefaultKeyedRateLimiter::keyed(quota),
            requests_per_second: limits.http_requests_per_second,
            failures: Mutex::default(),
            failures_max: limits.auth_failures,
            pairing: Mutex::default(),
            pairing_max: limits.pairing_tries_per_minute,
            pairing_max_in_all: limits.pairing_tries_per_minute_in_all,
            clock: DefaultClock::default(),
        }
    }

    /// Counts a connection.
    ///
    /// **Errors**: RATE_LIMITED naming the limit that is reached.
    pub(crate) fn connect(&self, address: IpAddr) -> Result<Permit, ErrorBody> {
        let address = network(address);
        let mut open = self.open.lock().expect("nothing panics while it counts");
        if open.all >= self.connections {
            return Err(limited("connections", self.connections, "connections in all"));
        }
        let count = open.by_address.entry(address).or_default();
        if *count >= self.per_address {
            let what = "connections from one address";
            return Err(limited("connections_per_address", self.per_address, what));
        }
        *count += 1;
        open.all += 1;
        Ok(Permit { open: Arc::clone(&self.open), address })
    }

    /// Counts an HTTP request.
    ///
    /// **Errors**: RATE_LIMITED, with the time to wait.
    pub(crate) fn request(&self, address: IpAddr) -> Result<(), ErrorBody> {
        self.requests.check_key(&network(address)).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            let per_second = self.requests_per_second;
            let message = format!(
                "more than {per_second} requests per second from one address (limit http_requests_per_second)"
            );
            refused(&message, "http_requests_per_second", wait)
        })
    }

    /// **Errors**: RATE_LIMITED when too many sign-ins failed from here.
    pub(crate) fn check_auth(&self, address: IpAddr) -> Result<(), ErrorBody> {
        let mut failures = self.failures.lock().expect("nothing panics while it counts");
        let address = network(address);
        let Some(entry) = failures.get(&address) else { return Ok(()) };
        let age = entry.since.elapsed();
        if age >= AUTH_WINDOW {
            failures.remove(&address);
            return Ok(());
        }
        if entry.count < self.failures_max {
            return Ok(());
        }
        let message = format!(
            "{} sign-ins from this address failed within ten minutes (limit auth_failures)",
            self.failures_max
        );
        Err(refused(&message, "auth_failures", AUTH_WINDOW - age))
    }

    /// Counts a failed sign-in. `true` when it is the one that locks its address.
    pub(crate) fn auth_failed(&self, address: IpAddr) -> bool {
        let mut failures = self.failures.lock().expect("nothing panics while it counts");
        let entry = failures.entry(network(address)).or_insert_with(Failures::none);
        entry.count(AUTH_WINDOW) == self.failures_max
    }

    /// Counts a try to pair before it is looked at: those that come together count as well.
    ///
    /// **Errors**: RATE_LIMITED inside a [`Hit`].
    pub(crate) fn pairing_try(&self, address: IpAddr) -> Result<(), Box<Hit>> {
        let mut tries = self.pairing.lock().expect("nothing panics while it counts");
        let entry = tries.by_address.entry(network(address)).or_insert_with(Failures::none);
        let count = entry.count(PAIRING_WINDOW);
        if count > self.pairing_max {
            let limit = "pairing_tries_per_minute";
            return Err(hit(limit, Some(address), count == self.pairing_max + 1));
        }
        let count = tries.in_all.get_or_insert_with(Failures::none).count(PAIRING_WINDOW);
        if count > self.pairing_max_in_all {
            let limit = "pairing_tries_per_minute_in_all";
            return Err(hit(limit, None, count == self.pairing_max_in_all + 1));
        }
        Ok(())
    }

    /// That try was no guess.
    pub(crate) fn pairing_done(&self, address: IpAddr) {
        let mut tries = self.pairing.lock().expect("nothing panics while it counts");
        let Pairing { in_all, by_address } = &mut *tries;
        let counted = [by_address.get_mut(&network(address)), in_all.as_mut()];
        counted.into_iter().flatten().for_each(|entry| entry.count = entry.count.saturating_sub(1));
    }

    /// Forgets what no longer matters. Called from a timer.
    pub(crate) fn sweep(&self) {
        self.requests.retain_recent();
        let mut failures = self.failures.lock().expect("nothing panics while it counts");
        failures.retain(|_, entry| entry.since.elapsed() < AUTH_WINDOW);
        let mut tries = self.pairing.lock().expect("nothing panics while it counts");
        tries.by_address.retain(|_, entry| entry.since.elapsed() < PAIRING_WINDOW);
    }
}

/// What is counted as one: an IPv4 address, or the /64 an IPv6 host chooses its addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)))
        }
        other => other,
    }
}

fn hit(limit: &'static str, address: Option<IpAddr>, is_first: bool) -> Box<Hit> {
    let message = format!("too many wrong codes within a minute (limit {limit})");
    let error = refused(&message, limit, PAIRING_WINDOW);
    Box::new(Hit { limit, address, is_first, error })
}

fn limited(limit: &str, value: usize, what: &str) -> ErrorBody {
    let message = format!("there are {value} {what} already (limit {limit}); close one first");
    ErrorBody::new(ErrorCode::RateLimited, message)
        .with_details(json!({ "limit": limit, "value": value, "retry_after_ms": 1000 }))
}

fn refused(message: &str, limit: &str, wait: Duration) -> ErrorBody {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    ErrorBody::new(ErrorCode::RateLimited, format!("{message}; try again in {wait_ms} ms"))
        .with_details(json!({ "limit": limit, "retry_after_ms": wait_ms }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle() -> Throttle {
        Throttle::new(&Limits {
            connections: 3,
            connections_per_address: 2,
            auth_failures: 2,
            ..Limits::default()
        })
    }

    #[test]
    fn connections_are_counted_until_they_end() {
        let throttle = throttle();
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let there: IpAddr = "127.0.0.2".parse().unwrap();
        let first = throttle.connect(here).unwrap();
        let _second = throttle.connect(here).unwrap();
        let refused = throttle.connect(here).err().unwrap();
        assert_eq!(refused.details.unwrap()["limit"], "connections_per_address");
        let _third = throttle.connect(there).unwrap();
        assert_eq!(throttle.connect(there).err().unwrap().details.unwrap()["limit"], "connections");
        drop(first);
        assert!(throttle.connect(here).is_ok());
    }

    #[test]
    fn loopback_is_locked_out_like_any_other() {
        let throttle = throttle();
        let here: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        for _ in 0..2 {
            assert!(throttle.check_auth(here).is_ok());
            throttle.auth_failed(here);
        }
        let refused = throttle.check_auth("127.0.0.1".parse().unwrap()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
    }

    #[test]
    fn guessing_codes_is_limited_per_address_and_in_all() {
        let throttle = Throttle::new(&Limits {
            pairing_tries_per_minute: 2,
            pairing_tries_per_minute_in_all: 3,
            ..Limits::default()
        });
        let address = |last| IpAddr::from([192, 0, 2, last]);
        throttle.pairing_try(address(1)).ok().unwrap();
        throttle.pairing_done(address(1));
        for _ in 0..2 {
            throttle.pairing_try(address(1)).ok().unwrap();
        }
        let hits = [1, 1, 2, 2, 3].map(|last| throttle.pairing_try(address(last)).err());
        let told: Vec<_> = hits
            .into_iter()
            .map(|hit| hit.map(|hit| (hit.limit, hit.address, hit.is_first)))
            .collect();
        let (one, all) = ("pairing_tries_per_minute", "pairing_tries_per_minute_in_all");
        let expected = [
            Some((one, Some(address(1)), true)),
            Some((one, Some(address(1)), false)),
            None,
            Some((all, None, true)),
            Some((all, None, false)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_ipv6_host_is_one_address() {
        let one = network("2001:db8::1".parse().unwrap());
        assert_eq!(one, network("2001:db8::ffff:1".parse().unwrap()));
        assert_ne!(one, network("2001:db8:0:1::1".parse().unwrap()));
    }
}
