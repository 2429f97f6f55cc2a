//! Where a campaign is, in a sentence. Pure.

use super::status::CampaignStatus;
use crate::view::numbers::thousands;
use sluice_completion::UNSCHEDULED;
use sluice_core::{CampaignState, Counters};

impl CampaignStatus {
    /// `spring-sale is running: 8,204 of 10,000 done.`
    pub fn sentence(&self) -> String {
        let (far, all) = (self.far(), thousands(self.recipients));
        let name = &self.campaign;
        match self.state {
            CampaignState::Scheduled => match self.coming.says() {
                Some(coming) => format!("{name} {coming}."),
                None => format!("{name} waits for its start."),
            },
            CampaignState::Paused => format!("{name} is paused{}: {far}.", self.why()),
            CampaignState::Running if self.expanded => match self.paced() {
                Some(paced) => format!("{name} is running: {far}, {paced}."),
                None => format!("{name} is running: {far}."),
            },
            CampaignState::Running => match self.audience_stands_still() {
                Some(still) => format!("{name} is running: {far}, but its audience stands still: {still}."),
                None => format!("{name} is running: {far}, its audience is still being read."),
            },
            CampaignState::Cancelling => {
                format!("{name} is being cancelled{}: {far}.", self.why())
            }
            // It came as often as it was to.
            CampaignState::Completed if self.coming.recurring.is_some() => {
                format!("{name} comes no more{}.", self.because())
            }
            CampaignState::Completed if self.counters.sent == self.recipients => {
                format!("{name} is completed: {all} recipients.")
            }
            CampaignState::Completed => format!("{name} is completed: {}.", self.outcome()),
            CampaignState::Cancelled if self.coming.starts_at_ms.is_some() => match self.reason.as_deref() {
                // Somebody ended it, or a version that cancelled those whose end had come.
                Some(_) if self.coming.recurring.is_some() => {
                    format!("{name} comes no more{}.", self.because())
                }
                Some(reason) if reason != UNSCHEDULED => {
                    format!("{name} was cancelled before its start: {reason}.")
                }
                _ => format!("{name} was cancelled before its start."),
            },
            CampaignState::Cancelled => {
                let (why, cancelled) = (self.why(), thousands(self.counters.cancelled));
                format!("{name} was cancelled{why}: {}, {cancelled} cancelled.", self.outcome())
            }
            CampaignState::Failed => {
                format!("{name} failed: {}", self.reason.as_deref().unwrap_or("no reason is known"))
            }
        }
    }

    /// `6 of 9 done`; of a later run `0 of 30 done in run 2`, whoever was reached before.
    pub(super) fn far(&self) -> String {
        let (done, all) = self.of_run();
        let run = self.retried.map_or_else(String::new, |_| format!(" in run {}", self.run));
        format!("{} of {} done{run}", thousands(done), thousands(all))
    }

    /// ` (wrong price)`: the reason that was given.
    pub(super) fn why(&self) -> String {
        self.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"))
    }

    /// `: its end at 2026-06-01T09:30 is before the next time`, where that is known.
    fn because(&self) -> String {
        self.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"))
    }

    /// `299 of 1,300 sent, 1,000 failed, 1 unknown`: how many were sent to, and what became of the others whom it called or
    /// skipped.
    fn outcome(&self) -> String {
        let Counters { sent, failed, opted_out, skipped, unknown, .. } = self.counters;
        let others =
            [(failed, "failed"), (opted_out, "opted out"), (skipped, "skipped"), (unknown, "unknown")];
        let others = others.iter().filter(|(count, _)| *count > 0);
        let others = others.map(|(count, word)| format!(", {} {word}", thousands(*count)));
        let (sent, all) = (thousands(sent), thousands(self.recipients));
        format!("{sent} of {all} sent{}", others.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::cancelled;
    use super::*;

    #[test]
    fn c5_g3_a_cancelled_campaign_tells_why_and_sent_and_cancelled_apart() {
        let counters = Counters { total: 300, sent: 299, cancelled: 1, ..Counters::default() };
        assert_eq!(
            cancelled(Some("wrong price"), counters).sentence(),
            "spring was cancelled (wrong price): 299 of 300 sent, 1 cancelled."
        );
        let counters = Counters { total: 1_300, sent: 299, failed: 1_000, cancelled: 1, ..counters };
        assert_eq!(
            cancelled(None, counters).sentence(),
            "spring was cancelled: 299 of 1,300 sent, 1,000 failed, 1 cancelled."
        );
    }

    #[test]
    fn c6_g3_a_later_run_tells_how_far_it_is_itself() {
        let counters = Counters { total: 1_500, sent: 1_300, failed: 200, ..Counters::default() };
        let again = CampaignStatus {
            state: CampaignState::Running,
            expanded: true,
            run: 2,
            retried: Some(200),
            ..cancelled(None, counters)
        };
        assert_eq!(again.sentence(), "spring is running: 0 of 200 done in run 2.");
    }

    #[test]
    fn g3_a_completed_campaign_tells_whom_it_did_not_reach() {
        let of = |counters: Counters| {
            let state = CampaignState::Completed;
            CampaignStatus { state, ..cancelled(None, counters) }.sentence()
        };
        let all = Counters { total: 1_300, sent: 1_300, ..Counters::default() };
        assert_eq!(of(all), "spring is completed: 1,300 recipients.");
        let some = Counters { sent: 1_200, failed: 90, opted_out: 3, unknown: 5, skipped: 2, ..all };
        assert_eq!(
            of(some),
            "spring is completed: 1,200 of 1,300 sent, 90 failed, 3 opted out, 2 skipped, 5 unknown."
        );
        assert_eq!(of(Counters::default()), "spring is completed: 0 recipients.");
    }
}
