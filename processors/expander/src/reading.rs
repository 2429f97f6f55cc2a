//! From the first row of the source to the last commit.

use crate::ExpanderOptions;
use crate::chunker::{ChunkLimits, Chunker, ClosedChunk};
use crate::class::Classes;
use crate::commit::{Turn, commit};
use crate::encode::weight;
use crate::error::{ExpanderError, StepError};
use crate::expansion::Expansion;
use sluice_core::{CampaignState, ChunkRow, Seal};
use sluice_runtime::Shutdown;
use sluice_runtime::ports::audience::{AudienceProblem, DecidedRow, Rows};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};

/// How the reading ended. Nothing of it is in flight any more.
#[derive(Debug)]
pub(crate) enum Read {
    /// Every row is in a committed and emitted chunk, or counted.
    All(Seal),
    /// The source could not be read to its end.
    Trouble {
        /// What it says.
        problem: AudienceProblem,
        /// What is known so far.
        known: Seal,
        /// Whether the campaign was cancelled meanwhile.
        cancelled: bool,
    },
    /// The campaign ended while it was expanded.
    Ended,
    /// It was asked to stop, and what was being written is committed.
    Stopped,
}

/// The state of one reading.
pub(crate) struct Reading {
    expansion: Arc<Expansion>,
    rows: Box<dyn Rows>,
    chunker: Chunker<DecidedRow>,
    classes: Classes,
    /// Closed chunks that wait for a place in flight.
    closed: VecDeque<ClosedChunk<DecidedRow>>,
    in_flight: JoinSet<Result<ChunkRow, StepError>>,
    in_flight_max: usize,
    refresh: Duration,
    /// Of the next chunk; numbers have no gaps, so this is also how many were begun.
    next_number: u32,
    /// Resolves when the newest chunk is committed.
    newest: Option<oneshot::Receiver<()>>,
    rows_read: u64,
    rows_committed: u64,
    cancelled: bool,
}

impl Reading {
    /// `committed`: the chunks of earlier expansions.
    pub(crate) fn new(
        expansion: Arc<Expansion>,
        rows: Box<dyn Rows>,
        committed: &[ChunkRow],
        options: &ExpanderOptions,
    ) -> Self {
        let mut classes = Classes::new(&expansion.row.launch);
        let mut prefixes: Vec<u64> = Vec::new();
        for chunk in committed {
            if let Some(class) = classes.of_chunk(&expansion.pages, chunk) {
                prefixes.resize(prefixes.len().max(class + 1), 0);
                prefixes[class] = prefixes[class].max(chunk.first_in_class + u64::from(chunk.size));
            }
        }
        let limits = ChunkLimits {
            rows_max: options.chunk_rows_max,
            linger_first: Duration::from_millis(options.linger_first_ms),
            linger_max: Duration::from_millis(options.linger_ms_max),
            bytes_max: options.open_bytes_max,
        };
        Self {
            chunker: Chunker::new(limits, &prefixes),
            classes,
            closed: VecDeque::new(),
            in_flight: JoinSet::new(),
            in_flight_max: options.chunks_in_flight_max,
            refresh: Duration::from_millis(options.refresh_ms),
            next_number: committed.iter().map(|chunk| chunk.id.number() + 1).max().unwrap_or(0),
            newest: None,
            rows_read: 0,
            rows_committed: committed.iter().map(|chunk| u64::from(chunk.size)).sum(),
            cancelled: expansion.row.state == CampaignState::Cancelling,
            expansion,
            rows,
        }
    }

