//! The floor of relaying: one thread, epoll, one read and one write per message, no protocol.
//!
//! Runs as a process of its own, so that its CPU time can be told from its clients'.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context as _, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use crate::process::Killed;

/// The argument that makes this program the relay.
pub(crate) const ROLE: &str = "relay-floor";
/// First byte of a connection that follows.
pub(crate) const FOLLOWER: u8 = b'F';
/// First byte of a connection whose messages go to all followers.
pub(crate) const TO_ALL: u8 = b'A';
/// First byte of a connection whose messages go to one follower: the first sender's to the first
/// follower, and so on.
pub(crate) const TO_ONE: u8 = b'1';
/// Length of every message: one read and, for each follower, one write.
pub(crate) const MESSAGE_BYTES: usize = 256;

const EVENTS_MAX: usize = 256;

/// A running relay.
pub(crate) struct Relay {
    pub(crate) process: Killed,
    pub(crate) address: SocketAddr,
}

impl Relay {
    /// Starts the relay and reads where it listens.
    pub(crate) fn start() -> Result<Self> {
        let mut process = Killed::own(ROLE)?;
        let output = process.0.stdout.take().context("it was piped")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(Self { process, address: line.trim().parse()? })
    }
}

/// The relay itself. Never returns but on an error.
pub(crate) fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let listening = watch(&poll, &listener)?;
    let mut senders: HashMap<u64, Sender> = HashMap::new();
    let mut followers: Vec<TcpStream> = Vec::new();
    let mut events = Vec::with_capacity(EVENTS_MAX);
    loop {
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == listening {
                match accept(&listener)? {
                    (FOLLOWER, stream) => followers.push(stream),
                    (role, stream) => {
                        let number = senders.len();
                        senders.insert(watch(&poll, &stream)?, Sender { stream, role, number });
                    }
                }
            } else if let Some(sender) = senders.get_mut(&key)
                && !pass(sender, &mut followers)
            {
                senders.remove(&key);
            }
        }
    }
}

struct Sender {
    stream: TcpStream,
    role: u8,
    number: usize,
}

fn watch(poll: impl AsFd, what: &(impl AsFd + AsRawFd)) -> Result<u64> {
    let key = u64::try_from(what.as_raw_fd())?;
    epoll::add(poll, what, epoll::EventData::new_u64(key), epoll::EventFlags::IN)?;
    Ok(key)
}

fn accept(listener: &TcpListener) -> Result<(u8, TcpStream)> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut role = [0];
    stream.read_exact(&mut role)?;
    Ok((role[0], stream))
}

/// Passes one message on. Whether the sender is still there.
fn pass(sender: &mut Sender, followers: &mut Vec<TcpStream>) -> bool {
    let mut message = [0; MESSAGE_BYTES];
    if sender.stream.read_exact(&mut message).is_err() {
        return false;
    }
    if sender.role == TO_ALL {
        // A follower that is gone is left out; one that is slow holds everybody up.
        followers.retain_mut(|follower| follower.write_all(&message).is_ok());
    } else if let Some(follower) = followers.get_mut(sender.number) {
        return follower.write_all(&message).is_ok();
    }
    true
}
