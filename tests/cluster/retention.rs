//! Hazard 26: a campaign is paused for longer than the topic keeps what it has to send.

use crate::launches;
use sluice_runtime::ports::log::Topic;
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Sink, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(120);
const PEOPLE: usize = 1_200;

#[test]
fn hazard_26_g1_g2_people_whose_records_went_during_a_pause_are_called_from_their_rows() {
    let mut cluster = Cluster::new();
    let sink = Sink::start(cluster.place());
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &sink.url());
    cluster.place_mut().set_variable("SLUICE_LOG_LEVEL", "info,sluice_sender=debug");
    let launch = launches::over_pages(cluster.place(), "kept", PEOPLE, 3, "20/s");
    let launch = cluster.place().launch("launch.json", &launch);
    let node = cluster.start();
    cluster.launch(&node, &launch).expect(0);
    wait_for("everybody's record", WITHIN, || {
        (cluster.status("kept")["counters"]["total"] == PEOPLE).then_some(())
    });
    wait_for("calls", WITHIN, || (sink.calls() > 0).then_some(()));
    cluster.command(&node, &["pause", "kept"]);
    // Who has decoded sends at hand would not miss their records.
    node.process.stop(Signal::TERM, WITHIN).expect(0);
    let called = sink.calls();
    assert!(called < PEOPLE as u64, "somebody is left");
    assert_eq!(cluster.remove_records(Topic::Sends), PEOPLE as u64, "the topic had everybody");
    assert_eq!(cluster.remove_records(Topic::Sends), 0);

    let node = cluster.start();
    cluster.command(&node, &["set-limits", "kept", "--rate", "600/s"]);
    assert_eq!(sink.calls(), called, "it is paused");
    cluster.command(&node, &["resume", "kept"]);
    let completed = || (cluster.status("kept")["state"] == "completed").then_some(());
    wait_for("the end of the campaign", WITHIN, completed);
    let ended = node.process.stop(Signal::TERM, WITHIN).expect(0);
    ended.says(&["recipients' rows take the place of the sends"]);

    cluster.place().verify("kept");
    let people = cluster.place().people("kept");
    let calls = sink.stop();
    assert_eq!((people.len(), judge(&people, &calls)), (PEOPLE, 0), "G1, G2");
    assert_eq!((calls.len(), cluster.ends("kept").len()), (PEOPLE, 1), "everybody, and one end");
}
