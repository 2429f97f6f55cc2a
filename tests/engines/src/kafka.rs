//! Apache Kafka (KRaft): one broker, or three that survive the loss of one.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::artefacts;
use crate::certificate::Certificate;
use crate::jvm::{Jit, class_path, property};
use crate::kafka_security::{self, Security};
use crate::kafka_settings::{LOGGING, Node, server_properties};
use crate::ports::Port;
use crate::process::{self, Launch, Process};
use crate::{EngineError, Login, Proxy, probe, programs};

/// The id that all clusters are formatted with: 16 bytes in Base64. Clusters never meet.
const CLUSTER_ID: &str = "c2x1aWNlLXRlc3RzLTAwMQ";

/// What kind of cluster to start.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// How many nodes; each is broker and controller. Three or more replicate threefold and
    /// acknowledge when two have a record; fewer do not replicate.
    pub brokers: usize,
    /// Puts a [`Proxy`] in front of each broker, which clients are sent through (advertised listener);
    /// the brokers speak to each other directly.
    pub proxied: bool,
    /// Whether clients have to log in, as [`Kafka::LOGIN`] (SASL, mechanism PLAIN).
    pub asks_for_login: bool,
    /// Whether clients connect by TLS; [`Kafka::ca_file`] is what they have to trust.
    pub tls: bool,
    /// How the Java compiler works.
    pub jit: Jit,
    /// Further lines of `server.properties`, such as `log.retention.ms=1000`; they win over the defaults.
    pub settings: Vec<String>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            brokers: 1,
            proxied: false,
            asks_for_login: false,
            tls: false,
            jit: Jit::Quick,
            settings: Vec::new(),
        }
    }
}

/// A running cluster with a directory of its own; both go when this is dropped.
#[derive(Debug)]
pub struct Kafka {
    // Dropped in this order: first the processes, last the directory that they write to.
    brokers: Vec<Broker>,
    security: Security,
    directory: TempDir,
}

#[derive(Debug)]
struct Broker {
    process: Process,
    client: Port,
    proxy: Option<Proxy>,
    internal: Port,
    _controller: Port,
}

impl Kafka {
    /// The one user of brokers that ask for a login.
    pub const LOGIN: Login = kafka_security::LOGIN;

