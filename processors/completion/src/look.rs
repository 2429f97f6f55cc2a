//! One look at a campaign: is it at its end, and what brings it there?

use crate::announce::{announce, announce_if_due};
use crate::check::{Standing, end_of, is_done, standing};
use crate::error::CompletionError;
use crate::finalize::Finalizer;
use crate::processor::CompletionPorts;
use crate::reopen::{is_reopened, reopen};
use crate::stalls::Stalls;
use crate::times_up::{TimesUp, times_up};
use crate::watched::Watched;
use sluice_core::{CampaignId, CampaignRow, CampaignState, ChunkId, ChunkRow, Counters, Transition};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// When a campaign has to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// When something is heard of it.
    WhenHeard,
    /// In a moment.
    Soon,
    /// At a time: its end comes then.
    After(Duration),
}

/// What looks remember; all of it can be lost.
#[derive(Debug)]
pub(crate) struct Looks {
    pub(crate) watched: Watched,
    pub(crate) finalizer: Finalizer,
    /// Runs whose `reopened` receipts are known to be merged.
    begun: HashMap<CampaignId, u32>,
    settle: Duration,
    stalls: Stalls,
}

impl Looks {
    pub(crate) fn new(chunks_max: usize, settle: Duration, stalls: Stalls) -> Self {
        Self {
            watched: Watched::new(chunks_max),
            finalizer: Finalizer::default(),
            begun: HashMap::new(),
            settle,
            stalls,
        }
    }

    /// Looks, and takes every step that is due. Says when the campaign has to be looked at again, whatever is heard.
    pub(crate) async fn look(
        &mut self,
        ports: &CompletionPorts,
        id: CampaignId,
    ) -> Result<Again, CompletionError> {
        let Some(row) = ports.store.campaign(id).await? else {
            self.forget(id);
            return Ok(Again::WhenHeard);
        };
        let left = match times_up(ports, &row).await? {
            TimesUp::Never => None,
            TimesUp::In(left) => Some(left),
            TimesUp::Now => return Ok(Again::Soon),
        };
        Ok(match (self.look_at(ports, row).await?, left) {
            (false, Some(left)) => Again::After(left),
            (false, None) => Again::WhenHeard,
            (true, _) => Again::Soon,
        })
    }

    /// True while the campaign has to be looked at again soon.
    async fn look_at(&mut self, ports: &CompletionPorts, row: CampaignRow) -> Result<bool, CompletionError> {
        let id = row.id;
        if row.state.is_ended() {
            self.forget(id);
            announce_if_due(ports, &row).await?;
            return Ok(false);
        }
        // Of a pause or a resumption whose command did not come to tell.
        announce_if_due(ports, &row).await?;
        if row.seal.is_none() {
            // Whoever seals looks afterwards (hazard 21).
            self.watched.found(id, None, []);
            self.stalls.look_unsealed(ports, &row).await?;
            return Ok(false);
        }
        let chunks = ports.store.chunks(id).await?;
        if !self.has_begun(ports, &row, &chunks).await? {
            return Ok(true);
        }
        // Read after the mark of the run was seen: these counters know who was opened.
        let counters = ports.store.counters(id).await?;
        let standing = standing(&row, &chunks, &counters);
        match standing {
            Standing::Done(total) => self.end(ports, &row, &total).await,
            Standing::Waiting { .. } => {
                self.note_done(&row, &chunks, &counters);
                if row.state == CampaignState::Cancelling {
                    self.finalizer.run(ports, &row, &chunks, &counters, self.settle).await?;
                }
                self.stalls.look(ports, &row, &chunks, &counters).await?;
                Ok(false)
            }
            Standing::ChunksMissing { .. } | Standing::DoesNotAddUp { .. } => {
                self.stalls.look_at_seal(ports, &row, &chunks, &standing);
                Ok(false)
            }
            Standing::Ended | Standing::NotSealed => Ok(false),
        }
    }

    pub(crate) fn forget(&mut self, id: CampaignId) {
        self.watched.forget(id);
        self.finalizer.forget(id);
        self.begun.remove(&id);
        self.stalls.forget(id);
    }

    /// Forgets all but these campaigns: others have ended, or are looked at elsewhere.
    pub(crate) fn retain(&mut self, known: &BTreeSet<CampaignId>) {
        self.watched.retain(known);
        self.finalizer.retain(known);
        self.stalls.retain(known);
        self.begun.retain(|id, _| known.contains(id));
    }

    /// What all processes work on.
    pub(crate) fn note_unfinished(&mut self, rows: &[CampaignRow]) {
        self.stalls.note_unfinished(rows);
    }

    fn note_done(&mut self, row: &CampaignRow, chunks: &[ChunkRow], counters: &[(ChunkId, Counters)]) {
        let by_chunk: BTreeMap<ChunkId, &Counters> =
            counters.iter().map(|(chunk, counters)| (*chunk, counters)).collect();
        let done = chunks
            .iter()
            .filter(|chunk| is_done(chunk, by_chunk.get(&chunk.id).copied()))
            .map(|chunk| chunk.id);
        self.watched.found(row.id, row.seal.map(|seal| seal.chunks), done);
    }

    /// Whether the `reopened` receipts of this run are merged; writes those that are missing. Before that, the
    /// counters are those of the run before, and would end the new one at once. Also one that is paused or cancelled
    /// meanwhile: who is reopened after its end would wait for ever.
    async fn has_begun(
        &mut self,
        ports: &CompletionPorts,
        row: &CampaignRow,
        chunks: &[ChunkRow],
    ) -> Result<bool, CompletionError> {
        if row.run <= 1 || row.state.is_ended() || self.begun.get(&row.id) == Some(&row.run) {
            return Ok(true);
        }
        let counters: BTreeMap<ChunkId, Counters> = ports.store.counters(row.id).await?.into_iter().collect();
        let with_failures: Vec<ChunkRow> = chunks
            .iter()
            .filter(|chunk| counters.get(&chunk.id).is_some_and(|counters| is_reopened(row, counters)))
            .cloned()
            .collect();
        let begun = reopen(ports, row, &with_failures).await?;
        if begun {
            self.begun.insert(row.id, row.run);
        }
        Ok(begun)
    }

    async fn end(
        &mut self,
        ports: &CompletionPorts,
        row: &CampaignRow,
        total: &Counters,
    ) -> Result<bool, CompletionError> {
        let Some(to) = end_of(row.state) else { return Ok(false) };
        let step = Transition::of(row, to, None, ports.clock.wall_ms());
        self.forget(row.id);
        match ports.store.transition(row.id, step).await? {
            Some(ended) => {
                announce(ports, &ended, total).await?;
                Ok(false)
            }
            // Somebody else took a step: a person who cancelled, or another process that ended it.
            None => Ok(true),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use sluice_core::{CampaignId, ChunkId, ChunkRow, PageId};
    use sluice_schemas::{CampaignLaunch, Channel, GateClass};

    pub(crate) fn launch() -> CampaignLaunch {
        let bare = CampaignLaunch::bare("c", Channel::Http, vec!["page".to_owned()]);
        CampaignLaunch { tenant: "t".to_owned(), ..bare }
    }

    pub(crate) fn chunk_row(number: u32, size: u32) -> ChunkRow {
        ChunkRow {
            id: ChunkId::new(CampaignId::of("t", "c"), 0, 1, number),
            page: PageId::from("page"),
            size,
            first_in_class: 0,
            shard: 0,
            spans: Vec::new(),
            skipped: 0,
            class: GateClass::default(),
        }
    }
}
