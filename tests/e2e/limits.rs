//! B2: limits of the configuration that change while the service runs, judged by the simulator's own log.

use crate::control::{Running, WITHIN, at, wall};
use crate::launches;
use sluice_tests::windows::breaches;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn page(rate: &str) -> String {
    format!("[pages.shop]\nrate = \"{rate}\"\n")
}

#[test]
fn b2_g4_limits_of_the_file_are_in_force_within_a_second_and_a_file_with_a_mistake_changes_nothing() {
    const PEOPLE: usize = 200;
    let mut running = Running::start(PEOPLE, &page("1/min"), &[]);
    running.launch(&launches::http("limited"));
    running.calls_more_than(0);
    let widened_at = wall();
    running.place.configure(&page("20/s"));
    // At the former rate this takes an hour.
    running.calls_more_than(60);

    running.place.configure(&page("2/s"));
    let narrowed_at = wall();
    std::thread::sleep(SECOND);
    let narrowed = running.calls().len();
    running.calls_more_than(narrowed + 4);
    let shown = running.place.run(&["page", "shop", "--server", &running.server]).expect(0);
    assert!(shown.stdout.contains("2/s"), "{}", shown.stdout);

    running.place.configure(&page("0/s"));
    running.service.until_it_says("the limits of before hold until it is corrected", WITHIN);
    let mistaken = running.calls().len();
    running.calls_more_than(mistaken + 4);

    let quota = "[quotas.shops]\nrate = \"30/s\"\npages = [\"shop\"]\n";
    let others = "[calls]\nthreads = 1\n";
    let ended_at = wall();
    running.place.configure(&format!("{others}{quota}"));
    running.service.until_it_says("calls.threads", WITHIN);
    running.reaches("limited", "completed");

    // The limit of each second, with what a change may take; the simulator hears of a call a moment later.
    let late = Duration::from_millis(50);
    // A quota that is new counts from then on: the two of the second before come on top.
    let limits = [(Duration::ZERO, 1), (widened_at, 20), (narrowed_at + SECOND, 2), (ended_at, 30 + 2)];
    let most = |from: Duration, to: Duration| {
        let held = limits.iter().enumerate().filter(|(place, (began, _))| {
            let until = limits.get(place + 1).map_or(Duration::MAX, |(until, _)| *until);
            *began <= to && until.saturating_add(late) > from
        });
        held.map(|(_, (_, most))| *most).max()
    };
    let times: Vec<Duration> = running.calls().iter().map(at).collect();
    assert_eq!(breaches(&times, SECOND - late, most), [], "{limits:?}");
    let (_, calls) = running.stop();
    assert_eq!(calls.len(), PEOPLE);
    assert!(calls.values().all(|times| *times == 1), "G1");
}
