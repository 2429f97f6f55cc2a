//! Finds campaigns that do not move and have no reason, says so once, and asks for what was lost again (D8). Where nobody
//! sends, or nobody reads an audience, there is nothing to ask for: that is told.
//!
//! A descriptor that a page has already only gives it another record to finish, and whoever is claimed or called is
//! not called again: asking once more is harmless (G1).

use crate::absences::Absences;
use crate::check::{Standing, differs_by, is_done, total_of};
use crate::error::CompletionError;
use crate::found::{Cause, Reports, Stalled};
use crate::processor::CompletionPorts;
use crate::search::Search;
use crate::stalled::{ChunkSeen, Lost, Verdict, Waits, judge};
use crate::unsealed::Unsealed;
use bytes::Bytes;
use sluice_core::gate::CampaignGate;
use sluice_core::ledger::Scope;
use sluice_core::{CampaignId, CampaignRow, CampaignState, ChunkId, ChunkRow, ChunkState, Counters, PageId};
use sluice_runtime::merged::ReceiptsBarrier;
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_runtime::ports::store::LedgerRow;
use sluice_schemas::encode;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Records that one look reads, of all shards: a few MB, and less than a second. A longer backlog is gone through by as
/// many looks as it takes.
const RECORDS_MAX: usize = 20_000;

/// Chunks that are looked at in one go, each with its state; the others have their turn after them.
const CHUNKS_MAX: usize = 256;

/// A campaign since it moved last, or since its last reason was seen.
#[derive(Debug)]
struct Quiet {
    state: CampaignState,
    run: u32,
    terminal: u64,
    since: Duration,
    /// How far receipts have to be merged before it is judged, once it was quiet for long.
    merged_to: ReceiptsBarrier,
    /// The last chunk that was judged since it moved; the next ones follow it.
    judged: Option<ChunkId>,
}

impl Quiet {
    fn since(now: Duration, row: &CampaignRow, terminal: u64) -> Self {
        let (state, run) = (row.state, row.run);
        Self { state, run, terminal, since: now, merged_to: ReceiptsBarrier::default(), judged: None }
    }

    /// Whether it did not move since.
    fn is_still(&self, row: &CampaignRow, terminal: u64) -> bool {
        (self.state, self.run, self.terminal) == (row.state, row.run, terminal)
    }
}

/// What looks remember about campaigns that do not move; all of it can be lost.
#[derive(Debug)]
pub(crate) struct Stalls {
    after: Duration,
    quiet: HashMap<CampaignId, Quiet>,
    /// Since when the chunks of these and their seals are known to differ.
    differ: HashMap<CampaignId, Duration>,
    /// One at a time, so that memory is bounded whatever the number of campaigns; the others have their turn after it.
    search: Option<Search>,
    /// Campaigns whose audience is still being read.
    unsealed: Unsealed,
    absences: Absences,
    reports: Reports,
}

impl Stalls {
    pub(crate) fn new(after: Duration, reports: Reports) -> Self {
        let (unsealed, absences) = (Unsealed::new(after), Absences::new(after));
        let (quiet, differ) = (HashMap::new(), HashMap::new());
        Self { after, quiet, differ, search: None, unsealed, absences, reports }
    }

    pub(crate) fn forget(&mut self, id: CampaignId) {
        self.quiet.remove(&id);
        self.differ.remove(&id);
        self.search.take_if(|search| search.campaign() == id);
        self.unsealed.forget(id);
        self.reports.forget(id);
    }

    pub(crate) fn retain(&mut self, known: &BTreeSet<CampaignId>) {
        self.quiet.retain(|id, _| known.contains(id));
        self.differ.retain(|id, _| known.contains(id));
        self.search.take_if(|search| !known.contains(&search.campaign()));
        self.unsealed.retain(known);
        self.reports.retain(known);
    }

    /// What all processes work on.
    pub(crate) fn note_unfinished(&mut self, rows: &[CampaignRow]) {
        self.unsealed.note_expanding(rows);
    }

    /// Looks at a campaign whose audience is not read to its end.
    pub(crate) async fn look_unsealed(
        &mut self,
        ports: &CompletionPorts,
        row: &CampaignRow,
    ) -> Result<(), CompletionError> {
        match self.unsealed.look(ports, &mut self.absences, row).await? {
            Some(Some(stalled)) => self.reports.found(row, stalled),
            Some(None) => self.reports.goes_on(row),
            None => {}
        }
        Ok(())
    }

