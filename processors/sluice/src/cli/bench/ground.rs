//! What a benchmark stands on: engines without anything of an earlier run, and nothing left of them afterwards.
//!
//! On a cluster each measured run has topics and a keyspace of its own, named by this process and a number.

use super::{BenchArgs, LogKind, StoreKind, failed};
use crate::cli::Common;
use crate::config::Config;
use crate::config::model::{EnginesConfig, LogEngine, StoreEngine};
use crate::error::{Failure, Outcome};
use crate::node::engines::{log_refused, store_refused};
use crate::view::out;
use sluice_log::kafka::{self, topics};
use sluice_runtime::{Clock, SystemClock};
use sluice_store::cql;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Makes places, and knows which are still there. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    /// On a cluster: as configured.
    cluster: Option<Arc<Config>>,
    made: Arc<Mutex<Made>>,
}

#[derive(Debug, Default)]
struct Made {
    number: u32,
    present: Vec<Place>,
}

/// Fresh engines for one run.
#[derive(Debug, Clone)]
pub(super) struct Place {
    name: String,
    /// On a cluster: with the place's own names.
    config: Option<Arc<Config>>,
}

impl Ground {
    /// As the flags say; without them, as the configuration says.
    pub(super) fn of(common: &Common, args: &BenchArgs) -> Outcome<Self> {
        let mut config = common.loaded(&[])?.config;
        if let (Some(log), Some(store)) = (args.log, args.store) {
            config.engines = match (log, store) {
                (LogKind::Embedded, StoreKind::Embedded) => EnginesConfig::default(),
                (LogKind::Kafka, StoreKind::Cql) => CLUSTER,
                _ => {
                    let what = "--log and --store are both embedded, or kafka and cql";
                    return Err(Failure::usage("engines", what, "add --log kafka --store cql"));
                }
            };
        }
        config.validate().map_err(|problem| {
            Failure::usage("configuration_invalid", problem, "correct it in sluice.toml or the environment")
        })?;
        let cluster = config.engines.is_cluster().then(|| Arc::new(config));
        Ok(Self { cluster, made: Arc::default() })
    }

    /// Whether the engines are shared with others.
    pub(super) fn is_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// A place nobody has used. On a cluster with topics and tables.
    pub(super) async fn fresh(&self) -> Outcome<Place> {
        let place = self.next();
        if let Some(config) = &place.config {
            // Noted before anything is made, so that half of it is removed, too.
            self.lock().present.push(place.clone());
            cql::migrate(&config.cql).await.map_err(store_refused)?;
            topics::create(&config.kafka).await.map_err(log_refused)?;
        }
        Ok(place)
    }

    fn next(&self) -> Place {
        let mut made = self.lock();
        made.number += 1;
        let name = format!("{}-{}-{}", SystemClock.wall_ms(), std::process::id(), made.number);
        let config = self.cluster.as_ref().map(|config| {
            let mut config = Config::clone(config);
            config.kafka.prefix = format!("{}{name}.", kafka::raw::SCRATCH);
            config.kafka.group_prefix.clone_from(&config.kafka.prefix);
            config.cql.keyspace = format!("{}{}", cql::raw::SCRATCH, name.replace('-', "_"));
            // Schemas of topics that are gone in a minute are nothing for a registry.
            config.registry.url = String::new();
            Arc::new(config)
        });
        Place { name, config }
    }

    /// Removes a place; its processes have ended.
    pub(super) async fn remove(&self, place: Place) -> Outcome<()> {
        self.lock().present.retain(|other| other.name != place.name);
        let Some(config) = &place.config else { return Ok(()) };
        let topics = kafka::raw::remove_topics(&config.kafka).await;
        cql::raw::drop_keyspace(&config.cql).await.map_err(store_refused)?;
        topics.map_err(log_refused)
    }

    /// Removes whatever is left after a failure or a signal.
    pub(super) async fn remove_all(&self) {
        loop {
            let Some(place) = self.lock().present.pop() else { return };
            if let Err(failure) = self.remove(place.clone()).await {
                out::note(format_args!("{} was not removed: {}", place.describe(), failure.message));
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const CLUSTER: EnginesConfig = EnginesConfig { log: LogEngine::Kafka, store: StoreEngine::Cql };

impl Place {
    /// What processes of this program need in their environment to stand here.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let variables = match &self.config {
            None => vec![("ENGINES_LOG", "embedded".to_owned()), ("ENGINES_STORE", "embedded".to_owned())],
            Some(config) => vec![
                ("ENGINES_LOG", "kafka".to_owned()),
                ("ENGINES_STORE", "cql".to_owned()),
                ("KAFKA_PREFIX", config.kafka.prefix.clone()),
                ("KAFKA_GROUP_PREFIX", config.kafka.group_prefix.clone()),
                ("CQL_KEYSPACE", config.cql.keyspace.clone()),
                ("REGISTRY_URL", String::new()),
            ],
        };
        variables.into_iter().map(|(name, value)| (format!("SLUICE_{name}"), value)).collect()
    }

    /// The configuration of the cluster here, with a directory for what is of no use afterwards.
    pub(super) fn cluster(&self, data_dir: PathBuf) -> Outcome<Config> {
        let config = self.config.as_ref().ok_or_else(|| failed("there is no cluster", "embedded engines"))?;
        Ok(Config { data_dir, ..Config::clone(config) })
    }

    fn describe(&self) -> String {
        self.config.as_ref().map_or_else(String::new, |config| {
            format!("keyspace {} with the topics {}*", config.cql.keyspace, config.kafka.prefix)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Ground {
        let config = Config { engines: CLUSTER, ..Config::default() };
        Ground { cluster: Some(Arc::new(config)), made: Arc::default() }
    }

    #[test]
    fn every_place_on_a_cluster_has_names_of_its_own_that_may_be_removed() {
        let ground = cluster();
        let (one, other) = (ground.next(), ground.next());
        assert_ne!(one.variables(), other.variables());
        let config = one.cluster(PathBuf::new()).unwrap();
        assert!(config.kafka.prefix.starts_with(kafka::raw::SCRATCH));
        assert!(config.cql.keyspace.starts_with(cql::raw::SCRATCH) && config.cql.keyspace.len() <= 48);
        let named = |name: &str| one.variables().into_iter().find(|(known, _)| known == name).unwrap().1;
        assert_eq!(named("SLUICE_CQL_KEYSPACE"), config.cql.keyspace);
        assert_eq!(named("SLUICE_KAFKA_PREFIX"), config.kafka.prefix);
    }

    #[test]
    fn embedded_engines_are_used_whatever_the_environment_of_the_caller_names() {
        let place = Ground { cluster: None, made: Arc::default() }.next();
        assert_eq!(place.variables()[0], ("SLUICE_ENGINES_LOG".to_owned(), "embedded".to_owned()));
        assert!(place.cluster(PathBuf::new()).is_err());
    }
}
