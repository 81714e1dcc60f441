//! While nothing happens the store is asked nothing.

use std::time::Duration;

use super::*;

/// Longer than every timer of the server: statistics 10 s, maintenance 5 s.
const REST: Duration = Duration::from_secs(12);
/// What the start began is over when two pauses of this length cost the same.
const PAUSE: Duration = Duration::from_secs(2);

/// The store is asked by requests only: after a long pause a look at the figures costs what it costs
/// after a short one.
#[tokio::test]
async fn the_store_is_asked_nothing() {
    let afield = demo().await;
    let head = format!("GET /metrics\nAuthorization: Bearer {}", afield.token);
    let operations = async || {
        let output = access::http(&afield, &head, "").await;
        let line = output.lines().find(|line| line.starts_with("afield_store_operations_total"));
        let count = line.and_then(|line| line.rsplit(' ').next());
        count.unwrap().parse::<u64>().unwrap()
    };
    let (mut before, mut cost) = (operations().await, 0);
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = operations().await;
        let last = std::mem::replace(&mut cost, now - before);
        before = now;
        if cost == last {
            break;
        }
    }
    tokio::time::sleep(REST).await;
    assert_eq!(operations().await - before, cost, "something asked the store meanwhile");
}
