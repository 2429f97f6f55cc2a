//! Kafka and Cassandra, and the ways to them.

use crate::settings::SLOTS;
use crate::{Error, Result};
use sluice_engines::{Cassandra, CassandraOptions, Kafka, KafkaOptions, Proxy};
use std::path::Path;

/// Both engines. All clients reach the broker through one proxy, which it advertises; each process has a proxy of its
/// own before the database.
#[derive(Debug)]
pub struct Engines {
    /// One broker.
    pub kafka: Kafka,
    /// One node.
    pub cassandra: Cassandra,
    /// By process.
    pub store_proxies: Vec<Proxy>,
}

impl Engines {
    /// Starts both at once.
    ///
    /// # Errors
    /// Java or Maven is missing, or one does not come up.
    pub fn start() -> Result<Self> {
        let (kafka, cassandra) = std::thread::scope(|scope| {
            let kafka =
                scope.spawn(|| Kafka::start(KafkaOptions { proxied: true, ..KafkaOptions::default() }));
            let cassandra = Cassandra::start(CassandraOptions::default());
            let kafka = kafka.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (kafka, cassandra)
        });
        let (kafka, cassandra) = (kafka?, cassandra?);
        let target = cassandra.contact_point();
        let store_proxies =
            (0..SLOTS).map(|_| Proxy::start(&target)).collect::<std::result::Result<_, _>>()?;
        Ok(Self { kafka, cassandra, store_proxies })
    }

    /// The proxy before the broker.
    pub fn log_proxy(&self) -> Option<&Proxy> {
        self.kafka.proxy(0)
    }

    /// Copies what the engines said to `directory`.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn save_logs(&self, directory: &Path) -> Result<()> {
        let copy = |from: &Path, name: &str| {
            let to = directory.join(name);
            std::fs::copy(from, &to).map(drop).map_err(Error::io(format!("copy to {}", to.display())))
        };
        if let Some(log) = self.kafka.log(0) {
            copy(log, "kafka.log")?;
        }
        copy(self.cassandra.log(), "cassandra.log")
    }
}
