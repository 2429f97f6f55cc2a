//! Opening, writing, closing.

use crate::committer::{Committer, Counts};
use crate::flush::flush;
use crate::lock::DirectoryLock;
use crate::queue::{Job, Life, Priority, Queue, Reservation};
use crate::{EngineError, EngineOptions, Keyspace, Shape, Snapshot, Ticket, Tx};
use std::fmt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, oneshot};

/// One data directory, opened by this process. Dropping it commits what waits and closes it.
pub struct Engine {
    database: fjall::Database,
    dir: Arc<Path>,
    queue: Arc<Queue>,
    counts: Arc<Counts>,
    room: Arc<Semaphore>,
    room_units: u32,
    committer: Mutex<Option<JoinHandle<()>>>,
    // Last, so that it is let go last.
    _lock: DirectoryLock,
}

/// What the engine has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Durable batches.
    pub commits: u64,
    /// Keys set or removed.
    pub changes: u64,
    /// Bytes of keys and values in them.
    pub bytes: u64,
    /// Bytes that tables hold in memory, also of what was there before: in the journal, in no file of theirs.
    pub unflushed_bytes: u64,
}

/// Reservations are counted in these, so that a semaphore can hold them.
const ROOM_UNIT: usize = 1 << 10;

const FORMAT_FILE: &str = "sluice.format";

/// Of the tables' names, keys and values, all together.
const FORMAT: &str = "1";

impl Engine {
    /// Opens the directory, and makes it first where there is none.
    ///
    /// # Errors
    /// When another process has it, when it is no directory, when the disk is full, when what it holds is
    /// damaged or written by another version.
    pub fn open(dir: impl AsRef<Path>, options: EngineOptions) -> Result<Self, EngineError> {
        let dir: Arc<Path> = Arc::from(dir.as_ref());
        if dir.exists() && !dir.is_dir() {
            return Err(EngineError::NotADirectory { dir: dir.to_path_buf() });
        }
        std::fs::create_dir_all(&dir).map_err(|error| EngineError::from_io(&dir, &error))?;
        let lock = DirectoryLock::acquire(&dir)?;
        check_format(&dir)?;
        let database = fjall::Database::builder(&dir)
            .manual_journal_persist(true)
            .max_journaling_size(options.journal_bytes_max.max(64 << 20))
            .cache_size(options.cache_bytes)
            .worker_threads(options.worker_threads.max(1))
            .open()
            .map_err(|error| EngineError::from_fjall(&dir, &error))?;
        let queue = Arc::new(Queue::new());
        let counts = Arc::new(Counts::default());
        let room_units =
            u32::try_from(options.low_bytes_waiting_max.div_ceil(ROOM_UNIT)).unwrap_or(u32::MAX).max(1);
        let committer = Committer {
            database: database.clone(),
            dir: dir.clone(),
            queue: queue.clone(),
            counts: counts.clone(),
            options,
        };
        let thread = std::thread::Builder::new()
            .name("sluice-committer".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| EngineError::from_io(&dir, &error))?;
        Ok(Self {
            database,
            dir,
            queue,
            counts,
            room: Arc::new(Semaphore::new(room_units as usize)),
            room_units,
            committer: Mutex::new(Some(thread)),
            _lock: lock,
        })
    }

