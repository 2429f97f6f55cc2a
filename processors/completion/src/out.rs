//! What had left and what had not, right after a command took effect (C5).

use crate::check::total_of;
use crate::error::CommandError;
use crate::processor::CompletionPorts;
use serde::Serialize;
use sluice_core::facts::Status;
use sluice_core::{CampaignRow, ChunkId, ChunkRow, ChunkState, Counters, LedgerBody};
use std::collections::BTreeMap;

/// Recipients by where they were at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Out {
    /// By state, as far as the audience is expanded.
    pub counters: Counters,
    /// Claimed, without an outcome: on the phone just now, or called and not heard of. They may still arrive.
    pub in_flight: u64,
    /// Neither called nor claimed.
    pub remaining: u64,
}

/// Who of a chunk is claimed and open: an outcome that `state` shows ends a claim, whatever the ledger still says.
pub(crate) fn in_flight(state: &ChunkState, size: u32, claims: &LedgerBody, chunk: ChunkId) -> u64 {
    let mut claims = claims.clone();
    claims.settle(chunk, state);
    let mut open = state.select(size, |recipient| recipient.status() == Status::Pending);
    open.intersect_with(&claims.claimed(chunk));
    u64::from(open.len())
}

/// Looks. Called when no grant can be added any more, it is an upper bound of what still arrives.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn out(ports: &CompletionPorts, row: &CampaignRow) -> Result<Out, CommandError> {
    let store = &*ports.store;
    // The ledgers first: a claim that has left one shows its outcome in a state that is read after it (hazard 23).
    let ledgers = store.ledgers(&row.page_ids()).await?;
    let chunks = store.chunks(row.id).await?;
    let mut counters: BTreeMap<ChunkId, Counters> = store.counters(row.id).await?.into_iter().collect();
    let mut in_flight_now = 0;
    for ChunkRow { id, page, size, .. } in &chunks {
        let claims = ledgers.get(page).map(|ledger| &ledger.body);
        let Some(claims) = claims.filter(|claims| !claims.claimed(*id).is_empty()) else { continue };
        // Of one moment with what is counted as in flight.
        let (_, state) = store.load_chunk(*id).await?.unwrap_or_default();
        in_flight_now += in_flight(&state, *size, claims, *id);
        counters.insert(*id, state.counters());
    }
    let counters: Vec<(ChunkId, Counters)> = counters.into_iter().collect();
    let mut total = total_of(&chunks, &counters);
    // Rows that no receipt has spoken of yet.
    let rows = chunks.iter().map(|chunk| u64::from(chunk.size)).sum::<u64>().max(total.total);
    total.pending += rows - total.total;
    total.total = rows;
    if let Some(seal) = row.seal {
        total.total += seal.not_expanded;
        total.cancelled += seal.not_expanded;
    }
    let remaining = total.pending.saturating_sub(in_flight_now);
    Ok(Out { counters: total, in_flight: in_flight_now, remaining })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::tests::chunk_row;
    use sluice_core::chunk_state::entry;
    use sluice_schemas::Fact;

    #[test]
    fn c5_a_claim_whose_outcome_is_known_is_not_in_flight() {
        let chunk = chunk_row(0, 6).id;
        let mut claims = LedgerBody::new();
        claims.claim(chunk, 1, &(0..4).collect()).unwrap();
        let mut state = ChunkState::new();
        state.merge(&entry(Fact::Accepted, 0, 0, 1, 0));
        state.merge(&entry(Fact::Failed, 1, 1, 1, 0));
        assert_eq!(in_flight(&state, 6, &claims, chunk), 2, "1 waits for another attempt");
    }
}
