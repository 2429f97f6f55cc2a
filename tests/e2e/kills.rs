//! G1, G2: `kill -9` at any moment loses nobody and calls nobody twice.

use crate::launches;
use sluice_tests::people::{by_reason, by_status, judge};
use sluice_tests::{Chance, Place, Process, Sink, events};
use std::time::Duration;

const RECIPIENTS: usize = 100_000;
/// One in so many has no coupon: they fail by name and are never called.
const WITHOUT_COUPON: usize = 1_000;
/// `sender.grant_sends_max` and `sender.in_flight_max`: the defaults.
const GRANTED_MAX: u64 = 2 * 2_048 + 256;
const MOMENT_WITHIN: Duration = Duration::from_secs(120);

/// When the program is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after its start: while it reads the audience, or waits to take a page over.
    After(Duration),
    /// When the sink has counted so many calls in all.
    AtCall(u64),
}

fn moments(chance: &mut Chance) -> Vec<Moment> {
    let mut calls: Vec<u64> = (0..5).map(|_| chance.between(500, 90_000)).collect();
    calls.sort_unstable();
    let mut after = |low, high| Moment::After(Duration::from_millis(chance.between(low, high)));
    let (early, taking_over) = (after(20, 400), after(100, 3_500));
    let mut moments: Vec<_> = calls.into_iter().map(Moment::AtCall).collect();
    moments.insert(0, early);
    moments.insert(4, taking_over);
    moments
}

/// Waits for the moment; false: the campaign was at its end before.
fn wait(send: &mut Process, moment: Moment, sink: &Sink) -> bool {
    match moment {
        Moment::After(pause) => {
            std::thread::sleep(pause);
            !send.has_ended()
        }
        Moment::AtCall(calls) => {
            let what = format!("call {calls}");
            send.until(&what, MOMENT_WITHIN, |_| (sink.calls() >= calls).then_some(())).is_some()
        }
    }
}

#[test]
fn g1_g2_g3_g8_sigkill_at_any_moment_loses_nobody_and_calls_nobody_twice() {
    let mut chance = Chance::new("sigkill");
    let place = Place::new();
    launches::addresses(&place, RECIPIENTS, WITHOUT_COUPON);
    let launch = place.launch("launch.json", &launches::http("killed"));
    let sink = Sink::start(&place);

    // What was claimed and not settled at the kills: only these may become `unknown`.
    let mut claimed = 0;
    let mut kills = 0;
    for moment in moments(&mut chance) {
        let mut send = place.start_send(&launch, &sink.url());
        if !wait(&mut send, moment, &sink) {
            send.wait(Duration::ZERO).expect(0);
            break;
        }
        send.kill();
        kills += 1;
        let recount = place.run(&["verify", "killed", "--json"]);
        // Before the launch was durable there is no campaign.
        let open =
            if recount.code == Some(3) { 0 } else { recount.expect(0).json()["in_flight"].as_u64().unwrap() };
        claimed += open;
        println!("killed {moment:?} at {} calls, {open} claimed and not settled", sink.calls());
    }
    place.start_send(&launch, &sink.url()).wait(Duration::from_secs(180)).expect(0);
    // Once more: it is at its end, nobody is called.
    place.send(&launch, &sink.url()).expect(0);

    let verified = place.verify("killed");
    let people = place.people("killed");
    let unknown = judge(&people, &sink.stop());
    println!("{kills} kills, {claimed} claimed and not settled at them, {unknown} unknown");
    println!("{:?} {:?}", by_status(&people), by_reason(&people));
    assert_eq!(people.len(), RECIPIENTS);
    assert!(kills >= 3, "only {kills} kills before the end");
    assert!(unknown <= claimed, "more unknown than was claimed at the kills");
    assert!(unknown <= kills * GRANTED_MAX, "more unknown than can be granted and in flight");
    assert_eq!(verified["counters"]["unknown"], unknown);
    assert_eq!(by_reason(&people)["missing_variable"], (RECIPIENTS / WITHOUT_COUPON) as u64);
    assert!(by_status(&people).keys().all(|status| ["sent", "failed", "unknown"].contains(status)));

    // D9, G8: one end, whatever happened; a crash may repeat the record, never the id.
    let ends = events::ends(place.data());
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0].counters["sent"], verified["counters"]["sent"].as_i64().unwrap());
}
