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

/// At most so many in any 24 hours, written as a rate of a day: `1000/day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PerDay(pub NonZeroU64);

/// The text is no limit of a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a limit of a day; write for example 1000/day")]
pub struct NotPerDay(pub String);

impl FromStr for PerDay {
    type Err = NotPerDay;

    fn from_str(text: &str) -> Result<Self, NotPerDay> {
        match text.parse() {
            Ok(Rate { count, per: Per::Day }) => Ok(Self(count)),
            _ => Err(NotPerDay(text.to_owned())),
        }
    }
}

impl TryFrom<String> for PerDay {
    type Error = NotPerDay;

    fn try_from(text: String) -> Result<Self, NotPerDay> {
        text.parse()
    }
}

impl From<PerDay> for String {
    fn from(limit: PerDay) -> Self {
        limit.to_string()
    }
}

impl fmt::Display for PerDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/day", self.0)
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
    fn b3_a_limit_of_a_day_is_written_as_a_rate_of_a_day() {
        assert_eq!("1,000/day".parse::<PerDay>().unwrap().to_string(), "1000/day");
        assert_eq!("10/d".parse::<PerDay>().unwrap().0.get(), 10);
        for text in ["", "1000", "80/s", "100/h", "0/day", "-1/day", "many/day"] {
            assert!(text.parse::<PerDay>().is_err(), "{text}");
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
