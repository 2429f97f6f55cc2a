//! How far the audience of a campaign is read, and since when it has given nothing (D8).

use super::status::CampaignStatus;
use super::stored::Stored;
use crate::view::moment::at_second;
use crate::view::numbers::{counted, duration};
use serde::{Deserialize, Serialize};
use sluice_core::{CampaignState, ChunkRow};
use sluice_runtime::ports::log::{Log, Partition, Position, ReadLimit, Topic};
use std::time::Duration;

/// An audience that has given nothing for so long stands still: a chunk waits for more rows a few seconds at most.
const STANDS_STILL_MS: i64 = 60_000;

/// The last chunks that are looked at: several are written at a time.
const CHUNKS_LOOKED_AT: usize = 4;

/// An audience that is still being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// Rows read so far.
    pub rows: u64,
    /// When it gave the last of them, or its campaign started where it gave none: ms since 1970. `None`: nobody knows.
    pub since_ms: Option<i64>,
    /// How long it has given nothing, in ms, where that is long: it stands still.
    pub still_ms: Option<u64>,
}

impl Audience {
    /// `is_still`: it was found standing still, however short that is.
    fn new(rows: u64, since_ms: Option<i64>, is_still: bool, now_ms: i64) -> Self {
        let still = since_ms.map(|since_ms| now_ms - since_ms);
        let still = still.filter(|still| is_still || *still >= STANDS_STILL_MS);
        Self { rows, since_ms, still_ms: still.map(|still| still.max(0).unsigned_abs()) }
    }

    /// Of one that was found standing still.
    pub fn stalled(rows: u64, since_ms: i64, now_ms: i64) -> Self {
        Self::new(rows, Some(since_ms), true, now_ms)
    }

    /// Of what is stored; `found`: it was found standing still before. When a chunk was written is known where the log keeps
    /// it.
    pub async fn of(log: &dyn Log, stored: &Stored, found: Option<Self>, now_ms: i64) -> Option<Self> {
        let row = &stored.row;
        if row.state != CampaignState::Running || row.seal.is_some() {
            return None;
        }
        let mut last: Vec<&ChunkRow> = stored.chunks.iter().collect();
        last.sort_unstable_by_key(|chunk| std::cmp::Reverse(chunk.id.number()));
        let mut since_ms = last.is_empty().then_some(row.starts_at_ms);
        for chunk in last.into_iter().take(CHUNKS_LOOKED_AT) {
            since_ms = since_ms.max(written_ms(log, chunk).await);
        }
        let since_ms = since_ms.or(found.and_then(|found| found.since_ms));
        Some(Self::new(stored.rows_read(), since_ms, found.is_some(), now_ms))
    }

    /// `1,204 rows read, none since 2026-11-22 14:31:07 UTC, for 12 min 0 s`, where it stands still.
    pub fn says(&self, zone: Option<&str>) -> String {
        let rows = format!("{} read", counted(self.rows, "row", "rows"));
        match self.since_ms.zip(self.still_ms) {
            Some((since_ms, still_ms)) => {
                let still = duration(Duration::from_millis(still_ms));
                format!("{rows}, none since {}, for {still}", at_second(since_ms, zone))
            }
            None => format!("{rows} so far"),
        }
    }
}

impl CampaignStatus {
    /// Its audience, where that stands still: `9 rows read, none since …`.
    pub(super) fn audience_stands_still(&self) -> Option<String> {
        let audience = self.audience.filter(|audience| audience.still_ms.is_some())?;
        let is_read = self.state == CampaignState::Running && !self.expanded;
        is_read.then(|| audience.says(self.coming.time_zone.as_deref()))
    }
}

/// When the log took the last send of a chunk. A log that is away, or no longer has it, tells nothing.
async fn written_ms(log: &dyn Log, chunk: &ChunkRow) -> Option<i64> {
    let last = u64::try_from(chunk.spans.last()?.end - 1).ok()?;
    let limit = ReadLimit { records_max: 1, bytes_max: 1 };
    let records = log.read(Topic::Sends, Partition(chunk.shard), Position(last), limit).await.ok()?;
    records.first()?.appended_ms
}

#[cfg(test)]
mod tests {
    use super::super::status::derived;
    use super::super::stored::tests::{row, stored};
    use super::*;
    use sluice_core::Counters;

    #[test]
    fn d8_g3_a_campaign_whose_audience_stands_still_tells_since_when_and_how_many_rows_were_read() {
        let mut stored = stored(row("null", "{}"), &[("a", 9)]);
        let of = |stored: &Stored, now_ms| {
            let mut status = derived(stored, now_ms);
            status.audience = Some(Audience::new(9, Some(7_000), false, now_ms));
            (status.held(now_ms), status.sentence())
        };
        let (held, sentence) = of(&stored, 60_000);
        assert_eq!(
            (held, sentence.as_str()),
            (None, "spring is running: 0 of 9 done, its audience is still being read.")
        );
        let (held, sentence) = of(&stored, 127_000);
        assert_eq!(held, None, "nine wait for their call");
        assert_eq!(
            sentence,
            "spring is running: 0 of 9 done, but its audience stands still: 9 rows read, none since 1969-12-31 21:00:07 \
             America/Sao_Paulo, for 2 min 0 s."
        );
        stored.counters = vec![(stored.chunks[0].id, Counters { total: 9, sent: 9, ..Counters::default() })];
        let (held, _) = of(&stored, 127_000);
        assert_eq!(
            held.unwrap(),
            "spring waits for its audience: 9 rows read, none since 1969-12-31 21:00:07 America/Sao_Paulo, for 2 min 0 s. \
             9 of 9 done."
        );
    }
}