    /// Starts a cluster and waits until every broker knows all the others.
    ///
    /// # Errors
    /// Java or Maven is missing, the artefacts cannot be fetched, or a broker does not come up.
    pub fn start(options: KafkaOptions) -> Result<Self, EngineError> {
        let lib = artefacts::KAFKA.resolve()?;
        let java = programs::java()?;
        let directory = tempfile::Builder::new()
            .prefix("sluice-kafka-")
            .tempdir()
            .map_err(EngineError::io("make a directory for kafka"))?;

        let mut parts = Vec::new();
        for _ in 0..options.brokers.max(1) {
            let client = Port::reserve()?;
            let proxy = match options.proxied {
                true => Some(Proxy::start(client.address())?),
                false => None,
            };
            parts.push((client, Port::reserve()?, Port::reserve()?, proxy));
        }
        let nodes: Vec<Node> = parts
            .iter()
            .map(|(client, internal, controller, proxy)| Node {
                client: client.number(),
                internal: internal.number(),
                controller: controller.number(),
                advertised: proxy
                    .as_ref()
                    .map_or_else(|| client.address(), |proxy| proxy.address().to_owned()),
            })
            .collect();
        let certificate = match options.tls {
            true => Some(Certificate::make(java, directory.path())?),
            false => None,
        };
        let security = Security { asks_for_login: options.asks_for_login, certificate };

        let launches = (0..nodes.len())
            .map(|node| {
                prepare(
                    &lib,
                    java,
                    directory.path(),
                    node,
                    server_properties(&nodes, node, directory.path(), &security, &options.settings),
                    options.jit,
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        format_all(&launches)?;

        let mut brokers = Vec::new();
        for (prepared, (client, internal, controller, proxy)) in launches.into_iter().zip(parts) {
            brokers.push(Broker {
                process: Process::launch(prepared.run)?,
                client,
                proxy,
                internal,
                _controller: controller,
            });
        }
        let mut kafka = Self { brokers, security, directory };
        for node in 0..kafka.brokers.len() {
            kafka.await_broker(node, kafka.brokers.len())?;
        }
        Ok(kafka)
    }

    /// What clients connect to: `host:port` of every broker, separated by commas; the proxies'
    /// addresses where there are proxies.
    pub fn bootstrap(&self) -> String {
        self.brokers
            .iter()
            .map(|broker| match &broker.proxy {
                Some(proxy) => proxy.address().to_owned(),
                None => broker.client.address(),
            })
            .collect::<Vec<_>>()
            .join(",")
    }

    /// The certificate that clients have to trust (PEM), where they connect by TLS.
    pub fn ca_file(&self) -> Option<&Path> {
        self.security.certificate.as_ref().map(|certificate| certificate.trusted.as_path())
    }

    /// How many brokers there are; they are counted from 0, their node ids from 1.
    pub fn brokers(&self) -> usize {
        self.brokers.len()
    }

    /// The broker's own address, past its proxy.
    ///
    /// # Errors
    /// There is no such broker.
    pub fn direct(&self, broker: usize) -> Result<String, EngineError> {
        let found = self.brokers.get(broker);
        found.map(|broker| broker.client.address()).ok_or_else(|| self.no_such(broker))
    }

    /// The proxy in front of a broker, if the cluster was started with proxies.
    pub fn proxy(&self, broker: usize) -> Option<&Proxy> {
        self.brokers.get(broker)?.proxy.as_ref()
    }

    /// The file that a broker logs to.
    pub fn log(&self, broker: usize) -> Option<&Path> {
        Some(self.brokers.get(broker)?.process.log())
    }

    /// Kills a broker on the spot (SIGKILL).
    ///
    /// # Errors
    /// There is no such broker.
    pub fn kill(&mut self, broker: usize) -> Result<(), EngineError> {
        self.process(broker)?.kill();
        Ok(())
    }

    /// Stops a broker in order: it hands its partitions over first where there are others.
    ///
    /// # Errors
    /// There is no such broker, it is not running, or it had to be killed in the end.
    pub fn stop(&mut self, broker: usize) -> Result<(), EngineError> {
        self.process(broker)?.stop()
    }

    /// Starts a killed or stopped broker with its ports and data, and waits until it answers.
    ///
    /// # Errors
    /// There is no such broker, it is still running, or it does not come up.
    pub fn restart(&mut self, broker: usize) -> Result<(), EngineError> {
        self.process(broker)?.relaunch()?;
        self.await_broker(broker, 1)
    }

    /// Takes from a killed broker what it has of groups: their members and their positions.
    ///
    /// # Errors
    /// There is no such broker, or its files can't be removed.
    pub fn lose_groups(&mut self, broker: usize) -> Result<(), EngineError> {
        self.process(broker)?;
        let data = self.directory.path().join(format!("node-{}/data", broker + 1));
        let lost = || {
            for entry in std::fs::read_dir(&data)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with("__consumer_offsets-") {
                    std::fs::remove_dir_all(entry.path())?;
                }
            }
            Ok(())
        };
        lost().map_err(EngineError::io("remove what a broker has of groups"))
    }

    /// Suspends a broker (SIGSTOP): connections stay open, nothing answers.
    ///
    /// # Errors
    /// There is no such broker, or it is not running.
    pub fn freeze(&mut self, broker: usize) -> Result<(), EngineError> {
        self.process(broker)?.freeze()
    }

    /// Lets a suspended broker go on (SIGCONT).
    ///
    /// # Errors
    /// There is no such broker, or it is not running.
    pub fn thaw(&mut self, broker: usize) -> Result<(), EngineError> {
        self.process(broker)?.thaw()
    }

    fn process(&mut self, broker: usize) -> Result<&mut Process, EngineError> {
        let missing = self.no_such(broker);
        let found = self.brokers.get_mut(broker);
        found.map(|broker| &mut broker.process).ok_or(missing)
    }

    /// Waits until a broker answers and sees at least `peers` brokers alive, itself included.
    fn await_broker(&mut self, broker: usize, peers: usize) -> Result<(), EngineError> {
        let mut address = self.direct(broker)?;
        if let Some(secured) = self.brokers.get(broker).filter(|_| !self.security.is_open()) {
            // The question brings neither a login nor TLS, and the listeners open together.
            address = secured.internal.address();
        }
        self.process(broker)?
            .await_answer(|| probe::kafka_brokers(&address).is_ok_and(|alive| alive >= peers))
    }

    fn no_such(&self, node: usize) -> EngineError {
        EngineError::NoSuchNode { engine: "kafka", node, nodes: self.brokers.len() }
    }
}

/// The two processes of a broker's life: the one that formats its directory, and the broker.
#[derive(Debug)]
struct Prepared {
    format: Launch,
    run: Launch,
}

fn prepare(
    lib: &Path,
    java: &Path,
    root: &Path,
    node: usize,
    properties: String,
    jit: Jit,
) -> Result<Prepared, EngineError> {
    let directory = root.join(format!("node-{}", node + 1));
    let settings = directory.join("server.properties");
    let logging = directory.join("log4j2.yaml");
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(&settings, properties))
        .and_then(|()| fs::write(&logging, LOGGING))
        .map_err(EngineError::io(format!("write to {}", directory.display())))?;

    let command = |jit: Jit, heap: (u32, u32), tail: Vec<OsString>| {
        let mut command = vec![java.into()];
        command.extend(jit.options(heap.0, heap.1));
        command.push(property("log4j2.configurationFile", &logging));
        command.extend(["-cp".into(), class_path(lib)]);
        command.extend(tail);
        command
    };
    let run = Launch {
        name: format!("kafka, node {}", node + 1),
        command: command(jit, (256, 512), vec!["kafka.Kafka".into(), settings.clone().into()]),
        log: directory.join("log"),
        remove: root.to_owned(),
        directory,
    };
    let format = Launch {
        name: format!("kafka's storage tool, node {}", node + 1),
        command: command(
            Jit::Quick,
            (32, 128),
            vec![
                "kafka.tools.StorageTool".into(),
                "format".into(),
                "-t".into(),
                CLUSTER_ID.into(),
                "-c".into(),
                settings.into(),
            ],
        ),
        ..run.clone()
    };
    Ok(Prepared { format, run })
}

/// Formats the directories of all nodes at once: each takes a second or two.
fn format_all(prepared: &[Prepared]) -> Result<(), EngineError> {
    std::thread::scope(|scope| {
        let formats: Vec<_> =
            prepared.iter().map(|node| scope.spawn(|| process::run(&node.format))).collect();
        formats
            .into_iter()
            .try_for_each(|format| format.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
