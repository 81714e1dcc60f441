//! While nothing happens the store is asked nothing.

use std::time::Duration;

use super::*;

/// Longer than every timer of the server: statistics 10 s, maintenance 5 s.
const REST: Duration = Duration::from_secs(12);

/// The store is asked by requests only; two looks at the figures cost what two looks cost.
#[tokio::test]
async fn the_store_is_asked_nothing() {
    let afield = demo().await;
    let operations = async || metric(&afield, "afield_store_operations_total").await.unwrap();
    // What the start began is over then.
    tokio::time::sleep(REST).await;
    let (first, second) = (operations().await, operations().await);
    let cost = second - first;
    tokio::time::sleep(REST).await;
    assert_eq!(operations().await - second, cost, "something asked the store meanwhile");
}
