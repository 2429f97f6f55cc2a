//! Whether a campaign stands still whose audience is not read to its end (D8): the part of [`crate::stalls`] for those that
//! are not sealed.

use crate::absences::Absences;
use crate::check::{is_done, total_of};
use crate::error::CompletionError;
use crate::found::{Cause, Stalled};
use crate::processor::CompletionPorts;
use crate::stalls::open;
use sluice_core::{CampaignId, CampaignRow, CampaignState, ChunkId, ChunkRow, Counters};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// How far a campaign is, and since when; a step back is a step.
#[derive(Debug, Clone, Copy)]
struct Quiet<T> {
    at: T,
    since: Duration,
}

impl<T: PartialEq> Quiet<T> {
    fn note(&mut self, at: T, now: Duration) {
        if self.at != at {
            *self = Self { at, since: now };
        }
    }

    fn lasts(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }
}

/// An audience that is being read.
#[derive(Debug)]
struct Reading {
    looked: Duration,
    /// Committed chunks. An expander that begins anew, as one does whose source can't be read, has read nothing by that.
    read: Quiet<usize>,
    /// Recipients in a final state.
    terminal: Quiet<u64>,
}

/// What a look at an unsealed campaign finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// Of the rest of its audience only the rows are counted, without a chunk.
    is_cancelling: bool,
    /// How long nothing of its audience came.
    read_for: Duration,
    /// Whether any expander ever began with it.
    is_begun: bool,
    /// Whether others are being expanded: it may wait for its turn.
    others_expand: bool,
    nobody_expands: bool,
    /// How long no recipient got into a final state.
    terminal_for: Duration,
    /// Recipients that may be called and whose shards are nobody's.
    unattended: u64,
}

/// Why it stands still, and for how long; `None`: it does not, or has a reason.
fn cause(seen: &Seen, after: Duration) -> Option<(Cause, Duration)> {
    if seen.read_for >= after && seen.nobody_expands {
        return Some((Cause::NoExpander, seen.read_for));
    }
    if seen.is_cancelling {
        return None;
    }
    if seen.read_for >= after && (seen.is_begun || !seen.others_expand) {
        return Some((Cause::Audience, seen.read_for));
    }
    let is_unattended = seen.unattended > 0 && seen.terminal_for >= after;
    is_unattended.then_some((Cause::NoSender, seen.terminal_for))
}

/// What looks remember about campaigns whose audience is read; all of it can be lost.
#[derive(Debug)]
pub(crate) struct Unsealed {
    after: Duration,
    known: HashMap<CampaignId, Reading>,
    /// Campaigns of all processes that are being expanded.
    expanding: BTreeSet<CampaignId>,
}

impl Unsealed {
    pub(crate) fn new(after: Duration) -> Self {
        Self { after, known: HashMap::new(), expanding: BTreeSet::new() }
    }

    pub(crate) fn forget(&mut self, id: CampaignId) {
        self.known.remove(&id);
    }

    pub(crate) fn retain(&mut self, known: &BTreeSet<CampaignId>) {
        self.known.retain(|id, _| known.contains(id));
    }

    /// Which campaigns an expander has begun with and not ended.
    pub(crate) fn note_expanding(&mut self, rows: &[CampaignRow]) {
        let is_expanding =
            |row: &&CampaignRow| row.seal.is_none() && row.exp_epoch > 0 && !row.state.is_ended();
        self.expanding = rows.iter().filter(is_expanding).map(|row| row.id).collect();
    }

