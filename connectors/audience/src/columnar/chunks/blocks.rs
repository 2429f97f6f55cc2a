//! Ranges of an object that were read and may be read again.
//!
//! A row group is read column by column in turns: each column moves through its own part of the file. Blocks of a
//! fixed size at fixed places serve all of them, the one that was not used for the longest time goes first.

use crate::error::AudienceError;
use crate::options::AudienceOptions;
use crate::remote::RemoteFile;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// See the module.
#[derive(Debug)]
pub(super) struct Blocks {
    file: RemoteFile,
    block_bytes: u64,
    blocks_max: usize,
    /// The last used at the end.
    blocks: VecDeque<(u64, Bytes)>,
}

impl Blocks {
    pub(super) fn new(file: RemoteFile, options: &AudienceOptions) -> Self {
        let block_bytes = options.range_bytes as u64;
        let blocks_max = (options.cache_bytes_max / options.range_bytes).max(2);
        Blocks { file, block_bytes, blocks_max, blocks: VecDeque::new() }
    }

    /// The bytes from `from` to `to`, exclusive.
    pub(super) fn range(&mut self, from: u64, to: u64) -> Result<Bytes, AudienceError> {
        if from >= to {
            return Ok(Bytes::new());
        }
        let (first, last) = (from / self.block_bytes, (to - 1) / self.block_bytes);
        if first == last {
            let start = first * self.block_bytes;
            return Ok(self.block(first)?.slice((from - start) as usize..(to - start) as usize));
        }
        let mut joined = BytesMut::with_capacity((to - from) as usize);
        for index in first..=last {
            let start = index * self.block_bytes;
            let block = self.block(index)?;
            let (begin, end) = (from.max(start) - start, to.min(start + self.block_bytes) - start);
            joined.extend_from_slice(&block[begin as usize..end as usize]);
        }
        Ok(joined.freeze())
    }

    fn block(&mut self, index: u64) -> Result<Bytes, AudienceError> {
        let found = self.blocks.iter().position(|(known, _)| *known == index);
        let bytes = match found.and_then(|place| self.blocks.remove(place)) {
            Some((_, bytes)) => bytes,
            None => {
                while self.blocks.len() >= self.blocks_max {
                    self.blocks.pop_front();
                }
                let start = index * self.block_bytes;
                self.file.range(start, self.file.bytes().min(start + self.block_bytes))?
            }
        };
        self.blocks.push_back((index, bytes.clone()));
        Ok(bytes)
    }
}