    /// The table of this name; it is made where there is none. The shape counts when it is made.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn keyspace(&self, name: &str, shape: Shape) -> Result<Keyspace, EngineError> {
        Keyspace::open(&self.database, self.dir.clone(), name, shape)
    }

    /// The durable contents at this moment.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.database.snapshot())
    }

    /// Enqueues a write at once; writes of one priority run in the order of their calls. The ticket resolves
    /// when the batch that holds it is durable.
    ///
    /// The closure runs on the committing thread: encode and compress before.
    pub fn write<T: Send + 'static>(
        &self,
        priority: Priority,
        write: impl FnOnce(&mut Tx) -> T + Send + 'static,
    ) -> Ticket<T> {
        let (sender, receiver) = oneshot::channel();
        self.write_then(priority, write, move |answer| {
            // Nobody may wait any more; the write stands all the same.
            drop(sender.send(answer));
        });
        Ticket(receiver)
    }

    /// As [`Engine::write`], but calls `then` with the answer, on the committing thread and in the order of
    /// the writes: keep it short.
    pub fn write_then<T: Send + 'static>(
        &self,
        priority: Priority,
        write: impl FnOnce(&mut Tx) -> T + Send + 'static,
        then: impl FnOnce(Result<T, EngineError>) + Send + 'static,
    ) {
        self.queue.push(priority, Box::new(Write { write: Some(write), answer: None, then }));
    }

    /// As [`Engine::write`], but blocks the thread until it is durable: for starting up.
    ///
    /// # Errors
    /// When the disk fails or the engine is closed.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Tx) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (sender, receiver) = mpsc::channel();
        self.write_then(Priority::High, write, move |answer| drop(sender.send(answer)));
        receiver.recv().unwrap_or(Err(EngineError::Closed))
    }

    /// Waits until there is room for `bytes` of low-priority writes.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        // A write larger than the whole room waits for all of it.
        let units = u32::try_from(bytes.div_ceil(ROOM_UNIT)).unwrap_or(u32::MAX).clamp(1, self.room_units);
        Reservation { _permit: self.room.clone().acquire_many_owned(units).await.ok() }
    }

    /// Why nothing is acknowledged any more; `None` while all is well.
    pub fn failure(&self) -> Option<EngineError> {
        match self.queue.life() {
            Life::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// What was done since it was opened.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            commits: self.counts.commits.load(Ordering::Relaxed),
            changes: self.counts.changes.load(Ordering::Relaxed),
            bytes: self.counts.bytes.load(Ordering::Relaxed),
            unflushed_bytes: self.database.write_buffer_size(),
        }
    }

    /// Commits what waits, makes files of the larger tables in memory and takes no more writes; reading goes on.
    /// Blocks until it is done.
    pub fn close(&self) {
        self.queue.close();
        let thread = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What the committing thread drops may hold the engine; it can't wait for itself.
        let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) else {
            return;
        };
        if thread.join().is_err() {
            tracing::error!("the committing thread panicked");
        } else if matches!(self.failure(), None | Some(EngineError::Closed)) {
            match flush(&self.database).map_err(|error| EngineError::from_fjall(&self.dir, &error)) {
                Ok(true) => {}
                Ok(false) => tracing::warn!("the disk is slow: the next start reads more from the journal"),
                Err(error) => tracing::warn!(%error, "the next start reads more from the journal"),
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.dir.display())
    }
}

fn check_format(dir: &Path) -> Result<(), EngineError> {
    let path = dir.join(FORMAT_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim() == FORMAT => Ok(()),
        Ok(text) if !text.trim().is_empty() => Err(EngineError::Damaged {
            dir: dir.to_owned(),
            reason: format!("it is of format {}, this program reads format {FORMAT}", text.trim()),
        }),
        // None, or a crash came before it was written.
        _ => std::fs::write(&path, FORMAT).map_err(|error| EngineError::from_io(dir, &error)),
    }
}

struct Write<T, F, D> {
    write: Option<F>,
    answer: Option<T>,
    then: D,
}

impl<T, F, D> Job for Write<T, F, D>
where
    T: Send,
    F: FnOnce(&mut Tx) -> T + Send,
    D: FnOnce(Result<T, EngineError>) + Send,
{
    fn run(&mut self, tx: &mut Tx) {
        self.answer = self.write.take().map(|write| write(tx));
    }

    fn finish(self: Box<Self>, committed: Result<(), EngineError>) {
        let Self { answer, then, .. } = *self;
        then(committed.and_then(|()| answer.ok_or(EngineError::Closed)));
    }
}
