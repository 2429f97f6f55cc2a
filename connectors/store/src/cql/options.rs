//! How the database is reached.

use serde::{Deserialize, Serialize};
use sluice_runtime::Secret;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How far an acknowledgement reaches. Serial and plain operations always go together: a mixture of local
/// and global ones would not be linearisable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CqlConsistency {
    /// `LOCAL_QUORUM` and `LOCAL_SERIAL`: all processes of Sluice work in one data centre.
    #[default]
    Local,
    /// `QUORUM` and `SERIAL`: a majority over all data centres.
    Global,
}

/// How the database is reached, and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CqlOptions {
    /// Some of the nodes, `host:port` (`host` alone: port 9042); the others are found through them.
    pub contact_points: Vec<String>,
    /// Letters, digits and underscores; at most 48.
    pub keyspace: String,
    /// The data centre to work in. May be left out where there is only one.
    pub local_dc: Option<String>,
    /// For databases that ask who one is.
    pub username: Option<String>,
    /// Goes with `username`; empty: none.
    pub password: Secret,
    /// Whether connections are encrypted. The nodes' certificates must name the addresses they are reached at.
    pub tls: bool,
    /// Certificates of the authorities to trust, PEM; without it those that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// Replicas in each data centre, for the keyspace that `migrate` creates. Empty: it must be there already.
    pub replication: BTreeMap<String, u32>,
    /// ms for a connection to be made.
    pub connect_ms: u64,
    /// ms for one request; longer than the database's own limits (2 s for writes by default), so that its
    /// answer is heard.
    pub request_ms: u64,
    /// ms in which an operation is repeated, or its outcome found out, before it is given up.
    pub total_ms: u64,
    /// ms for all nodes to agree on a changed schema.
    pub schema_agreement_ms: u64,
    /// ms that the clocks of the database and of this machine may be apart.
    pub clock_skew_ms_max: u64,
    /// Bytes of recipients in one write. Below Cassandra's limit of 50 KiB and far below ScyllaDB's.
    pub batch_bytes_max: usize,
    /// Plain writes under way at once; those that are conditional don't queue behind them.
    pub concurrency: usize,
    /// Connections to each node (ScyllaDB: to each shard).
    pub connections_per_node: usize,
    /// How far an acknowledgement reaches.
    pub consistency: CqlConsistency,
    /// Days for which sends and early facts are kept for webhooks; 0: for ever. No claim depends on them.
    pub correlation_days: u32,
}

impl Default for CqlOptions {
    fn default() -> Self {
        Self {
            contact_points: Vec::new(),
            keyspace: "sluice".to_owned(),
            local_dc: None,
            username: None,
            password: Secret::default(),
            tls: false,
            ca_file: None,
            replication: BTreeMap::new(),
            connect_ms: 5_000,
            request_ms: 4_000,
            total_ms: 15_000,
            schema_agreement_ms: 60_000,
            clock_skew_ms_max: 5_000,
            batch_bytes_max: 48 << 10,
            concurrency: 64,
            connections_per_node: 2,
            consistency: CqlConsistency::Local,
            correlation_days: 60,
        }
    }
}

/// Longest name of a keyspace, in both databases.
const KEYSPACE_CHARS_MAX: usize = 48;

/// Twenty years, the longest that the databases keep a TTL.
const TTL_DAYS_MAX: u32 = 7_300;

