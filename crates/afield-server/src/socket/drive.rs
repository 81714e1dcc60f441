//! The task of one connection: reads, starts requests, writes what waits.
//!
//! One future per connection, polled by hand so that an idle one holds no buffer: bytes are read
//! into a scratch buffer of the thread. Requests are started in the order they came. Those that
//! change the connection itself, or a project, run alone; all others side by side.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use afield_proto::request::Request;
use afield_proto::wire::{self, CorrelationId, Incoming};
use afield_proto::{ErrorBody, ErrorCode};
use bytes::Buf;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::codec::{self, Decoder, Message};
use super::conn::Conn;
use super::outbox::Parcel;
use crate::auth::throttle::Permit;
use crate::core::Core;
use crate::options::Limits;
use crate::requests;

/// Requests of one connection that run side by side. The next is read when one is done.
const IN_FLIGHT_MAX: usize = 256;
/// Bytes read at once, and of small frames written at once.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Parcels of frames handed to the kernel at once.
const WRITE_PARCELS_MAX: usize = 64;
/// Bytes of them, about.
const WRITE_BYTES_MAX: usize = 512 * 1024;
/// Events fetched at once for a connection that is behind.
const FETCH_EVENTS_MAX: usize = 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// Something a client sent, ready to be started.
pub(crate) enum Received {
    /// A request, with the client's mark.
    Request(Incoming, Box<Request>),
    /// A reply of a runner to an order.
    Reply(Incoming),
    /// Something that is refused; answered in its turn.
    Refused(Option<CorrelationId>, ErrorBody),
}

impl Received {
    fn is_alone(&self) -> bool {
        matches!(self, Self::Request(_, request) if request.is_alone())
    }
}

enum Done {
    Shared,
    Exclusive,
    Fetch,
}

/// Gives a connection a task of its own, which drives it to its end and cleans up after it.
///
/// `early` is what the client sent right behind its handshake; `permit` counts the connection.
pub(crate) fn start<S>(core: Arc<Core>, conn: Arc<Conn>, permit: Arc<Permit>, io: S, early: &[u8])
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    core.connected(&conn);
    let mut driver = Driver::new(core, conn, permit, io);
    driver.feed(&mut early.to_vec());
    tokio::spawn(drive(driver));
}

#[expect(clippy::manual_async_fn, reason = "an async fn would keep room for its argument twice")]
fn drive<S>(mut driver: Driver<S>) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    async move {
        std::future::poll_fn(|cx| driver.poll(cx)).await;
        // Boxed: its state must not lie in every idle connection.
        Box::pin(driver.core.disconnected(&driver.conn)).await;
        if let Some(mut work) = driver.work.take() {
            // What was started is finished; only its answer has nowhere to go.
            tokio::spawn(async move { while work.next().await.is_some() {} });
        }
    }
}

