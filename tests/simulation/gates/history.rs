//! What was in force while persons changed it.

use std::time::Duration;

/// Life of a grant: what was granted before an answer may still be called for so long (G7).
pub(crate) const LIFE: Duration = Duration::from_secs(2);

/// A rule that somebody asked for. Times are since the start of the world.
#[derive(Debug, Clone)]
pub(crate) struct Change<T> {
    pub(crate) asked: Duration,
    /// `None`: nobody heard whether it was made.
    pub(crate) acknowledged: Option<Duration>,
    pub(crate) to: T,
}

impl<T> Change<T> {
    /// What a campaign is launched with, or a process is configured with.
    pub(crate) fn launched(to: T) -> Self {
        Self { asked: Duration::ZERO, acknowledged: Some(Duration::ZERO), to }
    }
}

/// All that was in force at some time from `first` to `last`. `history` is in the order in which it was asked for: a
/// change counts from then on, what it replaces until the grants that stood on it have ended.
pub(crate) fn in_force<T>(
    history: &[Change<T>],
    first: Duration,
    last: Duration,
) -> impl Iterator<Item = &T> {
    let is_over = |later: &Change<T>| later.acknowledged.is_some_and(|at| at + LIFE < first);
    let newest_alone = history.iter().rposition(is_over).unwrap_or(0);
    let changes = history[newest_alone..].iter().filter(move |change| change.asked <= last);
    changes.map(|change| &change.to)
}
