//! What a page's ledger claims, without that whose outcome shows already: the owner drops those with its next write, which
//! may be long in coming when nothing is left to be called.

use crate::error::Outcome;
use sluice_core::{ChunkId, LedgerBody};
use sluice_runtime::ports::store::Store;

/// Chunks whose states are looked at for one answer.
const CHUNKS_MAX: usize = 64;

/// Drops claims of these chunks whose outcome their states show, as the owner does. `false`: there are more chunks than
/// are looked at, so that some of what is left may have an outcome.
///
/// # Errors
/// The store's.
pub async fn settle(
    store: &dyn Store,
    body: &mut LedgerBody,
    chunks: impl IntoIterator<Item = ChunkId>,
) -> Outcome<bool> {
    let mut chunks = chunks.into_iter();
    for chunk in chunks.by_ref().take(CHUNKS_MAX) {
        if let Some((_, state)) = store.load_chunk(chunk).await? {
            body.settle(chunk, &state);
        }
    }
    Ok(chunks.next().is_none())
}
