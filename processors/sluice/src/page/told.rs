//! What a page waits for and how slow it goes, as its ledger tells it: for those who ask another process than its owner.
//! Pure.

use sluice_core::ledger::{Held, LedgerHold};
use sluice_core::throttle::TemplateKey;
use sluice_core::{CampaignId, LedgerBody};
use sluice_runtime::ports::store::LedgerRow;
use sluice_sender::{HeldTemplate, PageStatus};
use std::time::Duration;

/// The page as far as its ledger knows it; `None` where nothing waits and the page goes at full speed. `asking`: a campaign on it, which shares the holds
/// of its template. Waits are counted from `now` on the asker's clock, which is `now_ms` of the day.
pub fn told(
    ledger: &LedgerRow,
    asking: Option<(CampaignId, &TemplateKey)>,
    now: Duration,
    now_ms: i64,
) -> Option<PageStatus> {
    let LedgerRow { fence, body, .. } = ledger;
    let waits = |held: &&LedgerHold| held.waits(fence.control, now_ms);
    let until = |held: &LedgerHold| now + Duration::from_millis((held.until_ms - now_ms).unsigned_abs());
    let speed_percent = body.pace().and_then(|pace| pace.percent(now_ms));
    let mut status = PageStatus { claims: LedgerBody::len(body), speed_percent, ..PageStatus::default() };
    for held in body.held().iter().filter(waits) {
        let Held::Template(template) = &held.what else {
            status.hold = Some((until(held), held.reason.clone()));
            continue;
        };
        let asks = asking.filter(|(campaign, of)| template.holds(*campaign, of));
        status.templates.push(HeldTemplate {
            template: template.name().map(str::to_owned),
            campaigns: asks.map(|(campaign, _)| campaign).into_iter().collect(),
            until: until(held),
            reason: held.reason.clone(),
        });
    }
    let is_slowed = status.hold.is_some() || !status.templates.is_empty() || speed_percent.is_some();
    is_slowed.then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::pace::CarriedPace;
    use sluice_core::throttle::HoldReason;
    use sluice_runtime::ports::store::Fence;

    fn held(what: Held, until_ms: i64) -> LedgerHold {
        let reason = HoldReason::Account("190".to_owned());
        LedgerHold { what, reason, since_ms: 0, until_ms, in_a_row: 1, control: 4 }
    }

    fn ledger(held: Vec<LedgerHold>, control: u64) -> LedgerRow {
        let mut body = LedgerBody::new();
        body.hold(held);
        LedgerRow { fence: Fence { epoch: 1, seq: 1, control }, owner: Some("another".to_owned()), body }
    }

    #[test]
    fn g3_b6_what_another_process_waits_for_is_told_from_the_ledger_until_it_is_over_or_lifted() {
        let (now, at) = (Duration::from_secs(100), 50_000);
        let rows = |control| ledger(vec![held(Held::Page, at + 12_000)], control);
        let status = told(&rows(4), None, now, at).unwrap();
        let (until, reason) = status.hold.unwrap();
        assert_eq!((until, reason.detail()), (Duration::from_secs(112), "190"));
        assert_eq!(told(&rows(5), None, now, at), None, "a command came since");
        assert_eq!(told(&rows(4), None, now, at + 12_000), None);
    }

    #[test]
    fn g3_b6_the_speed_of_a_slowed_page_is_told_until_it_is_back() {
        let mut row = ledger(Vec::new(), 4);
        let pace = CarriedPace { level_permille: 250, per_s_permille: 20, full_per_1000_s: 80_000, at_ms: 0 };
        row.body.go_at(Some(pace));
        let speed = |now_ms| told(&row, None, Duration::ZERO, now_ms).map(|status| status.speed_percent);
        assert_eq!((speed(0), speed(10_000), speed(40_000)), (Some(Some(25)), Some(Some(45)), None));
    }

    #[test]
    fn g3_b6_a_template_that_waits_is_told_to_its_campaigns() {
        let id = CampaignId::of("t", "c");
        let ledger = ledger(vec![held(Held::Template(TemplateKey::Named("sale (en)".to_owned())), 9_000)], 4);
        let holds = |template: Option<&str>| {
            let key = TemplateKey::new(template, id);
            let status = told(&ledger, Some((id, &key)), Duration::ZERO, 0).unwrap();
            status.holds(Some(id), Duration::ZERO).is_some()
        };
        assert!(holds(Some("sale (en)")));
        assert!(!holds(Some("other (en)")) && !holds(None));
    }
}