    /// Looks at a campaign whose chunks and whose seal differ, which `standing` says: it ends no sooner than they agree.
    pub(crate) fn look_at_seal(
        &mut self,
        ports: &CompletionPorts,
        row: &CampaignRow,
        chunks: &[ChunkRow],
        standing: &Standing,
    ) {
        let (now, found_ms) = (ports.clock.monotonic(), ports.clock.wall_ms());
        // Whatever held it before: that is looked for anew once they agree.
        self.quiet.remove(&row.id);
        let since = *self.differ.entry(row.id).or_insert_with(|| {
            tracing::error!(campaign = %row.launch.campaign, reason = standing.reason(), "the campaign can't end");
            self.reports.goes_on(row);
            now
        });
        let (Some(seal), differ_for) = (&row.seal, now.saturating_sub(since)) else { return };
        if differ_for >= self.after {
            let since_ms = found_ms - i64::try_from(differ_for.as_millis()).unwrap_or(i64::MAX);
            let recipients = differs_by(seal, chunks);
            self.reports.found(row, Stalled { found_ms, since_ms, cause: Cause::Seal, recipients });
        }
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
        if !self.quiet.contains_key(&row.id) {
            // What held it before its seal, or before its chunks agreed with that, is over.
            self.unsealed.forget(row.id);
            self.differ.remove(&row.id);
            self.reports.goes_on(row);
        }
        let quiet = self.quiet.entry(row.id).or_insert_with(|| Quiet::since(now, row, terminal));
        let moves = matches!(row.state, CampaignState::Running | CampaignState::Cancelling);
        if !moves || !quiet.is_still(row, terminal) {
            *quiet = Quiet::since(now, row, terminal);
            self.search.take_if(|search| search.campaign() == row.id);
            self.reports.goes_on(row);
            return Ok(());
        }
        let quiet_for = now.saturating_sub(quiet.since);
        if quiet_for >= self.absences.every() {
            self.absences.look(&*ports.log, now).await;
        }
        if quiet_for < self.after {
            return Ok(());
        }
        if let Some(other) = self.search.as_ref().filter(|search| search.campaign() != row.id) {
            if now.saturating_sub(other.went_on()) < self.after {
                return Ok(());
            }
            // One that nobody goes on with any more, whatever the reason, is given up for this one: two of them can't
            // end each other's for ever, since this one goes on at its next look.
            self.search = None;
        }
        if self.search.is_none() {
            let open = open(row, chunks, counters, ports.clock.wall_ms());
            let open = turn(open, quiet.judged);
            if open.is_empty() {
                *quiet = Quiet::since(now, row, terminal);
                self.waits(row, Waits::Closed);
                return Ok(());
            }
            let ids = open.iter().map(|chunk| chunk.id);
            if !quiet.merged_to.is_passed(&*ports.log, ids).await? {
                return Ok(());
            }
            self.search = Some(Search::new(row.id, open, now));
        }
        let Some(search) = &mut self.search else { return Ok(()) };
        if !search.go_on(&*ports.log, RECORDS_MAX, now).await? {
            return Ok(());
        }
        let Some(search) = self.search.take() else { return Ok(()) };
        // Whatever comes of it, the next look at these is as far away.
        let judged = search.chunks().last().map(|chunk| chunk.id);
        *quiet = Quiet { judged, ..Quiet::since(now, row, terminal) };
        let nobody_sends = |shard| self.absences.nobody_sends(shard, now);
        let verdict = verdict(ports, row, &search, &nobody_sends).await?;
        if let Verdict::Waits(waits) = verdict {
            // Others than these may be whom nobody sends to: that was told.
            let mut open = open(row, chunks, counters, ports.clock.wall_ms()).into_iter();
            if self.reports.cause(row.id) != Some(Cause::NoSender)
                || !open.any(|chunk| nobody_sends(chunk.shard))
            {
                self.waits(row, waits);
            }
            return Ok(());
        }
        if total_of(chunks, &ports.store.counters(row.id).await?).terminal() != terminal {
            return Ok(());
        }
        let found_ms = ports.clock.wall_ms();
        let since_ms = found_ms - i64::try_from(quiet_for.as_millis()).unwrap_or(i64::MAX);
        let (cause, recipients) = match &verdict {
            Verdict::Stalled(lost) => (Cause::Lost, lost.iter().map(Lost::recipients).sum()),
            Verdict::Unattended(recipients) => (Cause::NoSender, *recipients),
            Verdict::Waits(_) => return Ok(()),
        };
        self.reports.found(row, Stalled { found_ms, since_ms, cause, recipients });
        match verdict {
            Verdict::Stalled(lost) => self.heal(ports, chunks, &lost).await,
            _ => Ok(()),
        }
    }

    fn waits(&self, row: &CampaignRow, waits: Waits) {
        tracing::debug!(campaign = %row.launch.campaign, reason = waits.reason(), "does not move");
        self.reports.goes_on(row);
    }

