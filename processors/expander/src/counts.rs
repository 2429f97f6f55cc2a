//! What an expansion would make of an audience, counted without making it.

use crate::class::{Classes, Pages};
use sluice_core::PageId;
use sluice_core::row::ValidRow;
use sluice_schemas::{CampaignLaunch, GateClass};

/// Rows that can be called, by page and class.
#[derive(Debug)]
pub struct ClassCounts {
    /// `None` when the launch names none: nobody can be called.
    pages: Option<Pages>,
    classes: Classes,
    counts: Vec<u64>,
}

impl ClassCounts {
    /// Of no row.
    pub fn new(launch: &CampaignLaunch) -> Self {
        // Nothing is written, so that shards do not matter.
        let pages = Pages::new(&launch.pages, 1);
        Self { pages, classes: Classes::new(launch), counts: Vec::new() }
    }

    /// Counts a row that becomes a send.
    pub fn add(&mut self, row: &ValidRow<'_>) {
        let page = self.pages.as_ref().and_then(|pages| pages.of_valid(&row.address, row.page_id));
        let Some(page) = page else { return };
        let day = row.send_date.map(|day| (day.year(), day.month(), day.day()));
        let class = self.classes.of_valid(page, row.time_zone, day);
        self.counts.resize(self.counts.len().max(class + 1), 0);
        self.counts[class] += 1;
    }

    /// Each class that has rows.
    pub fn classes(&self) -> impl Iterator<Item = (&PageId, &GateClass, u64)> {
        let counted = self.counts.iter().enumerate();
        counted.filter_map(|(class, count)| {
            let (page, gate) = self.classes.class(class);
            Some((&self.pages.as_ref()?.page(page).id, gate, *count))
        })
    }
}
