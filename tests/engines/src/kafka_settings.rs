//! The text of a test broker's `server.properties`.

use std::fmt::Write;
use std::path::Path;

use crate::kafka_security::Security;

/// Where one node listens.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The port for clients.
    pub(crate) client: u16,
    /// The port for the other brokers.
    pub(crate) internal: u16,
    /// The port for the other controllers.
    pub(crate) controller: u16,
    /// What clients are told to connect to, `host:port`.
    pub(crate) advertised: String,
}

/// Only warnings, to standard output, which goes to the node's log file.
pub(crate) const LOGGING: &str = r#"Configuration:
  Appenders:
    Console: {name: out, PatternLayout: {pattern: "%d %p %c{1} %m%n"}}
  Loggers:
    Root: {level: warn, AppenderRef: {ref: out}}
"#;

/// What every test broker has.
const COMMON: &str = "\
process.roles=broker,controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTERNAL
# A topic that nobody made is a mistake of the test.
auto.create.topics.enable=false
offsets.topic.num.partitions=3
transaction.state.log.num.partitions=3
group.initial.rebalance.delay.ms=0
# KIP-848: members are told of a new assignment with their next heartbeat: as docs/deploy.md wants it.
group.coordinator.rebalance.protocols=classic,consumer
group.consumer.heartbeat.interval.ms=300
group.consumer.min.heartbeat.interval.ms=200
group.consumer.session.timeout.ms=6000
group.consumer.min.session.timeout.ms=3000
group.min.session.timeout.ms=3000
# A killed broker is missed after 4 s instead of 9.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
# The log cleaner's default buffer is a quarter of the heap.
log.cleaner.dedupe.buffer.size=8388608
";

/// The settings of the node with this index (ids count from 1). Later lines win over earlier ones.
pub(crate) fn server_properties(
    nodes: &[Node],
    index: usize,
    root: &Path,
    security: &Security,
    further: &[String],
) -> String {
    let node = &nodes[index];
    let id = index + 1;
    let voters: Vec<String> = nodes
        .iter()
        .enumerate()
        .map(|(index, node)| format!("{}@127.0.0.1:{}", index + 1, node.controller))
        .collect();
    let replicas = nodes.len().min(3);
    let in_sync = if replicas == 3 { 2 } else { 1 };
    let lines = [
        format!("node.id={id}"),
        format!("controller.quorum.voters={}", voters.join(",")),
        format!(
            "listeners=CLIENT://127.0.0.1:{},INTERNAL://127.0.0.1:{},CONTROLLER://127.0.0.1:{}",
            node.client, node.internal, node.controller
        ),
        format!("advertised.listeners=CLIENT://{},INTERNAL://127.0.0.1:{}", node.advertised, node.internal),
        format!(
            "listener.security.protocol.map=CLIENT:{},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
            security.protocol()
        ),
        format!("log.dirs={}", root.join(format!("node-{id}/data")).display()),
        format!("default.replication.factor={replicas}"),
        format!("min.insync.replicas={in_sync}"),
        format!("offsets.topic.replication.factor={replicas}"),
        format!("transaction.state.log.replication.factor={replicas}"),
        format!("transaction.state.log.min.isr={in_sync}"),
    ];
    let mut text = COMMON.to_owned();
    for line in lines.iter().chain(&security.settings()).chain(further) {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: u16) -> Vec<Node> {
        (0..count)
            .map(|index| Node {
                client: 100 + index,
                internal: 200 + index,
                controller: 300 + index,
                advertised: format!("127.0.0.1:{}", 900 + index),
            })
            .collect()
    }

    #[test]
    fn three_nodes_replicate_threefold_and_need_two() {
        let text = server_properties(&nodes(3), 1, Path::new("/d"), &Security::default(), &[]);
        assert!(text.contains("\nnode.id=2\n"));
        assert!(text.contains("=1@127.0.0.1:300,2@127.0.0.1:301,3@127.0.0.1:302\n"));
        assert!(text.contains("\ndefault.replication.factor=3\nmin.insync.replicas=2\n"));
        assert!(text.contains("\nlog.dirs=/d/node-2/data\n"));
    }

    #[test]
    fn a_single_node_does_not_wait_for_others() {
        let text = server_properties(&nodes(1), 0, Path::new("/d"), &Security::default(), &[]);
        assert!(text.contains("\ndefault.replication.factor=1\nmin.insync.replicas=1\n"));
    }

    #[test]
    fn clients_are_sent_to_the_advertised_address_and_brokers_are_not() {
        let text = server_properties(&nodes(1), 0, Path::new("/d"), &Security::default(), &[]);
        assert!(text.contains("advertised.listeners=CLIENT://127.0.0.1:900,INTERNAL://127.0.0.1:200\n"));
    }

    #[test]
    fn further_settings_come_last() {
        let text =
            server_properties(&nodes(1), 0, Path::new("/d"), &Security::default(), &["a=b".to_owned()]);
        assert!(text.ends_with("\na=b\n"));
    }
}
