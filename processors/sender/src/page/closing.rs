//! Campaigns that are being cancelled: nothing more is granted for them, but what was claimed for them is settled
//! by the page's owner alone. So their descriptors stay unfinished, and make whoever reads them an owner, until
//! the ledger holds no claim of theirs. Otherwise an owner that dies, or stops before the last answer, would leave
//! claims that nobody ever settles, and the campaign would never end (G8, hazard 23).

use super::Page;
use sluice_core::CampaignId;
use sluice_schemas::Channel;

/// A campaign that is being cancelled, on one page.
#[derive(Debug)]
pub(super) struct Closing {
    /// Says which limit the page has.
    pub(super) channel: Channel,
    /// Whether webhooks may still settle what was claimed.
    pub(super) settles_by_webhook: bool,
    /// Records of `chunks` that are finished with its last claim.
    records: Vec<u64>,
}

impl Page {
    /// The records of a campaign that is being cancelled wait for its claims.
    pub(super) fn close(
        &mut self,
        id: CampaignId,
        channel: Channel,
        settles_by_webhook: bool,
        records: impl IntoIterator<Item = u64>,
    ) {
        let new = Closing { channel, settles_by_webhook, records: Vec::new() };
        let closing = self.closing.entry(id).or_insert(new);
        closing.records.extend(records);
    }

    /// Finishes the records of cancelled campaigns that have no claim left on this page.
    pub(super) fn finish_closing(&mut self) {
        let Some(ownership) = self.ownership.as_ref().filter(|_| !self.closing.is_empty()) else { return };
        let granting = self.grant.as_ref().map(|grant| grant.body.chunks()).unwrap_or_default();
        let claimed = ownership.body.chunks();
        let calling = self.calling.keys().map(|(chunk, _)| *chunk);
        let busy: Vec<CampaignId> =
            claimed.into_iter().chain(granting).chain(calling).map(|chunk| chunk.campaign()).collect();
        let shard = &self.shard;
        self.closing.retain(|id, closing| {
            let is_busy = busy.contains(id);
            if !is_busy {
                shard.finish(&closing.records);
            }
            is_busy
        });
    }
}
