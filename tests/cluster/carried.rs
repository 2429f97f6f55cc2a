//! Hazard 27: old work that can't be done yet does not make each restart read everything that came after it.

use crate::launches;
use sluice_runtime::ports::log::Topic;
use sluice_tests::people::judge;
use sluice_tests::{Cluster, Sink, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(120);
const PEOPLE: usize = 60;
/// Records of `chunks` that come after the old one.
const LATER: usize = 25;

#[test]
fn hazard_27_an_old_record_does_not_hold_the_committed_position_back() {
    let mut cluster = Cluster::new();
    let sink = Sink::start(cluster.place());
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &sink.url());
    cluster.place_mut().set_variable("SLUICE_SENDER_CARRY_AFTER", "10");
    let completed = |campaign: &str| {
        let state = || (cluster.status(campaign)["state"] == "completed").then_some(());
        wait_for(campaign, WITHIN, state);
    };

    // All of them on one page, so their chunks are in one partition.
    let launch = |campaign: &str, people: usize, rate: &str| {
        let mut launch = launches::over_pages(cluster.place(), campaign, people, 1, rate);
        let audience = format!("{campaign}-one-page.csv");
        let rows = (0..people).map(|number| format!("{campaign}{number:06}@example.com\n"));
        let text: String = std::iter::once("address\n".to_owned()).chain(rows).collect();
        launch["audience"]["path"] = cluster.place().write(&audience, text).into();
        launch["pages"] = ["shop"].into();
        cluster.place().launch(&format!("{campaign}.json"), &launch)
    };
    let node = cluster.start();
    cluster.launch(&node, &launch("old", PEOPLE, "2/s")).expect(0);
    wait_for("its first calls", WITHIN, || (sink.calls() > 2).then_some(()));
    cluster.command(&node, &["pause", "old"]);
    let names: Vec<String> = (0..LATER).map(|number| format!("later-{number}")).collect();
    for name in &names {
        cluster.launch(&node, &launch(name, 2, "100/s")).expect(0);
    }
    names.iter().for_each(|name| completed(name));
    let past_the_old = || {
        let committed = cluster.committed("sender", Topic::Chunks, b"shop");
        (committed > 10).then_some(committed)
    };
    let committed = wait_for("the committed position to pass the old record", WITHIN, past_the_old);

    // Whoever starts after a crash reads from there, and finds the old work nevertheless.
    node.process.kill();
    let node = cluster.start();
    assert!(cluster.committed("sender", Topic::Chunks, b"shop") >= committed);
    cluster.command(&node, &["set-limits", "old", "--rate", "200/s"]);
    cluster.command(&node, &["resume", "old"]);
    completed("old");
    cluster.place().verify("old");
    let people = cluster.place().people("old");
    let mut calls = sink.stop();
    calls.retain(|address, _| address.starts_with("old"));
    assert_eq!((people.len(), judge(&people, &calls)), (PEOPLE, 0), "G1, G2");
}
