//! Why a cluster can't be used, in the words of the command line.

use crate::error::{Exit, Failure};
use sluice_log::kafka::KafkaError;
use sluice_registry::RegistryError;
use sluice_store::cql::CqlError;

/// Kafka can't be used.
pub(crate) fn log_refused(error: KafkaError) -> Failure {
    let (exit, code, to_do) = match &error {
        KafkaError::Options(problem) => {
            let to_do = "correct it in [kafka] of sluice.toml; `sluice config show` tells where each value comes from";
            return Failure::usage("configuration_invalid", format!("kafka.{problem}"), to_do);
        }
        KafkaError::Unreachable { .. } => (
            Exit::TryAgain,
            "log_unreachable",
            "correct kafka.brokers, or kafka.security_protocol where connections are closed at once, or start the \
             brokers and run the same command again",
        ),
        KafkaError::Refused(_) => (
            Exit::Refused,
            "log_login",
            "correct kafka.security_protocol, kafka.ca_file, kafka.sasl_username and kafka.sasl_password, or the rights of \
             that user",
        ),
        KafkaError::MissingTopics(_) | KafkaError::TooFewPartitions { .. } | KafkaError::Setting { .. } => (
            Exit::Refused,
            "topics_unfit",
            "run `sluice topics create`; `sluice topics check` shows all differences",
        ),
        KafkaError::UnequalPartitions { .. } => (
            Exit::Refused,
            "topics_unfit",
            "set kafka.partitions_sends to the larger number and run `sluice topics create`",
        ),
        KafkaError::Replication { .. } | KafkaError::Create { .. } => (
            Exit::Refused,
            "topics_unfit",
            "add brokers and replicas, or set kafka.replication and kafka.min_insync to what there is",
        ),
        KafkaError::Generation { .. } => (
            Exit::Refused,
            "topic_made_anew",
            "docs/deploy.md, \"What to back up\", says what a topic that was made anew means",
        ),
        KafkaError::Client(_) => (Exit::Usage, "configuration_invalid", "correct kafka.properties"),
        KafkaError::Admin { .. } => (Exit::TryAgain, "log_failed", "look at the brokers' logs and try again"),
    };
    Failure::new(exit, code, error.to_string(), to_do)
}

/// The database can't be used.
pub(crate) fn store_refused(error: CqlError) -> Failure {
    let (exit, code, to_do) = match &error {
        CqlError::Options(problem) => {
            let to_do =
                "correct it in [cql] of sluice.toml; `sluice config show` tells where each value comes from";
            return Failure::usage("configuration_invalid", format!("cql.{problem}"), to_do);
        }
        CqlError::Unreachable { .. } => (
            Exit::TryAgain,
            "store_unreachable",
            "correct cql.contact_points, or start the database and run the same command again",
        ),
        CqlError::Login { .. } => (Exit::Refused, "store_login", "correct cql.username and cql.password"),
        CqlError::Tls { .. } => (
            Exit::Refused,
            "store_tls",
            "correct cql.tls and cql.ca_file; the nodes' certificates must name the addresses they are reached at",
        ),
        CqlError::DataCentre { .. } => (Exit::Refused, "store_data_centre", "correct cql.local_dc"),
        CqlError::NoKeyspace(_) => (
            Exit::Refused,
            "keyspace_missing",
            "run `sluice store migrate --replication DATA_CENTRE=REPLICAS`, or correct cql.keyspace",
        ),
        CqlError::OlderSchema { .. } => (Exit::Refused, "schema_older", "run `sluice store migrate`"),
        CqlError::NewerSchema { .. } => {
            (Exit::Refused, "schema_newer", "use the newer version of this program")
        }
        CqlError::Clock { .. } => (
            Exit::Refused,
            "clock_off",
            "set the clocks of both machines by NTP; cql.clock_skew_ms_max is how far they may be apart",
        ),
        CqlError::Unfit { .. } => (
            Exit::Refused,
            "keyspace_unfit",
            "docs/deploy.md says what the keyspace has to give; `sluice store check` shows what it finds",
        ),
        CqlError::Failed { .. } => {
            (Exit::TryAgain, "store_failed", "look at the database's log and run the same command again")
        }
    };
    Failure::new(exit, code, error.to_string(), to_do)
}

/// The schema registry can't be used.
pub(crate) fn registry_refused(error: &RegistryError) -> Failure {
    let to_do = "correct [registry] in sluice.toml, or leave registry.url empty to do without";
    Failure::refused("registry", error.to_string(), to_do)
}
