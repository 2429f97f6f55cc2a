//! The meters of a node: around its ports, and the port that shows them.

use super::engines::Engines;
use super::roles::{Role, Roles};
use crate::config::Config;
use crate::config::model::{LogEngine, StoreEngine};
use sluice_runtime::Clock;
use sluice_runtime::metered::{
    LagSampler, MeteredCaller, MeteredLog, MeteredMessages, MeteredStore, PageChannels, SAMPLE_EVERY,
    sample_every,
};
use sluice_runtime::metrics::pages::PageSample;
use sluice_runtime::metrics::{Build, Metrics};
use sluice_runtime::ports::caller::Caller;
use sluice_runtime::ports::log::Log;
use sluice_runtime::ports::messages::Messages;
use sluice_runtime::ports::store::Store;
use sluice_sender::Board;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What a node measures.
pub(super) struct Telemetry {
    pub(super) metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    channels: PageChannels,
}

impl Telemetry {
    pub(super) fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        let build = Build {
            version: env!("CARGO_PKG_VERSION"),
            log: match config.engines.log {
                LogEngine::Embedded => "embedded",
                LogEngine::Kafka => "kafka",
            },
            store: match config.engines.store {
                StoreEngine::Embedded => "embedded",
                StoreEngine::Cql => "cql",
            },
        };
        let metrics = Metrics::new(&build, clock.clone());
        Self { metrics, clock, channels: PageChannels::default() }
    }

    pub(super) fn log(&self, engines: &Engines) -> Arc<dyn Log> {
        Arc::new(MeteredLog::new(engines.log(), &self.metrics, self.clock.clone()))
    }

    pub(super) fn store(&self, engines: &Engines) -> Arc<dyn Store> {
        Arc::new(MeteredStore::new(engines.store(), &self.metrics, self.clock.clone()))
    }

    pub(super) fn caller(&self, caller: Arc<dyn Caller>) -> Arc<dyn Caller> {
        let channels = self.channels.clone();
        Arc::new(MeteredCaller::new(caller, channels, &self.metrics, self.clock.clone()))
    }

    pub(super) fn messages(&self, messages: Arc<dyn Messages>) -> Arc<dyn Messages> {
        Arc::new(MeteredMessages::new(messages, self.channels.clone(), &self.metrics))
    }

    /// Exports what the sender's board knows.
    pub(super) fn watch(&self, board: &Board) {
        let (board, clock) = (board.clone(), self.clock.clone());
        self.metrics.watch_pages(self.channels.clone(), move || {
            let now = clock.monotonic();
            let sample = |(page, status): (sluice_core::PageId, sluice_sender::PageStatus)| PageSample {
                page,
                campaigns: status.campaigns,
                granted: status.granted,
                claims: status.claims,
                waits: match (&status.hold, status.problems.is_empty()) {
                    (Some((until, reason)), _) if *until > now => Some(reason.as_str()),
                    (_, false) => Some("not_configured"),
                    (_, true) => None,
                },
            };
            board.pages().into_iter().map(sample).collect()
        });
    }

    /// Samples what has to be asked for, and opens the port.
    pub(super) fn serve(&self, roles: &mut Roles, log: Arc<dyn Log>, listener: TcpListener) {
        let sampler = LagSampler::new(log, &self.metrics, self.clock.clone());
        roles.start(Role::Lag, |shutdown| async move {
            sample_every(SAMPLE_EVERY, sampler, shutdown).await;
            Ok::<(), Infallible>(())
        });
        let metrics = self.metrics.clone();
        roles.start(Role::Metrics, |shutdown| sluice_http::serve_metrics(listener, metrics, shutdown));
    }
}