    /// Reads to the end, or until it is asked to stop.
    pub(crate) async fn run(mut self, mut stop: Shutdown) -> Result<Read, StepError> {
        let mut refresh = tokio::time::interval(self.refresh);
        refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        refresh.reset();
        let (mut source_ended, mut stopping) = (false, false);
        loop {
            self.begin_commits();
            // Memory is bounded by this: nothing is read, and nothing closes early, while chunks wait.
            let room = !stopping && self.closed.is_empty() && self.in_flight.len() < self.in_flight_max;
            if stopping && self.in_flight.is_empty() {
                return Ok(Read::Stopped);
            }
            if source_ended && self.closed.is_empty() && self.in_flight.is_empty() {
                return Ok(Read::All(self.known()));
            }
            let now = self.expansion.ports.clock.monotonic();
            let deadline = self.chunker.next_deadline().filter(|_| room);
            let linger = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_sub(now));
            tokio::select! {
                biased;
                Some(ended) = self.in_flight.join_next() => self.settle(ended).await?,
                () = stop.stopping(), if !stopping => {
                    stopping = true;
                    self.closed.clear();
                }
                batch = self.rows.next(), if room && !source_ended => match batch {
                    Ok(Some(rows)) => self.take(rows),
                    Ok(None) if self.cancelled || self.chunker.met_all_committed() => {
                        source_ended = true;
                        self.close(|chunker, closed| chunker.finish(closed));
                    }
                    Ok(None) => return self.trouble(shorter_than_before()).await,
                    Err(problem) => return self.trouble(problem).await,
                },
                () = tokio::time::sleep(linger), if deadline.is_some() => {
                    // What was slept through has passed, also for a clock that is moved by hand.
                    let now = self.expansion.ports.clock.monotonic().max(now.saturating_add(linger));
                    self.close(|chunker, closed| chunker.tick(now, closed));
                }
                _ = refresh.tick() => if self.is_ended().await? { return Ok(Read::Ended) },
            }
        }
    }

    fn begin_commits(&mut self) {
        while self.in_flight.len() < self.in_flight_max
            && let Some(chunk) = self.closed.pop_front()
        {
            let (after, newest) = oneshot::channel();
            let turn = Turn { before: self.newest.replace(newest), after };
            let (page, gate) = self.classes.class(chunk.class);
            let class = (page, gate.clone());
            self.in_flight.spawn(commit(self.expansion.clone(), self.next_number, class, chunk, turn));
            self.next_number += 1;
        }
    }

    fn take(&mut self, rows: Vec<DecidedRow>) {
        if self.cancelled {
            self.rows_read += rows.len() as u64;
            return;
        }
        let (now, expansion) = (self.expansion.ports.clock.monotonic(), self.expansion.clone());
        let mut closed = Vec::new();
        for mut row in rows {
            let class = self.classes.of_row(&expansion.pages, &mut row, self.rows_read);
            self.rows_read += 1;
            let bytes = weight(&row);
            self.chunker.push(class, row, bytes, now, &mut closed);
        }
        self.chunker.tick(now, &mut closed);
        self.closed.extend(closed);
    }

    fn close(&mut self, close: impl FnOnce(&mut Chunker<DecidedRow>, &mut Vec<ClosedChunk<DecidedRow>>)) {
        let mut closed = Vec::new();
        close(&mut self.chunker, &mut closed);
        self.closed.extend(closed);
    }

    /// Notes the end of one commit. A chunk that waited in vain for the one before is not the cause: that one
    /// ends as well, and says why.
    async fn settle(
        &mut self,
        ended: Result<Result<ChunkRow, StepError>, JoinError>,
    ) -> Result<(), StepError> {
        let mut ended = Some(ended);
        let mut out_of_turn = false;
        while let Some(result) = ended {
            match result.map_err(panicked)? {
                Ok(row) => self.rows_committed += u64::from(row.size),
                Err(StepError::OutOfTurn) => out_of_turn = true,
                Err(cause) => return Err(cause),
            }
            ended = if out_of_turn { self.in_flight.join_next().await } else { None };
        }
        if out_of_turn { Err(StepError::OutOfTurn) } else { Ok(()) }
    }

    /// Looks whether the campaign was cancelled, or is over. Cancelled: the rest of the source is only
    /// counted (hazard 23); what is in flight is finished.
    async fn is_ended(&mut self) -> Result<bool, StepError> {
        let row = match self.expansion.ports.store.campaign(self.expansion.id()).await {
            Ok(Some(row)) => row,
            // The next look will tell; everything that is written is fenced anyway.
            Ok(None) | Err(sluice_runtime::ports::store::StoreError::Unavailable(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if row.exp_epoch != self.expansion.epoch() {
            return Err(StepError::Fenced);
        }
        if row.state == CampaignState::Cancelling && !self.cancelled {
            tracing::info!(
                campaign = self.expansion.name(),
                "cancelled while expanding: the rest is only counted"
            );
            self.cancelled = true;
            self.closed.clear();
            self.chunker.discard();
        }
        Ok(row.state.is_ended())
    }

    async fn trouble(mut self, problem: AudienceProblem) -> Result<Read, StepError> {
        while let Some(ended) = self.in_flight.join_next().await {
            self.settle(ended).await?;
        }
        Ok(Read::Trouble { problem, known: self.known(), cancelled: self.cancelled })
    }

    /// With nothing in flight every chunk that was begun is committed.
    fn known(&self) -> Seal {
        let total = self.rows_read.max(self.rows_committed);
        Seal { chunks: self.next_number, total, not_expanded: total - self.rows_committed }
    }
}

fn panicked(error: JoinError) -> StepError {
    StepError::Fatal(ExpanderError::Panicked(error.to_string()))
}

fn shorter_than_before() -> AudienceProblem {
    AudienceProblem {
        code: "audience_changed",
        message: "it has fewer rows now than were expanded before".to_owned(),
        actionable: "launch a new campaign for those who were not reached".to_owned(),
    }
}
