//! Reading anywhere in a Parquet file: a file of this machine, or an object through a cache of ranges.

use crate::error::AudienceError;
#[cfg(feature = "object-store")]
use crate::options::AudienceOptions;
#[cfg(feature = "object-store")]
use crate::remote::RemoteFile;
#[cfg(feature = "object-store")]
use blocks::Blocks;
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "object-store")]
mod blocks;

/// Bytes of the description at a file's end at most: 4,096 columns in some thousands of row groups.
const FOOTER_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the smallest file: magic number, length, magic number.
const FILE_BYTES_MIN: u64 = 12;
/// Bytes read ahead where the decoder looks for the header of a page.
const AHEAD_BYTES: u64 = 4 * 1024;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Chunks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    bytes: u64,
    /// What went wrong last: the decoder keeps only its text.
    failure: Mutex<Option<AudienceError>>,
}

#[derive(Debug)]
enum Source {
    File(Mutex<File>),
    #[cfg(feature = "object-store")]
    Remote(Mutex<Blocks>),
}

impl Chunks {
    pub(crate) fn of_file(file: File, bytes: u64) -> Self {
        Self::new(Source::File(Mutex::new(file)), bytes)
    }

    #[cfg(feature = "object-store")]
    pub(crate) fn of_remote(file: RemoteFile, options: &AudienceOptions) -> Self {
        let bytes = file.bytes();
        Self::new(Source::Remote(Mutex::new(Blocks::new(file, options))), bytes)
    }

    fn new(source: Source, bytes: u64) -> Self {
        Chunks(Arc::new(Inner { source, bytes, failure: Mutex::new(None) }))
    }

    /// What went wrong last, once.
    pub(super) fn failure(&self) -> Option<AudienceError> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Looks at both ends: whether it is Parquet and whole.
    pub(super) fn check_ends(&self, path: &Path) -> Result<(), AudienceError> {
        let refuse = |problem: &str| {
            Err(AudienceError::NotParquet { path: path.to_owned(), problem: problem.to_owned() })
        };
        let bytes = self.0.bytes;
        let read = |from: u64, length: usize| {
            self.bytes(from, length).map_err(|error| AudienceError::reading(path, error))
        };
        if bytes == 0 {
            return Err(AudienceError::Empty { path: path.to_owned() });
        }
        if bytes < FILE_BYTES_MIN || &read(0, 4)?[..] != b"PAR1" {
            return refuse("it does not begin with PAR1");
        }
        let end = read(bytes - 8, 8)?;
        match &end[4..] {
            b"PAR1" => {}
            b"PARE" => return refuse("its footer is encrypted"),
            _ => return refuse("it does not end with PAR1: it was cut off, or is still being written"),
        }
        let footer = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
        if footer > FOOTER_BYTES_MAX || footer > bytes - FILE_BYTES_MIN {
            return refuse("its footer has an impossible length");
        }
        Ok(())
    }

    fn bytes(&self, from: u64, length: usize) -> io::Result<Bytes> {
        let to = from.checked_add(length as u64).filter(|to| *to <= self.0.bytes);
        // Before anything is allocated: lengths come from the file.
        let Some(to) = to else {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a part that is said to be beyond the end",
            ));
        };
        let read = match &self.0.source {
            Source::File(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                read_file(&mut file, from, length)
            }
            #[cfg(feature = "object-store")]
            Source::Remote(blocks) => {
                let mut blocks = blocks.lock().unwrap_or_else(PoisonError::into_inner);
                blocks.range(from, to).map_err(io::Error::other)
            }
        };
        debug_assert!(to >= from);
        read
    }

    /// Keeps the error of a source for [`Chunks::failure`].
    fn kept(&self, error: io::Error) -> io::Error {
        match error.downcast::<AudienceError>() {
            Ok(own) => {
                let text = own.to_string();
                *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(own);
                io::Error::other(text)
            }
            Err(error) => error,
        }
    }
}

fn read_file(file: &mut File, from: u64, length: usize) -> io::Result<Bytes> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for Chunks {
    type T = ChunkRead;

    fn get_read(&self, start: u64) -> Result<ChunkRead, ParquetError> {
        Ok(ChunkRead { chunks: self.clone(), position: start, held: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.bytes(start, length).map_err(|error| ParquetError::External(Box::new(self.kept(error))))
    }
}

/// Bytes from a position on, some at a time.
#[derive(Debug)]
pub(crate) struct ChunkRead {
    chunks: Chunks,
    position: u64,
    held: Bytes,
}

impl Read for ChunkRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.held.is_empty() {
            let length = AHEAD_BYTES.min(self.chunks.0.bytes.saturating_sub(self.position));
            if length == 0 {
                return Ok(0);
            }
            let read = self.chunks.bytes(self.position, length as usize);
            self.held = read.map_err(|error| self.chunks.kept(error))?;
            self.position += length;
        }
        let count = buffer.len().min(self.held.len());
        buffer[..count].copy_from_slice(&self.held.split_to(count));
        Ok(count)
    }
}
