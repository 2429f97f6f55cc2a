//! A file by URL, read in ranges of one version.
//!
//! Guarantees: every range is of the version that was found at opening, or an error; at most one range is in flight and
//! none is larger than the options say, so memory does not depend on the object; a broken connection costs a range, which
//! is asked for again.
//!
//! Readers are synchronous, stores are not: a thread with a runtime of its own stands between, so that any thread may
//! wait for it. It ends with the last handle.

use crate::error::AudienceError;
use crate::options::AudienceOptions;
use crate::pin::{SourcePin, Version};
use crate::source::shown_url;
use crate::unavailable::RemoteProblem;
use async_trait::async_trait;
use bytes::Bytes;
use sluice_core::launch::Location;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

mod client;
mod cloud;
mod guard;
mod web;

/// What a store says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stat {
    bytes: u64,
    version: Arc<str>,
}

/// Why a request gave nothing.
#[derive(Debug)]
enum Failure {
    /// The next try may go better.
    Passing(String),
    /// It will be the same again.
    Lasting(RemoteProblem),
    /// The object is not the one that was found at opening.
    Changed,
}

impl From<RemoteProblem> for Failure {
    fn from(problem: RemoteProblem) -> Self {
        Failure::Lasting(problem)
    }
}

/// One object of a store or server.
#[async_trait]
trait Object: Send + Sync {
    /// What it is now.
    async fn stat(&self) -> Result<Stat, Failure>;
    /// The bytes from `from` to `to`, exclusive, of the version `stat`.
    async fn range(&self, from: u64, to: u64, stat: &Stat) -> Result<Bytes, Failure>;
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct RemoteFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shown: PathBuf,
    stat: Stat,
    range_bytes: u64,
    asks: UnboundedSender<Ask>,
}

#[derive(Debug)]
struct Ask {
    from: u64,
    to: u64,
    answer: SyncSender<Result<Bytes, AudienceError>>,
}

impl RemoteFile {
    /// Finds the object and its version. Blocks until it answers or was tried often enough.
    pub(crate) fn open(url: &str, options: &AudienceOptions) -> Result<Self, AudienceError> {
        let shown = PathBuf::from(shown_url(url));
        let object =
            connect(url, &Location::parse(url)?, options).map_err(|problem| remote(&shown, problem))?;
        let fetcher = Fetcher {
            object,
            shown: shown.clone(),
            tries_max: options.tries_max,
            retry_ms: options.retry_ms,
        };
        let (asks, mut asked) = unbounded_channel::<Ask>();
        let (opened, opening) = sync_channel(1);
        let failed = |source| AudienceError::Unreadable { path: shown.clone(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let work = async move {
            let stat = match fetcher.stat().await {
                Ok(stat) => stat,
                Err(error) => return drop(opened.send(Err(error))),
            };
            if opened.send(Ok(stat.clone())).is_err() {
                return;
            }
            while let Some(Ask { from, to, answer }) = asked.recv().await {
                // Nobody waits any more where the answer can't be given.
                drop(answer.send(fetcher.range(from, to, &stat).await));
            }
        };
        std::thread::Builder::new()
            .name("audience-fetch".to_owned())
            .spawn(move || runtime.block_on(work))
            .map_err(failed)?;
        let stat = answered(&shown, &opening)?;
        if stat.bytes > options.bytes_max {
            let (bytes, bytes_max) = (stat.bytes, options.bytes_max);
            return Err(AudienceError::TooLarge { path: shown, bytes, bytes_max });
        }
        Ok(RemoteFile(Arc::new(Inner { shown, stat, range_bytes: options.range_bytes as u64, asks })))
    }

    pub(crate) fn shown(&self) -> &Path {
        &self.0.shown
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.stat.bytes
    }

    pub(crate) fn pin(&self) -> SourcePin {
        pin(&self.0.stat)
    }

    /// The bytes from `from` to `to`, exclusive.
    pub(crate) fn range(&self, from: u64, to: u64) -> Result<Bytes, AudienceError> {
        let (answer, waiting) = sync_channel(1);
        if self.0.asks.send(Ask { from, to, answer }).is_err() {
            return Err(stopped(&self.0.shown));
        }
        answered(&self.0.shown, &waiting)
    }

    /// A reader that asks for a range at a time.
    pub(crate) fn read_from(&self, position: u64) -> RemoteRead {
        RemoteRead { file: self.clone(), position, held: Bytes::new() }
    }
}

fn answered<T>(shown: &Path, waiting: &Receiver<Result<T, AudienceError>>) -> Result<T, AudienceError> {
    waiting.recv().unwrap_or_else(|_| Err(stopped(shown)))
}

fn stopped(shown: &Path) -> AudienceError {
    let cause = "the thread that reads it stopped".to_owned();
    remote(shown, RemoteProblem::Unavailable { tries: 1, cause })
}

fn remote(shown: &Path, problem: RemoteProblem) -> AudienceError {
    AudienceError::Remote { path: shown.to_owned(), problem }
}

fn pin(stat: &Stat) -> SourcePin {
    SourcePin { bytes: stat.bytes, version: Version::Stated(Arc::clone(&stat.version)) }
}

/// Bytes of an object in order.
#[derive(Debug)]
pub(crate) struct RemoteRead {
    file: RemoteFile,
    position: u64,
    held: Bytes,
}

impl Read for RemoteRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.held.is_empty() {
            let end = self.file.bytes().min(self.position.saturating_add(self.file.0.range_bytes));
            if self.position >= end {
                return Ok(0);
            }
            self.held = self.file.range(self.position, end).map_err(io::Error::other)?;
            self.position = end;
        }
        let count = buffer.len().min(self.held.len());
        buffer[..count].copy_from_slice(&self.held.split_to(count));
        Ok(count)
    }
}

