//! Processes, and the points where something may happen to them.

use crate::clock::SimClock;
use crate::faults::Faults;
use crate::random::Random;
use crate::status::{Status, StatusWatch};
use crate::trace::{Trace, TraceEntry};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A process of a world: one incarnation, a restart is another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(u32);

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

impl fmt::Debug for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The wall clock at the start unless set otherwise: 2026-01-05 09:00 UTC, a Monday morning.
pub const EPOCH_MS: i64 = 1_767_603_600_000;

/// The world. Clones are the same world.
#[derive(Clone)]
pub struct World {
    shared: Arc<Shared>,
}

struct Shared {
    seed: u64,
    start: Instant,
    state: Mutex<State>,
    crash: Notify,
}

struct State {
    random: Random,
    faults: Faults,
    processes: Vec<Process>,
    trace: Trace,
    effects: u64,
    crashes: u32,
    freezes: u32,
    unreported: VecDeque<ProcessId>,
}

struct Process {
    name: String,
    status: StatusWatch,
    observer: bool,
    skew_ms: i64,
}

enum Fate {
    GoOn,
    Die,
    Freeze(Duration),
}

impl World {
    /// A world of this seed. Made inside the runtime whose (paused) time it lives in.
    pub fn new(seed: u64, faults: Faults) -> Self {
        let state = State {
            random: Random::new(seed),
            faults,
            processes: Vec::new(),
            trace: Trace::default(),
            effects: 0,
            crashes: 0,
            freezes: 0,
            unreported: VecDeque::new(),
        };
        let shared = Shared { seed, start: Instant::now(), state: Mutex::new(state), crash: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seed, for a failing test to print.
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// Since the start.
    pub fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }

    /// The true wall time, ms since 1970.
    pub fn wall_ms(&self) -> i64 {
        EPOCH_MS + i64::try_from(self.now().as_millis()).unwrap_or(i64::MAX - EPOCH_MS)
    }

    /// Waits until a time since the start; the timers of the runtime count in ms.
    pub async fn sleep_until(&self, at: Duration) {
        tokio::time::sleep_until(self.shared.start + at).await;
    }

    /// Starts a process.
    pub fn start(&self, name: &str) -> ProcessId {
        self.register(name, false)
    }

    /// Starts a process that no fault ever touches and whose effects are not counted: for a test's own hands.
    pub fn observer(&self, name: &str) -> ProcessId {
        self.register(name, true)
    }

    fn register(&self, name: &str, observer: bool) -> ProcessId {
        let mut state = self.state();
        let id = ProcessId(state.processes.len() as u32);
        let skew_max = state.faults.skew_ms_max;
        let skew = if observer || skew_max == 0 { skew_max } else { state.random.between(0, 2 * skew_max) };
        let process = Process {
            name: name.to_owned(),
            status: StatusWatch::new(Status::Alive),
            observer,
            skew_ms: skew as i64 - skew_max as i64,
        };
        state.processes.push(process);
        drop(state);
        self.note(id, format!("starts as {name}"));
        id
    }

    /// The clocks of a process.
    pub fn clock(&self, process: ProcessId) -> Arc<SimClock> {
        Arc::new(SimClock::new(self.clone(), process))
    }

    pub(crate) fn skew_ms(&self, process: ProcessId) -> i64 {
        self.state().processes[process.0 as usize].skew_ms
    }

    /// The name given at the start.
    pub fn name(&self, process: ProcessId) -> String {
        self.state().processes[process.0 as usize].name.clone()
    }

    /// How a process is.
    pub fn status(&self, process: ProcessId) -> Status {
        self.state().processes[process.0 as usize].status.get()
    }

    /// Hears every change of a process.
    pub fn watch(&self, process: ProcessId) -> StatusWatch {
        self.state().processes[process.0 as usize].status.clone()
    }

    /// The process is dead from now on; its port calls never return. Drop its tasks after this.
    pub fn kill(&self, process: ProcessId) {
        self.set_status(process, Status::Dead, "is killed");
    }

    /// The process stands still from now on.
    pub fn freeze(&self, process: ProcessId) {
        self.set_status(process, Status::Frozen, "freezes");
    }

    /// The process goes on where it stood.
    pub fn thaw(&self, process: ProcessId) {
        if self.status(process) == Status::Frozen {
            self.set_status(process, Status::Alive, "thaws");
        }
    }

    fn set_status(&self, process: ProcessId, status: Status, what: &str) {
        if self.status(process) == Status::Dead {
            return;
        }
        self.note(process, what.to_owned());
        self.watch(process).set(status);
    }

    /// Waits while the process is frozen; never returns when it is dead.
    pub async fn pass(&self, process: ProcessId) {
        if self.watch(process).wait_for(|status| status != Status::Frozen).await == Status::Dead {
            std::future::pending().await
        }
    }

    /// A point of a port operation: right before or right after it changes something. Takes its time; the
    /// process may freeze or die here, and then this never returns. What follows it without an `await`
    /// happens at once.
    pub async fn effect(&self, process: ProcessId, what: &'static str) {
        let latency = self.latency(process);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        self.pass(process).await;
        match self.decide(process, what) {
            Fate::GoOn => {}
            Fate::Die => {
                self.set_status(process, Status::Dead, "crashes here");
                self.state().unreported.push_back(process);
                self.shared.crash.notify_one();
                std::future::pending::<()>().await;
            }
            Fate::Freeze(time) => {
                self.freeze(process);
                let world = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    world.thaw(process);
                });
                self.pass(process).await;
            }
        }
    }

    fn latency(&self, process: ProcessId) -> Duration {
        let mut state = self.state();
        if state.processes[process.0 as usize].observer {
            return Duration::ZERO;
        }
        let State { random, faults, .. } = &mut *state;
        let max = if random.chance(faults.slow_ppm) { faults.slow_ms_max } else { faults.latency_ms_max };
        Duration::from_millis(if max == 0 { 0 } else { random.between(0, max) })
    }

    fn decide(&self, process: ProcessId, what: &'static str) -> Fate {
        let at = self.now();
        let mut state = self.state();
        let State { random, faults, effects, crashes, freezes, processes, trace, .. } = &mut *state;
        if processes[process.0 as usize].observer {
            return Fate::GoOn;
        }
        *effects += 1;
        trace.push(TraceEntry { effect: *effects, at, process, what: what.to_owned() });
        if faults.crash_at == Some(*effects) {
            *crashes += 1;
            return Fate::Die;
        }
        if *crashes < faults.crashes_max && random.chance(faults.crash_ppm) {
            *crashes += 1;
            return Fate::Die;
        }
        if *freezes < faults.freezes_max && random.chance(faults.freeze_ppm) {
            *freezes += 1;
            return Fate::Freeze(Duration::from_millis(
                random.between(faults.freeze_ms_min, faults.freeze_ms_max),
            ));
        }
        Fate::GoOn
    }

    /// The next process that died of a seeded crash; each is reported once. Cancel-safe. Its tasks should be
    /// dropped then.
    pub async fn crashed(&self) -> ProcessId {
        loop {
            let (reported, more) = {
                let mut state = self.state();
                (state.unreported.pop_front(), !state.unreported.is_empty())
            };
            if more {
                self.shared.crash.notify_one();
            }
            match reported {
                Some(process) => return process,
                None => self.shared.crash.notified().await,
            }
        }
    }

    /// Waits until this process is dead.
    pub async fn died(&self, process: ProcessId) {
        self.watch(process).wait_for(|status| status == Status::Dead).await;
    }

    /// Replaces the faults from now on: `Faults::none()` lets a run come to its end.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// The present faults as they concern this process: an observer has none.
    pub fn faults(&self, process: ProcessId) -> Faults {
        let state = self.state();
        if state.processes[process.0 as usize].observer { Faults::none() } else { state.faults.clone() }
    }

    /// Draws from the seed.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.state().random)
    }

    /// Effects so far.
    pub fn effects_seen(&self) -> u64 {
        self.state().effects
    }

    /// Seeded crashes so far.
    pub fn crashes_seen(&self) -> u32 {
        self.state().crashes
    }

    /// Adds a remark to the trace.
    pub fn note(&self, process: ProcessId, what: String) {
        let at = self.now();
        self.state().trace.push(TraceEntry { effect: 0, at, process, what });
    }

    /// The last effects and remarks, oldest first.
    pub fn trace(&self) -> Vec<TraceEntry> {
        self.state().trace.kept().cloned().collect()
    }

    /// A digest of all effects and remarks: equal for equal runs.
    pub fn digest(&self) -> u64 {
        self.state().trace.digest()
    }

    /// Seed and trace as text, for a failing test.
    pub fn report(&self) -> String {
        let mut text = format!("seed {}, {} effects; the last of them:\n", self.seed(), self.effects_seen());
        for entry in self.trace() {
            text.push_str(&format!("{entry}\n"));
        }
        text
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.seed()).field("effects", &self.effects_seen()).finish()
    }
}