impl CqlOptions {
    /// Checks all that can be checked without the database.
    ///
    /// # Errors
    /// A sentence for people that begins with the field's name.
    pub fn validate(&self) -> Result<(), String> {
        if self.contact_points.is_empty() || self.contact_points.iter().any(|point| point.trim().is_empty()) {
            return Err("contact_points: name at least one node as host:port".to_owned());
        }
        let is_word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if self.keyspace.is_empty() || self.keyspace.len() > KEYSPACE_CHARS_MAX || !is_word(&self.keyspace) {
            return Err(format!(
                "keyspace: {:?} is not a name of at most {KEYSPACE_CHARS_MAX} letters, digits and underscores",
                self.keyspace
            ));
        }
        match (&self.username, self.password.is_empty()) {
            (None, false) => return Err("username: a password without it is of no use".to_owned()),
            (Some(_), true) => return Err("password: a username without it is of no use".to_owned()),
            _ => {}
        }
        if self.tls && !cfg!(feature = "tls") {
            return Err("tls: this program was built without it (cargo feature `tls`)".to_owned());
        }
        if self.ca_file.is_some() && !self.tls {
            return Err("ca_file: is of no use without tls = true".to_owned());
        }
        for (name, replicas) in &self.replication {
            if name.is_empty() || name.contains(['\'', '\\']) || !(1..=16).contains(replicas) {
                return Err(format!("replication: {replicas} replicas in data centre {name:?} can't be"));
            }
        }
        let positive = [
            ("connect_ms", self.connect_ms),
            ("request_ms", self.request_ms),
            ("schema_agreement_ms", self.schema_agreement_ms),
            ("clock_skew_ms_max", self.clock_skew_ms_max),
            ("concurrency", self.concurrency as u64),
            ("connections_per_node", self.connections_per_node as u64),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name}: must be at least 1"));
        }
        if self.total_ms < self.request_ms {
            return Err("total_ms: must be at least request_ms, or nothing is ever asked twice".to_owned());
        }
        if self.batch_bytes_max < 1_024 {
            return Err("batch_bytes_max: must be at least 1024".to_owned());
        }
        if self.correlation_days > TTL_DAYS_MAX {
            return Err(format!("correlation_days: must be at most {TTL_DAYS_MAX}"));
        }
        Ok(())
    }

    /// The nodes to begin with, for messages.
    pub(crate) fn addresses(&self) -> String {
        self.contact_points.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> CqlOptions {
        CqlOptions { contact_points: vec!["db-1:9042".to_owned()], ..CqlOptions::default() }
    }

    #[test]
    fn the_password_is_never_shown() {
        let options = CqlOptions { username: Some("ops".into()), password: "hunter2".into(), ..valid() };
        let shown = format!("{options:?} {options:#?} {}", serde_json::to_string(&options).unwrap());
        assert!(shown.contains("ops") && !shown.contains("hunter2"));
    }

    #[test]
    fn a_refusal_begins_with_the_name_of_the_field() {
        assert_eq!(valid().validate(), Ok(()));
        let refused: Vec<(&str, CqlOptions)> = vec![
            ("contact_points", CqlOptions::default()),
            ("keyspace", CqlOptions { keyspace: "a-b".into(), ..valid() }),
            ("username", CqlOptions { password: "x".into(), ..valid() }),
            ("password", CqlOptions { username: Some("x".into()), ..valid() }),
            ("ca_file", CqlOptions { ca_file: Some("ca.pem".into()), ..valid() }),
            ("replication", CqlOptions { replication: [("dc1".into(), 0)].into(), ..valid() }),
            ("replication", CqlOptions { replication: [("d'c".into(), 1)].into(), ..valid() }),
            ("concurrency", CqlOptions { concurrency: 0, ..valid() }),
            ("total_ms", CqlOptions { total_ms: 10, ..valid() }),
            ("batch_bytes_max", CqlOptions { batch_bytes_max: 10, ..valid() }),
            ("correlation_days", CqlOptions { correlation_days: 10_000, ..valid() }),
        ];
        for (field, options) in refused {
            let told = options.validate().unwrap_err();
            assert!(told.starts_with(&format!("{field}: ")), "{told}");
        }
    }

    #[test]
    fn an_unknown_setting_is_refused_and_a_missing_one_has_its_default() {
        let read: CqlOptions =
            serde_json::from_str(r#"{"contact_points": ["db-1:9042"], "consistency": "global"}"#).unwrap();
        assert_eq!(read, CqlOptions { consistency: CqlConsistency::Global, ..valid() });
        assert!(serde_json::from_str::<CqlOptions>(r#"{"contact_point": "x"}"#).is_err());
    }
}