    /// Looks at one, if it is time to. `None`: it is not; otherwise what was found.
    pub(crate) async fn look(
        &mut self,
        ports: &CompletionPorts,
        absences: &mut Absences,
        row: &CampaignRow,
    ) -> Result<Option<Option<Stalled>>, CompletionError> {
        let (now, now_ms) = (ports.clock.monotonic(), ports.clock.wall_ms());
        let is_late = row.state == CampaignState::Scheduled && row.starts_at_ms <= now_ms;
        let is_cancelling = row.state == CampaignState::Cancelling;
        if row.state != CampaignState::Running && !is_cancelling && !is_late {
            self.known.remove(&row.id);
            return Ok(Some(None));
        }
        let due = |reading: &Reading| now.saturating_sub(reading.looked) >= absences.every();
        if !self.known.get(&row.id).is_none_or(due) {
            return Ok(None);
        }
        // Nothing of it is kept between two looks: an audience may have any size.
        let chunks = ports.store.chunks(row.id).await?;
        let counters = ports.store.counters(row.id).await?;
        let (read, terminal) = (chunks.len(), total_of(&chunks, &counters).terminal());
        let fresh = || Reading {
            looked: now,
            read: Quiet { at: read, since: now },
            terminal: Quiet { at: terminal, since: now },
        };
        let reading = self.known.entry(row.id).or_insert_with(fresh);
        reading.looked = now;
        reading.read.note(read, now);
        reading.terminal.note(terminal, now);
        let (read_for, terminal_for) = (reading.read.lasts(now), reading.terminal.lasts(now));
        if read_for.max(terminal_for) < absences.every() {
            return Ok(Some(None));
        }
        absences.look(&*ports.log, now).await;
        let nobodys = |chunk: &ChunkRow| absences.nobody_sends(chunk.shard, now);
        let seen = Seen {
            is_cancelling,
            read_for,
            is_begun: row.exp_epoch > 0,
            others_expand: self.expanding.iter().any(|id| *id != row.id),
            nobody_expands: absences.nobody_expands(&*ports.log, row.id, now),
            terminal_for,
            unattended: waiting(&open(row, &chunks, &counters, now_ms), &counters, nobodys),
        };
        Ok(Some(cause(&seen, self.after).map(|(cause, still)| Stalled {
            found_ms: now_ms,
            since_ms: now_ms - i64::try_from(still.as_millis()).unwrap_or(i64::MAX),
            cause,
            recipients: match cause {
                Cause::NoSender => seen.unattended,
                _ => waiting(&chunks, &counters, |_| true),
            },
        })))
    }
}

/// Recipients of the chunks that count who are not in a final state.
fn waiting(chunks: &[ChunkRow], counters: &[(ChunkId, Counters)], counts: impl Fn(&ChunkRow) -> bool) -> u64 {
    let counters: BTreeMap<ChunkId, &Counters> =
        counters.iter().map(|(chunk, counters)| (*chunk, counters)).collect();
    let open = |chunk: &ChunkRow| {
        let counters = counters.get(&chunk.id).copied();
        match is_done(chunk, counters) {
            true => 0,
            false => u64::from(chunk.size) - counters.map_or(0, Counters::terminal).min(chunk.size.into()),
        }
    };
    chunks.iter().filter(|chunk| counts(chunk)).map(open).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(120);

    fn seen(read_s: u64, terminal_s: u64) -> Seen {
        Seen {
            is_cancelling: false,
            read_for: Duration::from_secs(read_s),
            is_begun: true,
            others_expand: false,
            nobody_expands: false,
            terminal_for: Duration::from_secs(terminal_s),
            unattended: 0,
        }
    }

    #[test]
    fn d8_an_audience_that_gives_nothing_for_long_stands_still_whatever_is_sent() {
        let of = |seen| cause(&seen, AFTER).map(|(cause, _)| cause);
        assert_eq!(of(seen(119, 500)), None);
        assert_eq!(of(seen(120, 0)), Some(Cause::Audience));
        assert_eq!(of(Seen { nobody_expands: true, ..seen(120, 0) }), Some(Cause::NoExpander));
        assert_eq!(of(Seen { nobody_expands: true, ..seen(119, 0) }), None);
        let cancelling = Seen { is_cancelling: true, ..seen(500, 500) };
        assert_eq!(of(cancelling), None, "its rows are counted");
        let nobody = Seen { nobody_expands: true, ..cancelling };
        assert_eq!(of(nobody), Some(Cause::NoExpander), "nobody counts them");
    }

    #[test]
    fn d8_a_campaign_that_nobody_has_begun_with_may_wait_for_its_turn() {
        let of = |is_begun, others_expand| cause(&Seen { is_begun, others_expand, ..seen(500, 0) }, AFTER);
        assert_eq!(of(false, true), None);
        assert!(of(false, false).is_some() && of(true, true).is_some());
    }

    #[test]
    fn d8_recipients_whose_shard_is_nobodys_stand_still_while_the_audience_is_read() {
        let of = |unattended, terminal_s| cause(&Seen { unattended, ..seen(5, terminal_s) }, AFTER);
        assert_eq!(of(9, 120).map(|(cause, _)| cause), Some(Cause::NoSender));
        assert_eq!((of(9, 119), of(0, 500)), (None, None));
    }
}
