//! Numbers, times and durations as people read them.

use std::time::Duration;

/// `1204331` → `1,204,331`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 recipient`, `2,000 recipients`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// `1,204/s`, `3.5/s`, `12.0/min`: rounded.
pub fn rate(per_s: f64) -> String {
    match per_s {
        10.0.. => format!("{}/s", thousands(per_s.round() as u64)),
        1.0.. => format!("{per_s:.1}/s"),
        _ => format!("{:.1}/min", per_s * 60.0),
    }
}

/// `5.1 s`, `4 min 10 s`, `3 h 12 min`, `2 d 4 h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// ms since 1970 for programs, in RFC 3339: `2026-11-21T14:31:07.12Z`. People read a `moment`.
pub fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

/// Whole percents, rounded down so that 100 % means all.
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 100 } else { (u128::from(part) * 100 / u128::from(whole)) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_thousands_separators() {
        let shown: Vec<String> = [0, 999, 1_000, 50_000, 1_204_331].map(thousands).into();
        assert_eq!(shown, ["0", "999", "1,000", "50,000", "1,204,331"]);
    }

    #[test]
    fn rates_are_rounded_and_slow_ones_told_by_the_minute() {
        let shown: Vec<String> = [1_203.5, 9.96, 10.0, 1.25, 0.2].map(rate).into();
        assert_eq!(shown, ["1,204/s", "10.0/s", "10/s", "1.2/s", "12.0/min"]);
    }

    #[test]
    fn durations_are_in_words() {
        let shown: Vec<String> =
            [5.12, 250.0, 11_520.0, 187_200.0].map(|s| duration(Duration::from_secs_f64(s))).into();
        assert_eq!(shown, ["5.1 s", "4 min 10 s", "3 h 12 min", "2 d 4 h"]);
    }

    #[test]
    fn a_hundred_percent_means_all() {
        assert_eq!((percent(9_999, 10_000), percent(10_000, 10_000), percent(0, 0)), (99, 100, 100));
    }

    #[test]
    fn times_carry_their_zone() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
    }
}
