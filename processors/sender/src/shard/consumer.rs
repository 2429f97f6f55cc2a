//! The member of the group of `chunks`: gives records to the actors of their pages, and follows rebalances.

use super::hand_over::{HandOver, all_of, commit_last, joined};
use super::record::{Brought, parse};
use super::{Context, SenderError};
use crate::handle::ShardHandle;
use crate::page::{Descriptor, ForPage, Kept, OpenWork, Page, StopMode};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sluice_core::PageId;
use sluice_runtime::Shutdown;
use sluice_runtime::ports::log::{
    AppendTicket, Committer, Deliveries, Delivery, LogError, NewRecord, Partition, Position, RevokeGuard,
    StoredRecord, Topic,
};
use sluice_schemas::{DeadLetter, PageRefused, encode};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

/// Something that waits for the log.
type Work<T> = Pin<Box<dyn Future<Output = Result<T, SenderError>> + Send>>;

/// Records that were parked, or lie between such.
type Reread = Vec<(Partition, Vec<StoredRecord>)>;

/// A partition of `chunks` that this process has.
pub(super) struct Shard {
    handle: Arc<ShardHandle>,
    pages: BTreeMap<PageId, UnboundedSender<ForPage>>,
    /// Told to all pages of the shard.
    stop: watch::Sender<Option<StopMode>>,
    /// One for each page, and when all are dropped.
    kept: (Kept, mpsc::Receiver<Infallible>),
    paused: bool,
}

/// What it has, and what ends.
pub(super) struct Consumer {
    pub(super) context: Arc<Context>,
    pub(super) committer: Arc<dyn Committer>,
    pub(super) shards: BTreeMap<Partition, Shard>,
    pub(super) tasks: BTreeMap<Partition, JoinSet<Result<(), SenderError>>>,
    /// Pages of former shards. They hand over first, and end with their last calls.
    pub(super) ending: JoinSet<Result<(), SenderError>>,
}

