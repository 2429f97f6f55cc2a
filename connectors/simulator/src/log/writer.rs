//! The log's writer: a thread of its own, so that no call waits for the disk.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::line::LogLine;
use crate::error::Error;

/// A line is in the file at the latest after this time.
const FLUSH_EVERY: Duration = Duration::from_millis(40);

enum Order {
    Line(LogLine),
    Flush(oneshot::Sender<()>),
    Close,
}

/// Takes lines; without a path it drops them.
#[derive(Debug)]
pub(crate) struct LogWriter {
    orders: Option<Sender<Order>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    lines: AtomicU64,
    errors: Arc<AtomicU64>,
}

impl LogWriter {
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Error> {
        let errors = Arc::new(AtomicU64::new(0));
        let Some(path) = path else {
            return Ok(Self { orders: None, thread: Mutex::new(None), lines: AtomicU64::new(0), errors });
        };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|source| Error::Log { path: path.to_owned(), source })?;
        let (orders, inbox) = channel();
        let writer = Writer {
            out: BufWriter::with_capacity(1 << 18, file),
            path: path.to_owned(),
            errors: Arc::clone(&errors),
            buffer: Vec::with_capacity(512),
        };
        let thread = std::thread::Builder::new()
            .name("simulator-log".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(|error| Error::Thread(error.to_string()))?;
        Ok(Self { orders: Some(orders), thread: Mutex::new(Some(thread)), lines: AtomicU64::new(0), errors })
    }

    pub(crate) fn append(&self, line: LogLine) {
        if let Some(orders) = &self.orders {
            self.lines.fetch_add(1, Ordering::Relaxed);
            if orders.send(Order::Line(line)).is_err() {
                self.errors.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns when everything appended before is in the file.
    pub(crate) async fn flush(&self) {
        let Some(orders) = &self.orders else { return };
        let (done, wait) = oneshot::channel();
        if orders.send(Order::Flush(done)).is_ok() {
            // An ended writer has flushed already.
            drop(wait.await);
        }
    }

    /// Flushes and ends the thread. Lines appended later are counted as errors.
    pub(crate) fn close(&self) -> Result<(), Error> {
        if let Some(orders) = &self.orders {
            // The thread may have ended already; joining it tells.
            drop(orders.send(Order::Close));
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        match thread {
            Some(thread) => thread.join().map_err(|_| Error::Thread("the log writer panicked".to_owned())),
            None => Ok(()),
        }
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

struct Writer {
    out: BufWriter<File>,
    path: PathBuf,
    errors: Arc<AtomicU64>,
    buffer: Vec<u8>,
}

impl Writer {
    fn run(mut self, inbox: &Receiver<Order>) {
        loop {
            // Nothing is buffered here: the wait has no end.
            let Ok(mut order) = inbox.recv() else { return };
            let flush_at = Instant::now() + FLUSH_EVERY;
            loop {
                match order {
                    Order::Line(line) => self.write(&line),
                    Order::Flush(done) => {
                        self.flush();
                        // Whoever asked may have gone.
                        done.send(()).unwrap_or_default();
                    }
                    Order::Close => return self.flush(),
                }
                match inbox.recv_timeout(flush_at.saturating_duration_since(Instant::now())) {
                    Ok(next) => order = next,
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return self.flush(),
                }
                if let Order::Line(line) = &order
                    && Instant::now() >= flush_at
                {
                    self.write(line);
                    break;
                }
            }
            self.flush();
        }
    }

    fn write(&mut self, line: &LogLine) {
        self.buffer.clear();
        let written =
            serde_json::to_writer(&mut self.buffer, line).map_err(std::io::Error::from).and_then(|()| {
                self.buffer.push(b'\n');
                self.out.write_all(&self.buffer)
            });
        self.note(written);
    }

    fn flush(&mut self) {
        let flushed = self.out.flush();
        self.note(flushed);
    }

    fn note(&self, result: std::io::Result<()>) {
        if let Err(error) = result
            && self.errors.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::error!(path = %self.path.display(), %error, "the simulator cannot write its log");
        }
    }
}