struct Driver<S> {
    core: Arc<Core>,
    conn: Arc<Conn>,
    io: S,
    decoder: Decoder,
    waiting: VecDeque<Received>,
    work: Option<FuturesUnordered<BoxFuture<'static, Done>>>,
    exclusive: bool,
    fetching: bool,
    out: VecDeque<Parcel>,
    /// The close frame is in `out`: end when it is written.
    closing: bool,
    reading: bool,
    rate: Rate,
    /// Counts the connection as open until it has ended.
    _permit: Arc<Permit>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    fn new(core: Arc<Core>, conn: Arc<Conn>, permit: Arc<Permit>, io: S) -> Self {
        let limits = core.limits();
        let bytes_max = bytes_max(limits, &conn);
        let per_second = if conn.is_runner() { u32::MAX } else { limits.requests_per_second };
        Self {
            decoder: Decoder::new(bytes_max),
            rate: Rate::new(per_second),
            core,
            conn,
            io,
            waiting: VecDeque::new(),
            work: None,
            exclusive: false,
            fetching: false,
            out: VecDeque::new(),
            closing: false,
            reading: true,
            _permit: permit,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.conn.outbox().register(cx.waker());
        if self.conn.outbox().is_cut() {
            return Poll::Ready(());
        }
        loop {
            let worked = self.poll_work(cx);
            let started = self.start_waiting() | self.start_fetch();
            let wrote = match self.poll_write(cx) {
                Ok(wrote) => wrote,
                Err(_) => return Poll::Ready(()),
            };
            if self.closing && self.out.is_empty() {
                return Poll::Ready(());
            }
            let read = match self.poll_read(cx) {
                Poll::Ready(Ok(true)) => true,
                Poll::Ready(Ok(false)) => false,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => false,
            };
            let room = wrote && self.conn.is_behind();
            if !(worked || started || read || room) {
                return Poll::Pending;
            }
        }
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(work) = &mut self.work else { return false };
        let mut worked = false;
        while let Poll::Ready(done) = work.poll_next_unpin(cx) {
            match done {
                Some(Done::Shared) => {}
                Some(Done::Exclusive) => self.exclusive = false,
                Some(Done::Fetch) => self.fetching = false,
                None => {
                    self.work = None;
                    break;
                }
            }
            worked = true;
        }
        worked
    }

    fn in_flight(&self) -> usize {
        self.work.as_ref().map_or(0, FuturesUnordered::len)
    }

    /// Starts waiting requests as far as their order allows. `true` when there is work to poll.
    fn start_waiting(&mut self) -> bool {
        let mut started = false;
        while !self.exclusive && self.in_flight() < IN_FLIGHT_MAX {
            let Some(next) = self.waiting.front() else { break };
            let exclusive = next.is_alone();
            if exclusive && self.in_flight() > usize::from(self.fetching) {
                break;
            }
            let Some(received) = self.waiting.pop_front() else { break };
            if self.conn.is_ended() {
                continue;
            }
            let waits = requests::handle_now(&self.core, &self.conn, received);
            let Some((frame, request)) = waits else { continue };
            self.exclusive = exclusive;
            let (core, conn) = (Arc::clone(&self.core), Arc::clone(&self.conn));
            self.start(async move {
                requests::handle(core, conn, frame, request).await;
                if exclusive { Done::Exclusive } else { Done::Shared }
            });
            started = true;
        }
        started
    }

    fn start_fetch(&mut self) -> bool {
        let ready = !self.fetching && !self.closing && self.conn.is_behind();
        if !(ready && self.conn.outbox().has_room() && self.conn.take_behind()) {
            return false;
        }
        let topics = self.conn.topics();
        let fetch =
            topics.into_iter().find_map(|topic| self.core.topics.catch_up(topic, &self.conn));
        if let Some(fetch) = fetch {
            self.fetching = true;
            let (core, conn) = (Arc::clone(&self.core), Arc::clone(&self.conn));
            self.start(async move {
                core.fetch(fetch, &conn, FETCH_EVENTS_MAX).await;
                Done::Fetch
            });
            return true;
        }
        // Still behind: the outbox is full, and what is written makes room.
        !self.conn.is_behind()
    }

    /// Starts work. It is polled for the first time before anything started later is, so that
    /// what it sends to the store first goes there in order.
    fn start(&mut self, work: impl Future<Output = Done> + Send + 'static) {
        self.work.get_or_insert_default().push(Box::pin(work));
    }

    /// Writes until nothing waits or the peer takes no more. `true` when something was written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> std::io::Result<bool> {
        let mut wrote = false;
        loop {
            if !self.closing {
                self.closing =
                    self.conn.outbox().take(&mut self.out, WRITE_PARCELS_MAX, WRITE_BYTES_MAX);
            }
            if self.out.is_empty() {
                match Pin::new(&mut self.io).poll_flush(cx) {
                    Poll::Ready(Err(error)) => return Err(error),
                    _ => return Ok(wrote),
                }
            }
            match self.poll_write_once(cx) {
                Poll::Ready(Ok(bytes)) => {
                    self.conn.clear_blocked();
                    self.core.counters.sent(advance(&mut self.out, bytes));
                    wrote = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.conn.set_blocked();
                    return Ok(wrote);
                }
            }
        }
    }

    /// Writes what waits first. Small frames are copied together: one plain write of a few of them
    /// costs the kernel less than a vectored one.
    fn poll_write_once(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let Self { io, out, .. } = self;
        let Some(first) = out.front() else { return Poll::Ready(Ok(0)) };
        SCRATCH.with_borrow_mut(|scratch| {
            let bytes = gather(out, scratch).unwrap_or(&first.bytes);
            Pin::new(io).poll_write(cx, bytes)
        })
    }

