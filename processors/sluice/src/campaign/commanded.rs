//! What became of a command, as the API and the commands show it.

use super::coming::Coming;
use super::limits::{LimitLine, limits, times};
use crate::view::numbers::{counted, thousands};
use serde::{Deserialize, Serialize};
use sluice_completion::Answer;
use sluice_core::{CampaignState, Counters};

/// The answer to a command: from then on it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commanded {
    /// The campaign.
    pub campaign: String,
    /// Whose it is.
    pub tenant: String,
    /// The word of the command.
    pub action: String,
    /// Where the campaign is after it.
    pub state: CampaignState,
    /// From 1.
    pub run: u32,
    /// It was so before: nothing was changed.
    pub already: bool,
    /// Rows of the audience, as far as it is read.
    pub recipients: u64,
    /// The provider took their message.
    pub sent: u64,
    /// On the phone at that moment, or called and not heard of yet: they may still arrive.
    pub in_flight: u64,
    /// Neither called nor on the way.
    pub remaining: u64,
    /// All recipients by state; before a new run: as the run before left them.
    pub counters: Counters,
    /// When it starts, comes back and ends; its fields stand among the others.
    #[serde(flatten)]
    pub coming: Coming,
    /// Limit in force.
    pub rate: Option<String>,
    /// Of a command that changes limits or times: all of them, before and after it.
    #[serde(default)]
    pub limits: Vec<LimitLine>,
    /// Recipients whom the present run tries again.
    #[serde(default)]
    pub retried: Option<u64>,
    /// Whether unknown recipients are tried again in this run.
    pub includes_unknown: bool,
}

impl Commanded {
    /// Of an answer.
    pub fn of(action: &str, answer: &Answer) -> Self {
        let Answer { row, before, already, out } = answer;
        Self {
            campaign: row.launch.campaign.clone(),
            tenant: row.launch.tenant.clone(),
            action: action.to_owned(),
            state: row.state,
            run: row.run,
            already: *already,
            recipients: out.counters.total,
            sent: out.counters.sent,
            in_flight: out.in_flight,
            remaining: out.remaining,
            counters: out.counters,
            coming: Coming::of(row),
            rate: row.rate().map(str::to_owned),
            limits: match action {
                "limits" => limits(before, row),
                "reschedule" => times(before, row),
                _ => Vec::new(),
            },
            retried: row.retried(),
            includes_unknown: row.retries_unknown(),
        }
    }

    /// `spring-sale is paused. 8,204 of 50,000 sent, 12 in flight, 41,784 remain.`
    pub fn sentence(&self) -> String {
        let name = &self.campaign;
        let already = if self.already { " already" } else { "" };
        let where_it_is = match (self.action.as_str(), self.state) {
            ("retry-failed", _) => return self.tried_again(),
            ("limits" | "reschedule", _) if self.already => format!("{name} has these terms already"),
            ("limits" | "reschedule", state) => format!("{name} has its new terms and is {}", state.as_str()),
            (_, CampaignState::Cancelling | CampaignState::Cancelled)
                if self.coming.starts_at_ms.is_some() =>
            {
                return match self.coming.recurring {
                    // It calls nobody itself; each occurrence is a campaign of its own.
                    Some(_) => format!(
                        "{name} was cancelled{already}: it comes no more. Occurrences that have started go on."
                    ),
                    None => format!("{name} was cancelled{already} before its start: nobody is called."),
                };
            }
            (_, CampaignState::Paused) => format!("{name} is paused{already}"),
            (_, CampaignState::Cancelling) => format!("{name} is being cancelled{already}"),
            (_, CampaignState::Cancelled) => format!("{name} was cancelled{already}"),
            (_, CampaignState::Running) if self.already => format!("{name} is running already"),
            (_, CampaignState::Running) => format!("{name} goes on"),
            (_, state) => format!("{name} is {}", state.as_str()),
        };
        let limits: Vec<String> = self.limits.iter().map(LimitLine::says).collect();
        let limits = limits.join(", ");
        match self.coming.says() {
            Some(coming) if limits.is_empty() => format!("{where_it_is}: it {coming}."),
            Some(coming) => format!("{where_it_is}: {limits}. It {coming}."),
            None if limits.is_empty() => format!("{where_it_is}. {}", self.who_is_out()),
            None => format!("{where_it_is}: {limits}. {}", self.who_is_out()),
        }
    }

    fn who_is_out(&self) -> String {
        let (sent, all) = (thousands(self.sent), thousands(self.recipients));
        let rest = match self.state {
            CampaignState::Cancelling | CampaignState::Cancelled => {
                format!("{} cancelled", thousands(self.remaining + self.counters.cancelled))
            }
            _ => format!("{} remain", thousands(self.remaining)),
        };
        format!("{sent} of {all} sent, {} in flight, {rest}.", thousands(self.in_flight))
    }

