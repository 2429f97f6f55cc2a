//! The text of a test node's `cassandra.yaml`, and what Java 17 must allow it.

use std::fmt::Write;
use std::path::Path;

use crate::certificate::Certificate;

/// Only warnings, to standard output, which goes to the node's log file.
pub(crate) const LOGGING: &str = "<configuration>
  <appender name=\"out\" class=\"ch.qos.logback.core.ConsoleAppender\">
    <encoder><pattern>%d %p %m%n</pattern></encoder>
  </appender>
  <root level=\"WARN\"><appender-ref ref=\"out\"/></root>
</configuration>
";

/// What every test node has.
const COMMON: &str = "\
cluster_name: sluice-tests
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
auto_snapshot: false
memtable_allocation_type: heap_buffers
disk_failure_policy: stop
commit_failure_policy: stop
";

/// When an acknowledged write is safe from a kill.
///
/// A killed node replays its commit log up to the last synchronisation: with one a second, a kill lost
/// 2 and 21 of 200 acknowledged writes in two trials, although nothing but the process was lost. One
/// before each acknowledgement costs, on a virtual disk with both cores in use: a plain write 0.6 to
/// 0.9 instead of 0.3 ms, a conditional write 1.8 instead of 0.8 ms, batches of 100 rows a tenth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitLog {
    /// At once: the log is synchronised before a write is acknowledged. For tests that kill.
    #[default]
    Batch,
    /// Within a second. For benchmarks; Cassandra's own default is ten seconds.
    Periodic,
}

impl CommitLog {
    fn lines(self) -> &'static str {
        match self {
            Self::Batch => "commitlog_sync: batch",
            Self::Periodic => "commitlog_sync: periodic\ncommitlog_sync_period: 1000ms",
        }
    }
}

/// What lets clients connect by TLS.
pub(crate) fn encryption(certificate: &Certificate) -> String {
    format!(
        "client_encryption_options: {{enabled: true, optional: true, store_type: PKCS12, keystore: '{}', \
         keystore_password: {}}}",
        certificate.key_store.display(),
        Certificate::PASSWORD
    )
}

/// The settings of the node that lives in `root`.
pub(crate) fn yaml(
    root: &Path,
    native: u16,
    storage: u16,
    commit_log: CommitLog,
    further: &[String],
) -> String {
    let at = |name: &str| root.join(name).display().to_string();
    let lines = [
        commit_log.lines().to_owned(),
        format!("data_file_directories: ['{}']", at("data")),
        format!("commitlog_directory: '{}'", at("commitlog")),
        format!("saved_caches_directory: '{}'", at("saved_caches")),
        format!("hints_directory: '{}'", at("hints")),
        format!("cdc_raw_directory: '{}'", at("cdc_raw")),
        format!("native_transport_port: {native}"),
        format!("storage_port: {storage}"),
        "seed_provider:".to_owned(),
        "  - class_name: org.apache.cassandra.locator.SimpleSeedProvider".to_owned(),
        format!("    parameters: [{{seeds: \"127.0.0.1:{storage}\"}}]"),
    ];
    let mut text = COMMON.to_owned();
    for line in lines.iter().chain(further) {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{line}");
    }
    text
}

/// Cassandra reaches into Java's own packages, which Java 17 forbids unless told otherwise; the list
/// is the one of its own start script (`conf/jvm17-server.options`).
pub(crate) const MODULE_OPTIONS: &[&str] = &[
    "-Djdk.attach.allowAttachSelf=true",
    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=java.base/java.lang.ref=ALL-UNNAMED",
    "--add-exports=java.management.rmi/com.sun.jmx.remote.internal.rmi=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.server=ALL-UNNAMED",
    "--add-exports=java.sql/java.sql=ALL-UNNAMED",
    "--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED",
    "--add-exports=jdk.attach/sun.tools.attach=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.module=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.loader=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.reflect=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.math=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.module=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.util.jar=ALL-UNNAMED",
    "--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
    "--add-opens=java.rmi/sun.rmi.transport.tcp=ALL-UNNAMED",
];
