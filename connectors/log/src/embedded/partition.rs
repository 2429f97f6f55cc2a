//! One partition: where it begins and ends, and reading it.

use super::block::{self, Block, Encoded, Read};
use super::keys;
use super::options::OpenError;
use sluice_engine::{Engine, EngineError, Keyspace, Snapshot, Tx, Value};
use sluice_runtime::ports::log::{LogError, Partition, Position, ReadLimit, StoredRecord, Topic};
use std::ops::{Bound, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is known about a partition without asking the disk.
#[derive(Debug)]
pub(crate) struct PartitionState {
    topic: Topic,
    partition: Partition,
    /// The first kept offset.
    start: AtomicU64,
    /// After the last durable record.
    end: AtomicU64,
    /// After the last record on its way; only the committing thread touches it.
    next: AtomicU64,
    /// The block that was read last: readers come back for its other records.
    last_read: Mutex<Option<Arc<Block>>>,
}

impl PartitionState {
    /// Reads where the partition begins and ends.
    pub(crate) fn load(
        snapshot: &Snapshot,
        tables: &Tables,
        topic: Topic,
        partition: Partition,
    ) -> Result<Self, OpenError> {
        let damaged = |reason: &str| OpenError::Damaged {
            what: format!("partition {topic}/{}", partition.0),
            reason: reason.to_owned(),
        };
        let start = match snapshot.get(&tables.meta, &keys::start_row(topic, partition))? {
            None => 0,
            Some(row) => decode_number(&row).ok_or_else(|| damaged("its start is not a number"))?,
        };
        let last = snapshot.prefix(&tables.blocks, &keys::block_prefix(topic, partition)).next_back();
        let end = match last.transpose()? {
            None => start,
            Some((key, value)) => {
                let base = keys::block_base(&key).ok_or_else(|| damaged("a key of the wrong length"))?;
                start.max(base + u64::from(block::count(&value).map_err(damaged)?))
            }
        };
        Ok(Self {
            topic,
            partition,
            start: AtomicU64::new(start),
            end: AtomicU64::new(end),
            next: AtomicU64::new(end),
            last_read: Mutex::new(None),
        })
    }

    pub(crate) fn start(&self) -> u64 {
        self.start.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Gives the blocks their offsets and puts them into the batch. On the committing thread.
    pub(crate) fn append(&self, tx: &mut Tx, tables: &Tables, blocks: Vec<Encoded>) -> Range<u64> {
        let first = self.next.load(Ordering::Relaxed);
        let mut next = first;
        for block in blocks {
            tx.insert(&tables.blocks, keys::block(self.topic, self.partition, next), block.bytes);
            next += u64::from(block.records);
        }
        self.next.store(next, Ordering::Relaxed);
        first..next
    }

    /// Records below `end` are durable now.
    pub(crate) fn publish_end(&self, end: u64) {
        self.end.fetch_max(end, Ordering::AcqRel);
    }

    /// Records below `start` are gone.
    pub(crate) fn publish_start(&self, start: u64) {
        self.start.fetch_max(start, Ordering::AcqRel);
        *self.last_read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Durable records from `from` on.
    pub(crate) fn read(
        &self,
        engine: &Engine,
        tables: &Tables,
        from: Position,
        limit: ReadLimit,
    ) -> Result<Vec<StoredRecord>, LogError> {
        self.check_start(from)?;
        let end = self.end();
        let mut at = from.0;
        if at >= end || limit.records_max == 0 {
            return Ok(Vec::new());
        }
        let mut read = Read::default();
        if let Some(block) = self.last_block(at) {
            if block.read_into(at, limit, &mut read) {
                return Ok(read.records);
            }
            at = block.end();
        }
        if at < end {
            let snapshot = engine.snapshot();
            let found = self.read_blocks(&snapshot, tables, at, limit, &mut read);
            // What was removed meanwhile is missing in front: then that is the answer.
            self.check_start(from)?;
            found?;
        }
        Ok(read.records)
    }

    fn read_blocks(
        &self,
        snapshot: &Snapshot,
        tables: &Tables,
        mut at: u64,
        limit: ReadLimit,
        read: &mut Read,
    ) -> Result<(), LogError> {
        let first = keys::block(self.topic, self.partition, 0);
        let here = keys::block(self.topic, self.partition, at);
        let last = keys::block(self.topic, self.partition, u64::MAX);
        // The block with `at` begins there or before. Mostly there: readers go from block to block.
        let begins = if snapshot.get(&tables.blocks, &here).map_err(storage)?.is_some() {
            here
        } else {
            let bounds = (Bound::Included(first.as_slice()), Bound::Included(here.as_slice()));
            match snapshot.range(&tables.blocks, bounds).next_back() {
                Some(pair) => keys::block(self.topic, self.partition, self.base(&pair.map_err(storage)?.0)?),
                None => return Err(self.damaged(at, "its block is missing")),
            }
        };
        let bounds = (Bound::Included(begins.as_slice()), Bound::Included(last.as_slice()));
        for pair in snapshot.range(&tables.blocks, bounds) {
            let (key, value) = pair.map_err(storage)?;
            let base = self.base(&key)?;
            let block = Block::decode(base, &value).map_err(|reason| self.damaged(base, reason))?;
            if !block.contains(at) {
                return Err(self.damaged(at, "its block is missing"));
            }
            let block = Arc::new(block);
            *self.last_read.lock().unwrap_or_else(PoisonError::into_inner) = Some(block.clone());
            if block.read_into(at, limit, read) {
                return Ok(());
            }
            at = block.end();
        }
        Ok(())
    }

    fn last_block(&self, offset: u64) -> Option<Arc<Block>> {
        let last = self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|block| block.contains(offset)).cloned()
    }

    fn check_start(&self, asked: Position) -> Result<(), LogError> {
        let start = self.start();
        if asked.0 < start {
            let (topic, partition) = (self.topic, self.partition);
            return Err(LogError::BelowStart { topic, partition, asked, start: Position(start) });
        }
        Ok(())
    }

    fn base(&self, key: &Value) -> Result<u64, LogError> {
        keys::block_base(key).ok_or_else(|| self.damaged(0, "a key of the wrong length"))
    }

    fn damaged(&self, offset: u64, reason: &str) -> LogError {
        LogError::Storage(format!("damaged block {}/{}/{offset}: {reason}", self.topic, self.partition.0))
    }
}

/// The tables of the log.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    /// Blocks of records.
    pub(crate) blocks: Keyspace,
    /// Topics and starts of partitions.
    pub(crate) meta: Keyspace,
    /// Committed positions.
    pub(crate) groups: Keyspace,
}

pub(crate) fn storage(error: EngineError) -> LogError {
    match error {
        EngineError::Closed => LogError::Closed,
        error => LogError::Storage(error.to_string()),
    }
}

const FORMAT: u8 = 1;

/// A stored number: format, then 8 bytes.
pub(crate) fn encode_number(number: u64) -> [u8; 9] {
    let mut row = [FORMAT; 9];
    row[1..].copy_from_slice(&number.to_le_bytes());
    row
}

pub(crate) fn decode_number(row: &[u8]) -> Option<u64> {
    let (&format, number) = row.split_first()?;
    (format == FORMAT).then(|| number.try_into().ok().map(u64::from_le_bytes))?
}
