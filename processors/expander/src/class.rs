//! The class of a row: its page, and what else a gate looks at.
//!
//! A pure function of the row, its number and the launch, so that a second expansion finds the same (hazard 1). What is
//! changed later (hours, limits) is looked at by the gate and divides nobody anew. The hash is part of what is stored:
//! changing it moves rows of a half-expanded campaign to other chunks.

use bytes::Bytes;
use sluice_core::partition::partition_of;
use sluice_core::row::{RowDecision, SkipReason, known_zone};
use sluice_core::{ChunkRow, PageId};
use sluice_runtime::ports::audience::DecidedRow;
use sluice_schemas::{CampaignLaunch, GateClass, WindowClock};
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64;

/// A sending identity of the campaign.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) id: PageId,
    /// Key of its records.
    pub(crate) key: Bytes,
    /// Its partition of `sends` and of `chunks`.
    pub(crate) shard: u32,
}

/// The pages of a launch, in its order.
#[derive(Debug)]
pub(crate) struct Pages {
    pages: Vec<Page>,
    places: HashMap<Box<str>, usize>,
}

impl Pages {
    /// `None` without a page: nobody could send.
    pub(crate) fn new(names: &[String], shards: u32) -> Option<Self> {
        let page = |name: &String| Page {
            id: PageId::from(name.as_str()),
            key: Bytes::copy_from_slice(name.as_bytes()),
            shard: partition_of(name.as_bytes(), shards),
        };
        let pages: Vec<Page> = names.iter().map(page).collect();
        let places = names.iter().enumerate().map(|(place, name)| (name.as_str().into(), place)).collect();
        (!pages.is_empty()).then_some(Self { pages, places })
    }

    pub(crate) fn page(&self, place: usize) -> &Page {
        &self.pages[place]
    }

    /// The page of row number `number` (from 0): the one that it asks for, otherwise one that its address chooses, or
    /// its number when it has none. A row that asks for a page of others becomes a skipped one.
    fn of_row(&self, row: &mut DecidedRow, number: u64) -> usize {
        let by_number = || self.spread(&number.to_le_bytes());
        let RowDecision::Valid { address, page_id, .. } = &row.decision else { return by_number() };
        if let Some(place) = self.of_valid(address, page_id.as_deref()) {
            return place;
        }
        let detail = "the row asks for a page that is not one of the launch's".to_owned();
        row.decision = RowDecision::Skipped { reason: SkipReason::UnknownPage, detail };
        by_number()
    }

    /// The page of who can be called; `None` when the row asks for a page of others.
    pub(crate) fn of_valid(&self, address: &str, page_id: Option<&str>) -> Option<usize> {
        match page_id {
            Some(wanted) => self.places.get(wanted).copied(),
            None => Some(self.spread(address.as_bytes())),
        }
    }

    fn spread(&self, key: &[u8]) -> usize {
        (xxh3_64(key) % self.pages.len() as u64) as usize
    }
}

/// A day as year, month, day of the month.
pub(crate) type Day = (i16, i8, i8);

/// Which class: the place of its page, its zone's number, its day.
type Key = (usize, Option<u32>, Option<Day>);

/// The classes that were met, numbered in the order of their first row; those of committed chunks come first.
#[derive(Debug)]
pub(crate) struct Classes {
    /// Where the window follows the recipient: the zone of recipients without one.
    zone_of_others: Option<Box<str>>,
    zones: HashMap<Box<str>, u32>,
    numbers: HashMap<Key, usize>,
    classes: Vec<(usize, GateClass)>,
}

impl Classes {
    /// None yet.
    pub(crate) fn new(launch: &CampaignLaunch) -> Self {
        // As launched: a later change of the hours keeps the clock.
        let follows =
            launch.rules.window.as_ref().is_some_and(|window| window.clock == WindowClock::Recipient);
        let own = launch.time_zone.as_deref().and_then(known_zone).unwrap_or("UTC");
        Self {
            zone_of_others: follows.then(|| own.into()),
            zones: HashMap::new(),
            numbers: HashMap::new(),
            classes: Vec::new(),
        }
    }

    /// The place of the page of a class, and its gate.
    pub(crate) fn class(&self, number: usize) -> (usize, &GateClass) {
        let (page, gate) = &self.classes[number];
        (*page, gate)
    }