impl Consumer {
    pub(super) async fn consume(
        &mut self,
        deliveries: &mut dyn Deliveries,
        shutdown: &mut Shutdown,
    ) -> Result<(), SenderError> {
        let mut tick = tokio::time::interval(Duration::from_millis(self.context.options.commit_ms));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut handing_over: JoinSet<Result<(), SenderError>> = JoinSet::new();
        // Neither waits for the log in this loop, which hears of rebalances and of the shutdown.
        let mut upkeep: Option<Work<Reread>> = None;
        let mut letters: FuturesUnordered<Work<()>> = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => break,
                delivery = deliveries.next() => match delivery? {
                    Delivery::Assigned { partition, position, .. } => self.assigned(partition, position),
                    Delivery::Records { partition, records } => {
                        letters.extend(self.records(partition, records));
                    }
                    Delivery::Revoking { partitions, done } => {
                        let mode = StopMode::Drain { deadline: done.deadline };
                        handing_over.spawn(self.stop(&partitions, mode, Some(done)).finish());
                    }
                    Delivery::Lost { partitions } => {
                        let drain = Duration::from_millis(self.context.options.drain_ms);
                        let deadline = self.context.ports.clock.monotonic() + drain;
                        handing_over.spawn(self.stop(&partitions, StopMode::Lost { deadline }, None).finish());
                    }
                },
                Some(ended) = handing_over.join_next() => joined(ended)??,
                Some(ended) = self.ending.join_next() => joined(ended)??,
                ended = work(&mut upkeep) => {
                    // As long as there is room, more of what is parked is read.
                    upkeep = self.unpark(ended?).then(|| self.upkeep());
                }
                Some(written) = letters.next(), if !letters.is_empty() => written?,
                _ = tick.tick() => {
                    self.tick()?;
                    if upkeep.is_none() {
                        upkeep = Some(self.upkeep());
                    }
                }
            }
        }
        all_of(handing_over).await
    }

    fn assigned(&mut self, partition: Partition, position: Position) {
        info!(shard = partition.0, position = position.0, "shard assigned");
        let records_max = self.context.options.records_max;
        let handle = Arc::new(ShardHandle::new(partition, self.committer.clone(), position.0, records_max));
        let (pages, stop, kept) = (BTreeMap::new(), watch::Sender::new(None), mpsc::channel(1));
        let shard = Shard { handle, pages, stop, kept, paused: false };
        self.shards.insert(partition, shard);
    }

    /// Gives records to their pages; what is to be written for those nobody can use.
    fn records(&mut self, partition: Partition, records: Vec<StoredRecord>) -> Vec<Work<()>> {
        let mut letters: Vec<Work<()>> = Vec::new();
        for record in records {
            match parse(&record) {
                Ok(Brought::Work(page, descriptor)) => {
                    let Some(shard) = self.shards.get(&partition) else { continue };
                    let line = descriptor.line(&page);
                    if shard.handle.backlog().begin(record.offset.0, &line) {
                        self.route(partition, record.offset.0, page, descriptor);
                    }
                }
                Ok(Brought::Refused(refused)) => self.tell(partition, record.offset.0, refused),
                Err(reason) => {
                    let Some(shard) = self.shards.get(&partition) else { continue };
                    let handle = shard.handle.clone();
                    handle.backlog().begin_apart(record.offset.0);
                    let letter = self.dead_letter(partition, &record, reason);
                    letters.push(Box::pin(async move {
                        letter.await?;
                        handle.finish(&[record.offset.0]);
                        Ok(())
                    }));
                }
            }
        }
        if let Some(shard) = self.shards.get_mut(&partition)
            && !shard.paused
            && shard.handle.backlog().is_full()
        {
            shard.paused = true;
            self.committer.pause(partition);
        }
        letters
    }

    fn route(&mut self, partition: Partition, offset: u64, page: PageId, descriptor: Descriptor) {
        let Some(shard) = self.shards.get_mut(&partition) else { return };
        let work = ForPage::Open(OpenWork { record: offset, descriptor });
        let undelivered = match shard.pages.get(&page) {
            Some(inbox) => inbox.send(work).err().map(|refused| refused.0),
            None => Some(work),
        };
        // A page without an actor, or whose actor is gone, gets one.
        if let Some(work) = undelivered {
            let (sender, inbox) = unbounded_channel();
            let (context, handle) = (self.context.clone(), shard.handle.clone());
            let (stop, kept) = (shard.stop.subscribe(), shard.kept.0.clone());
            let actor = Page::new(context, handle, page.clone(), inbox, stop, kept);
            self.tasks.entry(partition).or_default().spawn(actor.run());
            if sender.send(work).is_ok() {
                shard.pages.insert(page, sender);
            }
        }
    }

    /// Tells a page what is known of its provider. Where it has no actor, nobody calls for it.
    fn tell(&self, partition: Partition, offset: u64, refused: PageRefused) {
        let Some(shard) = self.shards.get(&partition) else { return };
        shard.handle.finish(&[offset]);
        if let Some(inbox) = shard.pages.get(&PageId::from(refused.page.as_str())) {
            // An actor that is gone calls nobody either.
            inbox.send(ForPage::Refused(refused)).ok();
        }
    }

    /// Gives parked records to their pages, as far as there is room. Whether there was any.
    fn unpark(&mut self, reread: Reread) -> bool {
        let mut any = false;
        for (partition, records) in reread {
            let Some(handle) = self.shards.get(&partition).map(|shard| shard.handle.clone()) else {
                continue;
            };
            for record in records {
                let is_let_in = handle.backlog().unpark(record.offset.0);
                if let (true, Ok(Brought::Work(page, descriptor))) = (is_let_in, parse(&record)) {
                    any = true;
                    self.route(partition, record.offset.0, page, descriptor);
                }
            }
        }
        any
    }

    fn dead_letter(&self, partition: Partition, record: &StoredRecord, reason: String) -> AppendTicket {
        warn!(shard = partition.0, offset = record.offset.0, %reason, "record of chunks can't be used");
        let letter = DeadLetter {
            topic: Topic::Chunks.name().to_owned(),
            partition: partition.0 as i32,
            offset: record.offset.0 as i64,
            reason,
            at_ms: self.context.ports.clock.wall_ms(),
            key: record.key.to_vec(),
            value: record.value.to_vec(),
        };
        let value = NewRecord { key: record.key.clone(), value: encode(&letter).into() };
        self.context.ports.log.append(Topic::DeadLetters, Partition(0), vec![value])
    }

    /// Ends the pages of some partitions; waiting for their hand-over is the caller's.
    pub(super) fn stop(
        &mut self,
        partitions: &[Partition],
        mode: StopMode,
        guard: Option<RevokeGuard>,
    ) -> HandOver {
        let mut shards = JoinSet::new();
        for partition in partitions {
            let Some(shard) = self.shards.remove(partition) else { continue };
            shard.stop.send_replace(Some(mode));
            if let Some(tasks) = self.tasks.remove(partition) {
                self.ending.spawn(all_of(tasks));
            }
            let (kept, mut all) = shard.kept;
            drop(kept);
            let handle = shard.handle;
            shards.spawn(async move {
                // Nothing is ever sent: it ends when no page has one.
                all.recv().await;
                match mode {
                    StopMode::Drain { .. } => commit_last(&handle).await,
                    StopMode::Lost { .. } => Ok(()),
                }
            });
        }
        HandOver { shards, guard }
    }

    fn tick(&mut self) -> Result<(), SenderError> {
        for tasks in self.tasks.values_mut() {
            while let Some(ended) = tasks.try_join_next() {
                joined(ended)??;
            }
        }
        for (partition, shard) in &mut self.shards {
            if shard.paused && !shard.handle.backlog().is_full() {
                shard.paused = false;
                self.committer.resume(*partition);
            }
        }
        Ok(())
    }

    /// Lets the committed offsets follow, and reads what is parked and has room now.
    fn upkeep(&self) -> Work<Reread> {
        let handles: Vec<Arc<ShardHandle>> = self.shards.values().map(|shard| shard.handle.clone()).collect();
        let context = self.context.clone();
        Box::pin(async move {
            let mut reread = Reread::new();
            for handle in handles {
                match handle.commit_if_moved().await {
                    Ok(()) => {}
                    // The rebalance that follows says so too.
                    Err(LogError::Fenced { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
                handle.carry_forward(&context).await?;
                reread.push((handle.partition, handle.read_parked(&context).await?));
            }
            Ok(reread)
        })
    }
}

/// The work's end, or never where there is none.
async fn work<T>(work: &mut Option<Work<T>>) -> Result<T, SenderError> {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}
