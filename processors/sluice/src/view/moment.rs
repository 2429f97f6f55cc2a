//! Moments as people read them: in the zone of what they are about, to the minute; to the second where they are told one
//! below the other. Programs get ms since 1970, or RFC 3339 (`numbers::time`).

use super::numbers::duration;
use jiff::tz::TimeZone;
use std::time::Duration;

fn shaped(ms: i64, zone: Option<&str>, shape: &str) -> String {
    let zone = zone.unwrap_or("UTC");
    let Ok(time) = jiff::Timestamp::from_millisecond(ms) else { return ms.to_string() };
    let local = time.to_zoned(sluice_core::row::time_zone(zone).unwrap_or(TimeZone::UTC));
    format!("{} {zone}", local.strftime(shape))
}

/// `2026-11-21 08:00 America/Sao_Paulo`; without a zone in UTC.
pub fn at(ms: i64, zone: Option<&str>) -> String {
    shaped(ms, zone, "%Y-%m-%d %H:%M")
}

/// `2026-11-21 08:00:07 UTC`: what has happened, among more of its kind.
pub fn at_second(ms: i64, zone: Option<&str>) -> String {
    shaped(ms, zone, "%Y-%m-%d %H:%M:%S")
}

/// `2026-11-21 08:00 America/Sao_Paulo, in 3 h 12 min`.
pub fn when(ms: i64, zone: Option<&str>, now_ms: i64) -> String {
    let left = Duration::from_millis(u64::try_from(ms - now_ms).unwrap_or(0));
    format!("{}, in {}", at(ms, zone), duration(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_their_date_and_their_zone() {
        let zone = Some("America/Sao_Paulo");
        assert_eq!(
            (at(0, None), at_second(7_900, None)),
            ("1970-01-01 00:00 UTC".to_owned(), "1970-01-01 00:00:07 UTC".to_owned())
        );
        assert_eq!(when(3_600_000, zone, 0), "1969-12-31 22:00 America/Sao_Paulo, in 1 h 0 min");
    }
}
