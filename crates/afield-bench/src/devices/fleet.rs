//! A thousand devices of one person that stay connected, as the product's own clients are.

use std::time::{Duration, Instant};

use afield_client::{DialOptions, Endpoint, Follow, Followed, Link, LinkOptions};
use afield_proto::Topic;
use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use futures::future::try_join_all;
use futures::stream;
use serde_json::json;
use serde_json::value::RawValue;
use testkit::proxy::{CutKind, Proxy};

use super::person::Person;
use super::{behind, ms};

/// Devices that connect at the same time.
const SIDE_BY_SIDE: usize = 32;
/// How long they are left alone before they are cut, so that each connection counts as a good one.
const SETTLED: Duration = Duration::from_secs(6);

/// The devices, behind a proxy that can cut them all.
pub(super) struct Fleet {
    proxy: Proxy,
    members: Vec<Member>,
    told: u64,
}

struct Member {
    _link: Link,
    follow: Follow,
}

impl Fleet {
    /// Makes them, connects them and lets each follow what the person shares.
    pub(super) async fn connect(person: &mut Person, count: usize) -> Result<Self> {
        let proxy = behind(&person.url, 3).await?;
        let url = format!("http://{}", proxy.address());
        let shared = person.console.ask("state_get", &json!({ "key": "pref:none" })).await?;
        let topic: Topic = shared["topic"].as_str().context("a topic")?.parse()?;
        let mut tokens = Vec::with_capacity(count);
        for _ in 0..count {
            tokens.push(person.device().await?.token);
        }
        let members = stream::iter(tokens).map(|token| member(&url, token, topic));
        let members: Vec<_> = members.buffer_unordered(SIDE_BY_SIDE).collect().await;
        let members = members.into_iter().collect::<Result<_>>()?;
        Ok(Self { proxy, members, told: 0 })
    }

    /// Cuts them all, and changes something; milliseconds until the last of them knows that.
    pub(super) async fn cut(&mut self, person: &mut Person) -> Result<f64> {
        tokio::time::sleep(SETTLED).await;
        self.told += 1;
        let ask = json!({ "key": "pref:bench", "value": self.told });
        let began = Instant::now();
        self.proxy.cut_all(CutKind::Reset);
        let expected = self.told;
        let knowing = self.members.iter_mut().map(|member| member.knows(expected));
        let (told, knowing) =
            tokio::join!(person.console.ask("state_set", &ask), try_join_all(knowing));
        told?;
        knowing?;
        Ok(ms(began.elapsed()))
    }
}

async fn member(url: &str, token: String, topic: Topic) -> Result<Member> {
    let options = LinkOptions { dial: DialOptions::default(), ..LinkOptions::default() };
    let link = Link::start(Endpoint::new(url, token)?, options);
    let follow = link.follow(topic, None).await?;
    Ok(Member { _link: link, follow })
}

impl Member {
    /// Waits until it is told of this value.
    async fn knows(&mut self, value: u64) -> Result<()> {
        loop {
            match self.follow.next().await.context("the link has ended")? {
                Followed::Event(event) => {
                    let text = event.frame.data.as_deref().map(RawValue::get).unwrap_or_default();
                    if text.contains("pref:bench") && text.contains(&format!("\"value\":{value}")) {
                        return Ok(());
                    }
                }
                Followed::Gap(gap) => bail!("something was missed: {gap:?}"),
                Followed::Ended(error) => bail!("the server ended the following: {error}"),
            }
        }
    }
}
