//! When a launch would start and end, before it is sent (A7). Pure: what is on its pages and the time are arguments.

use super::estimate::{Circumstances, Sends, estimate};
use super::stored::Waiting;
use serde::{Deserialize, Serialize};
use sluice_core::launch::ValidLaunch;
use sluice_core::moment;
use sluice_core::row::time_zone;
use sluice_core::schedule::starts_ms;
use sluice_core::window::{Opening, Window};
use sluice_core::{CampaignRow, PageId};
use sluice_schemas::GateClass;
use std::collections::{BTreeMap, BTreeSet};

/// When a launch would start and end beside what its pages send already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// When the first call could start, ms since 1970; `None`: never.
    pub earliest_start_ms: Option<i64>,
    /// When the last one would have been made; `None`: not within ten years.
    pub estimated_end_ms: Option<i64>,
    /// What it would wait for most once it has started, as a word.
    pub limited_by: String,
    /// The same for people: `its window`, `page shop's 80/s`.
    pub says: String,
    /// Each page with recipients.
    pub pages: Vec<PagePreview>,
}

/// One page of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PagePreview {
    /// Its id.
    pub page: String,
    /// Who would be called from it.
    pub recipients: u64,
    /// Sends of other campaigns that wait on it.
    pub others: u64,
    /// Its own limit; `None`: it has none, and [`UNLIMITED_PER_SECOND`](super::estimate::UNLIMITED_PER_SECOND) is
    /// assumed.
    pub rate: Option<String>,
    /// Why it waits for a person, where it does: the estimate begins as if it went on now.
    pub held: Option<String>,
    /// ms since 1970.
    pub estimated_end_ms: Option<i64>,
    /// What it would wait for most once it has started, as a word.
    pub limited_by: String,
    /// The same for people.
    pub says: String,
}

/// The recipients of one class on one page, as they are handed from who counts them to who knows the pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCount {
    /// The page.
    pub page: String,
    /// The time zone that its window is meant in; `None`: the campaign's.
    #[serde(default)]
    pub zone: Option<String>,
    /// Not before this day, `2026-11-25`.
    #[serde(default)]
    pub day: Option<String>,
    /// How many.
    pub count: u64,
}

/// What a service is asked: `POST /v1/preview`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// LAUNCH.json.
    pub launch: serde_json::Value,
    /// Who would be called; whoever asks has read the audience.
    pub recipients: Vec<ClassCount>,
}

/// What is known where the engines are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// Beside what the pages send.
    pub preview: Preview,
    /// A campaign has this name already.
    pub taken: Option<Taken>,
}

/// A campaign that has the name of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// A sentence about it.
    pub says: String,
    /// It was launched with other words, so that this launch would be refused.
    pub differs: bool,
}

/// Classes of one question at most: a year of days in some fifty zones. More would be walked through for minutes.
const CLASSES_MAX: usize = 20_000;

/// Recipients of one class at most: more people than there are.
const COUNT_MAX: u64 = 100_000_000_000;

/// Checks what somebody else has counted for a launch.
///
/// # Errors
/// A sentence about the first class that can't be.
pub fn check_counts(valid: &ValidLaunch, counts: &[ClassCount]) -> Result<(), String> {
    if counts.len() > CLASSES_MAX {
        return Err(format!("{} classes, possible are {CLASSES_MAX}", counts.len()));
    }
    let pages: BTreeSet<&String> = valid.launch.pages.iter().collect();
    for ClassCount { page, zone, day, count } in counts {
        if !pages.contains(page) {
            return Err(format!("page {page} is not one of the launch's"));
        }
        if let Some(zone) = zone.as_deref().filter(|zone| time_zone(zone).is_none()) {
            return Err(format!("nobody knows the time zone {zone}"));
        }
        if let Some(day) = day.as_deref().filter(|day| moment::date(day).is_none()) {
            return Err(format!("{day} is not a day, like 2026-11-25"));
        }
        if *count > COUNT_MAX {
            return Err(format!("{count} recipients, possible are {COUNT_MAX}"));
        }
    }
    Ok(())
}

