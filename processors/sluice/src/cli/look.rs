//! Where commands look that want to know what is waited for: a running service, or the engines themselves.

use super::Common;
use super::campaign::source::{SourceArgs, instead, named};
use super::remote::Remote;
use crate::config::Config;
use crate::error::{Failure, Outcome};
use crate::node::Engines;
use crate::node::engines::Rows;
use crate::page::sight::Sight;
use sluice_completion::StalledCampaigns;
use sluice_providers::ProviderMessages;
use sluice_runtime::{Clock, SystemClock};
use sluice_sender::Board;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Where a command was told to look.
pub(super) struct Place {
    config: Config,
    server: Option<String>,
}

/// Where to look.
pub(super) enum Look {
    /// Ask the service.
    Service(Remote),
    /// Read the engines; nobody sends here.
    Engines(Engines, Box<Sight>),
}

impl Place {
    pub(super) fn of(common: &Common, args: &SourceArgs) -> Outcome<Self> {
        Ok(Self::new(common.load(&[], "warn")?.config, args))
    }

    pub(super) fn new(config: Config, args: &SourceArgs) -> Self {
        Self { config, server: args.server.clone() }
    }

    pub(super) async fn open(&self) -> Outcome<Look> {
        let config = &self.config;
        if let Some(server) = &self.server {
            return Ok(Look::Service(named(config, server)));
        }
        match engines(config).await {
            Ok(engines) => {
                let sight = sight(&engines, config);
                Ok(Look::Engines(engines, Box::new(sight)))
            }
            Err(failure) => Ok(Look::Service(instead(config, failure).await?)),
        }
    }
}

impl Look {
    pub(super) async fn open(common: &Common, args: &SourceArgs) -> Outcome<Self> {
        Place::of(common, args)?.open().await
    }

    /// Whether others can work while this is open: a directory is open in one process at a time.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Engines(Engines::Cluster(_), _))
    }

    /// It is now.
    pub(super) fn renew(&mut self) {
        if let Self::Engines(engines, sight) = self {
            (sight.now_ms, sight.trouble) = (SystemClock.wall_ms(), engines.trouble());
            sight.working = OnceCell::new();
        }
    }

    /// Lets it go.
    pub(super) async fn close(self) {
        if let Self::Engines(engines, _) = self {
            engines.close().await;
        }
    }
}

/// A directory that is not there is not made.
async fn engines(config: &Config) -> Result<Engines, Failure> {
    if !config.engines.is_cluster() {
        drop(Rows::open(config).await?);
    }
    Engines::open(config).await
}

fn sight(engines: &Engines, config: &Config) -> Sight {
    Sight {
        store: engines.store(),
        log: engines.log(),
        messages: Arc::new(ProviderMessages::new(config.provider_pages())),
        shares: config.sender.shares,
        quotas: config.quotas.clone(),
        known: Arc::default(),
        board: Board::default(),
        working: OnceCell::new(),
        stalled: StalledCampaigns::default(),
        trouble: engines.trouble(),
        now_ms: SystemClock.wall_ms(),
        monotonic: Duration::ZERO,
    }
}
