//! The channel of each page.

use sluice_core::PageId;
use sluice_schemas::Channel;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Which channel a page is on; grows with the pages that this process sends from.
#[derive(Debug, Clone, Default)]
pub struct PageChannels(Arc<RwLock<BTreeMap<PageId, Channel>>>);

impl PageChannels {
    /// The page's channel, once a message was compiled for it.
    pub fn of(&self, page: &PageId) -> Option<Channel> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(page).copied()
    }

    /// Notes a page.
    pub fn note(&self, page: &PageId, channel: Channel) {
        if self.of(page) != Some(channel) {
            self.0.write().unwrap_or_else(PoisonError::into_inner).insert(page.clone(), channel);
        }
    }
}
