//! Finds campaigns that do not move and have no reason, says so once, and asks for what was lost again (D8).
//!
//! A descriptor that a page has already only gives it another record to finish, and whoever is claimed or called is
//! not called again: asking once more is harmless (G1).

use crate::check::{is_done, total_of};
use crate::descriptors::{Asked, Unfinished, unfinished};
use crate::error::CompletionError;
use crate::metrics::CompletionStats;
use crate::processor::CompletionPorts;
use crate::stalled::{ChunkSeen, Lost, Verdict, Waits, judge};
use bytes::Bytes;
use sluice_core::gate::CampaignGate;
use sluice_core::ledger::Scope;
use sluice_core::{CampaignId, CampaignRow, CampaignState, ChunkId, ChunkRow, ChunkState, Counters, PageId};
use sluice_runtime::merged::ReceiptsBarrier;
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_runtime::ports::store::LedgerRow;
use sluice_schemas::encode;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Records of one shard that are looked at: a few MB. More of them are a backlog, which is a reason.
const RECORDS_MAX: usize = 20_000;

/// Chunks that are looked at in one go, each with its state; the others have their turn later.
const CHUNKS_MAX: usize = 256;

/// A campaign that stands still without a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stalled {
    /// When it was found, in ms since 1970.
    pub found_ms: i64,
    /// Recipients that nobody would have called.
    pub recipients: u64,
}

/// The stalled campaigns that this process has found and that have not moved since.
#[derive(Debug, Clone, Default)]
pub struct StalledCampaigns(Arc<Mutex<BTreeMap<CampaignId, Stalled>>>);

impl StalledCampaigns {
    /// Whether `campaign` is one of them.
    pub fn get(&self, campaign: CampaignId) -> Option<Stalled> {
        self.with(|known| known.get(&campaign).copied())
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<CampaignId, Stalled>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A campaign since it moved last, or since its last reason was seen.
#[derive(Debug)]
struct Quiet {
    run: u32,
    terminal: u64,
    since: Duration,
    /// How far receipts have to be merged before it is judged, once it was quiet for long.
    merged_to: ReceiptsBarrier,
}

/// What looks remember about campaigns that do not move; all of it can be lost.
#[derive(Debug)]
pub(crate) struct Stalls {
    after: Duration,
    quiet: HashMap<CampaignId, Quiet>,
    found: StalledCampaigns,
    stats: Arc<CompletionStats>,
}

impl Stalls {
    pub(crate) fn new(after: Duration, found: StalledCampaigns, stats: Arc<CompletionStats>) -> Self {
        Self { after, quiet: HashMap::new(), found, stats }
    }

    pub(crate) fn forget(&mut self, id: CampaignId) {
        self.quiet.remove(&id);
        self.found.with(|found| found.remove(&id));
    }

    pub(crate) fn retain(&mut self, known: &BTreeSet<CampaignId>) {
        self.quiet.retain(|id, _| known.contains(id));
        self.found.with(|found| found.retain(|id, _| known.contains(id)));
    }

    /// Looks at a sealed campaign with open recipients.
    pub(crate) async fn look(
        &mut self,
        ports: &CompletionPorts,
        row: &CampaignRow,
        chunks: &[ChunkRow],
        counters: &[(ChunkId, Counters)],
    ) -> Result<(), CompletionError> {
        let now = ports.clock.monotonic();
        let terminal = total_of(chunks, counters).terminal();
        let started = || Quiet { run: row.run, terminal, since: now, merged_to: Default::default() };
        let quiet = self.quiet.entry(row.id).or_insert_with(started);
        if row.state != CampaignState::Running || (quiet.run, quiet.terminal) != (row.run, terminal) {
            *quiet = started();
            self.goes_on(row);
            return Ok(());
        }
        if now.saturating_sub(quiet.since) < self.after {
            return Ok(());
        }
        let open = open(chunks, counters);
        let ids: Vec<ChunkId> = open.iter().map(|chunk| chunk.id).collect();
        if !quiet.merged_to.is_passed(&*ports.log, ids).await? {
            return Ok(());
        }
        // Whatever comes of it, the next look is as far away.
        *quiet = started();
        match verdict(ports, row, &open).await? {
            Verdict::Waits(waits) => {
                tracing::debug!(campaign = %row.launch.campaign, reason = waits.reason(), "does not move");
                self.goes_on(row);
                Ok(())
            }
            Verdict::Stalled(lost) => {
                let again = total_of(chunks, &ports.store.counters(row.id).await?).terminal();
                if again == terminal { self.heal(ports, row, chunks, &lost).await } else { Ok(()) }
            }
        }
    }

    fn goes_on(&self, row: &CampaignRow) {
        if self.found.with(|found| found.remove(&row.id)).is_some() {
            tracing::info!(campaign = %row.launch.campaign, "the stalled campaign goes on");
        }
    }

    /// Reports it, unless that was done since it moved last, and asks for what is lost.
    async fn heal(
        &self,
        ports: &CompletionPorts,
        row: &CampaignRow,
        chunks: &[ChunkRow],
        lost: &[Lost],
    ) -> Result<(), CompletionError> {
        let recipients = lost.iter().map(Lost::recipients).sum();
        let stalled = Stalled { found_ms: ports.clock.wall_ms(), recipients };
        let is_new = self.found.with(|found| {
            let is_new = !found.contains_key(&row.id);
            found.entry(row.id).or_insert(stalled);
            is_new
        });
        if is_new {
            self.stats.stalled.at([]).inc();
            tracing::warn!(
                campaign = %row.launch.campaign,
                chunks = lost.len(),
                recipients,
                "the campaign does not move without a reason: its lost chunks are asked for again"
            );
        }
        let rows: BTreeMap<ChunkId, &ChunkRow> = chunks.iter().map(|chunk| (chunk.id, chunk)).collect();
        let mut batches: BTreeMap<Partition, Vec<NewRecord>> = BTreeMap::new();
        for lost in lost {
            let Some(chunk) = rows.get(&lost.chunk) else { continue };
            let records = records(chunk, lost, ports.clock.wall_ms());
            batches.entry(Partition(chunk.shard)).or_default().extend(records);
        }
        for (shard, records) in batches {
            let count = records.len() as u64;
            ports.log.append(Topic::Chunks, shard, records).await?;
            self.stats.asked_again.at([]).inc_by(count);
        }
        Ok(())
    }
}

/// Chunks with open recipients, as many as one look takes.
fn open<'a>(chunks: &'a [ChunkRow], counters: &[(ChunkId, Counters)]) -> Vec<&'a ChunkRow> {
    let counters: BTreeMap<ChunkId, &Counters> =
        counters.iter().map(|(chunk, counters)| (*chunk, counters)).collect();
    let open = chunks.iter().filter(|chunk| !is_done(chunk, counters.get(&chunk.id).copied()));
    open.take(CHUNKS_MAX).collect()
}

