//! Beats: how busy this machine is, told while a connection lasts.
//!
//! Soon when the number of commands changes or the disk takes no start, seldom otherwise. A beat is lost without harm.

use std::sync::Arc;
use std::time::Duration;

use afield_proto::live::RunnerBeat;
use afield_proto::runner::AgentFacts;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::facts::Facts;
use crate::link::Link;
use crate::uplink::Uplink;

/// How often it is told when nothing changes: load is an average over such a time anyway.
const INTERVAL: Duration = Duration::from_secs(10);
/// What changes within so short a time is told at once.
const GATHER: Duration = Duration::from_millis(100);
/// How often the agents are looked at: asking one for its version starts a program.
const AGENTS_INTERVAL: Duration = Duration::from_secs(300);

/// Tells until the connection is gone. `agents` are those the server knows.
pub(crate) async fn run(
    facts: Arc<Facts>,
    uplink: Arc<dyn Uplink>,
    mut link: watch::Receiver<Link>,
    mut agents: Vec<AgentFacts>,
) {
    let generation = link.borrow_and_update().generation;
    let mut busy = facts.busy();
    let mut looked = Instant::now();
    loop {
        tokio::select! {
            () = gone(&mut link, generation) => return,
            () = tokio::time::sleep(INTERVAL) => {}
            changed = busy.changed() => {
                if changed.is_err() {
                    return;
                }
                tokio::time::sleep(GATHER).await;
                busy.mark_unchanged();
            }
        }
        let fresh = match looked.elapsed() >= AGENTS_INTERVAL {
            true => {
                looked = Instant::now();
                Some(facts.agents().await).filter(|found| *found != agents)
            }
            false => None,
        };
        agents = fresh.clone().unwrap_or(agents);
        tell(&facts, &*uplink, fresh).await;
    }
}

/// Resolves when this is no longer the connection.
async fn gone(link: &mut watch::Receiver<Link>, generation: u64) {
    let _ = link.wait_for(|link| link.generation != generation).await;
}

async fn tell(facts: &Arc<Facts>, uplink: &dyn Uplink, agents: Option<Vec<AgentFacts>>) {
    let facts = Arc::clone(facts);
    let Ok(load) = tokio::task::spawn_blocking(move || facts.load()).await else { return };
    if let Ok(data) = serde_json::value::to_raw_value(&RunnerBeat { load, agents }) {
        uplink.notice("runner_beat", data);
    }
}

#[cfg(test)]
mod tests {
    use afield_proto::live::RunnerLoad;
    use futures::future::BoxFuture;
    use serde_json::value::RawValue;
    use tokio::sync::mpsc;

    use super::*;
    use crate::policy::Policy;
    use crate::uplink::AskError;

    struct Sink(mpsc::Sender<RunnerLoad>);

    impl Uplink for Sink {
        fn ask(
            &self,
            _: &'static str,
            _: Box<RawValue>,
        ) -> BoxFuture<'_, Result<Box<RawValue>, AskError>> {
            Box::pin(async { Err(AskError::Disconnected) })
        }

        fn notice(&self, name: &'static str, data: Box<RawValue>) -> bool {
            assert_eq!(name, "runner_beat");
            let beat: RunnerBeat = serde_json::from_str(data.get()).unwrap();
            self.0.try_send(beat.load).is_ok()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_tells_changes_soon_and_ends_with_the_connection() {
        let policy = Policy { agents: Vec::new(), ..Policy::default() };
        let facts = Arc::new(Facts::new(Arc::new(policy), "0.1.0".into(), false));
        let (sender, mut beats) = mpsc::channel(8);
        let link = watch::Sender::new(Link { generation: 1, up: true });
        let sink = Arc::new(Sink(sender));
        let began = Instant::now();
        let task = tokio::spawn(run(Arc::clone(&facts), sink, link.subscribe(), Vec::new()));
        assert_eq!(beats.recv().await.unwrap().executing, 0);
        assert!(began.elapsed() >= INTERVAL, "nothing changed before");
        let changed = Instant::now();
        facts.set_executing(3);
        let load = beats.recv().await.unwrap();
        assert_eq!((load.executing, load.free_slots), (3, 1));
        assert!(changed.elapsed() < INTERVAL);
        let (refuses, changed) = (facts.disk_refuses(), Instant::now());
        let load = beats.recv().await.unwrap();
        assert_eq!((load.disk_refuses, load.executing, load.free_slots), (true, 3, 0));
        drop(refuses);
        let load = beats.recv().await.unwrap();
        assert_eq!((load.disk_refuses, load.free_slots), (false, 1));
        assert!(changed.elapsed() < INTERVAL);
        link.send_replace(Link { generation: 2, up: false });
        task.await.unwrap();
        assert!(beats.recv().await.is_none());
    }
}
