//! The class of a row: here its page.
//!
//! A pure function of the row, its number and the launch, so that a second expansion finds the same (hazard 1).
//! The hash is part of what is stored: changing it moves rows of a half-expanded campaign to other chunks.

use bytes::Bytes;
use sluice_core::PageId;
use sluice_core::partition::partition_of;
use sluice_core::row::{RowDecision, SkipReason};
use sluice_runtime::ports::audience::DecidedRow;
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

/// The pages of a launch, in its order; a class is an index into them.
#[derive(Debug)]
pub(crate) struct Pages {
    pages: Vec<Page>,
    classes: HashMap<Box<str>, usize>,
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
        let classes = names.iter().enumerate().map(|(class, name)| (name.as_str().into(), class)).collect();
        (!pages.is_empty()).then_some(Self { pages, classes })
    }

    pub(crate) fn len(&self) -> usize {
        self.pages.len()
    }

    pub(crate) fn page(&self, class: usize) -> &Page {
        &self.pages[class]
    }

    /// The class of a page's chunks; `None` when the launch does not name the page.
    pub(crate) fn class_of_page(&self, page: &PageId) -> Option<usize> {
        self.classes.get(page.as_str()).copied()
    }

    /// The class of row number `number` (from 0): the page that it asks for, otherwise one that its address
    /// chooses, or its number when it has none. A row that asks for a page of others becomes a skipped one.
    pub(crate) fn class_of_row(&self, row: &mut DecidedRow, number: u64) -> usize {
        let by_number = || self.spread(&number.to_le_bytes());
        let RowDecision::Valid { address, page_id, .. } = &row.decision else { return by_number() };
        let Some(wanted) = page_id else { return self.spread(address.as_bytes()) };
        if let Some(&class) = self.classes.get(wanted.as_str()) {
            return class;
        }
        let detail = "the row asks for a page that is not one of the launch's".to_owned();
        row.decision = RowDecision::Skipped { reason: SkipReason::UnknownPage, detail };
        by_number()
    }

    fn spread(&self, key: &[u8]) -> usize {
        (xxh3_64(key) % self.pages.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(names: &[&str]) -> Pages {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Pages::new(&names, 8).unwrap()
    }

    fn valid(address: &str, page_id: Option<&str>) -> DecidedRow {
        let decision = RowDecision::Valid {
            address: address.to_owned(),
            name: None,
            customer_id: None,
            time_zone: None,
            page_id: page_id.map(str::to_owned),
            send_date: None,
            variables: Default::default(),
            warnings: Vec::new(),
        };
        DecidedRow { line: 2, decision }
    }

    #[test]
    fn a_row_is_sent_from_the_page_it_asks_for() {
        let pages = pages(&["a", "b", "c"]);
        assert_eq!(pages.class_of_row(&mut valid("+1", Some("b")), 0), 1);
    }

    #[test]
    fn a3_a_row_that_asks_for_a_page_of_others_is_skipped() {
        let mut row = valid("+1", Some("z"));
        pages(&["a", "b"]).class_of_row(&mut row, 0);
        assert!(matches!(row.decision, RowDecision::Skipped { reason: SkipReason::UnknownPage, .. }));
    }

    #[test]
    fn hazard_1_an_address_chooses_its_page_wherever_it_stands() {
        let pages = pages(&["a", "b", "c", "d"]);
        let classes: Vec<usize> =
            (0..100).map(|n| pages.class_of_row(&mut valid(&format!("+49{n}"), None), n)).collect();
        let again: Vec<usize> =
            (0..100).map(|n| pages.class_of_row(&mut valid(&format!("+49{n}"), None), n + 7)).collect();
        assert_eq!(classes, again);
        assert!(
            (0..4).all(|class| classes.iter().filter(|&&c| c == class).count() > 10),
            "spread: {classes:?}"
        );
        // Stored campaigns rely on these very values.
        assert_eq!(classes[..6], [1, 0, 2, 1, 2, 0]);
    }

    #[test]
    fn a_launch_without_pages_has_no_class() {
        assert!(Pages::new(&[], 8).is_none());
    }
}
