//! When a launch would start and end, before it is sent (A7). Pure: time, rates and counts are arguments.

use super::finish::words;
use crate::page::facts::PageLimits;
use serde::Serialize;
use sluice_core::forecast::{CampaignLoad, ClassLoad, DailyLimit, Forecast, Limit, PageLoad, forecast};
use sluice_core::launch::ValidLaunch;
use sluice_core::moment;
use sluice_core::rate::Rate;
use sluice_core::row::time_zone;
use sluice_core::schedule::starts_ms;
use sluice_core::share::ShareOptions;
use sluice_core::usage::{DailyUse, share_of};
use sluice_core::window::{Opening, Window};
use sluice_core::{CampaignId, PageId};
use sluice_expander::ClassCounts;
use sluice_schemas::GateClass;

/// Calls a second of a page without a limit of its own: what a provider that answers within 100 ms takes over a
/// hundred connections. Said beside the estimate.
pub const UNLIMITED_PER_SECOND: f64 = 1_000.0;

/// When a launch would start and end, if nothing else is sent from its pages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// When the first call could start, ms since 1970; `None`: never.
    pub earliest_start_ms: Option<i64>,
    /// When the last one would have been made; `None`: not within ten years.
    pub estimated_end_ms: Option<i64>,
    /// What it would wait for most, as a word.
    pub limited_by: String,
    /// The same for people: `its window`, `page shop's 80/s`.
    pub says: String,
    /// Each page with recipients.
    pub pages: Vec<PagePreview>,
}

/// One page of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PagePreview {
    /// Its id.
    pub page: String,
    /// Who would be called from it.
    pub recipients: u64,
    /// Its own limit; `None`: it has none, and [`UNLIMITED_PER_SECOND`] is assumed.
    pub rate: Option<String>,
    /// ms since 1970.
    pub estimated_end_ms: Option<i64>,
    /// What it would wait for most, as a word.
    pub limited_by: String,
    /// The same for people.
    pub says: String,
}

