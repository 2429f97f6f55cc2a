//! Several processes of the program on real engines.

use crate::place::Place;
use crate::process::{Ended, Process};
use crate::provider::free_port;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use sluice_core::partition::partition_of;
use sluice_engines::CqlConnection;
use sluice_log::{KafkaLog, KafkaOptions};
use sluice_runtime::ports::log::{Generations, Log, NewRecord, Partition, Topic};
use std::time::Duration;

/// Processes have started by then: they check topics, schema and clocks before.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A place whose configuration names topics and a keyspace of its own on real engines.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    brokers: String,
    database: String,
    prefix: String,
    keyspace: String,
}

/// One `sluice run`.
#[derive(Debug)]
pub struct Node {
    /// The process.
    pub process: Process,
    /// Its API, where it has the role.
    pub url: String,
    /// `host:port` of its metrics.
    pub metrics: String,
}

impl Cluster {
    /// On the engines that all tests share, with topics and tables made.
    pub fn new() -> Self {
        let cluster = Self::on(sluice_engines::shared_kafka(), sluice_engines::shared_cql());
        cluster.make();
        cluster
    }

    /// On these engines, with nothing made.
    pub fn on(kafka: &str, cql: &str) -> Self {
        let mut place = Place::new();
        let name = format!("t{}x{}", std::process::id(), free_port());
        for (variable, value) in [
            ("SLUICE_ENGINES_LOG", "kafka"),
            ("SLUICE_ENGINES_STORE", "cql"),
            ("SLUICE_KAFKA_BROKERS", kafka),
            ("SLUICE_KAFKA_PREFIX", &format!("{name}.")),
            ("SLUICE_KAFKA_GROUP_PREFIX", &format!("{name}.")),
            ("SLUICE_KAFKA_REPLICATION", "1"),
            ("SLUICE_KAFKA_MIN_INSYNC", "1"),
            ("SLUICE_CQL_CONTACT_POINTS", cql),
            ("SLUICE_CQL_KEYSPACE", &name),
            // SimpleSnitch's only data centre.
            ("SLUICE_CQL_REPLICATION", "datacenter1=1"),
        ] {
            place.set_variable(variable, value);
        }
        let (brokers, database) = (kafka.to_owned(), cql.to_owned());
        Self { place, brokers, database, prefix: format!("{name}."), keyspace: name }
    }

    /// Before the names of its topics.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where its brokers are.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Brings the tables to a state that no command of this program makes. `statement` has `{keyspace}` where the
    /// keyspace's name goes.
    pub fn cql(&self, statement: &str) {
        let mut connection = CqlConnection::open(&self.database, None).unwrap();
        connection.run(&statement.replace("{keyspace}", &self.keyspace)).unwrap();
    }

    /// Appends a record as any upstream system would.
    pub fn produce(&self, topic: Topic, key: &'static [u8], value: Vec<u8>) {
        self.on_log(async |log| {
            let record = NewRecord { key: Bytes::from_static(key), value: value.into() };
            log.append(topic, Partition(0), vec![record]).await.unwrap();
        });
    }

    /// How far a group has got with the records of a key.
    pub fn committed(&self, group: &str, topic: Topic, key: &[u8]) -> u64 {
        self.on_log(async |log| {
            let partition = Partition(partition_of(key, log.partitions(topic)));
            log.committed(group, topic, partition).await.unwrap().map_or(0, |position| position.0)
        })
    }

    /// Removes every record of a topic, as retention does; gives how many there were.
    pub fn remove_records(&self, topic: Topic) -> u64 {
        self.on_log(async |log| {
            let mut removed = 0;
            for partition in (0..log.partitions(topic)).map(Partition) {
                let bounds = log.bounds(topic, partition).await.unwrap();
                log.trim(topic, partition, bounds.end).await.unwrap();
                removed += bounds.end.0 - bounds.start.0;
            }
            removed
        })
    }

    fn on_log<T>(&self, ask: impl AsyncFnOnce(KafkaLog) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options = KafkaOptions {
                brokers: self.brokers.clone(),
                prefix: self.prefix.clone(),
                group_prefix: self.prefix.clone(),
                replication: 1,
                min_insync: 1,
                ..KafkaOptions::default()
            };
            ask(KafkaLog::connect(options, &FirstLife).await.unwrap()).await
        })
    }

    /// Makes topics and tables.
    pub fn make(&self) {
        self.place.run(&["topics", "create"]).expect(0);
        self.place.run(&["store", "migrate"]).expect(0);
    }

    /// Files, variables and commands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The same, to set variables.
    pub fn place_mut(&mut self) -> &mut Place {
        &mut self.place
    }

    /// Its place alone, for who needs no more of it.
    pub fn into_place(self) -> Place {
        self.place
    }

    /// Starts a process with all roles and waits until it works.
    pub fn start(&self) -> Node {
        self.start_with("expander,sender,receipts,gateway,completion")
    }

    /// Starts a process with these roles and waits until it works.
    pub fn start_with(&self, roles: &str) -> Node {
        let mut node = self.start_only(roles);
        node.process.until_it_says("sluice runs on Kafka", STARTS_WITHIN);
        if roles.contains("gateway") {
            node.process.until_it_says("sluice listens on", STARTS_WITHIN);
        }
        node
    }

    /// Starts a process with these roles and waits for nothing.
    pub fn start_only(&self, roles: &str) -> Node {
        let (listen, metrics) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        let process =
            self.place.sluice(&["run", "--roles", roles, "--listen", &listen, "--metrics-listen", &metrics]);
        Node { process, url: format!("http://{listen}"), metrics }
    }

    /// Hands a launch to a process.
    pub fn launch(&self, node: &Node, launch: &str) -> Ended {
        self.place.run(&["campaign", "launch", launch, "--server", &node.url, "--json"])
    }

    /// Runs `sluice campaign …` against a process.
    pub fn command(&self, node: &Node, command: &[&str]) {
        let arguments = [&["campaign"], command, &["--server", &node.url, "--json"]].concat();
        self.place.run(&arguments).expect(0);
    }

    /// Where a campaign is, from the rows.
    pub fn status(&self, campaign: &str) -> Value {
        self.place.status(campaign)
    }

    /// The end events of a campaign; one that a crash repeated has the same id (G8) and stands once.
    pub fn ends(&self, campaign: &str) -> Vec<Value> {
        let told = self.place.run(&["campaign", "events", "--campaign", campaign, "--json"]).expect(0);
        let is_end = |event: &Value| {
            ["completed", "cancelled", "failed"]
                .contains(&event["kind"].as_str().unwrap_or_default().to_lowercase().as_str())
        };
        let mut ends: Vec<Value> =
            told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).filter(is_end).collect();
        ends.sort_by_key(|event| event["id"].to_string());
        ends.dedup_by(|left, right| left["id"] == right["id"]);
        ends
    }
}

/// For who only appends: positions are not compared.
struct FirstLife;

#[async_trait]
impl Generations for FirstLife {
    async fn generation(&self, _topic: &str, _life: &str) -> Result<u32, String> {
        Ok(0)
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}