/// The campaign that a launch at `now_ms` would make, with these recipients.
pub fn planned(valid: &ValidLaunch, counts: &[ClassCount], now_ms: i64) -> Sends {
    let launch = valid.launch.clone();
    let row = match starts_ms(&valid.rules, now_ms) {
        Some(starts_ms) => CampaignRow::scheduled(launch, now_ms, starts_ms),
        None => CampaignRow::launched(launch, now_ms),
    };
    let mut waiting: BTreeMap<PageId, Waiting> = BTreeMap::new();
    for ClassCount { page, zone, day, count } in counts.iter().filter(|class| class.count > 0) {
        let class = GateClass { zone: zone.clone(), day: day.clone() };
        let of_page = waiting.entry(PageId::from(page.as_str())).or_default();
        let known: &mut u64 = of_page.entry(class).or_default();
        *known = known.saturating_add(*count);
    }
    Sends { row, waiting }
}

/// Previews a launch that would become `planned`.
pub fn preview(valid: &ValidLaunch, planned: &Sends, circumstances: &Circumstances, now_ms: i64) -> Preview {
    let starts_at_ms = planned.row.starts_at_ms;
    let found = estimate(planned, circumstances, now_ms);
    let last = found.last().cloned();
    let pages = found.forecast.pages.iter().map(|(page, of)| {
        let others = circumstances.others.iter().filter_map(|other| other.waiting.get(page));
        let now = circumstances.pages.get(page);
        let rate = now.and_then(|now| now.limits.rate);
        PagePreview {
            page: page.to_string(),
            recipients: planned.waiting.get(page).map_or(0, |classes| classes.values().sum()),
            others: others.flat_map(|classes| classes.values()).sum(),
            rate: rate.map(|rate| rate.to_string()),
            held: now.and_then(|now| now.held.clone()),
            estimated_end_ms: of.ends_ms,
            limited_by: of.then_limited_by.as_str().to_owned(),
            says: found.says(of.then_limited_by, page),
        }
    });
    let limit = found.forecast.whole.then_limited_by;
    let page = last.map_or_else(|| PageId::from(""), |(page, _)| page);
    Preview {
        earliest_start_ms: opens_ms(valid, planned, starts_at_ms),
        estimated_end_ms: found.forecast.whole.ends_ms,
        limited_by: limit.as_str().to_owned(),
        says: found.says_of_whole(limit, &page),
        pages: pages.collect(),
    }
}

