//! The page's own limits, and what they are when somebody changes them.

use super::Page;
use sluice_core::rate::{PerDay, Rate};
use sluice_schemas::Channel;
use tracing::info;

/// What is configured for a page: calls at most, at once and in any 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageLimits {
    /// Says which page of that id is meant. `None`: nobody has work for it.
    channel: Option<Channel>,
    pub(super) rate: Option<Rate>,
    pub(super) daily: Option<PerDay>,
}

impl Page {
    /// What is configured now for the channel of the campaigns that it works for.
    pub(super) fn configured(&self) -> PageLimits {
        let opened = self.lanes.values().map(|state| state.campaign.row.launch.channel);
        self.configured_on(opened.chain(self.closing.values().map(|closing| closing.channel)).next())
    }

    fn configured_on(&self, channel: Option<Channel>) -> PageLimits {
        let messages = &self.context.ports.messages;
        PageLimits {
            channel,
            rate: channel.and_then(|channel| messages.page_rate(channel, &self.id)),
            daily: channel.and_then(|channel| messages.page_daily(channel, &self.id)),
        }
    }

    /// Limits that have changed are kept from now on.
    pub(super) fn hear_of_limits(&mut self) {
        let limits = self.context.watch.limits();
        if limits == self.limits {
            return;
        }
        self.limits = limits;
        self.tokens.renew();
        for state in self.lanes.values_mut() {
            state.quotas = self.tokens.of(&self.id, &state.campaign.row.launch.tenant);
        }
        let now = self.now();
        let Some(former) = self.ownership.as_ref().map(|ownership| ownership.limits) else { return };
        let limits = self.configured_on(former.channel);
        if limits == former {
            return;
        }
        let (rate, daily) =
            (limits.rate.map(|rate| rate.to_string()), limits.daily.map(|daily| daily.to_string()));
        info!(page = %self.id, rate, daily, "the page has other limits");
        if let Some(ownership) = &mut self.ownership {
            if limits.rate != former.rate {
                ownership.slots.change(limits.rate, now);
            }
            ownership.limits = limits;
        }
    }
}
