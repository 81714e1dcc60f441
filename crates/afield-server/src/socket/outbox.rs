//! What waits to be sent on one connection: bounded, shared by everybody who sends to it.
//!
//! Senders never wait. Ephemeral frames are dropped when the connection is slow; durable events
//! are refused, and stay for the connection to fetch when it has room (see `topics`).

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures::task::AtomicWaker;

/// How much may wait on one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutboxLimits {
    /// Bytes after which durable events are no longer taken.
    pub(crate) durable_bytes: usize,
    /// Bytes after which ephemeral frames are dropped.
    pub(crate) ephemeral_bytes: usize,
    /// Bytes after which even replies mean that the client does not read: it is closed.
    pub(crate) reply_bytes: usize,
}

impl OutboxLimits {
    /// Limits around a budget for durable events.
    pub(crate) fn around(durable_bytes: usize) -> Self {
        Self { durable_bytes, ephemeral_bytes: durable_bytes / 4, reply_bytes: durable_bytes * 4 }
    }
}

/// One or more whole frames, one behind the other in one piece of memory.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) bytes: Bytes,
    /// How many.
    pub(crate) frames: u32,
}

impl From<Bytes> for Parcel {
    /// A single frame.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, frames: 1 }
    }
}

#[derive(Debug)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    queue: Mutex<Queue>,
    waker: AtomicWaker,
    /// A sender asks the connection to end with this close frame.
    closing: AtomicBool,
    /// The connection must end without another word.
    cut: AtomicBool,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    close: Option<Bytes>,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            queue: Mutex::default(),
            waker: AtomicWaker::new(),
            closing: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().expect("no sender panics while it holds the queue")
    }

    /// Queues durable events; `false` when there is no room for all, or the connection ends.
    pub(crate) fn push_durable(&self, events: Parcel) -> bool {
        self.push_below(events, self.limits.durable_bytes)
    }

    /// Queues a frame that may be lost; a slow connection does without.
    pub(crate) fn push_ephemeral(&self, frame: &Bytes) {
        if !self.push_below(frame.clone().into(), self.limits.ephemeral_bytes) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Queues a reply or order; `false` when so much waits that the client can't be reading.
    pub(crate) fn push_reply(&self, frame: &Bytes) -> bool {
        self.push_below(frame.clone().into(), self.limits.reply_bytes)
    }

    /// What is larger than the limit still passes when nothing else waits.
    fn push_below(&self, parcel: Parcel, limit: usize) -> bool {
        let mut queue = self.queue();
        if queue.closed || queue.close.is_some() {
            return false;
        }
        if queue.bytes > 0 && queue.bytes + parcel.bytes.len() > limit {
            return false;
        }
        queue.bytes += parcel.bytes.len();
        queue.parcels.push_back(parcel);
        drop(queue);
        self.waker.wake();
        true
    }

    /// Ends the connection after what already waits has been sent, or at once (`discard`) after
    /// the frame that is half sent.
    pub(crate) fn close(&self, frame: Bytes, discard: bool) {
        let mut queue = self.queue();
        if discard {
            queue.parcels.clear();
            queue.bytes = 0;
        }
        queue.close.get_or_insert(frame);
        drop(queue);
        self.closing.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Nothing will be sent any more: the connection is gone.
    pub(crate) fn shut(&self) {
        let mut queue = self.queue();
        *queue = Queue { closed: true, ..Queue::default() };
    }

    /// Whether the connection has ended.
    pub(crate) fn is_shut(&self) -> bool {
        self.queue().closed
    }

    /// Ends the connection at once, for a peer that takes not even the close frame.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Wakes the connection to look at its state.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    /// Fills `out` up to `count` parcels or about `bytes_max` bytes, the close frame last. `true`
    /// when that was the close.
    pub(crate) fn take(&self, out: &mut VecDeque<Parcel>, count: usize, bytes_max: usize) -> bool {
        let mut queue = self.queue();
        let mut bytes: usize = out.iter().map(|parcel| parcel.bytes.len()).sum();
        while out.len() < count && bytes < bytes_max {
            let Some(parcel) = queue.parcels.pop_front() else { break };
            queue.bytes -= parcel.bytes.len();
            bytes += parcel.bytes.len();
            out.push_back(parcel);
        }
        if queue.parcels.is_empty() {
            if queue.parcels.capacity() > 64 {
                queue.parcels = VecDeque::new();
            }
            if let Some(close) = queue.close.take() {
                queue.closed = true;
                out.push_back(close.into());
                return true;
            }
        }
        false
    }

    /// Whether somebody asked for the end.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue().bytes
    }

    /// Whether there is room to fetch durable events that were refused before.
    pub(crate) fn has_room(&self) -> bool {
        self.queue().bytes <= self.limits.durable_bytes / 2
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(OutboxLimits { durable_bytes: 10, ephemeral_bytes: 4, reply_bytes: 20 })
    }

    fn taken(outbox: &Outbox) -> (Vec<Bytes>, bool) {
        let mut out = VecDeque::new();
        let closed = outbox.take(&mut out, 100, 1000);
        (out.into_iter().map(|parcel| parcel.bytes).collect(), closed)
    }

    #[test]
    fn each_class_has_its_bound() {
        let outbox = outbox();
        let four = Bytes::from_static(b"1234");
        let durable = || outbox.push_durable(four.clone().into());
        assert!(durable() && durable());
        assert!(!durable(), "durable events stop at their bound");
        outbox.push_ephemeral(&four);
        assert_eq!(outbox.dropped(), 1);
        assert!(outbox.push_reply(&four), "replies have more room");
        assert_eq!(taken(&outbox).0.len(), 3);
        assert!(outbox.has_room());
    }

    #[test]
    fn no_more_is_taken_than_is_written_at_once() {
        let outbox = outbox();
        let frame = || Bytes::from_static(b"123456").into();
        assert!(outbox.push_durable(frame()) && outbox.push_reply(&Bytes::from_static(b"78")));
        let mut out = VecDeque::new();
        assert!(!outbox.take(&mut out, 100, 5));
        assert!(!outbox.take(&mut out, 100, 5));
        assert_eq!((out.len(), outbox.queued_bytes()), (1, 2));
    }

    #[test]
    fn one_frame_larger_than_the_bound_passes_when_nothing_waits() {
        let outbox = outbox();
        let large = || Parcel::from(Bytes::from(vec![0; 1000]));
        assert!(outbox.push_durable(large()));
        assert!(!outbox.push_durable(large()));
    }

    #[test]
    fn the_close_frame_is_the_last_word() {
        let outbox = outbox();
        assert!(outbox.push_durable(Bytes::from_static(b"a").into()));
        outbox.close(Bytes::from_static(b"close"), false);
        assert!(!outbox.push_reply(&Bytes::from_static(b"late")));
        let (frames, closed) = taken(&outbox);
        assert_eq!((frames.len(), closed), (2, true));
        assert_eq!(frames[1], "close");
        outbox.close(Bytes::from_static(b"again"), true);
        assert!(outbox.is_closing());
    }
}
