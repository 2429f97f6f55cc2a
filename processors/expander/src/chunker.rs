//! Which rows make a chunk. Pure: no I/O, time is an argument.
//!
//! Invariants:
//! - A row's class and its position among the rows of its class follow from the source alone, so a second
//!   expansion numbers every row as the first did (hazard 1).
//! - A chunk holds consecutive positions of one class. Chunks of a class close in the order of their positions
//!   and begin where the committed ones end, so committed chunks always cover a prefix of each class.
//! - Open rows stay below a byte budget, however many classes there are (hazard 28): beyond it the largest chunks
//!   close first.

use std::collections::BTreeSet;
use std::time::Duration;

/// When chunks close.
#[derive(Debug, Clone, Copy)]
pub struct ChunkLimits {
    /// Rows of a chunk at most, at least 1.
    pub rows_max: u32,
    /// How long the first chunk of a class waits for more rows.
    pub linger_first: Duration,
    /// The wait doubles with every chunk of the class, and with the number of chunks that any class did not fill in
    /// time, up to this.
    pub linger_max: Duration,
    /// Bytes over all open chunks.
    pub bytes_max: usize,
}

/// Consecutive rows of one class; index in `rows` = index in the chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedChunk<T> {
    /// Which class.
    pub class: usize,
    /// Position of the first row among the rows of its class.
    pub first_in_class: u64,
    /// At least one.
    pub rows: Vec<T>,
}

/// Open chunks of all classes.
#[derive(Debug)]
pub struct Chunker<T> {
    limits: ChunkLimits,
    classes: Vec<Class<T>>,
    /// When which class's open chunk closes: one entry for every open chunk.
    deadlines: BTreeSet<(Duration, usize)>,
    open_bytes: usize,
    /// Chunks that closed because they had waited: decides the linger.
    lingered: u64,
}

#[derive(Debug)]
struct Class<T> {
    /// Rows of the class met so far.
    seen: u64,
    /// Rows of the class in chunks that were committed before.
    committed: u64,
    /// Chunks closed by this expansion: decides the linger.
    closed: u32,
    open: Option<Open<T>>,
}

impl<T> Class<T> {
    fn new(committed: u64) -> Self {
        Self { seen: 0, committed, closed: 0, open: None }
    }
}

#[derive(Debug)]
struct Open<T> {
    first_in_class: u64,
    rows: Vec<T>,
    bytes: usize,
    deadline: Duration,
}

impl<T> Chunker<T> {
    /// `committed[class]`: how many rows of the class are in committed chunks; of classes beyond it, none are.
    pub fn new(limits: ChunkLimits, committed: &[u64]) -> Self {
        Self {
            limits,
            classes: committed.iter().map(|&committed| Class::new(committed)).collect(),
            deadlines: BTreeSet::new(),
            open_bytes: 0,
            lingered: 0,
        }
    }

    /// Takes the next row of the source. `bytes`: what it holds in memory. A row of the committed prefix of its
    /// class is passed over.
    pub fn push(
        &mut self,
        class: usize,
        row: T,
        bytes: usize,
        now: Duration,
        closed: &mut Vec<ClosedChunk<T>>,
    ) {
        let limits = self.limits;
        if class >= self.classes.len() {
            self.classes.resize_with(class + 1, || Class::new(0));
        }
        let state = &mut self.classes[class];
        let position = state.seen;
        state.seen += 1;
        if position < state.committed {
            return;
        }
        let open = state.open.get_or_insert_with(|| {
            let deadline = now.saturating_add(linger(limits, state.closed, self.lingered));
            self.deadlines.insert((deadline, class));
            Open { first_in_class: position, rows: Vec::new(), bytes: 0, deadline }
        });
        open.rows.push(row);
        open.bytes += bytes;
        self.open_bytes += bytes;
        if open.rows.len() >= limits.rows_max as usize {
            self.close(class, closed);
        } else if self.open_bytes > limits.bytes_max {
            self.shed(closed);
        }
    }

    /// Closes what has waited long enough.
    pub fn tick(&mut self, now: Duration, closed: &mut Vec<ClosedChunk<T>>) {
        while let Some(&(deadline, class)) = self.deadlines.first()
            && deadline <= now
        {
            self.lingered += 1;
            self.close(class, closed);
        }
    }

    /// When [`Chunker::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The source has ended: closes everything.
    pub fn finish(&mut self, closed: &mut Vec<ClosedChunk<T>>) {
        while let Some(&(_, class)) = self.deadlines.first() {
            self.close(class, closed);
        }
    }

    /// Forgets open rows: the campaign was cancelled, they are only counted.
    pub fn discard(&mut self) {
        self.deadlines.clear();
        self.open_bytes = 0;
        self.classes.iter_mut().for_each(|class| class.open = None);
    }

    /// Whether every committed row was met again; otherwise the source is not the one that was expanded before.
    pub fn met_all_committed(&self) -> bool {
        self.classes.iter().all(|class| class.seen >= class.committed)
    }

    /// Bytes of open rows.
    pub fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    fn close(&mut self, class: usize, closed: &mut Vec<ClosedChunk<T>>) {
        let state = &mut self.classes[class];
        let Some(open) = state.open.take() else { return };
        state.closed = state.closed.saturating_add(1);
        self.deadlines.remove(&(open.deadline, class));
        self.open_bytes -= open.bytes;
        closed.push(ClosedChunk { class, first_in_class: open.first_in_class, rows: open.rows });
    }

    /// Closes the largest until a quarter of the budget is free, so that the search for the largest is paid once
    /// for many rows and not for each.
    fn shed(&mut self, closed: &mut Vec<ClosedChunk<T>>) {
        let bytes_of = |class: usize| self.classes[class].open.as_ref().map_or(0, |open| open.bytes);
        let mut by_size: Vec<(usize, usize)> =
            self.deadlines.iter().map(|&(_, class)| (bytes_of(class), class)).collect();
        by_size.sort_unstable_by(|a, b| b.cmp(a));
        let enough = self.limits.bytes_max / 4 * 3;
        for (_, class) in by_size {
            if self.open_bytes <= enough {
                break;
            }
            self.close(class, closed);
        }
    }
}

/// Chunks of any class that may close early at the first linger.
const LINGERED_FREELY: u64 = 64;

/// Doubles with the chunks of the class. Where classes are many, each would close a chunk of a row or two before the
/// wait has grown; so it also doubles when the early ones of all classes do.
fn linger(limits: ChunkLimits, closed: u32, lingered: u64) -> Duration {
    let doublings = closed.saturating_add((1 + lingered / LINGERED_FREELY).ilog2());
    limits.linger_first.saturating_mul(1u32 << doublings.min(20)).min(limits.linger_max)
}

#[cfg(test)]
mod tests;
