//! What people feel of their devices while 1,000 are connected: until a device that connects knows
//! all others, until another screen has the focus, until one that is thrown out is cut, until a
//! message arrives, and until all that were cut at once are back.
//!
//! Each over loopback and over a network that is 50 ms slow each way. The floor is the same number
//! of bare exchanges over the same network, with nothing decided and nothing stored.

mod echo;
mod fleet;
mod messages;
mod person;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use testkit::proxy::{Conditions, Proxy, Way};

use crate::Options;
use crate::product::Server;
use crate::report::Table;
use echo::Echo;
use fleet::Fleet;
use person::Person;

/// Devices that are connected all the time.
const DEVICES: usize = 1000;
/// How late everything arrives on the slow network, each way.
const DELAY: Duration = Duration::from_millis(50);

/// Runs the benchmark.
pub(crate) async fn run(options: Options) -> Result<()> {
    let server = Server::start(Path::new(crate::DISK))?;
    let echo = Echo::start()?;
    let mut person = Person::new(&server).await?;
    let mut fleet = Fleet::connect(&mut person, DEVICES).await?;
    for slow in [false, true] {
        let network = Network::new(&server, &echo, slow).await?;
        alone(&mut person, &network, options.rounds).await?;
    }
    messages::run(&mut person, &echo, options).await?;
    let mut back = Table::default();
    for _ in 0..options.rounds {
        back.add("floor: bare sockets cut and back", echo.storm(DEVICES).await?);
        back.add("Afield, back and told what they missed", fleet.cut(&mut person).await?);
    }
    back.print(&format!("{DEVICES} devices cut at once"), "milliseconds until the last is back");
    Ok(())
}

/// What one device does, one thing after the other.
async fn alone(person: &mut Person, network: &Network, rounds: usize) -> Result<()> {
    let (mut list, mut focus, mut out) = (Table::default(), Table::default(), Table::default());
    for _ in 0..rounds {
        list.add("floor: connect, two exchanges", network.floor(2).await?);
        list.add("Afield", person.lists(&network.url, DEVICES).await?);
        focus.add("floor: an exchange", network.floor(1).await?);
        focus.add("Afield, until the other screen says so", person.hands_over(&network.url).await?);
        out.add("floor: an exchange", network.floor(1).await?);
        out.add("Afield, until the socket is cut", person.throws_out(&network.url).await?);
    }
    let name = network.name;
    list.print(&format!("connect and list {DEVICES} devices, {name}"), "milliseconds");
    focus.print(&format!("continue on another screen, {name}"), "milliseconds");
    out.print(&format!("throw a device out, {name}"), "milliseconds");
    Ok(())
}

/// The way to the server and to the floor, as near or as far as each other.
struct Network {
    name: &'static str,
    url: String,
    echo: SocketAddr,
    /// Kept while the way is used.
    _proxies: Vec<Proxy>,
}

impl Network {
    async fn new(server: &Server, echo: &Echo, slow: bool) -> Result<Self> {
        if !slow {
            let (url, echo) = (server.url.clone(), echo.address);
            return Ok(Self { name: "over loopback", url, echo, _proxies: Vec::new() });
        }
        let near = delayed(behind(&server.url, 2).await?);
        let far = delayed(Proxy::start(echo.address, 1).await?);
        Ok(Self {
            name: "50 ms away",
            url: format!("http://{}", near.address()),
            echo: far.address(),
            _proxies: vec![near, far],
        })
    }

    /// Milliseconds of a bare connection and so many exchanges; without the connection for one.
    async fn floor(&self, exchanges: usize) -> Result<f64> {
        echo::exchanges(self.echo, exchanges).await
    }
}

/// A proxy in front of the server, with the server's port at another loopback address.
async fn behind(url: &str, host: u8) -> Result<Proxy> {
    let authority = url.strip_prefix("http://").context("benchmarks run without TLS")?;
    let server: SocketAddr = authority.parse()?;
    let listen = SocketAddr::from(([127, 0, 0, host], server.port()));
    Ok(Proxy::start_at(listen, server, 1).await?)
}

fn delayed(proxy: Proxy) -> Proxy {
    let conditions = Conditions { delay: DELAY, ..Conditions::default() };
    proxy.set(Way::ToServer, conditions.clone());
    proxy.set(Way::ToClient, conditions);
    proxy
}

/// Milliseconds.
fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
