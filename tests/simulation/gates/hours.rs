//! When calls may start, by the true clock: to everybody, or to each person at other times.

use std::collections::BTreeSet;
use std::time::Duration;

/// Nothing in it: always, to everybody. Otherwise somebody whom it does not name may not be called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hours(pub(crate) Vec<Open>);

/// Times for some people.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    /// Their addresses; `None`: everybody.
    pub(crate) people: Option<BTreeSet<String>>,
    /// Half-open, since the start of the world.
    pub(crate) times: Vec<(Duration, Duration)>,
}

impl Hours {
    /// Whether a call to `person` that arrives at `at` may have started inside them: it was under way for up to `way`,
    /// and its process's clock may be `skew` off.
    pub(crate) fn allow(&self, person: &str, at: Duration, way: Duration, skew: Duration) -> bool {
        let is_open = |(from, to): &(Duration, Duration)| at + skew >= *from && at < *to + skew + way;
        let of_person = self.0.iter().filter(|open| {
            let people = open.people.as_ref();
            people.is_none_or(|people| people.contains(person))
        });
        self.0.is_empty() || of_person.flat_map(|open| &open.times).any(is_open)
    }
}
