//! An operation on its way to the writer's thread and back.

use futures::FutureExt as _;
use tokio::sync::oneshot;

use crate::Error;
use crate::log::append;
use crate::tx::{Operation, Tx};

/// When what an operation told is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// With that of the others.
    Together,
    /// Before the next one runs: it may be undone alone.
    Alone,
}

/// An operation with its input and its caller.
pub(super) trait Job: Send {
    /// Runs it, keeping the result. `false` when it failed.
    fn run(&mut self, tx: &mut Tx, telling: Telling) -> bool;
    /// The error it ended with, if it did.
    fn error(&self) -> Option<&Error>;
    /// Tells the caller: the kept result, or why the whole batch failed.
    fn settle(self: Box<Self>, batch: Result<(), Error>);
}

/// One with the types it has.
struct Call<I, T, F> {
    input: I,
    operation: F,
    result: Option<Result<T, Error>>,
    caller: oneshot::Sender<Result<T, Error>>,
}

/// A job, and where its result comes.
pub(super) fn job<I, T, F>(
    input: I,
    operation: F,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T, Error>>)
where
    I: Send + Sync + 'static,
    T: Send + 'static,
    F: for<'a> Operation<'a, I, T>,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Call { input, operation, result: None, caller }), answer)
}

impl<I, T, F> Job for Call<I, T, F>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
    F: for<'a> Operation<'a, I, T>,
{
    fn run(&mut self, tx: &mut Tx, telling: Telling) -> bool {
        let result = run_now(tx, &self.input, self.operation).and_then(|value| match telling {
            Telling::Together => Ok(value),
            Telling::Alone => flush(tx).map(|()| value),
        });
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn error(&self) -> Option<&Error> {
        self.result.as_ref()?.as_ref().err()
    }

    fn settle(self: Box<Self>, batch: Result<(), Error>) {
        let result = match (batch, self.result) {
            (Ok(()), Some(result)) => result,
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(Error::corrupt("an operation was never run")),
        };
        // A caller that went away has its operation done all the same.
        let _gone = self.caller.send(result);
    }
}

fn run_now<I, T, F>(tx: &mut Tx, input: &I, operation: F) -> Result<T, Error>
where
    F: for<'a> Operation<'a, I, T>,
{
    operation(tx, input).now_or_never().ok_or_else(waited)?
}

/// Writes what operations told.
pub(super) fn flush(tx: &mut Tx) -> Result<(), Error> {
    append::flush(tx).now_or_never().ok_or_else(waited)?
}

fn waited() -> Error {
    Error::corrupt("an operation waited inside SQLite")
}
