//! The server's orders: read, taken to their attempt, answered where they have a reply.

use afield_proto::runner::{
    Attempt, RunnerAnswer, RunnerInterrupt, RunnerKill, RunnerKilled, RunnerSteer, RunnerSteered,
};
use afield_proto::{ErrorBody, ErrorCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::oneshot;

use super::RunnerHandle;
use crate::attachments::Words;
use crate::work::Wish;

pub(super) type Reply = Result<Box<RawValue>, ErrorBody>;

impl RunnerHandle {
    /// Takes an order of the server. `None` when it has no reply.
    pub async fn order(&self, name: &str, data: &RawValue) -> Option<Reply> {
        match name {
            "runner_execute" => self.told(data, |order| self.0.execute(order)),
            "runner_answer" => {
                let order: RunnerAnswer = read(data).ok()?;
                self.wish(order.attempt, Wish::Answer(order.approval_id, order.answer)).await;
                None
            }
            "runner_interrupt" => {
                let order: RunnerInterrupt = read(data).ok()?;
                self.wish(order.attempt, Wish::Interrupt).await;
                None
            }
            "runner_kill" => Some(self.kill(data).await),
            "runner_steer" => Some(self.steer(data).await),
            "runner_set_mode" => Some(self.set_mode(data).await),
            "runner_inspect" => Some(self.inspect(data).await),
            "runner_resolve_path" => Some(self.resolve(data).await),
            "runner_measure" => Some(self.measure().await),
            _ => {
                let message = format!("this runner knows no order {name:?}");
                Some(Err(ErrorBody::new(ErrorCode::ValidationFailed, message)))
            }
        }
    }

    fn told<T: DeserializeOwned>(&self, data: &RawValue, take: impl FnOnce(T)) -> Option<Reply> {
        match read(data) {
            Ok(order) => take(order),
            Err(error) => tracing::warn!(%error, "an order can't be read"),
        }
        self.0.count();
        None
    }

    pub(super) async fn wish(&self, attempt: Attempt, wish: Wish) -> bool {
        match self.0.wishes(attempt) {
            Some(wishes) => wishes.send(wish).await.is_ok(),
            None => false,
        }
    }

    async fn kill(&self, data: &RawValue) -> Reply {
        let RunnerKill { attempt } = read(data)?;
        let (done, killed) = oneshot::channel();
        let killed = if self.wish(attempt, Wish::Kill(done)).await {
            killed.await.unwrap_or_default()
        } else {
            Vec::new()
        };
        write(&RunnerKilled { attempt, killed })
    }

    async fn steer(&self, data: &RawValue) -> Reply {
        let RunnerSteer { attempt, command_id, prompt: text, attachments } = read(data)?;
        if self.0.wishes(attempt).is_none() {
            return Err(not_running());
        }
        let files = self.0.source(command_id).fetch(&attachments).await?;
        let (done, taken) = oneshot::channel();
        if !self.wish(attempt, Wish::Steer(command_id, Words { text, files }, done)).await {
            return Err(not_running());
        }
        let taken = taken.await.map_err(|_| not_running())?;
        write(&RunnerSteered { taken })
    }
}

pub(super) fn not_running() -> ErrorBody {
    ErrorBody::new(ErrorCode::ProcessNotFound, "this attempt does not run here")
}

pub(super) fn read<T: DeserializeOwned>(data: &RawValue) -> Result<T, ErrorBody> {
    serde_json::from_str(data.get())
        .map_err(|error| ErrorBody::new(ErrorCode::ValidationFailed, error.to_string()))
}

pub(super) fn write(reply: &impl Serialize) -> Reply {
    to_raw_value(reply).map_err(|error| ErrorBody::new(ErrorCode::InternalError, error.to_string()))
}
