//! `run`, and the commands that ask it.

use crate::support::{Place, object, sink, text, url};
use serde_json::json;
use std::time::Duration;

#[test]
fn c7_a_launch_through_the_service_runs_to_its_end_and_sigterm_is_clean() {
    let (place, sink) = (Place::new(), sink());
    place.write("sluice.toml", &format!("data_dir = \"data\"\n[channels.http]\nurl = \"{}\"\n", url(&sink)));
    let launch = place.http_launch("spring", 300);
    let service = place.serve();
    let server = service.server.clone();

    let launched = place.run(&["campaign", "launch", text(&launch), "--server", &server]);
    assert_eq!(launched.exit, 0, "{launched:?}");
    // The same launch again is the same campaign.
    assert_eq!(place.run(&["campaign", "launch", text(&launch), "--server", &server]).exit, 0);
    let watched = place.run(&["campaign", "watch", "spring", "--server", &server]);
    assert_eq!(
        (watched.exit, watched.out.as_str()),
        (0, "spring is completed: 300 recipients.\n"),
        "{watched:?}"
    );
    let status = object(&place.run(&["campaign", "status", "spring", "--server", &server, "--json"]).out);
    assert_eq!((&status["counters"]["sent"], &status["counters"]["pending"]), (&json!(300), &json!(0)));
    let missing = place.run(&["campaign", "status", "autumn", "--server", &server]);
    assert_eq!(missing.exit, 3, "{missing:?}");

    let ended = service.stop();
    assert_eq!(ended.exit, 0, "{ended:?}");
    let log = ended.err;
    assert!(log.contains("stopped cleanly"), "{log}");
    assert!(!log.contains("p1@example.com"), "G2: no addresses in the log: {log}");
    assert_eq!((sink.stats().distinct, sink.stats().twice), (300, 0));
    let verify = place.run(&["verify", "spring"]);
    assert_eq!(verify.exit, 0, "{verify:?}");
}

#[test]
fn the_demo_agrees_with_its_simulator_and_runs_twice() {
    let place = Place::new();
    for run in ["demo", "demo-2"] {
        let said = place.run(&["demo", "--recipients", "300", "--port", "0", "--data-dir", "data"]);
        assert_eq!(said.exit, 0, "{said:?}");
        for part in [
            "400 rows, 310 can receive, 90 skipped (57 no PSID, 21 duplicates, 12 opted out)",
            "none twice. Counters, recount and simulator agree.",
        ] {
            assert!(said.out.contains(part), "{part}: {said:?}");
        }
        assert!(place.path("data").join(run).is_dir());
        std::thread::sleep(Duration::from_millis(10));
    }
}
