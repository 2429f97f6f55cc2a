//! A campaign's message on one page, compiled once and rendered per recipient.

use crate::config::PageConfig;
use crate::{http, instagram, messenger, whatsapp};
use sluice_core::ids::EchoTag;
use sluice_core::template::{MissingVariable, TemplateError};
use sluice_core::{PageId, address};
use sluice_runtime::ports::caller::CallRequest;
use sluice_runtime::ports::messages::{Correlation, MessagePlan, RenderProblem};
use sluice_schemas::{CampaignLaunch, Channel, SendRequest, StringMap};

/// Why a message can't be sent from a page at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The launch lacks the part of `message` that its channel takes.
    #[error("the launch has no message.{part}, which the channel {channel} takes")]
    NoMessage {
        /// The launch's channel.
        channel: Channel,
        /// The part that is missing.
        part: &'static str,
    },
    /// No provider for the channel.
    #[error("the channel {0} has no provider")]
    NoProvider(Channel),
    /// The template can't be used.
    #[error("message.{part}: {source}")]
    Template {
        /// Which part of the launch.
        part: String,
        /// What is wrong.
        source: TemplateError,
    },
    /// Something in the message that the provider would refuse for everyone.
    #[error("message.{part}: {problem}")]
    Message {
        /// Which part of the launch.
        part: String,
        /// What is wrong.
        problem: String,
    },
    /// The page can't be called.
    #[error("page {page}: {problem}")]
    Page {
        /// The page.
        page: PageId,
        /// What is wrong.
        problem: String,
    },
}

/// Why one recipient can't be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A variable has no value for this recipient (A8).
    #[error("variable `{name}` has no value")]
    MissingVariable {
        /// The variable.
        name: String,
    },
    /// The address is not one of the channel (B7).
    #[error("not an address of the channel")]
    InvalidAddress,
    /// The rendered text is longer than the provider takes.
    #[error("the text has {length} {unit}, at most {length_max} are allowed")]
    TooLong {
        /// What it has.
        length: usize,
        /// What is allowed.
        length_max: usize,
        /// Characters or bytes.
        unit: &'static str,
    },
    /// A value holds a character that a header can't.
    #[error("header `{header}` would hold a line break or another control character")]
    InvalidHeader {
        /// The header.
        header: String,
    },
}

impl RenderError {
    /// The word used in receipts, the CLI and labels.
    pub fn code(&self) -> &'static str {
        match self {
            RenderError::MissingVariable { .. } => "missing_variable",
            RenderError::InvalidAddress => "invalid_address",
            RenderError::TooLong { .. } => "too_long",
            RenderError::InvalidHeader { .. } => "invalid_header",
        }
    }
}

impl From<MissingVariable> for RenderError {
    fn from(missing: MissingVariable) -> Self {
        RenderError::MissingVariable { name: missing.name }
    }
}

impl From<RenderError> for RenderProblem {
    fn from(error: RenderError) -> Self {
        RenderProblem { code: error.code().to_owned(), message: error.to_string() }
    }
}

/// The compiled message of one campaign on one page. Rendering neither parses nor validates JSON again.
#[derive(Debug)]
pub struct PagePlan {
    channel: Channel,
    timeout_ms: u64,
    campaign: StringMap,
    /// Name and language, where the message is made from a template that the provider knows.
    template: Option<String>,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Whatsapp(whatsapp::request::Compiled),
    /// Messenger and Instagram: the same request.
    Text(messenger::request::Compiled),
    Http(http::request::Compiled),
}

impl PagePlan {
    /// Compiles the templates and checks everything that would fail for every recipient.
    pub fn compile(launch: &CampaignLaunch, page: &PageId, config: &PageConfig) -> Result<Self, PlanError> {
        let channel = launch.channel;
        let missing = |part| PlanError::NoMessage { channel, part };
        let shape = match channel {
            Channel::Whatsapp => {
                let message = launch.message.template.as_ref().ok_or_else(|| missing("template"))?;
                Shape::Whatsapp(whatsapp::request::compile(message, page, config)?)
            }
            Channel::Messenger => {
                let message = launch.message.text.as_ref().ok_or_else(|| missing("text"))?;
                Shape::Text(messenger::request::compile(message, page, config)?)
            }
            Channel::Instagram => {
                let message = launch.message.text.as_ref().ok_or_else(|| missing("text"))?;
                Shape::Text(instagram::request::compile(message, page, config)?)
            }
            Channel::Http => {
                let message = launch.message.http.as_ref().ok_or_else(|| missing("http"))?;
                Shape::Http(http::request::compile(message, &launch.variables, page, config)?)
            }
            Channel::Sms => return Err(PlanError::NoProvider(channel)),
        };
        let template = launch.message.template.as_ref().filter(|_| matches!(shape, Shape::Whatsapp(_)));
        let template = template.map(|template| format!("{}/{}", template.name, template.language));
        Ok(Self {
            channel,
            timeout_ms: config.timeout_ms,
            campaign: launch.variables.clone(),
            template,
            shape,
        })
    }

    /// The request for one recipient.
    pub fn render(&self, send: &SendRequest, tag: EchoTag) -> Result<CallRequest, RenderError> {
        if !address::revalidate(self.channel, &send.address) {
            return Err(RenderError::InvalidAddress);
        }
        match &self.shape {
            Shape::Whatsapp(compiled) => compiled.render(send, &self.campaign, tag),
            Shape::Text(compiled) => compiled.render(send, &self.campaign),
            Shape::Http(compiled) => compiled.render(send, &self.campaign, tag),
        }
    }
}

impl MessagePlan for PagePlan {
    fn render(&self, send: &SendRequest, tag: EchoTag) -> Result<CallRequest, RenderProblem> {
        PagePlan::render(self, send, tag).map_err(RenderProblem::from)
    }

    fn correlation(&self) -> Correlation {
        match self.channel {
            // The echo tag comes back with every status, also of a call whose answer was lost.
            Channel::Whatsapp => Correlation { settles_by_webhook: true, by_person: false },
            // Without the answer nobody knows the message's id; reads and free replies name a person.
            Channel::Messenger | Channel::Instagram => {
                Correlation { settles_by_webhook: false, by_person: true }
            }
            Channel::Sms | Channel::Http => Correlation { settles_by_webhook: false, by_person: false },
        }
    }

    fn timeout_ms(&self) -> u64 {
        self.timeout_ms
    }

    fn template(&self) -> Option<&str> {
        self.template.as_deref()
    }
}