/// What the URL names, as far as the options allow it.
fn connect(
    url: &str,
    location: &Location<'_>,
    options: &AudienceOptions,
) -> Result<Box<dyn Object>, RemoteProblem> {
    match location {
        Location::Object { store, bucket, key } => {
            Ok(Box::new(cloud::CloudObject::new(*store, bucket, key, options)?))
        }
        Location::Web { .. } => Ok(Box::new(web::WebObject::new(url, options)?)),
        Location::File { .. } => Err(RemoteProblem::Refused { answer: "it is no URL".to_owned() }),
    }
}

/// Asks until it is answered or was tried often enough.
struct Fetcher {
    object: Box<dyn Object>,
    shown: PathBuf,
    tries_max: u32,
    retry_ms: (u64, u64),
}

impl Fetcher {
    async fn stat(&self) -> Result<Stat, AudienceError> {
        let mut tries = 0;
        loop {
            match self.object.stat().await {
                Ok(stat) => return Ok(stat),
                Err(Failure::Passing(cause)) => self.wait(&mut tries, cause).await?,
                Err(Failure::Lasting(problem)) => return Err(remote(&self.shown, problem)),
                Err(Failure::Changed) => self.wait(&mut tries, "it is being replaced".to_owned()).await?,
            }
        }
    }

    async fn range(&self, from: u64, to: u64, stat: &Stat) -> Result<Bytes, AudienceError> {
        let mut tries = 0;
        loop {
            let cause = match self.object.range(from, to, stat).await {
                Ok(bytes) if bytes.len() as u64 == to - from => return Ok(bytes),
                Ok(bytes) => format!("{} bytes came of {}", bytes.len(), to - from),
                Err(Failure::Passing(cause)) => cause,
                Err(Failure::Lasting(problem)) => return Err(remote(&self.shown, problem)),
                Err(Failure::Changed) => {
                    let found = self.stat().await?;
                    if found != *stat {
                        return Err(AudienceError::changed(&self.shown, &pin(stat), pin(&found)));
                    }
                    // Replaced and back again, or a server that is not of one mind.
                    "the store says it changed, and that it did not".to_owned()
                }
            };
            self.wait(&mut tries, cause).await?;
        }
    }

    /// Waits before the next try, or says that there is none.
    async fn wait(&self, tries: &mut u32, cause: String) -> Result<(), AudienceError> {
        *tries += 1;
        if *tries >= self.tries_max {
            return Err(remote(&self.shown, RemoteProblem::Unavailable { tries: *tries, cause }));
        }
        let (first, max) = self.retry_ms;
        let wait_ms = first.saturating_mul(1 << (*tries - 1).min(32)).min(max);
        tracing::warn!(audience = %self.shown.display(), tries, wait_ms, cause, "reading the audience, trying again");
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        Ok(())
    }
}

/// A version as it is pinned: printable ASCII of bounded length, or none.
fn version(kind: &str, stated: &str) -> Option<Arc<str>> {
    let stated = stated.trim();
    let fits = stated.len() + kind.len() < crate::pin::VERSION_BYTES_MAX
        && !stated.is_empty()
        && stated.bytes().all(|b| (0x20..0x7f).contains(&b));
    fits.then(|| format!("{kind}:{stated}").into())
}

/// Said of a server's answer in as few words as a person needs, nothing of its body but the store's own code.
fn answer_of(text: &str) -> String {
    let code =
        text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let status = text.split_once("status code: ").map(|(_, rest)| rest.split(':').next().unwrap_or(rest));
    let words = match (status, code) {
        (Some(status), Some(code)) => format!("{status}, {code}"),
        (Some(status), None) => status.to_owned(),
        (None, _) => text.to_owned(),
    };
    words.chars().filter(|c| !c.is_control()).take(200).collect()
}