    /// The class of a committed chunk; `None` when the launch does not name its page, or its day is none.
    pub(crate) fn of_chunk(&mut self, pages: &Pages, chunk: &ChunkRow) -> Option<usize> {
        let page = *pages.places.get(chunk.page.as_str())?;
        let day = match &chunk.class.day {
            Some(day) => Some(day_of(day)?),
            None => None,
        };
        Some(self.number(page, chunk.class.zone.as_deref(), day))
    }

    /// The class of row number `number` (from 0). Only who can be called waits for hours or days.
    pub(crate) fn of_row(&mut self, pages: &Pages, row: &mut DecidedRow, number: u64) -> usize {
        let page = pages.of_row(row, number);
        let RowDecision::Valid { time_zone, send_date, .. } = &row.decision else {
            return self.number(page, None, None);
        };
        self.of_valid(page, time_zone.as_deref(), send_date.map(|day| (day.year(), day.month(), day.day())))
    }

    /// The class of who can be called from this page.
    pub(crate) fn of_valid(&mut self, page: usize, time_zone: Option<&str>, day: Option<Day>) -> usize {
        let Some(others) = self.zone_of_others.take() else { return self.number(page, None, day) };
        let class = self.number(page, Some(time_zone.unwrap_or(&others)), day);
        self.zone_of_others = Some(others);
        class
    }

    fn number(&mut self, page: usize, zone: Option<&str>, day: Option<Day>) -> usize {
        let zone_number = zone.map(|zone| match self.zones.get(zone) {
            Some(&number) => number,
            None => {
                let number = self.zones.len() as u32;
                self.zones.insert(zone.into(), number);
                number
            }
        });
        let next = self.classes.len();
        let number = *self.numbers.entry((page, zone_number, day)).or_insert(next);
        if number == next {
            let day = day.map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"));
            self.classes.push((page, GateClass { zone: zone.map(str::to_owned), day }));
        }
        number
    }
}

