//! The year of the real sender.

use super::bench::Bench;
use super::case::Case;
use super::hours::{BY_THE_MINUTE, QUARTERLY};
use super::judge::breaches;
use super::zones::{YEAR_MIN, ZONES, Zone, for_each_zone};
use crate::seeds::simulate;

/// Worlds begin on 5 January at 09:00 UTC; a page that is taken starts an hour later at the latest.
const FIRST: i64 = (4 * 24 + 10) * 60;
/// A day and a half before and after each change of a zone's clocks.
const AROUND: i64 = 36 * 60;

/// Runs the sender through these minutes, with `rate` for each campaign, less than a step apart.
fn lived(cases: &[Case], rate: &str, steps: &[i64]) {
    simulate(async {
        let bench = Bench::new();
        for case in cases {
            // A step begins a moment before. One more than are called: who is left is not called while it is closed.
            let lived = steps.iter().filter(|step| case.is_open(**step) || case.is_open(**step - 1));
            bench.campaign(*case, rate, lived.count() as u32 + 1).await;
        }
        let running = bench.start();
        bench.live(steps.iter().copied()).await;
        for case in cases {
            let breaches = breaches(*case, &bench.calls_ms(*case), steps.iter().copied());
            let first = &breaches[..breaches.len().min(20)];
            assert!(breaches.is_empty(), "{} breaches, the first of them: {first:#?}", breaches.len());
        }
        running.stop().await;
    });
}

/// The year in steps: of a quarter of an hour around changes of any clock, of three elsewhere, so that every quarter of
/// the day has its turn.
fn steps() -> Vec<i64> {
    let changes: Vec<i64> = ZONES.iter().flat_map(Zone::changes).collect();
    let is_near = |minute: i64| changes.iter().any(|change| (minute - change).abs() <= AROUND);
    (FIRST..YEAR_MIN).step_by(15).filter(|minute| minute % 45 == 0 || is_near(*minute)).collect()
}

#[test]
fn g5_b1_through_a_year_calls_are_made_where_the_clocks_show_open_hours_and_nowhere_else() {
    let steps = steps();
    for_each_zone(|zones| {
        let cases = zones.iter().flat_map(|zone| QUARTERLY.iter().map(move |hours| Case { zone, hours }));
        lived(&cases.collect::<Vec<_>>(), "6/h", &steps);
    });
}

#[test]
fn g5_b1_around_each_change_of_the_clocks_every_minute_is_kept() {
    for_each_zone(|zones| {
        for zone in zones {
            let cases: Vec<Case> = BY_THE_MINUTE.iter().map(|hours| Case { zone, hours }).collect();
            for change in zone.changes() {
                let minutes: Vec<i64> = (change - AROUND..change + AROUND).collect();
                lived(&cases, "2/min", &minutes);
            }
        }
    });
}
