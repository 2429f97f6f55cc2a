//! What became of a launch, as the API and the commands show it.

use super::status::CampaignStatus;
use serde::{Deserialize, Serialize};
use sluice_core::CampaignState;

/// The answer to a launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launched {
    /// Where the campaign is.
    #[serde(flatten)]
    pub status: CampaignStatus,
    /// It was launched before: this launch changed nothing.
    #[serde(default)]
    pub already: bool,
}

impl Launched {
    /// What happened, then what to do next.
    pub fn lines(&self) -> [String; 2] {
        let (name, says) = (&self.status.campaign, self.status.sentence());
        let tenant = match self.status.tenant.as_str() {
            "default" => String::new(),
            tenant => format!(" --tenant {tenant}"),
        };
        let follow = format!("Follow it:  sluice campaign watch {name}{tenant}");
        let state = self.status.state;
        match (self.already, state.is_ended() || state == CampaignState::Cancelling) {
            (false, _) => [says, follow],
            (true, false) => [format!("It was launched before, and nothing was changed: {says}"), follow],
            (true, true) => {
                let to_do = "To send again, launch it under another campaign name.".to_owned();
                [format!("It was launched before and is over, so nothing more is sent: {says}"), to_do]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::derived;
    use super::super::stored::tests::{row, stored};
    use super::*;
    use sluice_core::CampaignRow;

    fn lines(row: CampaignRow, already: bool) -> [String; 2] {
        Launched { status: derived(&stored(row, &[]), 5), already }.lines()
    }

    #[test]
    fn c7_a_launch_that_was_there_already_says_so_and_where_its_campaign_is() {
        let follow = "Follow it:  sluice campaign watch spring";
        let [new, to_do] = lines(row("null", "{}"), false);
        assert!(new.starts_with("spring is running: ") && to_do == follow);
        let mut of_tenant = row("null", "{}");
        of_tenant.launch.tenant = "acme".to_owned();
        assert_eq!(lines(of_tenant, false)[1], format!("{follow} --tenant acme"));
        let [again, to_do] = lines(row("null", "{}"), true);
        let expected = "It was launched before, and nothing was changed: spring is running: ";
        assert!(again.starts_with(expected) && to_do == follow, "{again}");
        let later = CampaignRow::scheduled(row("null", "{}").launch, 0, 1_000);
        let unscheduled = |state| CampaignRow { state, ..later.clone() };
        let [_, to_do] = lines(unscheduled(CampaignState::Cancelling), true);
        assert!(to_do.contains("another campaign name"), "{to_do}");
        let [ended, to_do] = lines(unscheduled(CampaignState::Cancelled), true);
        assert!(ended.starts_with("It was launched before and is over, so nothing more is sent: spring was cancelled before its start"), "{ended}");
        assert_eq!(to_do, "To send again, launch it under another campaign name.");
    }

    #[test]
    fn c7_the_answer_is_the_status_with_a_word_more() {
        let status = derived(&stored(row(r#""5/s""#, "{}"), &[("a", 9)]), 5);
        let launched = Launched { status, already: true };
        let json = serde_json::to_value(&launched).unwrap();
        assert_eq!((&json["already"], &json["campaign"]), (&true.into(), &"spring".into()));
        assert_eq!(serde_json::from_value::<Launched>(json).unwrap(), launched);
    }
}
