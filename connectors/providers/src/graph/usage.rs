//! How long a throttled page should stay away.

use sluice_runtime::ports::caller::Answer;
use std::time::Duration;

/// Longest wait that is believed: an answer must not stop a page for days.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

/// The value of a header, however its name is written.
pub(crate) fn header<'a>(answer: &Answer<'a>, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// `Retry-After` in seconds, or as a date, counted from the answer's own `Date`.
pub(crate) fn retry_after(answer: &Answer<'_>) -> Option<Duration> {
    let text = header(answer, "retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(WAIT_MAX));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let now = jiff::fmt::rfc2822::parse(header(answer, "date")?).ok()?.timestamp();
    let seconds = u64::try_from(until.as_second() - now.as_second()).unwrap_or(0);
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

/// `estimated_time_to_regain_access` of `X-Business-Use-Case-Usage`: minutes, the longest counts.
pub(crate) fn regain_access(answer: &Answer<'_>) -> Option<Duration> {
    let usage: serde_json::Value = serde_json::from_str(header(answer, "x-business-use-case-usage")?).ok()?;
    let minutes = usage
        .as_object()?
        .values()
        .filter_map(serde_json::Value::as_array)
        .flatten()
        .filter_map(|entry| entry.get("estimated_time_to_regain_access")?.as_u64())
        .max()?;
    (minutes > 0).then(|| Duration::from_secs(minutes.saturating_mul(60)).min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(headers: &'a [(&'a str, &'a str)]) -> Answer<'a> {
        Answer { status: 429, headers, body: b"" }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(retry_after(&with(&[("retry-after", "7")])), Some(Duration::from_secs(7)));
        let date =
            [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")];
        assert_eq!(retry_after(&with(&date)), Some(Duration::from_secs(30)));
        assert_eq!(retry_after(&with(&[("retry-after", "soon")])), None);
        assert_eq!(retry_after(&with(&[("retry-after", "99999999")])), Some(WAIT_MAX));
    }

    #[test]
    fn regained_access_is_in_minutes() {
        let usage =
            r#"{"1":[{"type":"messenger","estimated_time_to_regain_access":19},{"type":"x"}],"2":[]}"#;
        assert_eq!(
            regain_access(&with(&[("x-business-use-case-usage", usage)])),
            Some(Duration::from_secs(19 * 60))
        );
        assert_eq!(regain_access(&with(&[("x-business-use-case-usage", "[")])), None);
    }
}
