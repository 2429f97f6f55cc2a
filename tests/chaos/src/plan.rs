//! The campaigns of a round, their rules, and what persons do to them: pure, the same for the same seed and minute.

use crate::chance::Chance;
use crate::order::{Action, Order};
use crate::quotas::COUNTER_DAILY;
use crate::rules::{Rate, Rules};
use crate::settings::{CORNER, HTTP_PAGES, KIOSK, Settings, WHATSAPP_PAGES};
use sluice_simulator::Channel;

/// Nothing is ordered before.
const FIRST_ORDER_MS: u64 = 5_000;
/// A window is open long enough for whatever comes.
const LONG_MIN: u64 = 12 * 60;

/// A campaign before its audience is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name, without the round.
    pub name: &'static str,
    /// Its channel.
    pub channel: Channel,
    /// Its pages.
    pub pages: Vec<&'static str>,
    /// How many people.
    pub people: u64,
    /// What it has to keep.
    pub rules: Rules,
    /// What persons do, in order of time.
    pub orders: Vec<Order>,
    /// What they do when the faults are over, however long that took: until then it does not end.
    pub at_end: Option<Action>,
}

/// All campaigns of a round whose faults are over after `length_ms`, launched in the minute `minute` since 1970:
///
/// - `http` and `whatsapp`: large, without rules, on all pages of the channel; one of them is paused and goes on;
/// - `limited`: a rate that changes twice;
/// - `windowed`: a window that opens and closes while faults go on;
/// - `paired`: pages and persons have a limit, and so has its day, until the faults are over;
/// - `capped`: on a page with a limit of the day and another one that shares a second such limit with it, cancelled when the
///   faults are over;
/// - `cancelled`: ends in the middle.
pub fn draw(chance: &mut Chance, settings: &Settings, length_ms: u64, minute: u64) -> Vec<Draft> {
    let per_page = settings.people_per_page(length_ms);
    let seconds = length_ms / 1_000;
    let free = |channel, name, pages: &[&'static str], orders: Vec<Order>| Draft {
        name,
        channel,
        pages: pages.to_vec(),
        people: per_page * pages.len() as u64,
        rules: Rules::default(),
        orders,
        at_end: None,
    };
    let rate = [Rate { count: 9, per_s: 1 }, Rate { count: 6, per_s: 1 }, Rate { count: 240, per_s: 60 }]
        [chance.in_range(0..3) as usize];
    // As long as its slowest limit needs for two thirds of the time.
    let limited = Draft {
        name: "limited",
        channel: Channel::Http,
        pages: HTTP_PAGES[..3].to_vec(),
        people: (rate.count * seconds / rate.per_s * 2 / 3).max(30),
        rules: Rules { rate: Some(rate), ..Rules::default() },
        orders: changes(chance, length_ms, rate),
        at_end: None,
    };
    // Longer than the window is open at first.
    let windowed = Draft {
        name: "windowed",
        channel: Channel::WhatsApp,
        pages: WHATSAPP_PAGES[..2].to_vec(),
        people: 130,
        rules: Rules {
            rate: Some(Rate { count: 2, per_s: 1 }),
            open: openings(chance, minute),
            ..Rules::default()
        },
        orders: Vec::new(),
        at_end: None,
    };
    let paired = Draft {
        name: "paired",
        channel: Channel::Http,
        pages: HTTP_PAGES[3..5].to_vec(),
        people: 240,
        rules: Rules { pair: Some(Rate { count: 12, per_s: 60 }), daily: Some(180), ..Rules::default() },
        orders: Vec::new(),
        at_end: Some(Action::Daily(None)),
    };
    let capped = Draft {
        name: "capped",
        channel: Channel::Http,
        pages: vec![KIOSK, CORNER],
        // Each has about half of them, more than it may call.
        people: 2 * COUNTER_DAILY,
        rules: Rules::default(),
        orders: Vec::new(),
        at_end: Some(Action::Cancel),
    };
    let cancel_ms = chance.in_range(FIRST_ORDER_MS..length_ms.max(FIRST_ORDER_MS + 1));
    let (mut of_http, mut of_whatsapp) = (pauses(chance, length_ms), Vec::new());
    if chance.one_in(2) {
        std::mem::swap(&mut of_http, &mut of_whatsapp);
    }
    let cancel = vec![Order { at_ms: cancel_ms, action: Action::Cancel }];
    vec![
        free(Channel::Http, "http", &HTTP_PAGES, of_http),
        free(Channel::WhatsApp, "whatsapp", &WHATSAPP_PAGES, of_whatsapp),
        limited,
        windowed,
        paired,
        capped,
        free(Channel::WhatsApp, "cancelled", &WHATSAPP_PAGES[2..], cancel),
    ]
}

