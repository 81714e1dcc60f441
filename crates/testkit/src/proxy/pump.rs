//! One way of one connection: reads at once, gives on when the conditions say so.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Conditions, Counts, Cut, CutKind, Way};
use crate::random::Random;

/// The most bytes read at once.
const READ_BYTES_MAX: usize = 16 * 1024;
/// How many reads may wait for their time. A full way stops its sender, as a full network does.
const WAITING_READS_MAX: usize = 256;

/// One way of one connection and all that concerns it.
pub(super) struct Lane<'a> {
    pub(super) way: Way,
    pub(super) from: &'a TcpStream,
    pub(super) to: &'a TcpStream,
    pub(super) conditions: watch::Receiver<Conditions>,
    pub(super) random: Random,
    pub(super) counts: &'a watch::Sender<Counts>,
}

struct Piece {
    due: Instant,
    bytes: Vec<u8>,
}

/// Passes bytes on until this way ends in order.
///
/// **Errors**: how the whole connection is to end instead.
pub(super) async fn pump(lane: Lane<'_>) -> Result<(), CutKind> {
    let (waiting, arrived) = mpsc::channel(WAITING_READS_MAX);
    let Lane { way, from, to, conditions, random, counts } = lane;
    let came = |bytes| counts.send_modify(|counts| counts.read(way, bytes));
    let went = |bytes| counts.send_modify(|counts| counts.gave(way, bytes));
    let reading = read_all(from, conditions.clone(), random, waiting, came);
    let writing = write_all(to, conditions, arrived, went);
    tokio::try_join!(reading, writing).map(|_| ())
}

async fn read_all(
    from: &TcpStream,
    conditions: watch::Receiver<Conditions>,
    mut random: Random,
    waiting: mpsc::Sender<Piece>,
    count: impl Fn(u64),
) -> Result<(), CutKind> {
    let mut last_due = Instant::now();
    loop {
        let mut bytes = read(from).await.map_err(|_| CutKind::Reset)?;
        if bytes.is_empty() {
            return Ok(());
        }
        count(bytes.len() as u64);
        let now = conditions.borrow().clone();
        last_due = last_due.max(Instant::now() + now.delay + drawn(&mut random, now.jitter));
        while !bytes.is_empty() {
            let rest = bytes.split_off(piece_length(&mut random, bytes.len(), now.piece_bytes_max));
            // A closed channel means that this way was half-closed: the rest is thrown away.
            let _ = waiting.send(Piece { due: last_due, bytes }).await;
            bytes = rest;
        }
    }
}

fn drawn(random: &mut Random, most: Duration) -> Duration {
    Duration::from_micros(random.up_to(u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
}

fn piece_length(random: &mut Random, length: usize, most: Option<NonZeroUsize>) -> usize {
    let Some(most) = most else { return length };
    let most = most.get().min(length) as u64;
    usize::try_from(random.up_to(most - 1) + 1).unwrap_or(length)
}

async fn write_all(
    to: &TcpStream,
    mut conditions: watch::Receiver<Conditions>,
    mut arrived: mpsc::Receiver<Piece>,
    count: impl Fn(u64),
) -> Result<(), CutKind> {
    let mut passed = 0;
    loop {
        if let Some(how) = due_cut(&conditions, passed) {
            return end(to, how);
        }
        let piece = tokio::select! {
            piece = arrived.recv() => piece,
            // A new plan may already be due.
            changed = conditions.changed() => if changed.is_ok() { continue } else { None },
        };
        let Some(piece) = piece else { return end(to, CutKind::HalfClose) };
        tokio::time::sleep_until(piece.due).await;
        let mut bytes = piece.bytes.as_slice();
        while !bytes.is_empty() {
            let now = conditions
                .wait_for(|now| !now.blackhole)
                .await
                .map_err(|_| CutKind::Reset)?
                .clone();
            let allowed = now.cut.map_or(u64::MAX, |cut| cut.after_bytes.saturating_sub(passed));
            let (first, rest) = bytes.split_at(portion(&now, bytes.len(), allowed));
            write(to, first).await.map_err(|_| CutKind::Reset)?;
            passed += first.len() as u64;
            count(first.len() as u64);
            if let Some(how) = due_cut(&conditions, passed) {
                return end(to, how);
            }
            pause(&now, first.len()).await;
            bytes = rest;
        }
    }
}

fn due_cut(conditions: &watch::Receiver<Conditions>, passed: u64) -> Option<CutKind> {
    let cut: Option<Cut> = conditions.borrow().cut;
    cut.filter(|cut| passed >= cut.after_bytes).map(|cut| cut.how)
}

/// How many of `length` bytes go at once: a limited way gets a twentieth of a second's worth.
fn portion(now: &Conditions, length: usize, allowed: u64) -> usize {
    let share = now.bytes_per_second.map_or(u64::MAX, |limit| (limit.get() / 20).max(1));
    usize::try_from(allowed.min(share)).map_or(length, |most| most.min(length))
}

async fn pause(now: &Conditions, bytes: usize) {
    if let Some(limit) = now.bytes_per_second {
        tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / limit.get() as f64)).await;
    }
}

/// Ends this way; a half-close leaves the connection, the others end it.
fn end(to: &TcpStream, how: CutKind) -> Result<(), CutKind> {
    if how != CutKind::Reset {
        // It may have ended already; then there is nothing to end.
        let _ = rustix::net::shutdown(to, rustix::net::Shutdown::Write);
    }
    if how == CutKind::HalfClose { Ok(()) } else { Err(how) }
}

async fn read(from: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; READ_BYTES_MAX];
    let read = from.async_io(Interest::READABLE, || from.try_read(&mut bytes)).await?;
    bytes.truncate(read);
    Ok(bytes)
}

async fn write(to: &TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let wrote = to.async_io(Interest::WRITABLE, || to.try_write(bytes)).await?;
        bytes = &bytes[wrote..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_every_length_up_to_the_limit() {
        let mut random = Random::new(7);
        let most = NonZeroUsize::new(5);
        let drawn: std::collections::BTreeSet<usize> =
            (0..200).map(|_| piece_length(&mut random, 100, most)).collect();
        assert_eq!(drawn, (1..=5).collect());
        assert_eq!(piece_length(&mut random, 3, NonZeroUsize::new(1)), 1);
        assert_eq!(piece_length(&mut random, 100, None), 100);
    }

    #[test]
    fn no_portion_passes_a_planned_cut() {
        let slow = Conditions {
            bytes_per_second: std::num::NonZeroU64::new(1000),
            ..Conditions::default()
        };
        assert_eq!(portion(&slow, 500, u64::MAX), 50);
        assert_eq!(portion(&slow, 500, 7), 7);
        assert_eq!(portion(&Conditions::default(), 500, u64::MAX), 500);
    }
}
