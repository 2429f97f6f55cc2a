//! A sorted file of keys: 16 bytes each, big-endian.

use super::bloom::Bloom;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

const KEY_BYTES: usize = 16;
/// Keys of a page: 4 KiB.
const PAGE_KEYS: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Run {
    path: PathBuf,
    file: File,
    keys: usize,
    bloom: Bloom,
    /// The first key of each page.
    fences: Vec<u128>,
    page: Box<[u8; PAGE_KEYS * KEY_BYTES]>,
}

impl Run {
    /// Writes `keys_max` sorted keys at most.
    pub(super) fn write(
        path: PathBuf,
        keys_max: usize,
        keys: impl Iterator<Item = io::Result<u128>>,
    ) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let mut writer = BufWriter::with_capacity(256 * 1024, file);
        let mut bloom = Bloom::new(keys_max);
        let mut fences = Vec::with_capacity(keys_max.div_ceil(PAGE_KEYS));
        let mut count = 0;
        for key in keys {
            let key = key?;
            if count % PAGE_KEYS == 0 {
                fences.push(key);
            }
            writer.write_all(&key.to_be_bytes())?;
            bloom.insert(key);
            count += 1;
        }
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Run { path, file, keys: count, bloom, fences, page: Box::new([0; PAGE_KEYS * KEY_BYTES]) })
    }

    pub(super) fn len(&self) -> usize {
        self.keys
    }

    pub(super) fn contains(&mut self, key: u128) -> io::Result<bool> {
        if !self.bloom.may_contain(key) {
            return Ok(false);
        }
        let Some(page) = self.fences.partition_point(|first| *first <= key).checked_sub(1) else {
            return Ok(false);
        };
        let keys = PAGE_KEYS.min(self.keys - page * PAGE_KEYS);
        let bytes = &mut self.page[..keys * KEY_BYTES];
        self.file.read_exact_at(bytes, (page * PAGE_KEYS * KEY_BYTES) as u64)?;
        let (sorted, _) = bytes.as_chunks::<KEY_BYTES>();
        Ok(sorted.binary_search(&key.to_be_bytes()).is_ok())
    }

    pub(super) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(self.path)
    }
}

/// All keys of some runs in order. No key is in two runs.
pub(super) fn merged(runs: &[Run]) -> io::Result<Merged> {
    let mut merged = Merged { sources: Vec::with_capacity(runs.len()), heads: BinaryHeap::new() };
    for run in runs {
        let file = File::open(&run.path)?;
        merged.sources.push((BufReader::with_capacity(64 * 1024, file), run.keys));
        if let Some(key) = merged.next_of(merged.sources.len() - 1)? {
            merged.heads.push(Reverse((key, merged.sources.len() - 1)));
        }
    }
    Ok(merged)
}

/// See [`merged`].
#[derive(Debug)]
pub(super) struct Merged {
    /// With how many keys are left.
    sources: Vec<(BufReader<File>, usize)>,
    heads: BinaryHeap<Reverse<(u128, usize)>>,
}

impl Merged {
    fn next_of(&mut self, source: usize) -> io::Result<Option<u128>> {
        let (reader, left) = &mut self.sources[source];
        if *left == 0 {
            return Ok(None);
        }
        *left -= 1;
        let mut key = [0; KEY_BYTES];
        reader.read_exact(&mut key)?;
        Ok(Some(u128::from_be_bytes(key)))
    }
}

impl Iterator for Merged {
    type Item = io::Result<u128>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((key, source)) = self.heads.pop()?;
        match self.next_of(source) {
            Ok(Some(head)) => self.heads.push(Reverse((head, source))),
            Ok(None) => {}
            Err(error) => return Some(Err(error)),
        }
        Some(Ok(key))
    }
}
