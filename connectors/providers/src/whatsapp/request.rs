//! The body of a template message.

use crate::config::PageConfig;
use crate::graph;
use crate::plan::{PlanError, RenderError};
use crate::tag::{TAG_BYTES_MAX, push_tag};
use crate::variables::lookup;
use crate::whatsapp::response::WhatsappAnswers;
use bytes::Bytes;
use sluice_core::PageId;
use sluice_core::ids::EchoTag;
use sluice_core::template::Template;
use sluice_runtime::ports::caller::{CallRequest, Endpoint};
use sluice_schemas::{SendRequest, StringMap, TemplateMessage};
use std::sync::Arc;

/// Characters that `biz_opaque_callback_data` may have; an echo tag is far below.
const CALLBACK_DATA_CHARS_MAX: usize = 512;
const _: () = assert!(TAG_BYTES_MAX <= CALLBACK_DATA_CHARS_MAX, "an echo tag fits");

const HEAD: &[u8] = br#"{"messaging_product":"whatsapp","recipient_type":"individual","to":""#;
const AFTER_TO: &[u8] = br#"","type":"template","biz_opaque_callback_data":""#;

/// A compiled template message.
#[derive(Debug)]
pub(crate) struct Compiled {
    endpoint: Arc<Endpoint>,
    /// From the end of the echo tag on: name, language, components.
    template: Template,
}

pub(crate) fn compile(
    message: &TemplateMessage,
    page: &PageId,
    config: &PageConfig,
) -> Result<Compiled, PlanError> {
    let problem = |part: &str, problem: &str| PlanError::Message {
        part: format!("template.{part}"),
        problem: problem.to_owned(),
    };
    if message.name.is_empty()
        || !message.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    {
        return Err(problem("name", "a template's name consists of lowercase letters, digits and `_`"));
    }
    if message.language.is_empty()
        || !message.language.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    {
        return Err(problem("language", "expected a language code such as en or pt_BR"));
    }
    // Compiled alone first, so that a problem's position is the one in the launch.
    Template::json(&message.components)
        .map_err(|source| PlanError::Template { part: "template.components".to_owned(), source })?;
    let components: serde_json::Value = serde_json::from_str(&message.components)
        .map_err(|_| problem("components", "not a JSON document"))?;
    let Some(list) = components.as_array() else {
        return Err(problem("components", "expected an array of components"));
    };
    let components =
        if list.is_empty() { String::new() } else { format!(r#","components":{}"#, message.components) };
    let document =
        format!(r#"{{"name":"{}","language":{{"code":"{}"}}{components}}}"#, message.name, message.language);
    let template = Template::json(&document)
        .map_err(|source| PlanError::Template { part: "template".to_owned(), source })?;
    Ok(Compiled { endpoint: graph::endpoint(page, config, Arc::new(WhatsappAnswers))?, template })
}

impl Compiled {
    pub(crate) fn render(
        &self,
        send: &SendRequest,
        campaign: &StringMap,
        tag: EchoTag,
    ) -> Result<CallRequest, RenderError> {
        let mut body = Vec::with_capacity(320 + self.template.literal_bytes());
        body.extend_from_slice(HEAD);
        // Checked before: `+` and digits, nothing to escape. Webhooks give the digits only.
        body.extend_from_slice(send.address.as_bytes());
        body.extend_from_slice(AFTER_TO);
        push_tag(tag, &mut body);
        body.extend_from_slice(br#"","template":"#);
        self.template.render(|name| lookup(send, campaign, name), &mut body)?;
        body.push(b'}');
        Ok(CallRequest { endpoint: Arc::clone(&self.endpoint), body: Bytes::from(body), tag: None })
    }
}
