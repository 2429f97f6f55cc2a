//! Messages with a meter: which page is on which channel, and who can't be sent to.

use super::PageChannels;
use crate::metrics::calls::{refusal_of, render_refused};
use crate::metrics::labels::channel_place;
use crate::metrics::{Counters, Metrics};
use crate::ports::caller::CallRequest;
use crate::ports::messages::{Correlation, MessagePlan, Messages, PlanProblem, RenderProblem};
use sluice_core::PageId;
use sluice_core::ids::EchoTag;
use sluice_core::rate::{PerDay, Rate};
use sluice_schemas::{CampaignLaunch, Channel, SendRequest};
use std::fmt;
use std::sync::Arc;

/// Measures another implementation.
pub struct MeteredMessages {
    inner: Arc<dyn Messages>,
    channels: PageChannels,
    refused: Counters,
}

impl MeteredMessages {
    /// Around `inner`; notes in `channels` what it learns.
    pub fn new(inner: Arc<dyn Messages>, channels: PageChannels, metrics: &Metrics) -> Self {
        Self { inner, channels, refused: render_refused(metrics) }
    }
}

impl fmt::Debug for MeteredMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeteredMessages")
    }
}

impl Messages for MeteredMessages {
    fn plan(&self, launch: &CampaignLaunch, page: &PageId) -> Result<Arc<dyn MessagePlan>, PlanProblem> {
        self.channels.note(page, launch.channel);
        let inner = self.inner.plan(launch, page)?;
        let place = channel_place(Some(launch.channel));
        Ok(Arc::new(MeteredPlan { inner, place, refused: self.refused.clone() }))
    }

    fn page_rate(&self, channel: Channel, page: &PageId) -> Option<Rate> {
        self.inner.page_rate(channel, page)
    }

    fn page_daily(&self, channel: Channel, page: &PageId) -> Option<PerDay> {
        self.inner.page_daily(channel, page)
    }
}

struct MeteredPlan {
    inner: Arc<dyn MessagePlan>,
    place: usize,
    refused: Counters,
}

impl MessagePlan for MeteredPlan {
    fn render(&self, send: &SendRequest, tag: EchoTag) -> Result<CallRequest, RenderProblem> {
        let rendered = self.inner.render(send, tag);
        if let Err(problem) = &rendered {
            self.refused.at([self.place, refusal_of(&problem.code) as usize]).inc();
        }
        rendered
    }

    fn correlation(&self) -> Correlation {
        self.inner.correlation()
    }

    fn timeout_ms(&self) -> u64 {
        self.inner.timeout_ms()
    }

    fn template(&self) -> Option<&str> {
        self.inner.template()
    }
}
