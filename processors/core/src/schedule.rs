//! Campaigns for later: when they start, and what a recurring one does at its time (B5).
//!
//! A recurring campaign is a row that waits for its next occurrence and never runs itself: each occurrence is a
//! campaign of its own, whose name follows from its time. An occurrence is first booked in the row, by compare-and-set,
//! then launched, then crossed out: whoever dies in between has it launched by the next one, and whoever launches it
//! twice launches it once. Whoever cancels the row or changes its terms finds what is booked, and puts what becomes of
//! it now into its place before the answer: a process that stood still since the booking finds the place taken.
//! Crossing out is decided on the terms in force as well, and is refused when they change meanwhile.

use crate::campaign::{CampaignRow, CampaignState, Terms, Transition};
use crate::launch::ValidRules;
use crate::moment;
use crate::recurrence::occurrence_name;
use sluice_schemas::{CampaignLaunch, Rules};

/// What is to be done with a scheduled campaign. Times in ms since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time.
    Wait {
        /// Its start, its next occurrence.
        until_ms: i64,
    },
    /// It starts.
    Start,
    /// An occurrence is launched, then the campaign waits for the next one.
    Occurrence {
        /// Its time.
        at_ms: i64,
        /// The one after it; `None`: there is none before the end.
        next_ms: Option<i64>,
    },
    /// What was missed is left out; the campaign waits for the next one.
    Skip {
        /// Its time; `None`: there is none before the end.
        next_ms: Option<i64>,
    },
    /// Its end has come before it could start.
    Over,
}

/// When a campaign that is launched at `now_ms` starts; `None`: at once.
pub fn starts_ms(rules: &ValidRules, now_ms: i64) -> Option<i64> {
    let Some((recurrence, _)) = &rules.recurrence else {
        return rules.start_at_ms.filter(|start_ms| *start_ms > now_ms);
    };
    let after_ms = rules.start_at_ms.map_or(now_ms, |start_ms| now_ms.max(start_ms - 1));
    Some(recurrence.next_after(after_ms).unwrap_or(i64::MAX))
}

/// Whether its end is not after `at_ms`.
fn is_over(rules: &ValidRules, at_ms: i64) -> bool {
    rules.end_at_ms.is_some_and(|end_ms| at_ms >= end_ms)
}

/// What is to be done at `now_ms` with a campaign that waits for `starts_at_ms`. An occurrence that could call nobody
/// before the end is none.
pub fn due(starts_at_ms: i64, rules: &ValidRules, now_ms: i64) -> Due {
    let waits = now_ms < starts_at_ms;
    let Some((recurrence, missed)) = &rules.recurrence else {
        return match () {
            () if is_over(rules, now_ms) => Due::Over,
            () if waits => Due::Wait { until_ms: rules.end_at_ms.unwrap_or(i64::MAX).min(starts_at_ms) },
            () => Due::Start,
        };
    };
    if !rules.leaves_time(now_ms.max(starts_at_ms)) {
        return Due::Over;
    }
    if waits {
        return Due::Wait { until_ms: starts_at_ms };
    }
    let next_ms = recurrence.next_after(now_ms).filter(|next_ms| rules.leaves_time(*next_ms));
    match recurrence.due(starts_at_ms.saturating_sub(1), now_ms, *missed) {
        Some(at_ms) => Due::Occurrence { at_ms, next_ms },
        None => Due::Skip { next_ms },
    }
}

impl CampaignRow {
    /// The launch of an occurrence of this recurring campaign, under the terms in force.
    pub fn occurrence(&self, at_ms: i64) -> CampaignLaunch {
        let Terms { rate, rules, .. } = self.terms();
        CampaignLaunch {
            campaign: occurrence_name(&self.launch.campaign, at_ms),
            rate,
            rules: Rules { recurring: None, start_at: None, ..rules },
            ..self.launch.clone()
        }
    }

    /// The occurrence that is booked and may not be launched yet: ms since 1970.
    pub fn booked_ms(&self) -> Option<i64> {
        self.changed.as_ref()?.occurrence_ms
    }

    /// The step that books an occurrence; the campaign then waits for `next_ms`, if there is another one.
    pub fn book(&self, at_ms: i64, next_ms: Option<i64>, now_ms: i64) -> Transition {
        let starts_at_ms = next_ms.or(Some(self.starts_at_ms));
        let terms = Terms { starts_at_ms, occurrence_ms: Some(at_ms), ..self.terms() };
        let step = Transition::of(self, CampaignState::Scheduled, None, now_ms);
        Transition { terms: Some((self.terms_version, terms)), ..step }
    }