    /// Reads once. `Ok(true)` when there was something, `Ok(false)` while nothing is to be read.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<bool>> {
        if !self.reading
            || self.closing
            || self.waiting.len() >= IN_FLIGHT_MAX
            || self.in_flight() >= IN_FLIGHT_MAX
        {
            return Poll::Ready(Ok(false));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            let filled = buffer.filled_mut();
            if filled.is_empty() {
                return Poll::Ready(Err(std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.conn.heard();
            self.feed(filled);
            Poll::Ready(Ok(true))
        })
    }

    fn feed(&mut self, input: &mut [u8]) {
        let Self { decoder, core, conn, waiting, rate, reading, .. } = self;
        let outcome = decoder.feed(input, &mut |message| match message {
            Message::Text(text) => waiting.push_back(receive(core, conn, rate, text)),
            Message::Binary => waiting.push_back(Received::Refused(None, binary())),
            Message::TooLarge(bytes) => {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                let error = wire::too_large(bytes, bytes_max(core.limits(), conn));
                waiting.push_back(Received::Refused(None, error));
            }
            Message::Ping(payload) => {
                conn.outbox().push_reply(&codec::pong_frame(payload));
            }
            Message::Pong(_) => core.ponged(conn),
            Message::Close(code) => {
                *reading = false;
                conn.outbox().close(codec::close_frame(code.unwrap_or(1000), ""), false);
            }
        });
        if let Err(violation) = outcome {
            self.reading = false;
            self.conn.outbox().close(codec::close_frame(violation.0, ""), false);
        }
    }
}

fn binary() -> ErrorBody {
    ErrorBody::new(ErrorCode::ValidationFailed, "a binary frame: requests are JSON in text frames")
}

/// The largest frame that is read from it.
fn bytes_max(limits: &Limits, conn: &Conn) -> usize {
    if conn.is_runner() { limits.runner_message_bytes } else { limits.message_bytes }
}

fn receive(core: &Core, conn: &Conn, rate: &mut Rate, text: &str) -> Received {
    core.counters.received();
    let limits = core.limits();
    let parsed = if conn.is_runner() {
        Incoming::read(text)
    } else {
        Incoming::parse(text, limits.message_bytes)
    };
    let mut frame = match parsed {
        Ok(frame) => frame,
        Err(error) => return Received::Refused(None, error),
    };
    if !rate.take() {
        let message = format!(
            "more than {} requests per second on one connection (limit requests_per_second)",
            limits.requests_per_second
        );
        let details = serde_json::json!({ "limit": "requests_per_second", "retry_after_ms": 1000 });
        let error = ErrorBody::new(ErrorCode::RateLimited, message).with_details(details);
        return Received::Refused(frame.id, error);
    }
    if conn.is_runner() && requests::is_order_reply(&frame) {
        return Received::Reply(frame);
    }
    // The text of the data is not needed again; a runner's may be large.
    let data = frame.data.take();
    match Request::parse(&frame.kind, data.as_deref()) {
        Ok(request) => Received::Request(frame, Box::new(request)),
        Err(error) => Received::Refused(frame.id, error),
    }
}

/// Copies the first parcels one behind the other, as many as fit whole. `None` when that is not
/// even two: then there is nothing to gain.
fn gather<'s>(out: &VecDeque<Parcel>, scratch: &'s mut [u8]) -> Option<&'s [u8]> {
    if out.front()?.bytes.len() + out.get(1)?.bytes.len() > scratch.len() {
        return None;
    }
    let mut filled = 0;
    for Parcel { bytes, .. } in out {
        let Some(room) = scratch.get_mut(filled..filled + bytes.len()) else { break };
        room.copy_from_slice(bytes);
        filled += bytes.len();
    }
    Some(&scratch[..filled])
}

/// Removes `bytes` written bytes from the front. Returns how many frames went out in parcels that
/// are gone whole.
fn advance(out: &mut VecDeque<Parcel>, mut bytes: usize) -> u64 {
    let mut frames = 0;
    while let Some(front) = out.front_mut() {
        if front.bytes.len() > bytes {
            front.bytes.advance(bytes);
            break;
        }
        bytes -= front.bytes.len();
        frames += u64::from(front.frames);
        out.pop_front();
    }
    frames
}

/// A bucket of requests that fills with time; a second's worth may come at once.
struct Rate {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Rate {
    fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, left: per_second, at: Instant::now() }
    }

    fn take(&mut self) -> bool {
        if self.left < 1.0 {
            let now = Instant::now();
            let filled = now.duration_since(self.at).as_secs_f64() * self.per_second;
            self.left = (self.left + filled).min(self.per_second);
            self.at = now;
        }
        let some = self.left >= 1.0;
        if some {
            self.left -= 1.0;
        }
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn an_idle_connection_is_small() {
        type Io = tokio::net::TcpStream;
        fn bytes_of<F: Future>(_: impl FnOnce(Driver<Io>) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size_of::<Conn>() <= 512, "{}", size_of::<Conn>());
        // All that its task holds: the driver is not kept twice.
        assert!(bytes_of(drive::<Io>) <= 512, "{}", bytes_of(drive::<Io>));
    }

    #[test]
    fn small_frames_are_gathered_and_a_large_one_goes_alone() {
        let frames = |lengths: &[usize]| {
            lengths.iter().map(|n| Parcel::from(Bytes::from(vec![7; *n]))).collect()
        };
        let scratch = &mut [0; 10];
        assert_eq!(gather(&frames(&[]), scratch), None);
        assert_eq!(gather(&frames(&[4]), scratch), None);
        assert_eq!(gather(&frames(&[4, 7]), scratch), None);
        assert_eq!(gather(&frames(&[4, 6]), scratch), Some(&[7; 10][..]));
        assert_eq!(gather(&frames(&[4, 3, 4]), scratch), Some(&[7; 7][..]));
    }

    #[test]
    fn advancing_keeps_the_rest_of_a_half_sent_frame() {
        let three = Parcel { bytes: Bytes::from_static(b"abc"), frames: 3 };
        let mut out = VecDeque::from([three, Bytes::from_static(b"defg").into()]);
        assert_eq!(advance(&mut out, 5), 3);
        assert_eq!(out.front().map(|rest| rest.bytes.as_ref()), Some(&b"fg"[..]));
        assert_eq!(advance(&mut out, 2), 1);
        assert!(out.is_empty());
    }

    #[test]
    fn the_rate_lets_a_burst_pass_and_then_refuses() {
        let mut rate = Rate::new(3);
        assert_eq!((0..5).filter(|_| rate.take()).count(), 3);
    }
}
