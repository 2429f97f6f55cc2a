//! How long a campaign has been running: what its average rate is meant over.

use super::{CampaignRow, CampaignState};

impl CampaignRow {
    /// ms that it has been running up to `now_ms`, over all its runs: without the time before its start, in pauses,
    /// while it was being cancelled, and between the end of a run and the next one. What it could not use counts: hours in
    /// which its window was closed or no process worked.
    pub fn running_ms(&self, now_ms: i64) -> u64 {
        let until_ms = match self.state {
            CampaignState::Running => now_ms,
            _ => self.entered_ms(),
        };
        u64::try_from(until_ms - self.created_at_ms - self.rested_ms).unwrap_or(0)
    }

    /// What a step at `at_ms` out of the present state adds to [`CampaignRow::rested_ms`].
    pub(super) fn rests_until(&self, at_ms: i64) -> i64 {
        match self.state {
            CampaignState::Running => 0,
            _ => (at_ms - self.entered_ms()).max(0),
        }
    }

    /// When it got into its present state.
    fn entered_ms(&self) -> i64 {
        self.entered.map_or(self.created_at_ms, |entered| entered.at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Transition;
    use super::*;
    use CampaignState::{Cancelled, Cancelling, Completed, Paused, Running};

    fn launched() -> CampaignRow {
        let launch = crate::launch::parse_json(
            r#"{"campaign": "c", "channel": "http", "pages": ["p"], "audience": {"path": "a.csv"},
                "message": {"http": {"body": {"to": "{{address}}"}}}}"#,
        );
        CampaignRow::scheduled(launch.unwrap(), 100, 1_000)
    }

    fn after(row: &CampaignRow, steps: &[(CampaignState, i64)]) -> CampaignRow {
        let step = |row: CampaignRow, (to, at_ms): &(CampaignState, i64)| {
            row.after(&Transition::of(&row, *to, None, *at_ms)).unwrap()
        };
        steps.iter().fold(row.clone(), step)
    }

    #[test]
    fn g3_the_time_before_its_start_in_pauses_and_between_runs_does_not_count() {
        let row = launched();
        assert_eq!(row.running_ms(900), 0);
        let running = after(&row, &[(Running, 1_000)]);
        assert_eq!(running.running_ms(1_300), 300);
        let paused = after(&running, &[(Paused, 1_400)]);
        assert_eq!((paused.running_ms(1_400), paused.running_ms(9_999)), (400, 400));
        let ended = after(&paused, &[(Running, 5_000), (Completed, 5_100)]);
        assert_eq!((ended.running_ms(5_100), ended.running_ms(99_999)), (500, 500));
        let again = after(&ended, &[(Running, 50_000)]);
        assert_eq!(again.running_ms(50_010), 510);
        let cancelled = after(&again, &[(Cancelling, 50_020), (Cancelled, 50_900)]);
        assert_eq!(cancelled.running_ms(60_000), 520);
    }

    #[test]
    fn g3_a_clock_that_goes_back_makes_no_time_negative() {
        let row = after(&launched(), &[(Running, 1_000), (Paused, 900), (Running, 800)]);
        assert_eq!((row.running_ms(0), row.running_ms(1_000)), (0, 0));
    }
}
