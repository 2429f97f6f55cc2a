//! Rates as people write them: `80/s`, `10/min`, `100/h`, `1000/day`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

/// At most `count` in any window of `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many.
    pub count: NonZeroU64,
    /// In how long.
    pub per: Per,
}

/// The windows that rates have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Per {
    Second,
    Minute,
    Hour,
    Day,
}

impl Per {
    /// Its length.
    pub fn window(self) -> Duration {
        Duration::from_secs(match self {
            Per::Second => 1,
            Per::Minute => 60,
            Per::Hour => 3_600,
            Per::Day => 86_400,
        })
    }
}

/// The text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a rate; write for example 80/s, 10/min, 100/h or 1000/day")]
pub struct NotARate(pub String);

impl Rate {
    /// The shares of `pages` pages that split this limit: integers that sum up to it (hazard 9).
    /// `None` when a page would get nothing.
    pub fn share(self, page: usize, pages: usize) -> Option<Rate> {
        let (page, pages) = (page as u64, pages.max(1) as u64);
        let share = self.count.get() / pages + u64::from(page < self.count.get() % pages);
        NonZeroU64::new(share).map(|count| Rate { count, per: self.per })
    }

    /// Calls a second.
    pub fn per_second(self) -> f64 {
        self.count.get() as f64 / self.per.window().as_secs_f64()
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let not_a_rate = || NotARate(text.to_owned());
        let (count, per) = text.trim().split_once('/').ok_or_else(not_a_rate)?;
        let per = match per.trim() {
            "s" | "sec" | "second" => Per::Second,
            "min" | "m" | "minute" => Per::Minute,
            "h" | "hour" => Per::Hour,
            "d" | "day" => Per::Day,
            _ => return Err(not_a_rate()),
        };
        let digits: String = count.trim().chars().filter(|digit| !matches!(digit, ',' | '_')).collect();
        Ok(Self { count: digits.parse().map_err(|_| not_a_rate())?, per })
    }
}

impl TryFrom<String> for Rate {
    type Error = NotARate;

    fn try_from(text: String) -> Result<Self, NotARate> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Per::Second => "s",
            Per::Minute => "min",
            Per::Hour => "h",
            Per::Day => "day",
        };
        write!(f, "{}/{per}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, shown) in
            [("80/s", "80/s"), ("10/min", "10/min"), ("100/h", "100/h"), ("1,000 / day", "1000/day")]
        {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), shown);
        }
        for text in ["", "80", "0/s", "-1/s", "80/fortnight", "many/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn hazard_9_shares_of_pages_sum_up_to_the_campaigns_limit() {
        let rate: Rate = "10/s".parse().unwrap();
        let shares: Vec<u64> =
            (0..3).filter_map(|page| rate.share(page, 3)).map(|share| share.count.get()).collect();
        assert_eq!(shares, [4, 3, 3]);
        assert_eq!("2/s".parse::<Rate>().unwrap().share(2, 3), None);
    }
}
