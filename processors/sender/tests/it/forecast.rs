//! The forecast that `preview` and `status` tell, against what the sender then does with campaigns that nobody disturbs
//! (A7).

use crate::support::{Bench, launch};
use sluice_core::forecast::{CampaignLoad, ClassLoad, DailyLimit, PageLoad, forecast};
use sluice_core::gate::CampaignGate;
use sluice_core::rate::Rate;
use sluice_core::row::time_zone;
use sluice_core::share::ShareOptions;
use sluice_core::usage::DailyUse;
use sluice_core::window::Window;
use sluice_core::{CampaignRow, PageId};
use sluice_schemas::{CampaignLaunch, OpenHours, Priority, Rules, SendWindow, WindowClock};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// People of a chunk.
const CHUNK: u32 = 100;

/// A page, its shard, and chunks of a campaign on it.
type On<'a> = (&'a str, u32, u32);

/// A campaign that nobody was called for yet.
struct Launched<'a> {
    row: CampaignRow,
    on: &'a [On<'a>],
    /// How long it calls, without the time in which it waits for its hours or for another day.
    works: Duration,
}

impl Launched<'_> {
    fn people(&self) -> usize {
        self.on.iter().map(|(.., chunks)| (chunks * CHUNK) as usize).sum()
    }
}

fn bench(page_rate: &str) -> Bench {
    let mut bench = Bench::for_days();
    (bench.page_rate, bench.chunk_size) = (Some(page_rate.parse().unwrap()), CHUNK);
    bench
}

async fn launched<'a>(
    bench: &Bench,
    launch: CampaignLaunch,
    on: &'a [On<'a>],
    works: Duration,
) -> Launched<'a> {
    Launched { row: bench.launched(launch, on).await, on, works }
}

/// How long a campaign among others will take, asked as `sluice preview` asks.
fn forecast_of(bench: &Bench, campaigns: &[Launched<'_>], target: &Launched<'_>) -> Duration {
    let (never, always, zone) = (DailyUse::new(), Window::always(), time_zone("UTC").unwrap());
    let mut gates: Vec<(&Launched<'_>, &On<'_>, CampaignGate)> = Vec::new();
    for launched in campaigns {
        for (place, on) in launched.on.iter().enumerate() {
            gates.push((launched, on, CampaignGate::of(&launched.row, place).unwrap()));
        }
    }
    let load = |(page, ..): &On<'_>| {
        let campaigns = gates.iter().filter(|(_, on, _)| on.0 == *page).map(|(launched, on, gate)| {
            let window = gate.rules.window.as_ref().unwrap_or(&always);
            CampaignLoad {
                campaign: launched.row.id,
                priority: Priority::Normal,
                per_second: gate.rate.map(Rate::per_second),
                daily: gate.daily.map(|cap| DailyLimit { cap, used: &never }),
                start_at_ms: None,
                end_at_ms: None,
                classes: vec![ClassLoad {
                    remaining: u64::from(on.2 * CHUNK),
                    window,
                    zone: &zone,
                    day: None,
                }],
            }
        });
        PageLoad {
            page: PageId::from(*page),
            per_second: bench.page_rate.unwrap().per_second(),
            waits_until_ms: None,
            daily: bench.page_daily.map(|cap| DailyLimit { cap: cap.0.get(), used: &never }),
            above: Vec::new(),
            shares: ShareOptions::default(),
            campaigns: campaigns.collect(),
        }
    };
    let pages: Vec<PageLoad<'_>> = target.on.iter().map(load).collect();
    let now_ms = bench.world.wall_ms();
    let ends_ms = forecast(&pages, target.row.id, now_ms).whole.ends_ms.unwrap();
    Duration::from_millis(u64::try_from(ends_ms - now_ms).unwrap())
}

