//! The cursors of a log: each read goes to the one that stands where it begins; others rest and end.

use super::client::{self, Events};
use super::options::KafkaOptions;
use super::reader::{Cursor, Place};
use super::trouble::Trouble;
use sluice_runtime::ports::log::{LogError, Partition, ReadLimit, StoredRecord, Topic};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// A cursor that nobody reads from stops fetching ahead after this …
const REST_AFTER: Duration = Duration::from_secs(1);

/// … and ends after so many times that.
const RESTS_MAX: u32 = 60;

type Answer = oneshot::Sender<Result<Vec<StoredRecord>, LogError>>;

struct Job {
    place: Place,
    limit: ReadLimit,
    answer: Answer,
}

/// All cursors.
pub(crate) struct Readers {
    shared: Arc<Shared>,
}

struct Shared {
    options: KafkaOptions,
    names: Arc<BTreeMap<Topic, String>>,
    trouble: Arc<Trouble>,
    is_closing: AtomicBool,
    desks: Mutex<Desks>,
}

#[derive(Default)]
struct Desks {
    made: u64,
    /// Counts reads: who was used last.
    turn: u64,
    open: Vec<Desk>,
}

/// A cursor as those see it who have something to read.
struct Desk {
    number: u64,
    jobs: mpsc::Sender<Job>,
    /// Where it stands when its jobs are done.
    at: Option<Place>,
    waiting: usize,
    used: u64,
}

impl Readers {
    pub(crate) fn new(
        options: &KafkaOptions,
        names: Arc<BTreeMap<Topic, String>>,
        trouble: Arc<Trouble>,
    ) -> Self {
        let (options, desks) = (options.clone(), Mutex::default());
        Self {
            shared: Arc::new(Shared { options, names, trouble, is_closing: AtomicBool::new(false), desks }),
        }
    }

    /// Reads from a partition that is there.
    pub(crate) async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<StoredRecord>, LogError> {
        let (answer, records) = oneshot::channel();
        let place = Place { topic, partition, from };
        self.shared.give(Job { place, limit, answer })?;
        records.await.unwrap_or(Err(LogError::Closed))
    }

    /// Opens all cursors and has them learn where a topic is, before anybody reads from it: who takes many pages over
    /// reads in as many places at once, and a client that connects first takes several times as long as a read. Those
    /// that nobody reads from end after a while. Blocks for a moment.
    pub(crate) fn prepare(&self, topic: Topic) -> Result<(), LogError> {
        let mut desks = self.shared.desks();
        while desks.open.len() < self.shared.options.readers_max {
            self.shared.open(&mut desks, Some(topic))?;
        }
        Ok(())
    }

    /// What was fetched ahead of a partition is not to be used any more.
    pub(crate) fn forget(&self, topic: Topic, partition: Partition) {
        for desk in &mut self.shared.desks().open {
            desk.at.take_if(|at| at.topic == topic && at.partition == partition);
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.is_closing.store(true, Ordering::Relaxed);
        // Their channels end with them.
        self.shared.desks().open.clear();
    }
}

impl Shared {
    /// Hands a read to the cursor that stands there, else to one that stands nowhere, which is connected already, else
    /// to a new one, else to the one that has least to do.
    fn give(self: &Arc<Self>, job: Job) -> Result<(), LogError> {
        let mut desks = self.desks();
        desks.turn += 1;
        let turn = desks.turn;
        let is_there = |desk: &Desk| desk.waiting == 0 && desk.at == Some(job.place);
        let is_free = |desk: &Desk| desk.waiting == 0 && desk.at.is_none();
        let free = || desks.open.iter().position(is_free);
        let found = match desks.open.iter().position(is_there).or_else(free) {
            Some(index) => index,
            None if desks.open.len() < self.options.readers_max => self.open(&mut desks, None)?,
            None => {
                let order = |desk: &(usize, &Desk)| (desk.1.waiting, desk.1.used);
                desks.open.iter().enumerate().min_by_key(order).map_or(0, |(index, _)| index)
            }
        };
        let Some(desk) = desks.open.get_mut(found) else { return Err(LogError::Closed) };
        // The cursor learns from the desk whether what it fetched ahead may be used.
        let is_sequel = desk.waiting == 0 && desk.at == Some(job.place);
        if !is_sequel {
            desk.at = None;
        }
        desk.waiting += 1;
        desk.used = turn;
        desk.jobs.send(job).map_err(|_| LogError::Closed)
    }

    /// Another cursor, which first learns where a topic is.
    fn open(self: &Arc<Self>, desks: &mut Desks, first: Option<Topic>) -> Result<usize, LogError> {
        let failed = |reason: String| LogError::Storage(format!("no reader: {reason}"));
        let events = Events { trouble: self.trouble.clone() };
        let consumer = client::reader(&self.options)
            .create_with_context(events)
            .map_err(|error| failed(error.to_string()))?;
        let cursor = Cursor::new(consumer, self.trouble.clone());
        let (jobs, received) = mpsc::channel();
        desks.made += 1;
        let (number, shared) = (desks.made, self.clone());
        std::thread::Builder::new()
            .name("kafka-read".to_owned())
            .spawn(move || {
                if let Some(name) = first.and_then(|topic| shared.names.get(&topic)) {
                    cursor.connect(name);
                }
                shared.serve(number, cursor, &received);
            })
            .map_err(|error| failed(error.to_string()))?;
        desks.open.push(Desk { number, jobs, at: None, waiting: 0, used: 0 });
        Ok(desks.open.len() - 1)
    }

    /// The thread of one cursor.
    fn serve(&self, number: u64, mut cursor: Cursor, jobs: &mpsc::Receiver<Job>) {
        let mut rests = 0;
        loop {
            match jobs.recv_timeout(REST_AFTER) {
                Ok(job) => {
                    rests = 0;
                    self.work(number, &mut cursor, job);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    rests += 1;
                    let mut desks = self.desks();
                    let Some(index) = desks.open.iter().position(|desk| desk.number == number) else {
                        return;
                    };
                    if desks.open[index].waiting > 0 {
                        continue;
                    }
                    if rests > RESTS_MAX {
                        desks.open.swap_remove(index);
                        return;
                    }
                    desks.open[index].at = None;
                    drop(desks);
                    cursor.rest();
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn work(&self, number: u64, cursor: &mut Cursor, job: Job) {
        let Job { place, limit, answer } = job;
        let is_wanted = || !answer.is_closed() && !self.is_closing.load(Ordering::Relaxed);
        let known = {
            let mut desks = self.desks();
            desks.open.iter_mut().find(|desk| desk.number == number).and_then(|desk| desk.at)
        };
        if known != Some(place) {
            cursor.leave();
        }
        let name = self.names.get(&place.topic).map_or("", String::as_str);
        let read = if is_wanted() { cursor.read(name, place, limit, &is_wanted) } else { None };
        {
            let mut desks = self.desks();
            if let Some(desk) = desks.open.iter_mut().find(|desk| desk.number == number) {
                desk.waiting -= 1;
                desk.at = cursor.at();
            }
        }
        if let Some(read) = read {
            drop(answer.send(read));
        }
    }

    fn desks(&self) -> std::sync::MutexGuard<'_, Desks> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
