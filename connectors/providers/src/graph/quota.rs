//! How much of its limits the Graph API says is used, as data: which header holds which figures.
//!
//! Sources: `G1` Meta, Graph "Rate limits"; `P5` client libraries; `M` from memory, not verified. All figures are
//! percentages of what is allowed; at 100 calls are refused. The headers come only after some volume, and what they
//! say is believed only where it is a number that can be one.

use serde_json::Value;
use sluice_runtime::ports::caller::Answer;

/// One header.
struct UsageHeader {
    name: &'static str,
    /// The figures that are percentages.
    figures: &'static [&'static str],
    /// Under each object's id stands a list of entries with figures, otherwise the header is one entry.
    by_object: bool,
}

/// `call_count`: calls; the others: processor time and time that the calls took.
const OF_CALLS: &[&str] = &["call_count", "total_cputime", "total_time"];

#[rustfmt::skip]
static HEADERS: &[UsageHeader] = &[
    // G1
    UsageHeader { name: "x-app-usage", figures: OF_CALLS, by_object: false },
    // G1
    UsageHeader { name: "x-business-use-case-usage", figures: OF_CALLS, by_object: true },
    // P5: the older one of a page
    UsageHeader { name: "x-page-usage", figures: OF_CALLS, by_object: false },
    // M: marketing messages go through an ad account
    UsageHeader { name: "x-ad-account-usage", figures: &["acc_id_util_pct"], by_object: false },
];

/// The highest figure of all usage headers, at most 100; `None` where none says anything.
pub(crate) fn used_percent(answer: &Answer<'_>) -> Option<u32> {
    let known = |name: &str| HEADERS.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let told = answer.headers.iter().filter_map(|(name, value)| highest(known(name)?, value));
    told.max()
}

fn highest(header: &UsageHeader, value: &str) -> Option<u32> {
    let told: Value = serde_json::from_str(value).ok()?;
    let of_entry = |entry: &Value| {
        let figures = header.figures.iter().filter_map(|figure| percent(entry.get(figure)?));
        figures.max()
    };
    match header.by_object {
        true => told.as_object()?.values().filter_map(Value::as_array).flatten().filter_map(of_entry).max(),
        false => of_entry(&told),
    }
}

/// A percentage, perhaps with decimals, perhaps as text. Beyond 100 is as good as 100; below 0 is none.
fn percent(figure: &Value) -> Option<u32> {
    let number = match figure {
        Value::String(text) => text.trim().parse().ok()?,
        figure => figure.as_f64()?,
    };
    (number >= 0.0).then(|| number.min(100.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&str, &str)]) -> Option<u32> {
        used_percent(&Answer { status: 200, headers, body: b"" })
    }

    #[test]
    fn b6_of_all_figures_the_highest_counts() {
        let app = ("x-app-usage", r#"{"call_count":28,"total_time":25.9,"total_cputime":"31"}"#);
        assert_eq!(told(&[app]), Some(31));
        let business = r#"{"17":[{"type":"messenger","call_count":95,"total_cputime":20,"total_time":20,
            "estimated_time_to_regain_access":190}],"18":[{"type":"pages","call_count":3}]}"#;
        assert_eq!(told(&[app, ("x-business-use-case-usage", business)]), Some(95));
        assert_eq!(told(&[("x-page-usage", r#"{"call_count":7}"#)]), Some(7));
        assert_eq!(
            told(&[("x-ad-account-usage", r#"{"acc_id_util_pct":9.67,"reset_time_duration":100}"#)]),
            Some(9)
        );
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn b6_odd_values_are_not_believed_and_hide_no_others() {
        for value in [
            "",
            "{",
            "[]",
            "null",
            "7",
            r#""95""#,
            r#"{"call_count":null}"#,
            r#"{"call_count":[95]}"#,
            r#"{"call_count":-5}"#,
            r#"{"call_count":"many"}"#,
            r#"{"call_count":"NaN"}"#,
            r#"{"call_count":1e999}"#,
        ] {
            for name in ["x-app-usage", "x-business-use-case-usage", "x-ad-account-usage"] {
                assert_eq!(told(&[(name, value)]), None, "{name}: {value}");
            }
        }
        assert_eq!(told(&[("x-app-usage", "{"), ("x-app-usage", r#"{"call_count":5}"#)]), Some(5));
        let huge = r#"{"call_count":340282366920938463463374607431768211456,"total_time":1e300}"#;
        assert_eq!(told(&[("x-app-usage", huge)]), Some(100));
        assert_eq!(told(&[("x-app-usage", r#"{"call_count":"inf"}"#)]), Some(100));
        let odd = r#"{"1":{"call_count":99},"2":[7,null,{"call_count":12}],"3":[]}"#;
        assert_eq!(told(&[("x-business-use-case-usage", odd)]), Some(12));
        let deep = "[".repeat(10_000);
        assert_eq!(told(&[("x-app-usage", &deep)]), None);
    }

    #[test]
    fn b6_whatever_a_header_holds_is_a_percentage_or_nothing() {
        let whole = [
            r#"{"call_count":28,"total_time":-2.5e9,"total_cputime":"31"}"#,
            r#"{"17":[{"type":"messenger","call_count":95,"total_time":1e308}],"18":[null,[],{}]}"#,
            r#"{"acc_id_util_pct":9.67,"reset_time_duration":100}"#,
        ];
        for (header, text) in HEADERS.iter().flat_map(|header| whole.map(|text| (header.name, text))) {
            for cut in 0..text.len() {
                assert!(told(&[(header, &text[..cut])]).is_none_or(|percent| percent <= 100));
                for odd in ["\"", "{", "]", "-", "9", "e", "\u{0}", "\u{fc}", "\\u"] {
                    let changed = format!("{}{odd}{}", &text[..cut], &text[cut + 1..]);
                    assert!(told(&[(header, &changed)]).is_none_or(|percent| percent <= 100), "{changed}");
                }
            }
        }
    }
}