/// Lets the sender do all of it, and compares the last call of each campaign with its forecast: to within 5 % of the time
/// in which it calls, which is less than 5 % of what was forecast.
async fn comes_true(bench: &Bench, campaigns: &[Launched<'_>]) {
    let told: Vec<Duration> =
        campaigns.iter().map(|launched| forecast_of(bench, campaigns, launched)).collect();
    let began = bench.world.now();
    let running = bench.start("sender");
    let longest = told.iter().max().unwrap();
    bench.live(*longest + longest.mul_f64(0.05) + MINUTE).await;
    for (launched, told) in campaigns.iter().zip(told) {
        let name = &launched.row.launch.campaign;
        let calls = bench.calls_of(name);
        assert_eq!(calls.len(), launched.people(), "{name}: {told:?} was forecast");
        let took = calls.iter().map(|(at, _)| *at).max().unwrap() - began;
        assert!(launched.works <= told, "{name}: {told:?}");
        let off = took.abs_diff(told);
        assert!(off <= launched.works.mul_f64(0.05), "{name}: {told:?} forecast, {took:?} taken");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a7_the_forecast_of_a_page_rate_comes_true() {
    for (rate, chunks, works) in
        [("1/s", 12, 1_200 * SECOND), ("30/min", 9, 30 * MINUTE), ("50/s", 80, 160 * SECOND)]
    {
        let bench = bench(rate);
        let on = [("page", 1, chunks)];
        let campaign = launched(&bench, launch("alone"), &on, works).await;
        comes_true(&bench, &[campaign]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a7_the_forecast_of_hours_over_two_days_comes_true() {
    // The world starts at 09:00.
    let bench = bench("10/min");
    let open = vec![OpenHours { days: Vec::new(), from: "08:30".to_owned(), to: "10:00".to_owned() }];
    let window = Some(SendWindow { open, clock: WindowClock::Campaign, closed_on: Vec::new() });
    let launch = CampaignLaunch { rules: Rules { window, ..Rules::default() }, ..launch("hours") };
    let on = [("page", 1, 12)];
    // An hour of it today, an hour tomorrow.
    let campaign = launched(&bench, launch, &on, 2 * HOUR).await;
    assert!(forecast_of(&bench, std::slice::from_ref(&campaign), &campaign) > 24 * HOUR);
    comes_true(&bench, &[campaign]).await;
}

#[tokio::test(start_paused = true)]
async fn a7_the_forecast_of_a_limit_of_the_day_comes_true() {
    // 1,200 in two hours, and so on the next day; the last 600 on the third.
    let on = [("page", 1, 30)];
    let mut of_page = bench("10/min");
    of_page.page_daily = Some("1200/day".parse().unwrap());
    let campaign = launched(&of_page, launch("daily"), &on, 5 * HOUR).await;
    assert!(forecast_of(&of_page, std::slice::from_ref(&campaign), &campaign) > 48 * HOUR);
    comes_true(&of_page, &[campaign]).await;

    let of_campaign = bench("10/min");
    let rules = Rules { daily_send_limit: Some(1_200), ..Rules::default() };
    let launch = CampaignLaunch { rules, ..launch("daily") };
    let campaign = launched(&of_campaign, launch, &on, 5 * HOUR).await;
    comes_true(&of_campaign, &[campaign]).await;
}

#[tokio::test(start_paused = true)]
async fn a7_the_forecasts_of_two_campaigns_on_one_page_come_true() {
    let bench = bench("2/s");
    let (large, small) = ([("page", 1, 12)], [("page", 1, 6)]);
    // Half of the page each until the small one ends.
    let campaigns = [
        launched(&bench, launch("large"), &large, 900 * SECOND).await,
        launched(&bench, launch("small"), &small, 600 * SECOND).await,
    ];
    comes_true(&bench, &campaigns).await;
}

#[tokio::test(start_paused = true)]
async fn a7_the_forecast_of_a_campaigns_rate_on_two_pages_comes_true() {
    let bench = bench("10/s");
    let launch = CampaignLaunch { rate: Some("3/s".to_owned()), ..launch("shared") };
    // 2 a second on one page, and 1 on the other, which ends last.
    let on = [("page", 1, 8), ("other", 2, 9)];
    let campaign = launched(&bench, launch, &on, 900 * SECOND).await;
    comes_true(&bench, &[campaign]).await;
}
