//! Apache Cassandra, a single node that speaks CQL.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::artefacts;
use crate::cassandra_settings::{CommitLog, LOGGING, MODULE_OPTIONS, encryption, yaml};
use crate::certificate::Certificate;
use crate::jvm::{Jit, class_path, property};
use crate::ports::Port;
use crate::process::{Launch, Process};
use crate::{CqlConnection, EngineError, Login, probe, programs};

/// What kind of node to start.
#[derive(Debug, Clone)]
pub struct CassandraOptions {
    /// How the Java compiler works.
    pub jit: Jit,
    /// When an acknowledged write is safe from a kill.
    pub commit_log: CommitLog,
    /// The heap, in MiB.
    pub heap_mib: u32,
    /// Whether clients have to log in, as [`Cassandra::LOGIN`].
    pub asks_for_login: bool,
    /// Whether clients may connect by TLS; [`Cassandra::ca_file`] is what they have to trust. Who does without is let
    /// in too.
    pub tls: bool,
    /// Further lines of `cassandra.yaml`, such as `batch_size_fail_threshold: 1MiB`. A name that is
    /// set by default cannot be set twice.
    pub settings: Vec<String>,
}

impl Default for CassandraOptions {
    fn default() -> Self {
        Self {
            jit: Jit::Quick,
            commit_log: CommitLog::Batch,
            heap_mib: 1024,
            asks_for_login: false,
            tls: false,
            settings: Vec::new(),
        }
    }
}

/// A running node with a directory of its own; both go when this is dropped.
///
/// A write that it acknowledged survives [`Cassandra::kill`], unless the options say otherwise.
#[derive(Debug)]
pub struct Cassandra {
    // Dropped in this order: first the process, last the directory that it writes to.
    process: Process,
    native: Port,
    asks_for_login: bool,
    certificate: Option<Certificate>,
    _storage: Port,
    _jmx: Port,
    _directory: TempDir,
}

impl Cassandra {
    /// The user that a node makes by itself when it asks for a login.
    pub const LOGIN: Login = Login { username: "cassandra", password: "cassandra" };

    /// Starts a node and waits until it answers over CQL.
    ///
    /// # Errors
    /// Java or Maven is missing, the artefacts cannot be fetched, or the node does not come up.
    pub fn start(options: CassandraOptions) -> Result<Self, EngineError> {
        let lib = artefacts::CASSANDRA.resolve()?;
        let java = programs::java()?;
        let directory = tempfile::Builder::new()
            .prefix("sluice-cassandra-")
            .tempdir()
            .map_err(EngineError::io("make a directory for cassandra"))?;
        let (native, storage, jmx) = (Port::reserve()?, Port::reserve()?, Port::reserve()?);

        let root = directory.path();
        let mut settings = options.settings.clone();
        if options.asks_for_login {
            settings.push("authenticator: PasswordAuthenticator".to_owned());
        }
        let certificate = match options.tls {
            true => Some(Certificate::make(java, root)?),
            false => None,
        };
        settings.extend(certificate.iter().map(encryption));
        let text = yaml(root, native.number(), storage.number(), options.commit_log, &settings);
        fs::write(root.join("cassandra.yaml"), text)
            .and_then(|()| fs::write(root.join("logback.xml"), LOGGING))
            .map_err(EngineError::io(format!("write to {}", root.display())))?;
        let launch = Launch {
            name: "cassandra".to_owned(),
            command: command(java, &lib, root, jmx.number(), &options),
            directory: root.to_owned(),
            log: root.join("log"),
            remove: root.to_owned(),
        };
        let (address, asks_for_login) = (native.address(), options.asks_for_login);
        Ok(Self {
            process: Process::start(launch, || answers(&address, asks_for_login))?,
            native,
            asks_for_login,
            certificate,
            _storage: storage,
            _jmx: jmx,
            _directory: directory,
        })
    }

    /// What drivers connect to, `host:port`.
    pub fn contact_point(&self) -> String {
        self.native.address()
    }

    /// The certificate that clients have to trust (PEM), where they may connect by TLS.
    pub fn ca_file(&self) -> Option<&Path> {
        self.certificate.as_ref().map(|certificate| certificate.trusted.as_path())
    }

    /// The file that the node logs to.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// Kills the node on the spot (SIGKILL).
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops the node in order.
    ///
    /// # Errors
    /// It is not running, or it had to be killed in the end.
    pub fn stop(&mut self) -> Result<(), EngineError> {
        self.process.stop()
    }

    /// Starts the killed or stopped node with its ports and data, and waits until it answers.
    ///
    /// # Errors
    /// It is still running, or it does not come up.
    pub fn restart(&mut self) -> Result<(), EngineError> {
        let (address, asks_for_login) = (self.native.address(), self.asks_for_login);
        self.process.relaunch()?;
        self.process.await_answer(|| answers(&address, asks_for_login))
    }

    /// Suspends the node (SIGSTOP): connections stay open, nothing answers.
    ///
    /// # Errors
    /// It is not running.
    pub fn freeze(&mut self) -> Result<(), EngineError> {
        self.process.freeze()
    }

    /// Lets the suspended node go on (SIGCONT).
    ///
    /// # Errors
    /// It is not running.
    pub fn thaw(&mut self) -> Result<(), EngineError> {
        self.process.thaw()
    }
}

/// A node makes its user some time after it first answers.
fn answers(address: &str, asks_for_login: bool) -> bool {
    match asks_for_login {
        true => CqlConnection::open(address, Some(Cassandra::LOGIN)).is_ok(),
        false => probe::cql_answers(address),
    }
}

fn command(java: &Path, lib: &Path, root: &Path, jmx: u16, options: &CassandraOptions) -> Vec<OsString> {
    let mut agent = OsString::from("-javaagent:");
    agent.push(lib.join("jamm-0.4.0.jar"));
    let mut config = OsString::from("file://");
    config.push(root.join("cassandra.yaml"));

    let mut command = vec![java.into(), agent];
    command.extend(options.jit.options(options.heap_mib, options.heap_mib));
    command.extend(MODULE_OPTIONS.iter().map(OsString::from));
    command.extend([
        property("cassandra.config", config),
        property("logback.configurationFile", root.join("logback.xml")),
        property("cassandra.storagedir", root),
        property("cassandra.jmx.local.port", jmx.to_string()),
        // A single node has nobody to wait for.
        property("cassandra.skip_wait_for_gossip_to_settle", "0"),
        property("cassandra.ring_delay_ms", "0"),
        property("cassandra.superuser_setup_delay_ms", "0"),
        "-cp".into(),
        class_path(lib),
        "org.apache.cassandra.service.CassandraDaemon".into(),
    ]);
    command
}
