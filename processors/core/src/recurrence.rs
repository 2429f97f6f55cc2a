//! Campaigns that come back: at which moments, and under which names (B5).
//!
//! Guarantee: an occurrence is one instant and has one name, whoever computes it and however often; so a campaign
//! that is launched by it twice starts once.
//!
//! When clocks change: a fixed time (`30 2 * * *`) that is skipped comes at the instant after the gap, and one that
//! comes twice is the first of both. What repeats within the day (`*/15 * * * *`, `0 9-17 * * *`) follows the clock:
//! nothing in a skipped hour, and again in a repeated one.

use crate::launch::{LaunchProblem, shown};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use sluice_schemas::Missed;

/// How late an occurrence starts where missed ones are skipped, in ms: a restart or a hand-over between processes
/// takes a minute or two, and is no downtime that its author thought of.
pub const TOLERANCE_MS: i64 = 5 * 60 * 1_000;

/// The moments that a cron expression names in a zone. Times in ms since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    cron: Cron,
    zone: TimeZone,
}

impl Recurrence {
    /// Five fields: minute, hour, day of the month, month, day of the week; names (`mon`, `jan`), lists, ranges and
    /// steps, `L` for the last day. Where both kinds of days are restricted, either will do, as cron has it.
    ///
    /// # Errors
    /// When it can't be read or never comes.
    pub fn check(cron: &str, zone: TimeZone) -> Result<Self, LaunchProblem> {
        let problem = |problem: String, hint: &str| LaunchProblem::new("rules.recurring.cron", problem, hint);
        let hint =
            "write minute, hour, day of the month, month and day of the week, for example 0 9 * * mon-fri";
        if cron.split_whitespace().count() != 5 {
            return Err(problem(format!("`{}` does not have five fields", shown(cron)), hint));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let parsed =
            parser.parse(cron).map_err(|_| problem(format!("`{}` can't be read", shown(cron)), hint))?;
        let recurrence = Self { cron: parsed, zone };
        if recurrence.next_after(0).is_none() {
            let hint = "there is no such day in any year";
            return Err(problem(format!("`{}` never comes", shown(cron)), hint));
        }
        Ok(recurrence)
    }

    /// The first occurrence after `ms`.
    pub fn next_after(&self, ms: i64) -> Option<i64> {
        let from = self.second_of(ms)?;
        self.cron.find_next_occurrence(&from, false).ok().map(|next| next.timestamp().as_millisecond())
    }

    /// The occurrence that has to start now: the newest after `last_started_ms` (when the campaign was created, if
    /// none was started yet) up to `now_ms`. So of several missed ones at most one starts; none, where missed ones
    /// are skipped and it is more than [`TOLERANCE_MS`] ago.
    pub fn due(&self, last_started_ms: i64, now_ms: i64, missed: Missed) -> Option<i64> {
        let newest_ms = self.newest_until(now_ms)?;
        let late_ms_max = match missed {
            Missed::Once => i64::MAX,
            Missed::Skip => TOLERANCE_MS,
        };
        (newest_ms > last_started_ms && now_ms - newest_ms <= late_ms_max).then_some(newest_ms)
    }

    /// The last occurrence that is not after `now_ms`.
    pub fn newest_until(&self, now_ms: i64) -> Option<i64> {
        let now = self.second_of(now_ms)?;
        self.cron.find_previous_occurrence(&now, true).ok().map(|last| last.timestamp().as_millisecond())
    }

    /// Occurrences lie on whole seconds.
    fn second_of(&self, ms: i64) -> Option<jiff::Zoned> {
        let second = Timestamp::from_second(ms.div_euclid(1_000)).ok()?;
        Some(second.to_zoned(self.zone.clone()))
    }
}

/// Characters of a campaign's name at most.
const NAME_CHARS_MAX: usize = 64;

/// The name of the campaign for one occurrence: `digest-20261201t0900z`, the time being UTC, so that both passes of
/// a repeated hour have names of their own. A campaign's name that leaves no room is shortened, with a digest of all
/// of it; at most 64 characters of `a-z 0-9 - _ .`.
pub fn occurrence_name(campaign: &str, at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    let suffix = at.strftime("-%Y%m%dt%H%Mz").to_string();
    let room = NAME_CHARS_MAX - suffix.len();
    if campaign.len() <= room {
        return format!("{campaign}{suffix}");
    }
    let digest = Sha256::digest(campaign);
    let digest = format!("{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
    let kept: String = campaign.chars().take(room - digest.len() - 1).collect();
    format!("{kept}-{digest}{suffix}")
}

#[cfg(test)]
mod tests;
