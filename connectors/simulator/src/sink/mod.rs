//! A minimal HTTP/1.1 server that takes anything: for benchmarks and the kill test.
//!
//! It answers every POST and PUT with 200 `{"ok":true}` on connections that stay open, and counts. In
//! [`SinkMode::Record`] it also counts by recipient, so that doubles show. `GET /_sink/stats` answers with
//! [`SinkStats`]. It runs on threads of its own and needs no runtime of its caller.

mod http1;
mod record;
mod serve;

pub use record::SinkStats;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::Result;
use crate::error::Error;
use record::Record;

/// What the sink keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SinkMode {
    /// The number of requests.
    #[default]
    Count,
    /// Each recipient (`to`, or another member that names one) with its count.
    Record {
        /// Also append every request to this NDJSON log (the lines of [`crate::LogLine`]).
        log: Option<PathBuf>,
    },
}

/// How the sink runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkOptions {
    /// What is kept.
    pub mode: SinkMode,
    /// Threads that serve connections; at least one.
    pub threads: usize,
    /// Every answer waits this long after its request was counted.
    pub latency: Duration,
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self { mode: SinkMode::Count, threads: 1, latency: Duration::ZERO }
    }
}

/// Starts sinks.
#[derive(Debug)]
pub struct Sink;

impl Sink {
    /// Listens at `address` (port 0: any free one) and serves until the handle is shut down or dropped.
    ///
    /// # Errors
    /// The address is in use, the log cannot be opened, or a thread cannot be started.
    pub fn start(address: SocketAddr, options: SinkOptions) -> Result<SinkHandle> {
        let bind_error = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).map_err(bind_error)?;
        listener.set_nonblocking(true).map_err(bind_error)?;
        let local = listener.local_addr().map_err(bind_error)?;
        let record = Arc::new(Record::open(&options.mode)?);
        let (stop, stopped) = watch::channel(false);
        let mut workers = Vec::new();
        let mut threads = Vec::new();
        for number in 0..options.threads.max(1) {
            let (worker, inbox) = mpsc::unbounded_channel();
            workers.push(worker);
            let serve = serve::connections(inbox, Arc::clone(&record), options.latency, stopped.clone());
            threads.push(thread(format!("sink-{number}"), serve)?);
        }
        // Accepting is rare, connections stay open: a thread that mostly sleeps.
        threads.push(thread("sink-accept".to_owned(), serve::accept(listener, workers, stopped))?);
        Ok(SinkHandle { address: local, record, stop, threads })
    }
}

fn thread(name: String, work: impl Future<Output = ()> + Send + 'static) -> Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Thread(error.to_string()))?;
    std::thread::Builder::new()
        .name(name)
        .spawn(move || runtime.block_on(work))
        .map_err(|error| Error::Thread(error.to_string()))
}

/// A running sink; dropped, it stops.
#[derive(Debug)]
pub struct SinkHandle {
    address: SocketAddr,
    record: Arc<Record>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl SinkHandle {
    /// Where it listens; the port is the real one.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> SinkStats {
        self.record.stats()
    }

    /// Every recipient with the number of its requests; empty in [`SinkMode::Count`].
    #[must_use]
    pub fn recipients(&self) -> HashMap<String, u32> {
        self.record.recipients()
    }

    /// Returns when the calling thread is told to stop by nobody: waits until the sink's threads end.
    ///
    /// For a sink that is its own process and ends by being killed.
    pub fn wait(mut self) {
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }

    /// Stops, closes all connections and the log. Blocks for a moment.
    ///
    /// # Errors
    /// [`Error::Thread`] if a thread ended badly.
    pub fn shutdown(mut self) -> Result<()> {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| Error::Thread("a thread of the sink panicked".to_owned()))?;
        }
        self.record.close()
    }
}

impl Drop for SinkHandle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