/// `YYYY-MM-DD`, as this module writes it.
fn day_of(text: &str) -> Option<Day> {
    let mut parts = text.splitn(3, '-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sluice_core::{CampaignId, ChunkId};
    use sluice_schemas::{Channel, Rules, SendWindow};

    fn pages(names: &[&str]) -> Pages {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Pages::new(&names, 8).unwrap()
    }

    /// A launch in Sao Paulo whose window follows this clock; `None`: it has no window.
    fn launch(clock: Option<WindowClock>) -> CampaignLaunch {
        let window = clock.map(|clock| SendWindow { open: Vec::new(), clock, closed_on: Vec::new() });
        let rules = Rules { window, ..Rules::default() };
        let time_zone = Some("america/sao_paulo".to_owned());
        CampaignLaunch { rules, time_zone, ..CampaignLaunch::bare("c", Channel::Http, Vec::new()) }
    }

    fn valid(address: &str, page_id: Option<&str>, zone: Option<&str>, day: Option<&str>) -> DecidedRow {
        let decision = RowDecision::Valid {
            address: address.to_owned(),
            name: None,
            customer_id: None,
            time_zone: zone.map(str::to_owned),
            page_id: page_id.map(str::to_owned),
            send_date: day.map(|day| day.parse().unwrap()),
            variables: Default::default(),
            warnings: Vec::new(),
        };
        DecidedRow { line: 2, decision }
    }

    fn skipped() -> DecidedRow {
        let detail = String::new();
        DecidedRow { line: 2, decision: RowDecision::Skipped { reason: SkipReason::Duplicate, detail } }
    }

    fn gate(zone: Option<&str>, day: Option<&str>) -> GateClass {
        GateClass { zone: zone.map(str::to_owned), day: day.map(str::to_owned) }
    }

    #[test]
    fn a_row_is_sent_from_the_page_it_asks_for() {
        let pages = pages(&["a", "b", "c"]);
        assert_eq!(pages.of_row(&mut valid("+1", Some("b"), None, None), 0), 1);
    }

    #[test]
    fn a3_a_row_that_asks_for_a_page_of_others_is_skipped() {
        let mut row = valid("+1", Some("z"), None, None);
        pages(&["a", "b"]).of_row(&mut row, 0);
        assert!(matches!(row.decision, RowDecision::Skipped { reason: SkipReason::UnknownPage, .. }));
    }

    #[test]
    fn hazard_1_an_address_chooses_its_page_wherever_it_stands() {
        let pages = pages(&["a", "b", "c", "d"]);
        let row = |n: u64| valid(&format!("+49{n}"), None, None, None);
        let places: Vec<usize> = (0..100).map(|n| pages.of_row(&mut row(n), n)).collect();
        let again: Vec<usize> = (0..100).map(|n| pages.of_row(&mut row(n), n + 7)).collect();
        assert_eq!(places, again);
        let all_used = (0..4).all(|place| places.iter().filter(|&&p| p == place).count() > 10);
        assert!(all_used, "spread: {places:?}");
        // Stored campaigns rely on these very values.
        assert_eq!(places[..6], [1, 0, 2, 1, 2, 0]);
    }

    #[test]
    fn a_launch_without_pages_has_no_class() {
        assert!(Pages::new(&[], 8).is_none());
    }

    #[test]
    fn b1_zones_divide_only_where_the_window_follows_the_recipient() {
        let pages = pages(&["a"]);
        let class = |clock: Option<WindowClock>, mut row: DecidedRow| {
            let mut classes = Classes::new(&launch(clock));
            let number = classes.of_row(&pages, &mut row, 0);
            classes.class(number).1.clone()
        };
        let in_berlin = || valid("+1", None, Some("Europe/Berlin"), Some("2026-12-01"));
        for clock in [None, Some(WindowClock::Campaign)] {
            assert_eq!(class(clock, in_berlin()), gate(None, Some("2026-12-01")), "{clock:?}");
        }
        let recipient = Some(WindowClock::Recipient);
        assert_eq!(class(recipient, in_berlin()), gate(Some("Europe/Berlin"), Some("2026-12-01")));
        let nowhere = valid("+1", None, None, None);
        assert_eq!(class(recipient, nowhere), gate(Some("America/Sao_Paulo"), None), "the campaign's");
        assert_eq!(class(recipient, skipped()), gate(None, None), "nobody waits for who is never called");
    }

    #[derive(Debug, Clone)]
    struct Given {
        valid: bool,
        zone: Option<usize>,
        day: Option<usize>,
    }

    const ZONES: [&str; 4] = ["Europe/Berlin", "America/Sao_Paulo", "Asia/Tokyo", "UTC"];
    const DAYS: [&str; 3] = ["2026-12-01", "0999-01-31", "2027-02-28"];

    fn given() -> impl Strategy<Value = Given> {
        (any::<bool>(), prop::option::of(0..ZONES.len()), prop::option::of(0..DAYS.len()))
            .prop_map(|(valid, zone, day)| Given { valid, zone, day })
    }

    fn row(given: &Given, number: usize) -> DecidedRow {
        match given.valid {
            true => valid(
                &format!("+{number}"),
                None,
                given.zone.map(|zone| ZONES[zone]),
                given.day.map(|day| DAYS[day]),
            ),
            false => skipped(),
        }
    }

    proptest! {
        #[test]
        fn hazard_1_a_row_has_the_class_of_its_chunk_also_in_a_second_expansion(
            rows in prop::collection::vec(given(), 1..60), follows in any::<bool>(), committed in 0usize..20,
        ) {
            let launch = launch(Some(if follows { WindowClock::Recipient } else { WindowClock::Campaign }));
            let pages = pages(&["a", "b"]);
            let expand = |classes: &mut Classes| -> Vec<(usize, GateClass)> {
                let class = |(number, given): (usize, &Given)| {
                    let class = classes.of_row(&pages, &mut row(given, number), number as u64);
                    let (page, gate) = classes.class(class);
                    (page, gate.clone())
                };
                rows.iter().enumerate().map(class).collect()
            };
            let first = expand(&mut Classes::new(&launch));
            // The second one begins with what the first one committed.
            let mut classes = Classes::new(&launch);
            for (page, gate) in first.iter().take(committed) {
                let chunk = ChunkRow {
                    id: ChunkId::new(CampaignId::of("t", "c"), 0, 1, 0),
                    page: pages.page(*page).id.clone(),
                    size: 1,
                    first_in_class: 0,
                    shard: 0,
                    spans: Vec::new(),
                    skipped: 0,
                    class: gate.clone(),
                };
                let number = classes.of_chunk(&pages, &chunk).unwrap();
                prop_assert_eq!(classes.class(number), (*page, gate));
            }
            prop_assert_eq!(&expand(&mut classes), &first);
            let distinct: std::collections::HashSet<_> = first.iter().collect();
            prop_assert_eq!(classes.classes.len(), distinct.len(), "one number a class");
        }
    }
}
