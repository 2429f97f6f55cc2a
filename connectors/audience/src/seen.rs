//! Exact deduplication of keys in bounded memory: the first one wins.
//!
//! Keys are kept in a set in memory; a full one becomes a sorted run on disk with a Bloom filter and the first key
//! of each page in memory (about 1.6 bytes a key). A look-up asks the set, then the runs whose filter says
//! maybe, one page read each. Runs are merged when they are too many. The files are a cache of the audience,
//! built again by reading it again: they are removed on drop and never synced.

use run::Run;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

mod bloom;
mod run;

/// Keys in memory unless said otherwise: what a table of 2^20 places (17 MiB) holds.
const MEMORY_KEYS: usize = 900_000;
/// Runs before they are merged into one.
const RUNS_MAX: usize = 16;

/// Keys are digests already: their low half is the hash.
#[derive(Debug, Default, Clone, Copy)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
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

/// A set of 16-byte digests.
#[derive(Debug)]
pub struct SeenSet {
    memory: HashSet<u128, BuildHasherDefault<KeyHasher>>,
    memory_keys: usize,
    runs: Vec<Run>,
    parent: PathBuf,
    directory: Option<TempDir>,
    runs_made: u64,
}

impl SeenSet {
    /// An empty set that spills, if it must, into a new directory inside `parent`.
    pub fn new(parent: &Path) -> Self {
        Self::with_memory_keys(parent, MEMORY_KEYS)
    }

    /// The same with another number of keys in memory.
    pub fn with_memory_keys(parent: &Path, memory_keys: usize) -> Self {
        SeenSet {
            memory: HashSet::default(),
            memory_keys: memory_keys.max(1),
            runs: Vec::new(),
            parent: parent.to_owned(),
            directory: None,
            runs_made: 0,
        }
    }

    /// Where temporary files go.
    pub fn parent(&self) -> &Path {
        &self.parent
    }

    /// Adds a key; true if it was not there. After an error the set must not be used any more.
    pub fn insert(&mut self, key: [u8; 16]) -> io::Result<bool> {
        let key = u128::from_be_bytes(key);
        if self.runs.is_empty() {
            if !self.memory.insert(key) {
                return Ok(false);
            }
        } else {
            if self.memory.contains(&key) {
                return Ok(false);
            }
            for run in &mut self.runs {
                if run.contains(key)? {
                    return Ok(false);
                }
            }
            self.memory.insert(key);
        }
        if self.memory.len() >= self.memory_keys {
            self.spill()?;
        }
        Ok(true)
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut keys: Vec<u128> = self.memory.drain().collect();
        keys.sort_unstable();
        let path = self.next_path()?;
        self.runs.push(Run::write(path, keys.len(), keys.into_iter().map(Ok))?);
        if self.runs.len() > RUNS_MAX {
            let count = self.runs.iter().map(Run::len).sum();
            let path = self.next_path()?;
            let merged = Run::write(path, count, run::merged(&self.runs)?)?;
            for run in std::mem::take(&mut self.runs) {
                run.remove()?;
            }
            self.runs.push(merged);
        }
        Ok(())
    }

    fn next_path(&mut self) -> io::Result<PathBuf> {
        let directory = match &mut self.directory {
            Some(directory) => directory,
            empty => {
                std::fs::create_dir_all(&self.parent)?;
                empty.insert(tempfile::Builder::new().prefix("seen-").tempdir_in(&self.parent)?)
            }
        };
        self.runs_made += 1;
        Ok(directory.path().join(format!("run-{}", self.runs_made)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(number: u64) -> [u8; 16] {
        xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes()).to_be_bytes()
    }

    #[test]
    fn the_set_is_exact_through_spills_and_merges_and_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let mut set = SeenSet::with_memory_keys(parent.path(), 100);
        let mut truth = HashSet::new();
        let mut merged = false;
        for step in 0..12_000_u64 {
            // Every third key is one that was there before, near or far.
            let number = if step % 3 == 2 { step * 7_919 % (step + 1) } else { step };
            assert_eq!(set.insert(key(number)).unwrap(), truth.insert(number), "step {step}");
            merged |= set.runs.first().is_some_and(|run| run.len() > 100);
        }
        assert!(merged, "no merge happened");
        assert!(set.runs.len() <= RUNS_MAX);
        for number in &truth {
            assert!(!set.insert(key(*number)).unwrap());
        }
        drop(set);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn extreme_keys_are_found_again_on_disk() {
        let parent = tempfile::tempdir().unwrap();
        let mut set = SeenSet::with_memory_keys(parent.path(), 2);
        let keys = [[0; 16], [0xff; 16], key(1), key(2), [1; 16]];
        for key in keys {
            assert!(set.insert(key).unwrap());
        }
        for key in keys {
            assert!(!set.insert(key).unwrap());
        }
    }

    #[test]
    fn a_small_audience_touches_no_disk() {
        let mut set = SeenSet::new(Path::new("/nonexistent/never/made"));
        assert!(set.insert(key(1)).unwrap());
        assert!(!set.insert(key(1)).unwrap());
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut set = SeenSet::with_memory_keys(&file, 1);
        assert!(set.insert(key(1)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_set_agrees_with_a_hash_set(
            numbers in prop::collection::vec(0_u64..600, 0..2_000),
            memory_keys in 1_usize..60,
        ) {
            let parent = tempfile::tempdir().unwrap();
            let mut set = SeenSet::with_memory_keys(parent.path(), memory_keys);
            let mut truth = HashSet::new();
            for number in numbers {
                prop_assert_eq!(set.insert(key(number)).unwrap(), truth.insert(number));
            }
        }
    }

    /// `cargo test --release -p sluice-audience -- --ignored speed --nocapture`
    #[test]
    #[ignore = "a measurement"]
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    fn speed_of_two_million_keys() {
        let parent = tempfile::tempdir().unwrap();
        let mut set = SeenSet::new(parent.path());
        let start = std::time::Instant::now();
        for number in 0..2_000_000_u64 {
            assert!(set.insert(key(number)).unwrap());
        }
        println!("{:?} a key, {} runs", start.elapsed() / 2_000_000, set.runs.len());
    }
}
