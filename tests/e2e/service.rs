//! A1, C7: the service: one campaign for each launch, also after `kill -9`.

use crate::launches;
use serde_json::{Value, json};
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Place, Process, Sink, events, free_port, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(90);
const RECIPIENTS: u64 = 20_000;

fn start(place: &Place, port: u16) -> Process {
    let mut service = place.sluice(&["run", "--listen", &format!("127.0.0.1:{port}")]);
    service.until_it_says("sluice listens on", Duration::from_secs(30));
    service
}

fn campaigns(place: &Place, server: &str) -> Vec<Value> {
    let list = place.run(&["campaign", "list", "--json", "--server", server]).expect(0);
    list.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a1_c7_a_launch_given_twice_is_one_campaign_and_survives_sigkill_of_the_service() {
    let mut place = Place::new();
    launches::addresses(&place, RECIPIENTS as usize, 0);
    let launch = place.launch("launch.json", &launches::http("service"));
    let sink = Sink::start(&place);
    place.set_variable("SLUICE_HTTP_URL", &sink.url());
    let port = free_port();
    let server = format!("http://127.0.0.1:{port}");
    let ask = ["campaign", "launch", &launch, "--server", &server, "--json"];

    // Twice at the same time, and once more after that.
    let service = start(&place, port);
    let twice = [place.sluice(&ask), place.sluice(&ask)].map(|launch| launch.wait(WITHIN).expect(0).json());
    let created = place.run(&ask).expect(0).json()["created_at_ms"].clone();
    assert!(twice.iter().all(|answer| answer["created_at_ms"] == created), "{twice:?}");
    assert_eq!(campaigns(&place, &server).len(), 1);

    wait_for("calls", WITHIN, || (sink.calls() > RECIPIENTS / 4).then_some(()));
    service.kill();
    let called = sink.calls();
    assert!(called < RECIPIENTS, "it was killed too late");

    // Nobody says anything to the new one: it goes on by itself.
    let service = start(&place, port);
    place.run(&ask).expect(0);
    let ended = wait_for("the end of the campaign", WITHIN, || {
        let status = campaigns(&place, &server).remove(0);
        (status["state"] == "completed").then_some(status)
    });
    service.stop(Signal::TERM, WITHIN).expect(0).says(&["stopped cleanly"]);

    place.verify("service");
    let people = place.people("service");
    let unknown = judge(&people, &sink.stop());
    println!("killed at {called} calls, {unknown} unknown");
    assert_eq!(ended["recipients"], json!(RECIPIENTS));
    assert_eq!(people.len() as u64, RECIPIENTS);
    assert!(unknown <= 2 * 2_048 + 256);
    assert_eq!(events::ends(place.data()).len(), 1, "G8");
}
