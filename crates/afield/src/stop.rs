//! Signals: the first asks to stop, the second means now. One is no wish of anybody's.

use nix::sys::signal::Signal as Named;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C and SIGTERM, as they come.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over from the default action.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    ///
    /// **Cancel safety**: none is lost.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Has a write behind the process's limit on file sizes (`ulimit -f`) fail like any other, instead of ending the
/// process by SIGXFSZ. A handler that does nothing, for as long as the process lives: unlike an ignored signal, what
/// is started here gets the default action back.
pub(crate) fn survive_file_size_limit() -> anyhow::Result<()> {
    let _handler_stays = signal(SignalKind::from_raw(Named::SIGXFSZ as i32))?;
    Ok(())
}
