//! The connection to the server comes and goes.

use std::sync::Arc;

use afield_proto::limits::PROTOCOL_VERSIONS;
use afield_proto::live::{BEAT, FEATURES};
use afield_proto::runner::{RunnerHello, RunnerWelcome};
use afield_proto::{ErrorBody, ErrorCode};
use serde_json::value::to_raw_value;

use super::RunnerHandle;
use crate::beat;
use crate::link::Link;
use crate::uplink::AskError;

impl RunnerHandle {
    /// The connection is up: agrees with the server on what each side has.
    ///
    /// **Errors**: the server refuses this runner.
    pub async fn connected(&self) -> Result<(), AskError> {
        let inner = &self.0;
        let generation = inner.link.borrow().generation;
        let facts = inner.shared.facts.facts().await;
        let agents = facts.agents.clone();
        let hello = RunnerHello {
            protocol: PROTOCOL_VERSIONS,
            features: FEATURES.map(String::from).to_vec(),
            facts,
            attempts: inner.reports(),
        };
        let data = to_raw_value(&hello).map_err(|_| AskError::Disconnected)?;
        let welcome = inner.uplink.ask("runner_hello", data).await?;
        let welcome: RunnerWelcome = serde_json::from_str(welcome.get()).map_err(|error| {
            AskError::Refused(ErrorBody::new(ErrorCode::ProtocolMismatch, error.to_string()))
        })?;
        let RunnerWelcome { runner_id, protocol, ref features, .. } = welcome;
        tracing::info!(runner = %runner_id, protocol, ?features, "welcomed by the server");
        let beats = features.iter().any(|feature| feature == BEAT);
        for acknowledged in welcome.acknowledged {
            inner.welcomed(acknowledged).await;
        }
        // Gone meanwhile: the next connection says hello again.
        let still_there = inner.link.send_if_modified(|link| {
            let same = link.generation == generation;
            if same {
                *link = Link { generation: generation + 1, up: true };
            }
            same
        });
        if !still_there {
            return Err(AskError::Disconnected);
        }
        if beats {
            let (facts, uplink) = (Arc::clone(&inner.shared.facts), Arc::clone(&inner.uplink));
            inner.tasks.spawn(inner.shared.shutdown.clone().run_until_cancelled_owned(beat::run(
                facts,
                uplink,
                inner.link.subscribe(),
                agents,
            )));
        }
        Ok(())
    }

    /// The connection is gone: everything is kept on disk until it is back.
    pub fn disconnected(&self) {
        self.0.link.send_modify(|link| {
            *link = Link { generation: link.generation + 1, up: false };
        });
    }
}
