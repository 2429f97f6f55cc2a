//! What the store port promises, as assertions: each function takes an empty store and panics where a
//! guarantee does not hold.
//!
//! A store whose making takes long may be shared by all of them: then each works under names of its own and
//! looks at nothing else ([`run_all_shared`]).
#![expect(clippy::unwrap_used, reason = "test support: a failed call is a failed test")]

mod campaigns;
mod chunks;
mod correlation;
mod ledgers;
mod quotas;

pub use campaigns::*;
pub use chunks::*;
pub use correlation::*;
pub use ledgers::*;
pub use quotas::*;

use sluice_core::{CampaignId, CampaignRow, ChunkId, ChunkRow, PageId};
use sluice_runtime::ports::store::Store;
use sluice_schemas::{CampaignLaunch, GateClass, Span};
use std::sync::Arc;

macro_rules! properties {
    ($($name:ident,)*) => {
        /// Runs every property, each on a store of its own that `make` gives, empty.
        pub async fn run_all(make: impl AsyncFn() -> Arc<dyn Store>) {
            $($name(&*make().await).await;)*
        }

        /// Runs every property on one store, each under names that begin with `prefix`, which nobody used before.
        pub async fn run_all_shared(store: &dyn Store, prefix: &str) {
            $(SCOPE.scope(format!("{prefix}.{}.", stringify!($name)), $name(store)).await;)*
        }
    };
}

properties! {
    a_campaign_is_created_once,
    an_id_that_belongs_to_another_name_is_refused,
    campaigns_are_listed_oldest_first,
    hazard_2_a_former_expander_commits_nothing,
    hazard_2_a_chunk_is_refused_or_seen_by_the_next_expander,
    the_first_pin_stands,
    commits_and_seals_may_be_repeated,
    hazard_25_a_transition_is_taken_once,
    c5_terms_change_from_the_version_they_were_decided_on,
    a_new_run_begins_without_an_end,
    hazard_22_the_announced_event_is_remembered,
    unfinished_are_those_whose_end_was_not_told,
    a_fresh_page_is_taken_without_a_predecessor,
    hazard_3_a_grant_is_conditional_on_the_sequence,
    g1_of_racing_grants_one_is_written,
    g1_a_former_owner_grants_nothing,
    a_page_that_was_handed_over_has_nobody_calling,
    g7_a_command_makes_the_next_grant_look_again,
    g4_a_lease_is_conditional_on_the_version,
    g4_of_racing_leases_one_is_written,
    hazard_3_the_same_lease_again_is_written_once,
    recipients_are_read_by_index,
    recipients_may_be_written_in_parts_and_again,
    hazard_15_the_highest_stamp_wins_in_any_order,
    hazard_16_an_equal_stamp_changes_nothing,
    counters_are_those_beside_the_states,
    details_come_in_order_of_stamps,
    hazard_19_one_of_both_sides_sees_the_other,
    correlated_sends_come_oldest_first_and_once,
    early_facts_expire_only_unmatched,
    facts_expire_within_the_limit,
    a_suppression_holds_for_one_tenant_and_channel,
}

tokio::task_local! {
    /// What all names of a property begin with, where it shares its store with others.
    static SCOPE: String;
}

/// The name as the running property uses it.
pub(crate) fn scoped(name: &str) -> String {
    SCOPE.try_with(|scope| format!("{scope}{name}")).unwrap_or_else(|_| name.to_owned())
}

/// The tenant of all campaigns.
pub(crate) fn tenant() -> String {
    scoped("default")
}

/// The page of all tests.
pub(crate) fn page() -> PageId {
    PageId::from(scoped("page-1").as_str())
}

/// A campaign that was launched at `at_ms`.
pub(crate) fn campaign(name: &str, at_ms: i64) -> CampaignRow {
    let mut launch: CampaignLaunch = serde_json::from_value(serde_json::json!({
        "campaign": name,
        "channel": "http",
        "pages": ["page-1"],
        "audience": { "path": "people.csv" },
        "message": { "http": { "body": { "to": "{{address}}" } } },
    }))
    .unwrap();
    launch.tenant = tenant();
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
        page: page(),
        size: 100,
        first_in_class: u64::from(number) * 100,
        shard: 0,
        spans: vec![Span { first: i64::from(number) * 100, end: i64::from(number) * 100 + 100 }],
        skipped: 3,
        class: GateClass::default(),
    }
}
