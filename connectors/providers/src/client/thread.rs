//! A thread of the client: takes batches of calls, starts each at its time.

use super::exchange::Scratch;
use super::job::{Job, Open};
use super::options::{HttpCallerOptions, StartError};
use super::origin::Origin;
use super::prepared::{Authority, Parts, Prepared};
use super::slot::unusable;
use rustls::{ClientConfig, RootCertStore};
use sluice_runtime::Clock;
use sluice_runtime::ports::caller::{Call, CallResult, Endpoint};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};

/// Parsed endpoints that are kept; campaigns with recipients' values in headers bring one a call.
const PREPARED_MAX: usize = 4_096;
/// How often waiting calls are looked through for those that are too late.
const EXPIRE_EVERY: Duration = Duration::from_millis(100);

/// How often a draining thread looks whether everything has ended.
const DRAIN_EVERY: Duration = Duration::from_millis(5);

/// What all threads share.
pub(super) struct Shared {
    pub(super) options: HttpCallerOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tls: Arc<ClientConfig>,
}

impl Shared {
    pub(super) fn new(options: HttpCallerOptions, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let tls = match &options.tls {
            Some(tls) => Arc::clone(tls),
            None => Arc::new(default_tls()?),
        };
        Ok(Self { options, clock, tls })
    }
}

fn default_tls() -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// One thread's state.
pub(super) struct Worker {
    shared: Arc<Shared>,
    scratch: Rc<Scratch>,
    origins: HashMap<Authority, Rc<Origin>>,
    /// By the address of the endpoint, which each entry keeps alive.
    prepared: HashMap<usize, Rc<Prepared>>,
    /// Calls that may not start yet, by their time; a number keeps the order of equal times.
    early: BTreeMap<(Duration, u64), Job>,
    numbered: u64,
}

impl Worker {
    /// Starts the thread; `running` counts it until it ends.
    pub(super) fn spawn(
        number: usize,
        shared: Arc<Shared>,
        running: Arc<watch::Sender<usize>>,
    ) -> Result<mpsc::UnboundedSender<Vec<Call>>, StartError> {
        let (sender, batches) = mpsc::unbounded_channel();
        let (started, has_started) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new().name(format!("http-{number}")).spawn(move || {
            // Counts down also after a panic.
            let _ended = Ended(running);
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            let (runtime, problem) = match runtime {
                Ok(runtime) => (Some(runtime), None),
                Err(problem) => (None, Some(problem)),
            };
            // Whoever starts the thread waits for this.
            let _heard = started.send(problem);
            let Some(runtime) = runtime else { return };
            let worker = Worker {
                shared,
                scratch: Rc::new(Scratch::new()),
                origins: HashMap::new(),
                prepared: HashMap::new(),
                early: BTreeMap::new(),
                numbered: 0,
            };
            runtime.block_on(worker.run(batches));
        })?;
        match has_started.recv() {
            Ok(None) => Ok(sender),
            Ok(Some(problem)) => Err(problem.into()),
            Err(gone) => Err(std::io::Error::other(gone).into()),
        }
    }

    async fn run(mut self, mut batches: mpsc::UnboundedReceiver<Vec<Call>>) {
        let mut is_open = true;
        loop {
            let look = self.next_look();
            // While it drains, slots that finish their last call do not tell.
            let wait = if is_open { look } else { Some(look.unwrap_or(DRAIN_EVERY).min(DRAIN_EVERY)) };
            tokio::select! {
                batch = batches.recv(), if is_open => match batch {
                    Some(calls) => self.take(calls),
                    None => is_open = false,
                },
                () = sleep(wait) => {}
            }
            self.start_due();
            self.expire_waiting();
            if !is_open && self.early.is_empty() && !self.origins.values().any(|origin| origin.is_busy()) {
                return;
            }
        }
    }

    /// How long nothing can happen by itself.
    fn next_look(&self) -> Option<Duration> {
        let now = self.shared.clock.monotonic();
        let due = self.early.first_key_value().map(|((at, _), _)| at.saturating_sub(now));
        let is_waiting = self.origins.values().any(|origin| origin.is_waiting());
        [due, is_waiting.then_some(EXPIRE_EVERY)].into_iter().flatten().min()
    }

    fn take(&mut self, calls: Vec<Call>) {
        let now = self.shared.clock.monotonic();
        for call in calls {
            let prepared = match self.prepare(&call.request.endpoint) {
                Ok(prepared) => prepared,
                Err(problem) => {
                    Open::new(call, Arc::clone(&self.shared.clock)).end(unusable(problem));
                    continue;
                }
            };
            let not_before = call.not_before;
            let job = Job { call: Open::new(call, Arc::clone(&self.shared.clock)), prepared };
            if not_before > now {
                self.numbered += 1;
                self.early.insert((not_before, self.numbered), job);
            } else {
                dispatch(job);
            }
        }
    }

    fn start_due(&mut self) {
        if self.early.is_empty() {
            return;
        }
        let now = self.shared.clock.monotonic();
        while let Some(entry) = self.early.first_entry().filter(|entry| entry.key().0 <= now) {
            dispatch(entry.remove());
        }
    }

    fn expire_waiting(&mut self) {
        let mut late = Vec::new();
        for origin in self.origins.values().filter(|origin| origin.is_waiting()) {
            origin.expire(self.shared.clock.monotonic(), &mut late);
        }
        for job in late {
            job.call.end(CallResult::NotCalled { reason: None });
        }
    }

    fn prepare(&mut self, endpoint: &Arc<Endpoint>) -> Result<Rc<Prepared>, String> {
        let address = Arc::as_ptr(endpoint) as usize;
        if let Some(prepared) = self.prepared.get(&address) {
            return Ok(Rc::clone(prepared));
        }
        let parts = Parts::parse(endpoint)?;
        let origin = self.origins.entry(parts.authority.clone()).or_insert_with(|| {
            let (shared, scratch) = (Arc::clone(&self.shared), Rc::clone(&self.scratch));
            Origin::new(parts.authority.clone(), shared, scratch)
        });
        let prepared = Rc::new(Prepared { endpoint: Arc::clone(endpoint), parts, origin: Rc::clone(origin) });
        if self.prepared.len() >= PREPARED_MAX {
            self.prepared.clear();
        }
        self.prepared.insert(address, Rc::clone(&prepared));
        Ok(prepared)
    }
}

fn dispatch(job: Job) {
    let origin = Rc::clone(&job.prepared.origin);
    origin.dispatch(job);
}

/// Sleeps for a known time, or for ever. The runtime's timers round up to a millisecond.
async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

struct Ended(Arc<watch::Sender<usize>>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.send_modify(|threads| *threads = threads.saturating_sub(1));
    }
}