/// Previews a launch with these recipients. `rate_of`: the page's own limit; `above`: what limits above it let through in
/// calls a second, and their word.
pub fn preview(
    valid: &ValidLaunch,
    counts: &ClassCounts,
    rate_of: impl Fn(&PageId) -> Option<Rate>,
    above: impl Fn(&PageId) -> Option<(f64, String)>,
    now_ms: i64,
) -> Preview {
    let own = |page: &PageId| rate_of(page).map_or(UNLIMITED_PER_SECOND, Rate::per_second);
    let narrower = |page: &PageId| above(page).filter(|(above, _)| *above < own(page));
    let word = |page: Option<&PageId>, limit: Limit| match page.and_then(narrower) {
        Some((_, quota)) if limit == Limit::PageRate => quota,
        _ => limit.as_str().to_owned(),
    };
    let rules = &valid.rules;
    let launch = &valid.launch;
    let says = |page: Option<&PageId>, limit: Limit| match page.and_then(narrower) {
        Some((_, quota)) if limit == Limit::PageRate => quota,
        _ => {
            let limits = PageLimits { rate: page.and_then(&rate_of), daily: None };
            let page = page.cloned().unwrap_or_else(|| PageId::from(""));
            words(limit, launch.rate.as_deref(), launch.rules.daily_send_limit, &page, limits)
        }
    };
    let always = Window::always();
    let window = rules.window.as_ref().unwrap_or(&always);
    let starts_at_ms = starts_ms(rules, now_ms).unwrap_or(now_ms);
    let own_zone = time_zone(valid.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let zoned: Vec<(&PageId, &GateClass, u64, jiff::tz::TimeZone)> = counts
        .classes()
        .map(|(page, class, count)| {
            let zone = class.zone.as_deref().and_then(time_zone).unwrap_or_else(|| own_zone.clone());
            (page, class, count, zone)
        })
        .collect();
    let opens = zoned.iter().filter_map(|(_, class, _, zone)| {
        let day = class.day.as_deref().and_then(moment::date);
        match window.at_day(zone, day, starts_at_ms) {
            Opening::Open { .. } => Some(starts_at_ms),
            Opening::Closed { opens_ms } => opens_ms,
        }
    });
    let earliest_start_ms = opens.min().filter(|ms| rules.end_at_ms.is_none_or(|end_ms| *ms < end_ms));

    let id = CampaignId::of(&launch.tenant, &launch.campaign);
    let unused = DailyUse::new();
    let pages_count = launch.pages.len();
    let loads = launch.pages.iter().enumerate().filter_map(|(place, name)| {
        let page = PageId::from(name.as_str());
        let classes: Vec<ClassLoad<'_>> = zoned
            .iter()
            .filter(|(of, ..)| **of == page)
            .map(|(_, class, count, zone)| {
                let day = class.day.as_deref().and_then(moment::date);
                ClassLoad { remaining: *count, window, zone, day }
            })
            .collect();
        let daily = rules.daily_send_limit.map(|limit| share_of(limit, place, pages_count));
        let campaign = CampaignLoad {
            campaign: id,
            priority: rules.priority,
            per_second: valid.rate.and_then(|rate| rate.share(place, pages_count)).map(Rate::per_second),
            daily: daily.map(|cap| DailyLimit { cap, used: &unused }),
            start_at_ms: Some(starts_at_ms),
            end_at_ms: rules.end_at_ms,
            classes,
        };
        (!campaign.classes.is_empty()).then(|| PageLoad {
            per_second: narrower(&page).map_or_else(|| own(&page), |(above, _)| above),
            page,
            daily: None,
            shares: ShareOptions::default(),
            campaigns: vec![campaign],
        })
    });
    let loads: Vec<PageLoad<'_>> = loads.collect();
    // From the start on: that it waits for its start is said apart.
    let found = forecast(&loads, id, starts_at_ms);
    let pages =
        loads.iter().zip(&found.pages).map(|(load, (page, Forecast { ends_ms, limited_by }))| PagePreview {
            page: page.to_string(),
            recipients: load
                .campaigns
                .iter()
                .flat_map(|load| &load.classes)
                .map(|class| class.remaining)
                .sum(),
            rate: rate_of(page).map(|rate| rate.to_string()),
            estimated_end_ms: *ends_ms,
            limited_by: word(Some(page), *limited_by),
            says: says(Some(page), *limited_by),
        });
    let last = found.pages.iter().max_by_key(|(_, of)| of.ends_ms.unwrap_or(i64::MAX)).map(|(page, _)| page);
    Preview {
        earliest_start_ms,
        estimated_end_ms: found.whole.ends_ms,
        limited_by: word(last, found.whole.limited_by),
        says: says(last, found.whole.limited_by),
        pages: pages.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use sluice_core::launch::{parse_json, validate};
    use sluice_core::row::ValidRow;

    fn ms(instant: &str) -> i64 {
        instant.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    /// A Saturday.
    fn now() -> i64 {
        ms("2026-11-21T12:00:00Z")
    }

    fn of(rate: Value, rules: Value, people: &[(u64, Option<&'static str>)]) -> Preview {
        of_under(None, rate, rules, people)
    }

    fn of_under(
        above: Option<f64>,
        rate: Value,
        rules: Value,
        people: &[(u64, Option<&'static str>)],
    ) -> Preview {
        let launch = json!({
            "campaign": "c", "channel": "http", "pages": ["a"], "audience": {"path": "a.csv"},
            "message": {"http": {"body": {}}}, "rate": rate, "rules": rules,
        });
        let valid = validate(&parse_json(&launch.to_string()).unwrap()).unwrap();
        let mut counts = ClassCounts::new(&valid.launch);
        for (count, zone) in people {
            for number in 0..*count {
                let address = format!("p{number}").into();
                let row = ValidRow {
                    address,
                    name: None,
                    customer_id: None,
                    time_zone: *zone,
                    page_id: None,
                    send_date: None,
                    warning: None,
                };
                counts.add(&row);
            }
        }
        let above = |_: &PageId| above.map(|per_second| (per_second, "quota acme".to_owned()));
        preview(&valid, &counts, |_| None, above, now())
    }

    fn ends(preview: &Preview, instant: &str, limited_by: &str) {
        let near = preview.estimated_end_ms.is_some_and(|end| (end - ms(instant)).abs() <= 5_000);
        assert!(near && preview.limited_by == limited_by, "{preview:?} is not {instant}, {limited_by}");
    }

    #[test]
    fn a7_the_end_follows_from_the_rate() {
        let preview = of(json!("10/min"), json!({}), &[(600, None)]);
        assert_eq!(preview.earliest_start_ms, Some(now()));
        ends(&preview, "2026-11-21T13:00:00Z", "campaign_rate");
        assert_eq!((preview.says.as_str(), preview.pages[0].says.as_str()), ("its 10/min", "its 10/min"));
        assert_eq!((preview.pages[0].recipients, preview.pages[0].rate.as_deref()), (600, None));
    }

    #[test]
    fn a7_a_limit_above_the_page_counts_and_is_named() {
        let preview = of_under(Some(0.5), Value::Null, json!({}), &[(1_800, None)]);
        ends(&preview, "2026-11-21T13:00:00Z", "quota acme");
        assert_eq!(
            (preview.pages[0].limited_by.as_str(), preview.says.as_str()),
            ("quota acme", "quota acme")
        );
    }

    #[test]
    fn a7_b1_it_starts_when_the_first_zone_opens_and_ends_in_the_last_one() {
        let rules = json!({"window": {"open": [{"days": ["mon"], "from": "09:00", "to": "10:00"}], "clock": "recipient"}});
        let preview = of(Value::Null, rules, &[(10, Some("Asia/Tokyo")), (10, Some("America/Sao_Paulo"))]);
        assert_eq!(preview.earliest_start_ms, Some(ms("2026-11-23T00:00:00Z")));
        ends(&preview, "2026-11-23T12:00:00Z", "window");
    }

    #[test]
    fn a7_b5_it_starts_at_its_start_and_has_no_start_after_its_end() {
        let later = of(Value::Null, json!({"start_at": "2026-12-01T09:00"}), &[(10, None)]);
        assert_eq!(later.earliest_start_ms, Some(ms("2026-12-01T09:00:00Z")));
        let over = of(Value::Null, json!({"end_at": "2026-11-20T00:00"}), &[(10, None)]);
        assert_eq!((over.earliest_start_ms, over.limited_by.as_str()), (None, "end_at"));
        let nobody = of(Value::Null, json!({}), &[]);
        assert_eq!((nobody.pages.len(), nobody.limited_by.as_str()), (0, "done"));
    }
}
