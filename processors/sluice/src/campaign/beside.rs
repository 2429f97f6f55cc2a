//! What else there is on the pages of a campaign, read: other campaigns, use, what their providers ask for.

use super::estimate::{Circumstances, PageNow, Sends};
use super::preview::{ClassCount, Preview, planned, preview};
use super::quotas::QuotaUse;
use super::stored::Stored;
use crate::error::Outcome;
use crate::page::sight::Sight;
use sluice_core::launch::ValidLaunch;
use sluice_core::{CampaignId, CampaignRow, CampaignState, PageId};
use sluice_runtime::ports::store::LedgerRow;
use sluice_schemas::CampaignLaunch;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Beside a campaign that is there.
pub async fn beside(sight: &Sight, stored: &Stored) -> Outcome<Circumstances> {
    circumstances(sight, &stored.row, &stored.ledgers, stored.quotas.clone()).await
}

/// Previews a launch beside what is on its pages.
pub async fn preview_beside(sight: &Sight, valid: &ValidLaunch, counts: &[ClassCount]) -> Outcome<Preview> {
    let planned = planned(valid, counts, sight.now_ms);
    let mut ledgers = BTreeMap::new();
    for page in planned.waiting.keys() {
        let ledger = sight.store.ledger(page).await?;
        ledgers.extend(ledger.map(|ledger| (page.clone(), ledger)));
    }
    let quotas = sight.quotas_of(&valid.launch).await?;
    let circumstances = circumstances(sight, &planned.row, &ledgers, quotas).await?;
    // Years of many classes take a while to be walked through.
    let (valid, now_ms) = (valid.clone(), sight.now_ms);
    let walked = tokio::task::spawn_blocking(move || preview(&valid, &planned, &circumstances, now_ms));
    walked.await.map_err(crate::error::storage)
}

async fn circumstances(
    sight: &Sight,
    row: &CampaignRow,
    ledgers: &BTreeMap<PageId, LedgerRow>,
    quotas: Vec<QuotaUse>,
) -> Outcome<Circumstances> {
    let others = others(sight, row.id, &row.launch).await?;
    let pages = row.launch.pages.iter().map(|page| {
        let page = PageId::from(page.as_str());
        let now = page_now(sight, &row.launch, &page, ledgers.get(&page));
        (page, now)
    });
    Ok(Circumstances { others, pages: pages.collect(), quotas, shares: sight.shares })
}

/// The other campaigns that run on the pages of a launch.
async fn others(sight: &Sight, id: CampaignId, launch: &CampaignLaunch) -> Outcome<Vec<Sends>> {
    let pages: BTreeSet<&String> = launch.pages.iter().collect();
    let mut others = Vec::new();
    for other in sight.unfinished().await? {
        let shares = other.launch.pages.iter().any(|page| pages.contains(page));
        if other.id != id && other.state == CampaignState::Running && shares {
            let stored = Stored::read(sight.store.as_ref(), &sight.known, &other, |_| false).await?;
            others.push(Sends::of(&stored));
        }
    }
    Ok(others)
}

fn page_now(sight: &Sight, launch: &CampaignLaunch, page: &PageId, ledger: Option<&LedgerRow>) -> PageNow {
    let status = sight.page_status(page, ledger);
    let hold = status.as_ref().and_then(|status| status.holds(None, sight.monotonic));
    let until_ms = |until: Duration| {
        let in_ms = until.saturating_sub(sight.monotonic).as_millis();
        sight.now_ms.saturating_add(i64::try_from(in_ms).unwrap_or(i64::MAX))
    };
    let (waits_until_ms, held) = match hold {
        // When a person acts, no clock tells.
        Some((_, reason)) if reason.needs_a_person() => (None, Some(reason.detail().to_owned())),
        Some((until, _)) => (Some(until_ms(until)), None),
        None => (None, None),
    };
    PageNow {
        limits: sight.limits(launch.channel, page),
        body: ledger.map(|ledger| ledger.body.clone()),
        waits_until_ms,
        held,
        speed_percent: status.and_then(|status| status.speed_percent),
    }
}
