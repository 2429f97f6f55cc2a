//! Where campaigns are looked at: a running service, or the data directory that nobody has open.

use super::NameArgs;
use crate::campaign::place::Place;
use crate::campaign::{self, failures, recipients, status, status::CampaignStatus};
use crate::cli::Common;
use crate::cli::remote::{Remote, escaped};
use crate::config::Config;
use crate::error::{Exit, Failure, Outcome};
use crate::node::engines::Rows;
use crate::node::service_file;
use clap::Args;
use serde::Deserialize;
use sluice_core::{CampaignRow, ChunkRow};
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, SystemClock};
use std::sync::Arc;

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
            return Ok(Self::Service(named(&config, server)));
        }
        match Rows::open(&config).await {
            Ok(stored) => Ok(Self::Rows(stored)),
            // It knows more than the rows.
            Err(failure) => Ok(Self::Service(instead(&config, failure).await?)),
        }
    }

    pub(super) async fn all(&self) -> Outcome<Vec<CampaignStatus>> {
        match self {
            Self::Service(remote) => Ok(read::<All>(remote.get("/v1/campaigns").await?)?.campaigns),
            Self::Rows(stored) => statuses(stored.store().as_ref(), stored.store().campaigns().await?).await,
        }
    }

    /// Those that have not ended.
    pub(super) async fn unfinished(&self) -> Outcome<Vec<CampaignStatus>> {
        match self {
            Self::Service(remote) => {
                Ok(read::<All>(remote.get("/v1/campaigns?unfinished=true").await?)?.campaigns)
            }
            Self::Rows(stored) => statuses(stored.store().as_ref(), stored.store().unfinished().await?).await,
        }
    }

    pub(super) async fn one(&self, name: &NameArgs) -> Outcome<CampaignStatus> {
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

    /// One campaign, to be listed part by part.
    pub(super) async fn listing<'s>(&'s self, name: &'s NameArgs) -> Outcome<Listing<'s>> {
        Ok(match self {
            Self::Service(remote) => Listing::Service(remote, name),
            Self::Rows(stored) => {
                let store = stored.store();
                let row = campaign::find(store.as_ref(), &name.tenant, &name.campaign).await?;
                let chunks = store.chunks(row.id).await?;
                Listing::Rows(store, chunks)
            }
        })
    }
}

async fn statuses(store: &dyn Store, rows: Vec<CampaignRow>) -> Outcome<Vec<CampaignStatus>> {
    let mut statuses = Vec::with_capacity(rows.len());
    for row in rows {
        statuses.push(status::of(store, &row, SystemClock.wall_ms()).await?);
    }
    Ok(statuses)
}

/// A campaign of a source: as it is stored it is looked up once, however many parts follow.
pub(super) enum Listing<'s> {
    Service(&'s Remote, &'s NameArgs),
    Rows(Arc<dyn Store>, Vec<ChunkRow>),
}

impl Listing<'_> {
    /// Some of the recipients that are wanted.
    pub(super) async fn recipients(&self, wanted: &recipients::Wanted) -> Outcome<recipients::Part> {
        match self {
            Self::Service(remote, name) => {
                let limit = wanted.limit.min(recipients::PART_MAX);
                let mut path = format!("{}&limit={limit}", part_of(name, "recipients"));
                if let Some(status) = wanted.status {
                    path.push_str(&format!("&status={}", status.as_str()));
                }
                read(remote.get(&after(path, wanted.after)).await?)
            }
            Self::Rows(store, chunks) => recipients::part(store.as_ref(), chunks, wanted).await,
        }
    }

    /// The failures and skipped rows of some recipients.
    pub(super) async fn errors(&self, samples: usize, from: Option<Place>) -> Outcome<failures::Part> {
        match self {
            Self::Service(remote, name) => {
                let path = format!("{}&samples={samples}", part_of(name, "errors"));
                read(remote.get(&after(path, from)).await?)
            }
            Self::Rows(store, chunks) => failures::part(store.as_ref(), chunks, samples, from).await,
        }
    }
}

fn part_of(name: &NameArgs, what: &str) -> String {
    format!("/v1/campaigns/{}/{what}?tenant={}", escaped(&name.campaign), escaped(&name.tenant))
}

fn after(path: String, place: Option<Place>) -> String {
    match place {
        Some(place) => format!("{path}&after={place}"),
        None => path,
    }
}

/// Who is asked where the data directory can't be opened: the service that has it open.
pub(in crate::cli) async fn instead(config: &Config, failure: Failure) -> Outcome<Remote> {
    if failure.code != "data_dir_in_use" {
        return Err(failure);
    }
    if let Some(url) = service_file::of(&config.data_dir) {
        let remote = named(config, &url);
        if remote.answers().await {
            return Ok(remote);
        }
    }
    let actionable = "if it is a service, name it with --server URL; otherwise wait for its end".to_owned();
    Err(Failure { actionable, ..failure })
}

/// The service at a URL.
pub(in crate::cli) fn named(config: &Config, url: &str) -> Remote {
    Remote::new(url, config.gateway.control_token.clone())
}

/// The service of `server`, or the one that has the data directory open, or that of the configuration.
pub(in crate::cli) fn service(common: &Common, config: &Config, server: Option<&str>) -> Outcome<Remote> {
    let dir = &config.data_dir;
    let url = match server {
        Some(url) => return Ok(named(config, url)),
        None if config.engines.is_cluster() => None,
        None => service_file::of(dir),
    };
    match url {
        Some(url) => Ok(named(config, &url)),
        // Whose campaigns were asked for was said: another service may have campaigns of the same names.
        None if common.data_dir.is_some() => Err(Failure::new(
            Exit::TryAgain,
            "service_unreachable",
            format!("no service has the data directory {} open", dir.display()),
            format!(
                "start it with `sluice run --data-dir {}`, or name another one with --server URL",
                dir.display()
            ),
        )),
        None => Ok(named(config, &format!("http://{}", config.gateway.listen))),
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
