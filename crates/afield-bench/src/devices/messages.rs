//! Messages from phone to runner at a steady rate, from one half of the connections to the other.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::echo::{self, Echo};
use super::person::{Device, Person};
use super::{DEVICES, ms};
use crate::Options;
use crate::product::link::Link;
use crate::report::Table;

/// Messages a second, all senders together.
const PER_SECOND: u32 = 2000;

/// Runs it.
pub(super) async fn run(person: &mut Person, echo: &Echo, options: Options) -> Result<()> {
    let mut pairs = Vec::with_capacity(DEVICES / 2);
    for _ in 0..DEVICES / 2 {
        pairs.push(Pair::connect(person).await?);
    }
    let (mut middle, mut late) = (Table::default(), Table::default());
    for _ in 0..options.rounds {
        let bare = spread(&floor(echo, options.duration).await?);
        let own = sent(&mut pairs, options.duration).await?;
        let own = spread(&own);
        middle.add("floor: a bare exchange", bare.0);
        late.add("floor: a bare exchange", bare.1);
        middle.add("Afield, sent to received", own.0);
        late.add("Afield, sent to received", own.1);
    }
    let title = format!(
        "{PER_SECOND} messages a second over {DEVICES} connections beside {DEVICES} idle ones"
    );
    middle.print(&title, "milliseconds, the middle one");
    late.print(&title, "milliseconds, 99 of 100");
    Ok(())
}

/// A device that sends and one that receives.
struct Pair {
    sender: Link,
    receiver: Link,
    to: String,
}

impl Pair {
    async fn connect(person: &mut Person) -> Result<Self> {
        let (from, to) = (person.device().await?, person.device().await?);
        let sender = Link::connect(&person.url, &from.token).await?;
        let Device { id, token } = to;
        let mut receiver = Link::connect(&person.url, &token).await?;
        receiver.ask("device_inbox", &json!({})).await?;
        Ok(Self { sender, receiver, to: id })
    }

    /// Sends a message, receives and acknowledges it; milliseconds until it was received.
    async fn send(&mut self) -> Result<f64> {
        let ask = json!({ "to": self.to, "body": { "text": "x".repeat(100) } });
        let began = Instant::now();
        let received = async {
            let message = next_message(&mut self.receiver).await?;
            let took = ms(began.elapsed());
            let ack = json!({ "type": "device_message_ack", "data": { "message_id": message } });
            self.receiver.send(ack.to_string()).await?;
            anyhow::Ok(took)
        };
        let (answered, took) = tokio::try_join!(self.sender.ask("device_message", &ask), received)?;
        match answered["state"] == "delivered" {
            true => Ok(took),
            false => bail!("a message was not delivered: {answered}"),
        }
    }
}

async fn next_message(link: &mut Link) -> Result<Value> {
    loop {
        let mut frame: Value = serde_json::from_str(&link.next().await?)?;
        if frame["type"] == "device_message" {
            return frame.pointer_mut("/data/id").map(Value::take).context("a message has an id");
        }
    }
}

/// Milliseconds of every message sent within the time.
async fn sent(pairs: &mut [Pair], time: Duration) -> Result<Vec<f64>> {
    let each = interval(pairs.len());
    let (begin, until) = (tokio::time::Instant::now(), Instant::now() + time);
    let sending = pairs.iter_mut().zip(0..).map(|(pair, number)| async move {
        let mut ticks = tokio::time::interval_at(begin + offset(each, number), each);
        let mut took = Vec::new();
        while Instant::now() < until {
            ticks.tick().await;
            took.push(pair.send().await?);
        }
        anyhow::Ok(took)
    });
    Ok(try_join_all(sending).await?.concat())
}

/// The same number of bare exchanges at the same rate.
async fn floor(echo: &Echo, time: Duration) -> Result<Vec<f64>> {
    let each = interval(DEVICES / 2);
    let (begin, until) = (tokio::time::Instant::now(), Instant::now() + time);
    let sending = (0..DEVICES / 2).zip(0..).map(|(_, number)| async move {
        let mut stream = echo::connect(echo.address).await?;
        let mut ticks = tokio::time::interval_at(begin + offset(each, number), each);
        let mut took = Vec::new();
        while Instant::now() < until {
            ticks.tick().await;
            let began = Instant::now();
            echo::exchange(&mut stream).await?;
            took.push(ms(began.elapsed()));
        }
        anyhow::Ok(took)
    });
    Ok(try_join_all(sending).await?.concat())
}

/// Between two messages of one of so many senders.
fn interval(senders: usize) -> Duration {
    Duration::from_secs_f64(senders as f64 / f64::from(PER_SECOND))
}

/// Senders take turns.
fn offset(each: Duration, number: u32) -> Duration {
    each * number / u32::try_from(DEVICES / 2).unwrap_or(u32::MAX)
}

/// The middle one and the one 99 of 100 are not above.
fn spread(times: &[f64]) -> (f64, f64) {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: usize| sorted.get(sorted.len() * part / 100).copied().unwrap_or(f64::NAN);
    (at(50), at(99))
}