    /// Asks for what is lost.
    async fn heal(
        &self,
        ports: &CompletionPorts,
        chunks: &[ChunkRow],
        lost: &[Lost],
    ) -> Result<(), CompletionError> {
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
            self.reports.asked_again(count);
        }
        Ok(())
    }
}

/// Chunks with open recipients that may be called now, by their ids. A gate that is closed is a reason: nothing is
/// looked for then. Of a cancelled campaign all of them: whoever was called has to be settled, whatever its gate says.
pub(crate) fn open(
    row: &CampaignRow,
    chunks: &[ChunkRow],
    counters: &[(ChunkId, Counters)],
    now_ms: i64,
) -> Vec<ChunkRow> {
    // Rules that can't be read are a matter of the pages, which say so.
    let Ok(gate) = CampaignGate::of(row, 0) else { return Vec::new() };
    let counters: BTreeMap<ChunkId, &Counters> =
        counters.iter().map(|(chunk, counters)| (*chunk, counters)).collect();
    let open = chunks.iter().filter(|chunk| !is_done(chunk, counters.get(&chunk.id).copied()));
    let is_judged = |chunk: &&ChunkRow| {
        row.state == CampaignState::Cancelling || gate.verdict(&chunk.class, now_ms).is_ok()
    };
    let mut open: Vec<ChunkRow> = open.filter(is_judged).cloned().collect();
    open.sort_unstable_by_key(|chunk| chunk.id);
    open
}

/// Those whose turn it is, as many as one look takes: they follow `judged`, and begin anew after the last.
fn turn(mut open: Vec<ChunkRow>, judged: Option<ChunkId>) -> Vec<ChunkRow> {
    let first = judged.map_or(0, |judged| open.partition_point(|chunk| chunk.id <= judged));
    open.rotate_left(first);
    open.truncate(CHUNKS_MAX);
    open
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
    search: &Search,
    nobody_sends: impl Fn(u32) -> bool,
) -> Result<Verdict, CompletionError> {
    let now_ms = ports.clock.wall_ms();
    let open = search.chunks();
    // The ledgers before the states: a claim that has left one shows its outcome in a state that is read after it.
    let mut pages: BTreeMap<&PageId, OnPage> = BTreeMap::new();
    for chunk in open {
        if !pages.contains_key(&chunk.page) {
            let place = row.launch.pages.iter().position(|page| page == chunk.page.as_str()).unwrap_or(0);
            let Ok(gate) = CampaignGate::of(row, place) else { return Ok(Verdict::Waits(Waits::Page)) };
            let ledger = ports.store.ledger(&chunk.page).await?;
            let is_full = |(cap, ledger): (u64, &LedgerRow)| {
                ledger.body.free(Scope::Campaign(row.id), cap, now_ms) == 0
            };
            let is_day_full = gate.daily.zip(ledger.as_ref()).is_some_and(is_full);
            pages.insert(&chunk.page, OnPage { gate, ledger, is_day_full });
        }
    }
    let mut states: Vec<ChunkState> = Vec::with_capacity(open.len());
    for chunk in open {
        states.push(ports.store.load_chunk(chunk.id).await?.map(|(_, state)| state).unwrap_or_default());
    }
    let seen = open.iter().zip(&states).filter_map(|(chunk, state)| {
        let page = pages.get(&chunk.page)?;
        let claims = page.ledger.as_ref().map(|ledger| ledger.body.claimed(chunk.id)).unwrap_or_default();
        Some(ChunkSeen {
            id: chunk.id,
            size: chunk.size,
            class: &chunk.class,
            gate: &page.gate,
            is_day_full: page.is_day_full,
            claims,
            asked: search.asked(chunk.id),
            nobody_sends: nobody_sends(chunk.shard),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::tests::chunk_row;

    #[test]
    fn d8_every_open_chunk_has_its_turn_however_long_the_others_wait() {
        let mut open: Vec<ChunkRow> = (0..600).map(|number| chunk_row(number, 1)).collect();
        open.sort_unstable_by_key(|chunk| chunk.id);
        let (mut judged, mut seen) = (None, BTreeSet::new());
        for _ in 0..3 {
            let turn = turn(open.clone(), judged);
            assert_eq!(turn.len(), CHUNKS_MAX);
            judged = turn.last().map(|chunk| chunk.id);
            seen.extend(turn.iter().map(|chunk| chunk.id));
        }
        assert_eq!(seen.len(), 600);
        assert_eq!(turn(open[..9].to_vec(), Some(open[500].id)).len(), 9, "fewer are open by now");
    }
}