/// One or two pauses of some seconds, each followed by a resume.
fn pauses(chance: &mut Chance, length_ms: u64) -> Vec<Order> {
    let count = chance.in_range(1..3);
    let part_ms = length_ms.saturating_sub(FIRST_ORDER_MS) / count;
    let mut free_ms = FIRST_ORDER_MS;
    let mut orders = Vec::new();
    for number in 1..=count {
        let pause_ms = free_ms + chance.in_range(0..part_ms / 2 + 1);
        let resume_ms = pause_ms + chance.in_range(4_000..9_000);
        orders.push(Order { at_ms: pause_ms, action: Action::Pause });
        orders.push(Order { at_ms: resume_ms, action: Action::Resume });
        free_ms = (resume_ms + FIRST_ORDER_MS).max(FIRST_ORDER_MS + number * part_ms);
    }
    orders
}

/// Narrower, then wider or none at all.
fn changes(chance: &mut Chance, length_ms: u64, rate: Rate) -> Vec<Order> {
    let half_ms = length_ms.max(2 * FIRST_ORDER_MS) / 2;
    let narrow = Rate { count: (rate.count / 2).max(3), ..rate };
    let wide = Rate { count: rate.count * 2, ..rate };
    let last = if chance.one_in(4) { None } else { Some(wide) };
    let first_ms = chance.in_range(FIRST_ORDER_MS..half_ms.max(FIRST_ORDER_MS + 1));
    let second_ms = chance.in_range(half_ms..2 * half_ms);
    vec![
        Order { at_ms: first_ms, action: Action::Rate(Some(narrow)) },
        Order { at_ms: second_ms, action: Action::Rate(last) },
    ]
}

/// Opens after the minute in which it is launched, or is open until its end; a minute's difference each.
fn openings(chance: &mut Chance, minute: u64) -> Vec<(u64, u64)> {
    let next = minute + 1;
    match chance.one_in(2) {
        true => vec![(next, next + 1), (next + 2, next + 2 + LONG_MIN)],
        false => vec![(minute, next), (next + 1, next + 1 + LONG_MIN)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;
    use proptest::prelude::*;
    use std::path::PathBuf;

    fn settings() -> Settings {
        Settings {
            seed: 1,
            minutes: 0,
            recipients: 12_000,
            kinds: Kind::ALL.to_vec(),
            steps: 5,
            gap_ms: 5_000,
            overlap_one_in: 4,
            directory: PathBuf::new(),
            keep: false,
            program: PathBuf::new(),
        }
    }

    fn drawn(seed: u64, length_ms: u64) -> Vec<Draft> {
        draw(&mut Chance::new(seed), &settings(), length_ms, 29_000_000)
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_campaigns(seed in any::<u64>(), length_ms in 10_000u64..200_000) {
            prop_assert_eq!(drawn(seed, length_ms), drawn(seed, length_ms));
        }

        #[test]
        fn every_round_has_a_rate_a_window_a_limit_of_the_day_and_every_command(seed in any::<u64>(), length_ms in 20_000u64..200_000) {
            let drafts = drawn(seed, length_ms);
            let rules: Vec<_> = drafts.iter().map(|draft| &draft.rules).collect();
            prop_assert!(rules.iter().any(|rules| rules.rate.is_some() && rules.open.is_empty()));
            prop_assert!(rules.iter().any(|rules| rules.open.len() == 2));
            prop_assert!(rules.iter().any(|rules| rules.pair.is_some() && rules.daily.is_some()));
            let orders = || drafts.iter().flat_map(|draft| &draft.orders);
            for path in ["pause", "resume", "cancel", "limits"] {
                prop_assert!(orders().any(|order| order.action.path() == path), "{}", path);
            }
        }

        #[test]
        fn orders_come_in_order_of_time_and_every_pause_is_followed_by_a_resume(seed in any::<u64>(), length_ms in 10_000u64..200_000) {
            for draft in drawn(seed, length_ms) {
                prop_assert!(draft.orders.is_sorted_by_key(|order| order.at_ms), "{:?}", draft.orders);
                for (number, order) in draft.orders.iter().enumerate() {
                    if order.action == Action::Pause {
                        prop_assert_eq!(draft.orders[number + 1].action, Action::Resume);
                    }
                }
            }
        }

        #[test]
        fn one_campaign_outlasts_the_faults_however_long_engines_take_to_start(seed in any::<u64>()) {
            let drafts = drawn(seed, 60_000);
            let capped = drafts.iter().find(|draft| draft.at_end == Some(Action::Cancel)).unwrap();
            prop_assert!(capped.pages == [KIOSK, CORNER] && capped.people > COUNTER_DAILY && capped.orders.is_empty());
        }

        #[test]
        fn a_window_turns_within_two_minutes_of_the_launch(seed in any::<u64>()) {
            let open = drawn(seed, 60_000).into_iter().find(|draft| draft.name == "windowed").unwrap().rules.open;
            prop_assert!(open.iter().all(|(from, to)| from < to) && open[0].1 < open[1].0);
            prop_assert!(open[0].1 <= 29_000_002);
        }
    }
}