/// When the first class may be called that starts then; `None`: none before the end.
fn opens_ms(valid: &ValidLaunch, planned: &Sends, starts_at_ms: i64) -> Option<i64> {
    let always = Window::always();
    let window = valid.rules.window.as_ref().unwrap_or(&always);
    let own_zone = time_zone(valid.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let opens = planned.waiting.values().flat_map(|classes| classes.keys()).filter_map(|class| {
        let zone = class.zone.as_deref().and_then(time_zone);
        let day = class.day.as_deref().and_then(moment::date);
        match window.at_day(zone.as_ref().unwrap_or(&own_zone), day, starts_at_ms) {
            Opening::Open { .. } => Some(starts_at_ms),
            Opening::Closed { opens_ms } => opens_ms,
        }
    });
    opens.min().filter(|ms| valid.rules.end_at_ms.is_none_or(|end_ms| *ms < end_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::estimate::PageNow;
    use crate::campaign::quotas::tests::used;
    use crate::page::facts::PageLimits;
    use serde_json::{Value, json};
    use sluice_core::launch::{parse_json, validate};

    fn ms(instant: &str) -> i64 {
        instant.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    /// A Saturday.
    fn now() -> i64 {
        ms("2026-11-21T12:00:00Z")
    }

    fn of(rate: Value, rules: Value, people: &[(u64, Option<&'static str>)]) -> Preview {
        of_beside(&Circumstances::default(), rate, rules, people)
    }

    fn of_beside(
        circumstances: &Circumstances,
        rate: Value,
        rules: Value,
        people: &[(u64, Option<&'static str>)],
    ) -> Preview {
        let launch = json!({
            "campaign": "c", "channel": "http", "pages": ["a"], "audience": {"path": "a.csv"},
            "message": {"http": {"body": {}}}, "rate": rate, "rules": rules,
        });
        let valid = validate(&parse_json(&launch.to_string()).unwrap()).unwrap();
        let class = |(count, zone): &(u64, Option<&str>)| ClassCount {
            page: "a".to_owned(),
            zone: zone.map(str::to_owned),
            day: None,
            count: *count,
        };
        let counts: Vec<ClassCount> = people.iter().map(class).collect();
        preview(&valid, &planned(&valid, &counts, now()), circumstances, now())
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
    fn a7_a_limit_above_the_page_and_its_own_of_the_day_count_and_are_named() {
        let above = Circumstances { quotas: vec![used(Some("1/s"), None, 0)], ..Circumstances::default() };
        let preview = of_beside(&above, Value::Null, json!({}), &[(1_800, None)]);
        assert_eq!((preview.limited_by.as_str(), preview.says.as_str()), ("quota_rate", "quota acme's 1/s"));
        let limits = PageLimits { rate: None, daily: "1000/day".parse().ok() };
        let page = PageNow { limits, ..PageNow::default() };
        let pages = BTreeMap::from([(PageId::from("a"), page)]);
        let capped = Circumstances { pages, ..Circumstances::default() };
        let preview = of_beside(&capped, Value::Null, json!({}), &[(1_800, None)]);
        ends(&preview, "2026-11-22T12:15:00Z", "page_daily_limit");
        assert_eq!((preview.says.as_str(), &preview.pages[0].held), ("page a's 1000/day", &None));
        let mut refused = capped;
        refused.pages.get_mut(&PageId::from("a")).unwrap().held = Some("190: token expired".to_owned());
        let preview = of_beside(&refused, Value::Null, json!({}), &[(18, None)]);
        assert_eq!(preview.pages[0].held.as_deref(), Some("190: token expired"));
    }

    #[test]
    fn a7_counts_that_can_not_be_are_refused_with_the_reason() {
        let launch = json!({
            "campaign": "c", "channel": "http", "pages": ["a"], "audience": {"path": "a.csv"},
            "message": {"http": {"body": {}}},
        });
        let valid = validate(&parse_json(&launch.to_string()).unwrap()).unwrap();
        let class = ClassCount { page: "a".to_owned(), zone: None, day: None, count: 1 };
        let tokyo = ClassCount { zone: Some("Asia/Tokyo".to_owned()), ..class.clone() };
        assert_eq!(check_counts(&valid, &[class.clone(), tokyo]), Ok(()));
        for (wrong, says) in [
            (ClassCount { page: "b".to_owned(), ..class.clone() }, "page b"),
            (ClassCount { zone: Some("Mars/North".to_owned()), ..class.clone() }, "Mars/North"),
            (ClassCount { day: Some("tomorrow".to_owned()), ..class.clone() }, "tomorrow"),
            (ClassCount { count: u64::MAX, ..class.clone() }, "possible are"),
        ] {
            assert!(check_counts(&valid, &[wrong]).unwrap_err().contains(says));
        }
        assert!(check_counts(&valid, &vec![class; CLASSES_MAX + 1]).is_err());
    }

    #[test]
    fn a7_b4_what_runs_on_its_pages_counts_until_it_has_ended() {
        let limits = PageLimits { rate: "10/s".parse().ok(), daily: None };
        let pages = BTreeMap::from([(PageId::from("a"), PageNow { limits, ..PageNow::default() })]);
        let waiting = crate::campaign::stored::tests::stored(
            crate::campaign::stored::tests::row("null", "{}"),
            &[("a", 36_000)],
        );
        let beside = Circumstances { others: vec![Sends::of(&waiting)], pages, ..Circumstances::default() };
        let shared = of_beside(&beside, Value::Null, json!({}), &[(18_000, None)]);
        ends(&shared, "2026-11-21T13:00:00Z", "other_campaigns");
        assert_eq!((shared.pages[0].recipients, shared.pages[0].others), (18_000, 36_000));
        // It has ended before this one starts.
        let later = json!({"start_at": "2026-11-21T14:00"});
        let later = of_beside(&beside, Value::Null, later, &[(18_000, None)]);
        ends(&later, "2026-11-21T14:30:00Z", "page_rate");
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
