//! Starting, steering and stopping a simulator.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Result;
use crate::channel::Channel;
use crate::clock::Clock;
use crate::config::SimulatorConfig;
use crate::error::Error;
use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::log::LogWriter;
use crate::pages::Pages;
use crate::server::{self, Gate};
use crate::state::State;
use crate::stats::Stats;
use crate::webhook::Dispatcher;

/// The simulator as a service of the current tokio runtime.
#[derive(Debug)]
pub struct Simulator;

impl Simulator {
    /// Binds, opens the log and begins to answer.
    ///
    /// # Errors
    /// A bad percentage, a bad webhook URL, an address in use, or a log that cannot be opened.
    pub async fn start(config: SimulatorConfig) -> Result<SimulatorHandle> {
        config.faults.validate()?;
        let bind_error = |source| Error::Bind { address: config.listen, source };
        let socket = server::reserve(config.listen).map_err(bind_error)?;
        let listener = server::listen(socket).map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let log = LogWriter::open(config.log.as_deref())?;
        let clock = Clock::start();
        let (gate, gate_seen) = watch::channel(Gate::Up);
        let (listening, listening_seen) = watch::channel(true);
        let webhooks = config.webhook_target.as_ref().map(|url| Dispatcher::new(&config, url)).transpose()?;
        let faults = config.faults.clone();
        let state = Arc::new(State {
            clock,
            log,
            ledger: Ledger::new(),
            pages: Pages::default(),
            next_id: AtomicU64::new(1),
            webhooks,
            gate,
            listening: listening_seen,
            faults: RwLock::new(Arc::new(faults.clone())),
            config,
        });
        let dispatch = state.webhooks.as_ref().map(|webhooks| webhooks.start(&state));
        let accept =
            tokio::spawn(server::accept_loop(Arc::clone(&state), listener, address, gate_seen, listening));
        let handle = SimulatorHandle { address, state, accept, dispatch };
        if faults.down {
            handle.set_faults(faults).await?;
        }
        Ok(handle)
    }
}

/// A running simulator. Dropped, it stops at once; [`SimulatorHandle::shutdown`] lets calls in flight end.
#[derive(Debug)]
pub struct SimulatorHandle {
    address: SocketAddr,
    state: Arc<State>,
    accept: JoinHandle<()>,
    dispatch: Option<JoinHandle<()>>,
}

impl SimulatorHandle {
    /// Where it listens; the port is the real one.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://address`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.stats()
    }

    /// The faults in force.
    #[must_use]
    pub fn faults(&self) -> Faults {
        (*self.state.faults()).clone()
    }

    /// Takes new faults; when it returns, the port is open or closed as they say.
    ///
    /// # Errors
    /// [`Error::Fault`]; the old faults stay.
    pub async fn set_faults(&self, faults: Faults) -> Result<()> {
        self.state.set_faults(faults).await
    }

    /// Returns when every line so far is in the log file.
    pub async fn flush_log(&self) {
        self.state.log.flush().await;
    }

    /// Waits until no webhook is left to be sent; false: some were left after `limit`.
    pub async fn webhooks_settled(&self, limit: Duration) -> bool {
        let Some(webhooks) = &self.state.webhooks else { return true };
        tokio::time::timeout(limit, webhooks.settled()).await.is_ok()
    }

    /// Asks the webhook target as Meta does when an app subscribes: true if it echoes the challenge.
    ///
    /// False too without a target, for generic HTTP, and if the target cannot be reached.
    pub async fn verify_subscription(&self, channel: Channel) -> bool {
        match &self.state.webhooks {
            Some(webhooks) if channel != Channel::Http => webhooks.verify(channel).await,
            _ => false,
        }
    }

    /// Closes the port, lets calls in flight end (1 s at most), drops webhooks that still wait, closes the log.
    ///
    /// # Errors
    /// [`Error::Thread`] if the log's thread ended badly.
    pub async fn shutdown(mut self) -> Result<()> {
        self.state.gate.send_replace(Gate::Stop);
        let accepted = (&mut self.accept).await;
        if let Some(dispatch) = self.dispatch.take() {
            dispatch.abort();
        }
        let state = Arc::clone(&self.state);
        let closed = tokio::task::spawn_blocking(move || state.log.close()).await;
        let ended = |error: tokio::task::JoinError| Error::Thread(error.to_string());
        accepted.map_err(ended)?;
        closed.map_err(ended)?
    }
}

impl Drop for SimulatorHandle {
    fn drop(&mut self) {
        self.state.gate.send_replace(Gate::Stop);
        self.accept.abort();
        if let Some(dispatch) = &self.dispatch {
            dispatch.abort();
        }
    }
}
