//! Ctrl-C and SIGTERM: the first asks to stop, the second to hurry.

use crate::error::{Exit, Failure, Outcome};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears the signals that end a process.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on these signals do not end the process by themselves.
    pub(super) fn new() -> Outcome<Self> {
        let hear = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(
                    Exit::TryAgain,
                    "signals",
                    "cannot listen for signals",
                    "run the same command again",
                )
                .with(error.to_string())
            })
        };
        Ok(Self { interrupt: hear(SignalKind::interrupt())?, terminate: hear(SignalKind::terminate())? })
    }

    /// Resolves at the next one. Cancel-safe.
    pub(super) async fn next(&mut self) {
        let heard = tokio::select! {
            heard = self.interrupt.recv() => heard,
            heard = self.terminate.recv() => heard,
        };
        if heard.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
