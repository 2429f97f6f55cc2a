//! Moments as people read them: in the zone of what they are about.

use super::numbers::duration;
use jiff::tz::TimeZone;
use std::time::Duration;

const WEEK_MS: i64 = 7 * 86_400_000;

fn local(ms: i64, zone: &str) -> Option<jiff::Zoned> {
    let time = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(time.to_zoned(sluice_core::row::time_zone(zone).unwrap_or(TimeZone::UTC)))
}

/// `2026-11-21 08:00 America/Sao_Paulo`; without a zone in UTC.
pub fn at(ms: i64, zone: Option<&str>) -> String {
    let zone = zone.unwrap_or("UTC");
    match local(ms, zone) {
        Some(local) => format!("{} {zone}", local.strftime("%Y-%m-%d %H:%M")),
        None => ms.to_string(),
    }
}

/// `2026-11-21 08:00 America/Sao_Paulo, in 3 h 12 min`.
pub fn when(ms: i64, zone: Option<&str>, now_ms: i64) -> String {
    let left = Duration::from_millis(u64::try_from(ms - now_ms).unwrap_or(0));
    format!("{}, in {}", at(ms, zone), duration(left))
}

/// `Thu 14:05 UTC`, further away than a week `2026-12-24 14:05 UTC`.
pub fn about(ms: i64, zone: Option<&str>, now_ms: i64) -> String {
    let name = zone.unwrap_or("UTC");
    let Some(local) = local(ms, name) else { return ms.to_string() };
    let shape = if (0..WEEK_MS).contains(&(ms - now_ms)) { "%a %H:%M" } else { "%Y-%m-%d %H:%M" };
    format!("{} {name}", local.strftime(shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_this_week_has_its_day_and_a_later_one_its_date() {
        let zone = Some("America/Sao_Paulo");
        assert_eq!(at(0, None), "1970-01-01 00:00 UTC");
        assert_eq!(when(3_600_000, zone, 0), "1969-12-31 22:00 America/Sao_Paulo, in 1 h 0 min");
        assert_eq!(about(14 * 3_600_000 + 300_000, None, 0), "Thu 14:05 UTC");
        assert_eq!(about(8 * 86_400_000, zone, 0), "1970-01-08 21:00 America/Sao_Paulo");
    }
}
