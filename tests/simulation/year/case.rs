//! One zone's hours, as a campaign has them.

use super::hours::Hours;
use super::zones::Zone;
use sluice_core::CampaignId;
use sluice_schemas::{
    Audience, CampaignLaunch, Channel, GateClass, Message, OnUnknown, Rules, StringMap, WindowClock,
};

const TENANT: &str = "t";
pub(super) const PAGE: &str = "page";

#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) zone: &'static Zone,
    pub(super) hours: &'static Hours,
}

impl Case {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.zone.name, self.hours.name)
    }

    pub(super) fn id(&self) -> CampaignId {
        CampaignId::of(TENANT, &self.name())
    }

    /// Whether it is open at a minute of the year (UTC).
    pub(super) fn is_open(&self, minute: i64) -> bool {
        self.hours.are_shown(self.zone.local(minute))
    }

    /// The zone is the campaign's, or that of each recipient.
    pub(super) fn launch(&self, rate: &str) -> CampaignLaunch {
        CampaignLaunch {
            campaign: self.name(),
            tenant: TENANT.to_owned(),
            channel: Channel::Http,
            pages: vec![PAGE.to_owned()],
            audience: Audience::default(),
            message: Message::default(),
            variables: StringMap::new(),
            rate: Some(rate.to_owned()),
            max_retries: 0,
            on_unknown: OnUnknown::Keep,
            time_zone: self.zone_of(WindowClock::Campaign),
            rules: Rules { window: Some(self.hours.window()), ..Rules::default() },
        }
    }

    pub(super) fn class(&self) -> GateClass {
        GateClass { zone: self.zone_of(WindowClock::Recipient), day: None }
    }

    fn zone_of(&self, clock: WindowClock) -> Option<String> {
        (self.hours.clock == clock).then(|| self.zone.name.to_owned())
    }
}
