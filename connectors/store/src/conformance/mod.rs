//! What the store port promises, as assertions: each function takes an empty store and panics where a
//! guarantee does not hold.
#![expect(clippy::unwrap_used, reason = "test support: a failed call is a failed test")]

mod campaigns;
mod chunks;
mod correlation;
mod ledgers;

pub use campaigns::*;
pub use chunks::*;
pub use correlation::*;
pub use ledgers::*;

use sluice_core::{CampaignId, CampaignRow, ChunkId, ChunkRow, PageId};
use sluice_runtime::ports::store::Store;
use sluice_schemas::{CampaignLaunch, Span};
use std::sync::Arc;

/// Runs every property, each on a store of its own that `make` gives, empty.
pub async fn run_all(make: impl AsyncFn() -> Arc<dyn Store>) {
    a_campaign_is_created_once(&*make().await).await;
    an_id_that_belongs_to_another_name_is_refused(&*make().await).await;
    campaigns_are_listed_oldest_first(&*make().await).await;
    hazard_2_a_former_expander_commits_nothing(&*make().await).await;
    hazard_2_a_chunk_is_refused_or_seen_by_the_next_expander(&*make().await).await;
    the_first_pin_stands(&*make().await).await;
    commits_and_seals_may_be_repeated(&*make().await).await;
    hazard_25_a_transition_is_taken_once(&*make().await).await;
    a_new_run_begins_without_an_end(&*make().await).await;
    hazard_22_the_announced_event_is_remembered(&*make().await).await;

    a_fresh_page_is_taken_without_a_predecessor(&*make().await).await;
    hazard_3_a_grant_is_conditional_on_the_sequence(&*make().await).await;
    g1_of_racing_grants_one_is_written(&*make().await).await;
    g1_a_former_owner_grants_nothing(&*make().await).await;
    a_page_that_was_handed_over_has_nobody_calling(&*make().await).await;
    g7_a_command_makes_the_next_grant_look_again(&*make().await).await;

    recipients_are_read_by_index(&*make().await).await;
    recipients_may_be_written_in_parts_and_again(&*make().await).await;
    hazard_15_the_highest_stamp_wins_in_any_order(&*make().await).await;
    hazard_16_an_equal_stamp_changes_nothing(&*make().await).await;
    counters_are_those_beside_the_states(&*make().await).await;
    details_come_in_order_of_stamps(&*make().await).await;

    hazard_19_one_of_both_sides_sees_the_other(&*make().await).await;
    correlated_sends_come_oldest_first_and_once(&*make().await).await;
    early_facts_expire_only_unmatched(&*make().await).await;
    facts_expire_within_the_limit(&*make().await).await;
    a_suppression_holds_for_one_tenant_and_channel(&*make().await).await;
}

/// A campaign that was launched at `at_ms`.
pub(crate) fn campaign(name: &str, at_ms: i64) -> CampaignRow {
    let launch: CampaignLaunch = serde_json::from_value(serde_json::json!({
        "campaign": name,
        "channel": "http",
        "pages": ["page-1"],
        "audience": { "path": "people.csv" },
        "message": { "http": { "body": { "to": "{{address}}" } } },
    }))
    .unwrap();
    CampaignRow::launched(launch, at_ms)
}

/// The name of a chunk of expansion `epoch`.
pub(crate) fn chunk_id(campaign: CampaignId, epoch: u16, number: u32) -> ChunkId {
    ChunkId::new(campaign, (number % 3) as u16, epoch, number)
}

/// A chunk of 100 rows.
pub(crate) fn chunk_row(campaign: CampaignId, epoch: u16, number: u32) -> ChunkRow {
    ChunkRow {
        id: chunk_id(campaign, epoch, number),
        page: PageId::from("page-1"),
        size: 100,
        first_in_class: u64::from(number) * 100,
        shard: 0,
        spans: vec![Span { first: i64::from(number) * 100, end: i64::from(number) * 100 + 100 }],
        skipped: 3,
    }
}
