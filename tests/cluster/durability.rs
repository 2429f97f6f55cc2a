//! A database that may lose what it acknowledged is warned of: a claim that is lost is a second message (G1).

use sluice_engines::{Cassandra, CassandraOptions, CommitLog};
use sluice_tests::Cluster;
use sluice_tests::process::Signal;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);
const WARNING: &str = "one replica and commitlog_sync periodic";

#[test]
fn g1_one_replica_that_syncs_its_commit_log_now_and_then_is_warned_of() {
    let options = CassandraOptions { commit_log: CommitLog::Periodic, ..CassandraOptions::default() };
    let cassandra = Cassandra::start(options).unwrap();
    let cluster = Cluster::on(sluice_engines::shared_kafka(), &cassandra.contact_point());
    cluster.make();
    let checked = cluster.place().run(&["store", "check"]).expect(0).stdout;
    let told = ["commit log: periodic", "warning:", WARNING, "commitlog_sync: batch", "is fit for use"];
    for part in told {
        assert!(checked.contains(part), "{part}: {checked}");
    }
    let node = cluster.start();
    node.process.stop(Signal::TERM, WITHIN).expect(0).says(&["WARN", WARNING]);
}

#[test]
fn g1_one_replica_that_syncs_before_it_acknowledges_is_not() {
    let cluster = Cluster::new();
    let checked = cluster.place().run(&["store", "check"]).expect(0).stdout;
    assert!(checked.contains("commit log: batch") && !checked.contains(WARNING), "{checked}");
}
