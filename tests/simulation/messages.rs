//! The simplest message: a JSON body that names the person. Errors are read as WhatsApp's.

use crate::live::LiveLimits;
use sluice_core::PageId;
use sluice_core::ids::EchoTag;
use sluice_core::rate::{PerDay, Rate};
use sluice_providers::whatsapp::response::WhatsappAnswers;
use sluice_runtime::ports::caller::{CallRequest, Endpoint};
use sluice_runtime::ports::messages::{Correlation, MessagePlan, Messages, PlanProblem, RenderProblem};
use sluice_schemas::{CampaignLaunch, Channel, SendRequest};
use std::sync::Arc;

/// How the simulated channel behaves.
#[derive(Debug, Clone)]
pub(crate) struct SimMessages {
    pub(crate) settles_by_webhook: bool,
    pub(crate) limits: LiveLimits,
    pub(crate) page_daily: Option<PerDay>,
    pub(crate) timeout_ms: u64,
}

struct Plan {
    endpoint: Arc<Endpoint>,
    correlation: Correlation,
}

impl Messages for SimMessages {
    fn plan(&self, _: &CampaignLaunch, page: &PageId) -> Result<Arc<dyn MessagePlan>, PlanProblem> {
        let endpoint = Endpoint {
            page: page.clone(),
            method: "POST".to_owned(),
            url: "http://provider.invalid/".to_owned(),
            headers: Vec::new(),
            answers: Arc::new(WhatsappAnswers),
            timeout_ms: self.timeout_ms,
        };
        let correlation = Correlation { settles_by_webhook: self.settles_by_webhook, by_person: false };
        Ok(Arc::new(Plan { endpoint: Arc::new(endpoint), correlation }))
    }

    fn page_rate(&self, _: Channel, _: &PageId) -> Option<Rate> {
        self.limits.page_rate()
    }

    fn page_daily(&self, _: Channel, _: &PageId) -> Option<PerDay> {
        self.page_daily
    }
}

impl MessagePlan for Plan {
    fn render(&self, send: &SendRequest, tag: EchoTag) -> Result<CallRequest, RenderProblem> {
        if !send.variables.contains_key("coupon") {
            let message = "no value for coupon".to_owned();
            return Err(RenderProblem { code: "missing_variable".to_owned(), message });
        }
        let body = serde_json::json!({ "to": send.address }).to_string();
        Ok(CallRequest {
            endpoint: self.endpoint.clone(),
            body: body.into(),
            tag: Some(tag.to_string().into()),
        })
    }

    fn correlation(&self) -> Correlation {
        self.correlation
    }

    fn timeout_ms(&self) -> u64 {
        self.endpoint.timeout_ms
    }
}