/// What a page tells about a campaign.
struct OnPage {
    gate: CampaignGate,
    ledger: Option<LedgerRow>,
    is_day_full: bool,
}

async fn verdict(
    ports: &CompletionPorts,
    row: &CampaignRow,
    open: &[&ChunkRow],
) -> Result<Verdict, CompletionError> {
    let now_ms = ports.clock.wall_ms();
    let mut shards: BTreeMap<u32, Unfinished> = BTreeMap::new();
    for chunk in open {
        if let Entry::Vacant(entry) = shards.entry(chunk.shard) {
            let found = unfinished(&*ports.log, Partition(chunk.shard), row.id, RECORDS_MAX).await?;
            if !found.whole {
                return Ok(Verdict::Waits(Waits::Backlog));
            }
            entry.insert(found);
        }
    }
    // The ledgers before the states: a claim that has left one shows its outcome in a state that is read after it.
    let mut pages: BTreeMap<&PageId, OnPage> = BTreeMap::new();
    for chunk in open {
        if !pages.contains_key(&chunk.page) {
            let place = row.launch.pages.iter().position(|page| page == chunk.page.as_str()).unwrap_or(0);
            let Ok(gate) = CampaignGate::of(row, place) else { return Ok(Verdict::Waits(Waits::Page)) };
            let ledger = ports.store.ledger(&chunk.page).await?;
            let used = ledger.as_ref().and_then(|ledger| ledger.body.used(Scope::Campaign(row.id)));
            let is_full = |(cap, used): (u64, &sluice_core::usage::DailyUse)| used.free(cap, now_ms) == 0;
            let is_day_full = gate.daily.zip(used).is_some_and(is_full);
            pages.insert(&chunk.page, OnPage { gate, ledger, is_day_full });
        }
    }
    let nothing: &[Asked] = &[];
    let mut states: Vec<ChunkState> = Vec::with_capacity(open.len());
    for chunk in open {
        states.push(ports.store.load_chunk(chunk.id).await?.map(|(_, state)| state).unwrap_or_default());
    }
    let seen = open.iter().zip(&states).filter_map(|(chunk, state)| {
        let page = pages.get(&chunk.page)?;
        let asked = shards.get(&chunk.shard).and_then(|shard| shard.asked.get(&chunk.id));
        let claims = page.ledger.as_ref().map(|ledger| ledger.body.claimed(chunk.id)).unwrap_or_default();
        Some(ChunkSeen {
            id: chunk.id,
            size: chunk.size,
            class: &chunk.class,
            gate: &page.gate,
            is_day_full: page.is_day_full,
            claims,
            asked: asked.map_or(nothing, Vec::as_slice),
            state,
        })
    });
    Ok(judge(&seen.collect::<Vec<_>>(), now_ms))
}

/// The records that ask for the lost attempts.
fn records(chunk: &ChunkRow, lost: &Lost, now_ms: i64) -> Vec<NewRecord> {
    let record = |value: Vec<u8>| NewRecord {
        key: Bytes::copy_from_slice(chunk.page.as_str().as_bytes()),
        value: Bytes::from(value),
    };
    let records = lost.attempts.iter().map(|(attempt, indexes)| match attempt {
        // The whole chunk: its page takes those who are open.
        1 => record(encode(&chunk.first_attempt())),
        attempt => record(encode(&chunk.another_attempt(*attempt, now_ms, indexes))),
    });
    records.collect()
}