    fn tried_again(&self) -> String {
        if let Some(retried) = self.retried.filter(|_| self.already) {
            let people = counted(retried, "recipient", "recipients");
            let paused = if self.state == CampaignState::Paused { ", and is paused" } else { "" };
            return format!("{} tries {people} again already: run {}{paused}.", self.campaign, self.run);
        }
        let failed = counted(self.counters.failed, "failed recipient", "failed recipients");
        let unknown = match self.includes_unknown {
            true => format!(" and {} unknown", thousands(self.counters.unknown)),
            false => String::new(),
        };
        format!("{} tries {failed}{unknown} again: run {}.", self.campaign, self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commanded(action: &str, state: CampaignState) -> Commanded {
        let counters =
            Counters { total: 50_000, sent: 8_204, failed: 310, unknown: 2, ..Counters::default() };
        Commanded {
            campaign: "spring-sale".to_owned(),
            tenant: "default".to_owned(),
            action: action.to_owned(),
            state,
            run: 1,
            already: false,
            recipients: 50_000,
            sent: 8_204,
            in_flight: 12,
            remaining: 41_472,
            counters,
            coming: Coming::default(),
            rate: None,
            limits: Vec::new(),
            retried: None,
            includes_unknown: false,
        }
    }

    fn starts() -> Coming {
        Coming { starts_at_ms: Some(0), ..Coming::default() }
    }

    #[test]
    fn c5_an_answer_says_how_many_were_already_out() {
        let paused = commanded("pause", CampaignState::Paused);
        assert_eq!(
            paused.sentence(),
            "spring-sale is paused. 8,204 of 50,000 sent, 12 in flight, 41,472 remain."
        );
        let cancelled = Commanded { already: true, ..commanded("cancel", CampaignState::Cancelling) };
        assert_eq!(
            cancelled.sentence(),
            "spring-sale is being cancelled already. 8,204 of 50,000 sent, 12 in flight, 41,472 cancelled."
        );
    }

    #[test]
    fn f3_new_limits_are_told_with_what_they_were() {
        let line = |limit: &str, was: Option<&str>, is: Option<&str>| LimitLine {
            limit: limit.to_owned(),
            was: was.map(str::to_owned),
            is: is.map(str::to_owned),
        };
        let lines = vec![line("rate", Some("10/s"), Some("20/s")), line("daily limit", None, None)];
        let changed = Commanded { limits: lines, ..commanded("limits", CampaignState::Paused) };
        assert_eq!(
            changed.sentence(),
            "spring-sale has its new terms and is paused: rate 10/s -> 20/s, no daily limit. 8,204 of 50,000 sent, 12 in \
             flight, 41,472 remain."
        );
        let waits = Commanded { coming: starts(), state: CampaignState::Scheduled, ..changed };
        assert!(waits.sentence().ends_with("no daily limit. It starts at 1970-01-01 00:00 UTC."));
    }

    #[test]
    fn b5_who_has_not_started_is_told_by_its_start() {
        let waits = Commanded { coming: starts(), ..commanded("limits", CampaignState::Scheduled) };
        let expected = "spring-sale has its new terms and is scheduled: it starts at 1970-01-01 00:00 UTC.";
        assert_eq!(waits.sentence(), expected);
        let ended = Commanded { coming: starts(), ..commanded("unschedule", CampaignState::Cancelling) };
        assert_eq!(ended.sentence(), "spring-sale was cancelled before its start: nobody is called.");
        // Its occurrences may have called people.
        let recurring = Coming { recurring: Some("0 9 * * *".to_owned()), ..starts() };
        let ended = Commanded { coming: recurring, ..ended };
        let expected = "spring-sale was cancelled: it comes no more. Occurrences that have started go on.";
        assert_eq!(ended.sentence(), expected);
    }

    #[test]
    fn c6_a_retry_says_whom_it_is_about() {
        let mut again = commanded("retry-failed", CampaignState::Running);
        again.run = 2;
        assert_eq!(again.sentence(), "spring-sale tries 310 failed recipients again: run 2.");
        again.includes_unknown = true;
        assert_eq!(again.sentence(), "spring-sale tries 310 failed recipients and 2 unknown again: run 2.");
        // They are opened by now.
        (again.already, again.retried, again.counters.failed) = (true, Some(312), 0);
        assert_eq!(again.sentence(), "spring-sale tries 312 recipients again already: run 2.");
        again.state = CampaignState::Paused;
        assert_eq!(again.sentence(), "spring-sale tries 312 recipients again already: run 2, and is paused.");
    }

    #[test]
    fn f3_an_answer_stays_itself_as_json_and_one_of_another_version_is_read() {
        let coming = Coming { ends_at_ms: Some(9), recurring: Some("0 9 * * *".to_owned()), ..starts() };
        let answer = Commanded { coming, ..commanded("limits", CampaignState::Scheduled) };
        let mut json = serde_json::to_value(&answer).unwrap();
        assert_eq!((&json["starts_at_ms"], &json["last_at_ms"]), (&0.into(), &serde_json::Value::Null));
        assert_eq!(serde_json::from_value::<Commanded>(json.clone()).unwrap(), answer);
        let fields = json.as_object_mut().unwrap();
        fields.insert("later".to_owned(), "x".into());
        fields.retain(|name, _| {
            !["starts_at_ms", "recurring", "ends_at_ms", "limits"].contains(&name.as_str())
        });
        let other = Commanded { coming: Coming::default(), ..answer };
        assert_eq!(serde_json::from_value::<Commanded>(json).unwrap(), other);
    }
}
