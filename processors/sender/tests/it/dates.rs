//! Days that recipients wait for, judged by the provider's list of calls (B3).

use crate::support::{Bench, SIZE};
use sluice_schemas::{GateClass, OpenHours, Rules, SendWindow, WindowClock};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// A minute a call: all people of four classes.
const ALL: Duration = Duration::from_secs(60 * 4 * SIZE as u64 + 120);

fn class(zone: Option<&str>, day: Option<&str>) -> GateClass {
    GateClass { zone: zone.map(str::to_owned), day: day.map(str::to_owned) }
}

/// Runs a campaign of these classes, each with the hours after the start of the world from which on its people may be
/// called; they have to be called then, and before `closes` has passed.
async fn called_in_time(rules: Rules, classes: &[(GateClass, u32)], closes: Duration) {
    let bench = Bench::for_days();
    let (gates, opens): (Vec<GateClass>, Vec<u32>) = classes.iter().cloned().unzip();
    bench.ruled_campaign("dated", Some("1/min"), rules, &gates).await;
    let running = bench.start("sender");
    bench.live(HOUR * opens.iter().copied().max().unwrap_or_default() + ALL).await;
    let calls = bench.calls_of("dated");
    for (number, (class, opens)) in (0..).zip(classes) {
        let opens = HOUR * *opens;
        let own: Vec<Duration> =
            calls.iter().filter(|(_, chunk)| *chunk == number).map(|(at, _)| *at).collect();
        assert_eq!(own.len(), SIZE as usize, "{class:?}");
        assert!(own.iter().all(|at| *at >= opens && *at < opens + closes), "{class:?}: {own:?}");
        assert!(own[SIZE as usize - 1] < opens + ALL, "{class:?}: {own:?}");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b3_people_of_tomorrow_are_called_tomorrow_in_the_hours_of_their_own_zone_and_not_before() {
    let open = vec![OpenHours { days: Vec::new(), from: "08:00".to_owned(), to: "11:00".to_owned() }];
    let window = Some(SendWindow { open, clock: WindowClock::Recipient, closed_on: Vec::new() });
    // The world starts on 2026-01-05 at 09:00 UTC, in the hours of London; Tokyo is 9 hours ahead, Sao Paulo 3 behind.
    let (tokyo, london, sao_paulo) = (Some("Asia/Tokyo"), Some("Europe/London"), Some("America/Sao_Paulo"));
    let (yesterday, today, tomorrow) = (Some("2026-01-04"), Some("2026-01-05"), Some("2026-01-06"));
    let classes = [
        (class(london, None), 0),
        (class(london, today), 0),
        (class(london, tomorrow), 23),
        (class(sao_paulo, today), 2),
        (class(sao_paulo, tomorrow), 26),
        (class(tokyo, yesterday), 14),
        (class(tokyo, tomorrow), 14),
    ];
    called_in_time(Rules { window, ..Rules::default() }, &classes, 3 * HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn b3_without_hours_a_day_begins_at_midnight_in_the_zone_and_never_ends() {
    let classes = [
        (class(None, Some("2026-01-05")), 0),
        (class(None, Some("2026-01-06")), 15),
        (class(Some("Asia/Tokyo"), Some("2026-01-06")), 6),
    ];
    called_in_time(Rules::default(), &classes, 24 * HOUR + MINUTE).await;
}
