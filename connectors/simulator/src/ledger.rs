//! Who was called how often and who was accepted: exact counts in memory.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::call::Call;
use crate::stats::Double;

/// Locks are held for one map operation; this many keep two cores apart.
const SHARDS: usize = 64;
/// So many doubles are kept by name; all are counted.
const DOUBLES_NAMED_MAX: usize = 20;

/// Keys are hashes already.
#[derive(Debug, Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Entry {
    attempts: u32,
    accepted: u32,
}

type Shard = Mutex<HashMap<u128, Entry, BuildHasherDefault<Taken>>>;

/// Counts by recipient, see [`Call::key`].
#[derive(Debug)]
pub(crate) struct Ledger {
    shards: Vec<Shard>,
    distinct: AtomicU64,
    doubled: AtomicU64,
    named: Mutex<Vec<(u128, Double)>>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            distinct: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            named: Mutex::new(Vec::new()),
        }
    }

    /// Counts an attempt and returns its number, from 1.
    pub(crate) fn attempt(&self, key: u128) -> u32 {
        self.change(key, |entry| {
            entry.attempts = entry.attempts.saturating_add(1);
            entry.attempts
        })
    }

    /// Counts an acceptance; the second one of a recipient is a double.
    pub(crate) fn accept(&self, key: u128, call: &Call) {
        let accepted = self.change(key, |entry| {
            entry.accepted = entry.accepted.saturating_add(1);
            entry.accepted
        });
        match accepted {
            1 => drop(self.distinct.fetch_add(1, Ordering::Relaxed)),
            2 => {
                self.doubled.fetch_add(1, Ordering::Relaxed);
                let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
                if named.len() < DOUBLES_NAMED_MAX {
                    named.push((key, Double::of(call)));
                }
            }
            _ => {}
        }
    }

    pub(crate) fn distinct_accepted(&self) -> u64 {
        self.distinct.load(Ordering::Relaxed)
    }

    /// How many recipients were accepted more than once, and the first of them with their counts.
    pub(crate) fn doubles(&self) -> (u64, Vec<Double>) {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let named = named.into_iter().map(|(key, mut double)| {
            double.times = self.change(key, |entry| entry.accepted);
            double
        });
        (self.doubled.load(Ordering::Relaxed), named.collect())
    }

    fn change<T>(&self, key: u128, f: impl FnOnce(&mut Entry) -> T) -> T {
        // The map uses the low half of the key, the shard the high one.
        let shard = &self.shards[(key >> 64) as usize % SHARDS];
        f(shard.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
    }
}
