//! Where campaigns are looked at: a running service, or the data directory that nobody has open.

use crate::campaign::{self, status, status::CampaignStatus};
use crate::cli::Common;
use crate::cli::remote::{Remote, escaped};
use crate::config::Config;
use crate::error::{Failure, Outcome};
use crate::node::engines::Rows;
use clap::Args;
use serde::Deserialize;
use sluice_runtime::{Clock, SystemClock};

/// Where to look.
#[derive(Debug, Clone, Args)]
pub struct SourceArgs {
    /// Ask this service; without it the data directory is read, or the service that has it open is asked
    #[arg(long, value_name = "URL", env = "SLUICE_SERVER")]
    pub server: Option<String>,
}

/// Where campaigns are looked at.
pub(super) enum Source {
    Service(Remote),
    Rows(Rows),
}

#[derive(Deserialize)]
struct All {
    campaigns: Vec<CampaignStatus>,
}

impl Source {
    pub(super) async fn open(common: &Common, args: &SourceArgs) -> Outcome<Self> {
        let config = common.load(&[], "warn")?.config;
        if let Some(server) = &args.server {
            return Ok(Self::Service(service(&config, Some(server))));
        }
        match Rows::open(&config).await {
            Ok(stored) => Ok(Self::Rows(stored)),
            Err(failure) if failure.code == "data_dir_in_use" => {
                // Most likely by the service of this configuration: it knows more than the rows.
                let remote = service(&config, None);
                if remote.answers().await { Ok(Self::Service(remote)) } else { Err(failure) }
            }
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn all(&self) -> Outcome<Vec<CampaignStatus>> {
        match self {
            Self::Service(remote) => Ok(read::<All>(remote.get("/v1/campaigns").await?)?.campaigns),
            Self::Rows(stored) => {
                let store = stored.store();
                let mut all = Vec::new();
                for row in store.campaigns().await? {
                    all.push(status::of(store.as_ref(), &row, SystemClock.wall_ms()).await?);
                }
                Ok(all)
            }
        }
    }

    pub(super) async fn one(&self, name: &super::NameArgs) -> Outcome<CampaignStatus> {
        match self {
            Self::Service(remote) => {
                let (campaign, tenant) = (escaped(&name.campaign), escaped(&name.tenant));
                read(remote.get(&format!("/v1/campaigns/{campaign}?tenant={tenant}")).await?)
            }
            Self::Rows(stored) => {
                let store = stored.store();
                let row = campaign::find(store.as_ref(), &name.tenant, &name.campaign).await?;
                status::of(store.as_ref(), &row, SystemClock.wall_ms()).await
            }
        }
    }
}

/// The service of `server`, or that of the configuration.
pub(in crate::cli) fn service(config: &Config, server: Option<&str>) -> Remote {
    let token = config.gateway.control_token.clone();
    match server {
        Some(url) => Remote::new(url, token),
        None => Remote::new(&format!("http://{}", config.gateway.listen), token),
    }
}

pub(in crate::cli) fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Outcome<T> {
    serde_json::from_value(value).map_err(|error| {
        Failure::refused(
            "service_answer",
            "the service answers something else than was asked",
            "use the same version on both sides",
        )
        .with(error.to_string())
    })
}

/// The rows of a directory for commands that a service does not answer.
pub(super) async fn rows(common: &Common) -> Outcome<Rows> {
    let config = common.load(&[], "warn")?.config;
    Rows::open(&config).await.map_err(|failure| match failure.code.as_str() {
        "data_dir_in_use" => Failure {
            actionable:
                "stop it first; while it runs, `sluice campaign status` and `list` ask it with --server URL"
                    .to_owned(),
            ..failure
        },
        _ => failure,
    })
}
