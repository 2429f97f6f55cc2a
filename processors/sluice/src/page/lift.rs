//! A person says that what a page waits for is over: the account is paid for, the template is taken again.

use crate::error::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use sluice_core::PageId;
use sluice_runtime::ports::store::Store;
use sluice_sender::{Board, PageStatus};
use std::time::Duration;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// The page.
    pub page: String,
    /// The process that has it; `None`: nobody at present.
    pub owner: Option<String>,
    /// What it waited for, where its owner is the process that was asked; it does not any more.
    pub waited_for: Vec<String>,
    /// Its owner is another process, which hears of it by its ledger within seconds.
    pub is_passed_on: bool,
}

/// Lifts the holds of a page that a person can end, whoever has it, or takes it next.
///
/// # Errors
/// `no_such_page` where nobody ever had it; the store's.
pub async fn lift(store: &dyn Store, board: &Board, page: &PageId, now: Duration) -> Outcome<Lifted> {
    let Some(ledger) = store.ledger(page).await? else {
        let message = format!("nothing was ever sent from page {page}");
        return Err(Failure::refused("no_such_page", message, "name a page of a campaign's launch"));
    };
    let waited_for = board.lift(page).map(|status| waits(&status, now));
    if waited_for.is_none() {
        store.bump_control(page).await?;
    }
    let is_passed_on = waited_for.is_none() && ledger.owner.is_some();
    let waited_for = waited_for.unwrap_or_default();
    Ok(Lifted { page: page.to_string(), owner: ledger.owner, waited_for, is_passed_on })
}

/// `account (190: the token has expired)`, one for each hold.
fn waits(status: &PageStatus, now: Duration) -> Vec<String> {
    let page = status.hold.iter().map(|(until, reason)| (*until, reason));
    let holds = page.chain(status.templates.iter().map(|held| (held.until, &held.reason)));
    // What ends by itself no command ends.
    let holds = holds.filter(|(until, reason)| *until > now && reason.needs_a_person());
    holds.map(|(_, reason)| format!("{} ({})", reason.as_str(), reason.detail())).collect()
}

impl Lifted {
    /// For people.
    pub fn sentence(&self) -> String {
        let page = &self.page;
        match (&self.owner, self.waited_for.is_empty()) {
            (_, false) => {
                let waited = self.waited_for.join(", ");
                format!("page {page} waited: {waited}. One call finds out now whether that is over.")
            }
            (Some(owner), true) if self.is_passed_on => {
                format!("page {page} is with {owner}, which hears of it within seconds.")
            }
            (Some(_), true) => format!("page {page} waits for nothing that can be lifted."),
            (None, true) => format!("nobody has page {page} at present; whoever takes it tries at once."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::throttle::HoldReason;
    use sluice_sender::HeldTemplate;

    #[test]
    fn b6_what_a_page_waits_for_is_told_and_what_it_waited_for_before_is_not() {
        let at = Duration::from_secs;
        let held = |until, detail: &str| HeldTemplate {
            template: None,
            campaigns: Vec::new(),
            until: at(until),
            reason: HoldReason::Template(detail.to_owned()),
        };
        let status = PageStatus {
            hold: Some((at(9), HoldReason::Account("190: expired".to_owned()))),
            templates: vec![held(9, "132015: paused"), held(2, "over")],
            ..PageStatus::default()
        };
        assert_eq!(waits(&status, at(5)), ["account (190: expired)", "template (132015: paused)"]);
        assert_eq!(waits(&status, at(9)), Vec::<String>::new());
        let throttled = HoldReason::Throttled("429".to_owned());
        let throttled = PageStatus { hold: Some((at(9), throttled)), ..PageStatus::default() };
        assert_eq!(waits(&throttled, at(5)), Vec::<String>::new());
    }

    #[test]
    fn b6_the_answer_says_who_tries_and_when() {
        let lifted = |owner: Option<&str>, waited_for: &[&str], is_passed_on| {
            let waited_for = waited_for.iter().map(|text| (*text).to_owned()).collect();
            let owner = owner.map(str::to_owned);
            Lifted { page: "106".to_owned(), owner, waited_for, is_passed_on }.sentence()
        };
        assert_eq!(
            lifted(Some("a"), &["account (190)"], false),
            "page 106 waited: account (190). One call finds out now whether that is over."
        );
        assert_eq!(lifted(Some("a"), &[], true), "page 106 is with a, which hears of it within seconds.");
        assert_eq!(lifted(Some("a"), &[], false), "page 106 waits for nothing that can be lifted.");
        assert!(lifted(None, &[], false).starts_with("nobody has page 106"));
    }
}