    /// The step after the booked occurrence was launched: it waits for the next one, or ends. Whether there is a next
    /// one is decided anew: the end may have been moved since the booking.
    pub fn cross_out(&self, at_ms: i64, now_ms: i64) -> Transition {
        let next_ms = self.next_beside(at_ms);
        let starts_at_ms = next_ms.or(Some(self.starts_at_ms));
        let terms = Terms { starts_at_ms, occurrence_ms: None, ..self.terms() };
        let step = match next_ms {
            Some(_) => Transition::of(self, CampaignState::Scheduled, None, now_ms),
            None => Transition::of(self, self.over_state(), Some(self.end_reason()), now_ms),
        };
        Transition { terms: Some((self.terms_version, terms)), ..step }
    }

    /// The occurrence after the booked one; `None`: there is none before the end.
    fn next_beside(&self, at_ms: i64) -> Option<i64> {
        let waits_ms = (self.starts_at_ms > at_ms).then_some(self.starts_at_ms);
        // Rules that can't be read say nothing else than the booking did.
        let Ok(rules) = self.valid_rules() else { return waits_ms };
        let later_ms = || {
            let (recurrence, _) = rules.recurrence.as_ref()?;
            let after_ms = rules.start_at_ms.map_or(at_ms, |start_ms| at_ms.max(start_ms - 1));
            recurrence.next_after(after_ms)
        };
        waits_ms.or_else(later_ms).filter(|next_ms| rules.leaves_time(*next_ms))
    }

    /// The campaign that the booked occurrence becomes, as everything is now: the occurrence under the terms in force,
    /// or, where they leave it out, a campaign of its name that is cancelled before its start. `None`: nothing is booked.
    pub fn booked_campaign(&self, now_ms: i64) -> Option<CampaignRow> {
        let at_ms = self.booked_ms()?;
        let launch = self.occurrence(at_ms);
        Some(match self.left_out(at_ms) {
            None => CampaignRow::launched(launch, now_ms),
            Some(why) => {
                CampaignRow::never_started(launch, now_ms, at_ms, format!("{} {why}", self.launch.campaign))
            }
        })
    }

    /// Why an occurrence that was booked is not to start any more: what goes on after the campaign's name.
    fn left_out(&self, at_ms: i64) -> Option<&'static str> {
        if matches!(self.state, CampaignState::Cancelling | CampaignState::Cancelled) {
            return Some("was cancelled");
        }
        let rules = self.valid_rules().ok()?;
        match rules.start_at_ms {
            Some(start_ms) if start_ms > at_ms => Some("starts later now"),
            _ if is_over(&rules, at_ms) => Some("has an earlier end now"),
            _ => (!rules.leaves_time(at_ms)).then_some("does not open before its end now"),
        }
    }

    /// The state that a scheduled campaign goes to when its end has come: one that was to start is cancelled, and so are
    /// its people; of one that comes back nothing is left out, its occurrences are campaigns of their own.
    pub fn over_state(&self) -> CampaignState {
        match self.rules().recurring {
            Some(_) => CampaignState::Completed,
            None => CampaignState::Cancelling,
        }
    }

    /// Why a campaign whose end has come is over.
    pub fn end_reason(&self) -> String {
        let Rules { end_at, recurring, .. } = self.rules();
        match (end_at, recurring) {
            (Some(end_at), None) => format!("ended at {end_at}"),
            (Some(end_at), Some(_)) => format!("its end at {end_at} is before the next time"),
            (None, _) => "it does not come again".to_owned(),
        }
    }

    /// When a campaign that waits for its start is to be looked at: at its start, its next occurrence or its end,
    /// whatever comes first; at once where an occurrence is booked. ms since 1970.
    pub fn wakes_ms(&self) -> i64 {
        // What is booked is launched at once: whoever booked it may have died.
        if let Some(booked_ms) = self.booked_ms() {
            return booked_ms;
        }
        // Only the end is read: all scheduled campaigns are asked again and again.
        let end_ms = self.rules().end_at.as_ref().and_then(|end_at| {
            let zone = self.launch.time_zone.as_deref().and_then(crate::row::time_zone);
            moment::parse(end_at, &zone.unwrap_or(jiff::tz::TimeZone::UTC)).ok()
        });
        self.starts_at_ms.min(end_ms.unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests;
