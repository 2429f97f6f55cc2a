//! Moments and days as people write them.
//!
//! Guarantee: a text means one instant in a zone, the same everywhere. A local time that does not exist, because
//! clocks skip it, is the instant after the gap; one that comes twice is the first of both.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// The text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAMoment {
    /// It is not written like one.
    #[error("it is not a date and a time")]
    Unreadable,
    /// It is a day without a time.
    #[error("it has no time of day")]
    NoTime,
    /// It is too far away to be computed with.
    #[error("it is out of range")]
    OutOfRange,
}

/// `2026-12-01T09:00` in `zone`, or `2026-12-01T09:00:00-03:00` whatever the zone; ms since 1970. Seconds and
/// their fraction (cut to ms) may follow.
///
/// # Errors
/// [`NotAMoment`] says why the text is none.
pub fn parse(text: &str, zone: &TimeZone) -> Result<i64, NotAMoment> {
    let text = text.trim();
    if date(text).is_some() {
        return Err(NotAMoment::NoTime);
    }
    // The reader of times takes more than this: zone names in brackets, basic format.
    let known = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'T' | b'.' | b'+' | b'Z');
    let (Some(day), Some(time)) = (text.get(..10), text.get(10..)) else {
        return Err(NotAMoment::Unreadable);
    };
    if date(day).is_none() || !time.starts_with('T') || !time.bytes().all(known) {
        return Err(NotAMoment::Unreadable);
    }
    if time.contains(['Z', '+', '-']) {
        let instant: Timestamp = text.parse().map_err(|_| NotAMoment::Unreadable)?;
        return Ok(instant.as_millisecond());
    }
    let local: DateTime = text.parse().map_err(|_| NotAMoment::Unreadable)?;
    first_instant_ms(local, zone).ok_or(NotAMoment::OutOfRange)
}

/// `YYYY-MM-DD`, and nothing else.
pub fn date(text: &str) -> Option<Date> {
    let shape =
        |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    (text.len() == 10 && text.bytes().enumerate().all(shape)).then(|| text.parse().ok()).flatten()
}

/// `2026-12-01 09:00 America/Sao_Paulo`, as messages tell a moment.
pub fn at(ms: i64, zone: &TimeZone) -> String {
    let Ok(instant) = Timestamp::from_millisecond(ms) else { return ms.to_string() };
    let local = instant.to_zoned(zone.clone());
    format!("{} {}", local.strftime("%Y-%m-%d %H:%M"), zone.iana_name().unwrap_or("UTC"))
}

/// When a day begins in `zone`, in ms since 1970; where clocks skip its midnight, when they have done so.
pub fn day_start_ms(day: Date, zone: &TimeZone) -> i64 {
    first_instant_ms(day.at(0, 0, 0, 0), zone).unwrap_or(i64::MAX)
}

/// The first instant at which a clock in `zone` shows `local` or has skipped it.
fn first_instant_ms(local: DateTime, zone: &TimeZone) -> Option<i64> {
    let instant = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
        // Read with the offset of after the gap, it lies before it: the next change is the gap itself.
        AmbiguousOffset::Gap { after, .. } => {
            zone.following(after.to_timestamp(local).ok()?).next()?.timestamp()
        }
    };
    Some(instant.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn ms(instant: &str) -> i64 {
        instant.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn b5_a_moment_is_local_or_has_an_offset() {
        let zone = zone("America/Sao_Paulo");
        for (text, instant) in [
            ("2026-12-01T09:00", "2026-12-01T12:00:00Z"),
            (" 2026-12-01T09:00:30 ", "2026-12-01T12:00:30Z"),
            ("2026-12-01T09:00:00.250", "2026-12-01T12:00:00.250Z"),
            ("2026-12-01T09:00Z", "2026-12-01T09:00:00Z"),
            ("2026-12-01T09:00:00+02:00", "2026-12-01T07:00:00Z"),
            ("2026-12-01T09:00-03:00", "2026-12-01T12:00:00Z"),
        ] {
            assert_eq!(parse(text, &zone), Ok(ms(instant)), "{text}");
        }
    }

    #[test]
    fn what_is_not_clearly_a_moment_is_none() {
        let zone = TimeZone::UTC;
        assert_eq!(parse("2026-12-01", &zone), Err(NotAMoment::NoTime));
        for text in [
            "",
            "tomorrow",
            "2026-12-01T",
            "2026-12-01T25:00",
            "2026-02-30T09:00",
            "2026-12-01 09:00",
            "20261201T0900",
            "2026-12-01T09:00[Europe/Berlin]",
            "2026-12-01T09:00:00+02:00[Europe/Berlin]",
            "01.12.2026 09:00",
            "2026-12-01T09:00+99:00",
            "2026-12-0\u{661}T09:00",
        ] {
            assert_eq!(parse(text, &zone), Err(NotAMoment::Unreadable), "{text}");
        }
    }

    #[test]
    fn b5_a_local_time_that_is_skipped_is_the_instant_after_the_gap() {
        // Forward: Berlin 02:00 to 03:00, Lord Howe 02:00 to 02:30, Beirut 00:00 to 01:00.
        for (text, name, instant) in [
            ("2026-03-29T02:00", "Europe/Berlin", "2026-03-29T01:00:00Z"),
            ("2026-03-29T02:59:59", "Europe/Berlin", "2026-03-29T01:00:00Z"),
            ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
            ("2026-03-29T00:30", "Asia/Beirut", "2026-03-28T22:00:00Z"),
            // A whole day that Samoa left out.
            ("2011-12-30T05:00", "Pacific/Apia", "2011-12-30T10:00:00Z"),
        ] {
            assert_eq!(parse(text, &zone(name)), Ok(ms(instant)), "{text} in {name}");
        }
    }

    #[test]
    fn b5_a_local_time_that_comes_twice_is_the_first_of_both() {
        for (text, name, instant) in [
            ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00Z"),
            ("2026-04-05T01:45", "Australia/Lord_Howe", "2026-04-04T14:45:00Z"),
            ("2026-11-01T01:00", "America/New_York", "2026-11-01T05:00:00Z"),
        ] {
            assert_eq!(parse(text, &zone(name)), Ok(ms(instant)), "{text} in {name}");
        }
    }

    #[test]
    fn a_day_begins_where_its_midnight_is_or_was_skipped() {
        let start = |day: &str, name: &str| day_start_ms(date(day).unwrap(), &zone(name));
        assert_eq!(start("2026-12-01", "America/Sao_Paulo"), ms("2026-12-01T03:00:00Z"));
        assert_eq!(start("2026-03-29", "Asia/Beirut"), ms("2026-03-28T22:00:00Z"));
        // Havana's midnight comes twice.
        assert_eq!(start("2026-11-01", "America/Havana"), ms("2026-11-01T04:00:00Z"));
    }

    #[test]
    fn a_date_is_written_in_one_way() {
        assert!(date("2028-02-29").is_some());
        for text in
            ["2026-02-29", "2026-1-01", "20260101", "2026/01/01", "+2026-01-1", "2026-12-01T", "2026-W01-1"]
        {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
