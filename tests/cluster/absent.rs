//! D8: work that no process does is told as such, whoever is asked.

use crate::launches;
use serde_json::{Value, json};
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Sink, http, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(120);

#[test]
fn d8_g3_a_campaign_that_no_process_sends_is_told_found_and_sent_once_one_does() {
    let mut cluster = Cluster::new();
    let sink = Sink::start(cluster.place());
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &sink.url());
    cluster.place_mut().set_variable("SLUICE_COMPLETION_STALLED_AFTER_MS", "8000");
    let launch = launches::over_pages(cluster.place(), "alone", 500, 2, "1000/s");
    let launch = cluster.place().launch("launch.json", &launch);
    let asked = cluster.start_with("expander,receipts,gateway,completion");
    cluster.launch(&asked, &launch).expect(0);

    let held = "alone waits: nobody is sent to, since no process has the role sender; to go on: sluice run --roles \
                sender. 0 of 500 done.";
    // The same from a process of the cluster, and from the engines.
    let server = ["--server", &asked.url];
    let run = |arguments: &[&str]| cluster.place().run(arguments).expect(0).stdout;
    for place in [&server[..], &[]] {
        wait_for("the sentence", WITHIN, || {
            run(&[&["explain", "alone"], place].concat()).starts_with(held).then_some(())
        });
        let explained = run(&[&["explain", "alone"], place].concat());
        assert!(explained.contains("expander 1, sender 0, receipts 1, completion 1"), "{explained}");
        assert!(
            !explained.contains("Expected end") && !explained.contains("Nobody works on it"),
            "{explained}"
        );
        let queue = run(&[&["queue"], place].concat());
        assert!(queue.contains("deferred") && queue.contains(held), "{queue}");
        let status = run(&[&["campaign", "status", "alone"], place].concat());
        assert!(status.starts_with(held), "{status}");
    }
    let stalled = || {
        let explained: Value =
            serde_json::from_str(&run(&["explain", "alone", "--json", server[0], server[1]])).unwrap();
        (explained["status"]["stalled"]["reason"] == "no_sender").then_some(explained)
    };
    let found = wait_for("that it is found", WITHIN, stalled);
    assert_eq!(found["status"]["stalled"]["recipients"], 500);
    assert_eq!(found["status"]["absent"], json!(["sender"]));
    let metric = |name: &str| {
        let metrics =
            http::request("GET", &format!("http://{}/metrics", asked.metrics), &[], b"").unwrap().body;
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name}{{reason=\"no_sender\"}}")));
        line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    assert_eq!(metric("sluice_campaigns_stalled").as_deref(), Some("1"));

    let sends = cluster.start_with("sender");
    let ended = || (cluster.status("alone")["state"] == "completed").then_some(());
    wait_for("the end of the campaign", WITHIN, ended);
    assert_eq!(metric("sluice_campaigns_stalled").as_deref(), Some("0"));
    assert_eq!(metric("sluice_campaigns_stalled_total").as_deref(), Some("1"), "told once");
    for node in [asked, sends] {
        node.process.stop(Signal::TERM, WITHIN).expect(0);
    }
    assert_eq!(judge(&cluster.place().people("alone"), &sink.stop()), 0);
}

#[test]
fn d8_g3_a_launch_that_no_process_expands_is_told_and_so_is_a_cluster_without_any_process() {
    let mut cluster = Cluster::new();
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", "http://127.0.0.1:9/");
    let mut launch = launches::over_pages(cluster.place(), "later", 50, 1, "1000/s");
    launch["rules"] = json!({ "start_at": "2099-06-01T09:00" });
    let launch = cluster.place().launch("launch.json", &launch);
    let asked = cluster.start_with("sender,receipts,gateway,completion");
    let refused = cluster.launch(&asked, &launch).expect(75);
    assert!(refused.stderr.contains("no process has the role expander"), "{}", refused.stderr);

    let explained = || cluster.place().run(&["explain", "later"]);
    let expands = cluster.start_with("expander");
    let starts = "later starts at 2099-06-01 09:00 UTC";
    wait_for("its row", WITHIN, || explained().stdout.starts_with(&format!("{starts}.")).then_some(()));
    expands.process.stop(Signal::TERM, WITHIN).expect(0);
    let held = format!(
        "{starts}, but its audience is not read, since no process has the role expander; to go on: sluice run --roles \
         expander."
    );
    wait_for("the sentence", WITHIN, || explained().stdout.starts_with(&held).then_some(()));
    asked.process.stop(Signal::TERM, WITHIN).expect(0);
    let nobody = format!("{starts}, and nobody works on it.");
    wait_for("that nobody works", WITHIN, || explained().stdout.starts_with(&nobody).then_some(()));
}
