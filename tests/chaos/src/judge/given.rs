//! What became of commands, and the rules that follow from it.

use super::rules::{Change, Held, Limit, Rulebook, Scope};
use crate::order::Action;
use crate::rules::Rules;

/// A command as it was given; microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// What was asked for.
    pub action: Action,
    /// The first time.
    pub asked_us: u64,
    /// When it was answered that it holds; `None`: it was refused, or nobody answered.
    pub acknowledged_us: Option<u64>,
    /// A request was not answered, and may be carried out at any later time.
    pub lingers: bool,
}

impl Given {
    /// Whether it may have come about at all.
    fn counts(&self) -> bool {
        self.acknowledged_us.is_some() || self.lingers
    }
}

/// What the calls of a campaign had to keep that was launched with `rules`, and to which this was done.
pub fn rulebook(rules: &Rules, given: &[Given]) -> Rulebook {
    const SECOND_US: u64 = 1_000_000;
    let with = |count: u64, changed: fn(Action) -> Option<Option<u64>>| {
        let changes = given.iter().filter(|given| given.counts()).filter_map(|given| {
            Some(Change {
                asked_us: given.asked_us,
                acknowledged_us: given.acknowledged_us,
                count: changed(given.action)?,
                lingers: given.lingers,
            })
        });
        std::iter::once(Change::launched(count)).chain(changes).collect::<Vec<_>>()
    };
    let rate = rules.rate.map(|rate| Limit {
        scope: Scope::Campaign,
        per_us: rate.per_s * SECOND_US,
        history: with(rate.count, |action| match action {
            Action::Rate(rate) => Some(rate.map(|rate| rate.count)),
            _ => None,
        }),
    });
    // A pair has no burst: the calls of its window are that far apart.
    let pair = rules.pair.map(|rate| Limit {
        scope: Scope::Pair,
        per_us: rate.per_s * SECOND_US / rate.count,
        history: vec![Change::launched(1)],
    });
    let daily = rules.daily.map(|count| Limit {
        scope: Scope::Day,
        per_us: 24 * 60 * 60 * SECOND_US,
        history: with(count, |action| match action {
            Action::Daily(limit) => Some(limit),
            _ => None,
        }),
    });
    let minute_us = |minute: u64| minute * 60 * SECOND_US;
    Rulebook {
        limits: [rate, pair, daily].into_iter().flatten().collect(),
        open_us: rules.open.iter().map(|(from, to)| (minute_us(*from), minute_us(*to))).collect(),
        held: held(given),
    }
}

fn held(given: &[Given]) -> Vec<Held> {
    let mut held: Vec<Held> = Vec::new();
    // A request to go on that nobody answered may be carried out after a later pause.
    let mut may_go_on = false;
    for given in given {
        match (given.action, given.acknowledged_us) {
            (Action::Pause, Some(acknowledged_us)) if !may_go_on => {
                held.push(Held { acknowledged_us, until_us: None });
            }
            (Action::Cancel, Some(acknowledged_us)) => held.push(Held { acknowledged_us, until_us: None }),
            (Action::Resume, _) if given.counts() => {
                may_go_on |= given.lingers;
                let open = held.iter_mut().filter(|held| held.until_us.is_none());
                open.for_each(|held| held.until_us = Some(given.asked_us));
            }
            _ => {}
        }
    }
    held
}

/// How a campaign may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nobody cancelled it.
    Completed,
    /// A cancel was answered.
    Cancelled,
    /// Nobody knows what became of a cancel.
    Either,
}

impl End {
    /// What follows from commands.
    pub fn of(given: &[Given]) -> Self {
        let mut cancels = given.iter().filter(|given| given.action == Action::Cancel);
        match () {
            () if cancels.clone().any(|given| given.acknowledged_us.is_some()) => End::Cancelled,
            () if cancels.any(Given::counts) => End::Either,
            () => End::Completed,
        }
    }

    /// Whether people may be left uncalled.
    pub fn may_leave_people(self) -> bool {
        self != End::Completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rate;

    const S: u64 = 1_000_000;

    fn given(action: Action, asked_s: u64, acknowledged_s: Option<u64>, lingers: bool) -> Given {
        let acknowledged_us = acknowledged_s.map(|at| at * S);
        Given { action, asked_us: asked_s * S, acknowledged_us, lingers }
    }

    fn held_by(given: &[Given]) -> Vec<(u64, Option<u64>)> {
        let book = rulebook(&Rules::default(), given);
        book.held
            .iter()
            .map(|held| (held.acknowledged_us / S, held.until_us.map(|until| until / S)))
            .collect()
    }

    #[test]
    fn g7_a_pause_holds_from_its_answer_until_it_is_asked_to_go_on_and_a_cancel_for_ever() {
        let pause = given(Action::Pause, 10, Some(11), true);
        let resume = given(Action::Resume, 20, Some(25), false);
        assert_eq!(held_by(&[pause, resume]), [(11, Some(20))]);
        assert_eq!(held_by(&[pause, given(Action::Cancel, 14, Some(15), false)]), [(11, None), (15, None)]);
        assert_eq!(held_by(&[given(Action::Pause, 10, None, true)]), []);
    }

    #[test]
    fn g7_after_a_resume_that_may_still_be_carried_out_a_pause_can_not_be_judged() {
        let resume = given(Action::Resume, 5, Some(6), true);
        let pause = given(Action::Pause, 10, Some(11), false);
        assert_eq!(held_by(&[resume, pause]), []);
        assert_eq!(held_by(&[Given { lingers: false, ..resume }, pause]), [(11, None)]);
        assert_eq!(held_by(&[resume, given(Action::Cancel, 14, Some(15), false)]), [(15, None)]);
    }

    #[test]
    fn g4_limits_have_the_history_of_their_changes_without_those_that_were_refused() {
        let rules = Rules {
            rate: Some(Rate { count: 6, per_s: 1 }),
            pair: Some(Rate { count: 12, per_s: 60 }),
            daily: Some(40),
            open: vec![(1, 2)],
        };
        let narrow = Action::Rate(Some(Rate { count: 3, per_s: 1 }));
        let book = rulebook(
            &rules,
            &[
                given(narrow, 5, Some(6), false),
                given(Action::Rate(None), 7, None, false),
                given(Action::Daily(None), 8, Some(9), false),
            ],
        );
        let [rate, pair, daily] = &book.limits[..] else { panic!("{book:?}") };
        assert_eq!((rate.per_us, rate.history.len(), rate.history[1].count), (S, 2, Some(3)));
        assert_eq!((pair.per_us, pair.history.len()), (5 * S, 1));
        assert_eq!((daily.history.len(), daily.history[1].count), (2, None));
        assert_eq!(book.open_us, [(60 * S, 120 * S)]);
    }

    #[test]
    fn g8_an_answered_cancel_decides_the_end() {
        assert_eq!(End::of(&[given(Action::Cancel, 1, Some(2), false)]), End::Cancelled);
        assert_eq!(End::of(&[given(Action::Cancel, 1, None, true)]), End::Either);
        assert_eq!(End::of(&[given(Action::Cancel, 1, None, false)]), End::Completed);
    }
}
