//! One call as it was read, before it is judged.

use std::borrow::Cow;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::channel::Channel;

/// A call with what the judge needs of it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) channel: Channel,
    /// WhatsApp phone number id, page id, or the first segment after `/http/`.
    pub(crate) page: Arc<str>,
    /// Recipient; WhatsApp: digits only. Empty if the body does not tell.
    pub(crate) to: Arc<str>,
    /// The recipient as it stood in the body (WhatsApp repeats it in the answer).
    pub(crate) input: Arc<str>,
    /// The caller's own mark, echoed in webhooks.
    pub(crate) tag: Option<Arc<str>>,
    pub(crate) scope: Option<Arc<str>>,
    /// Set: the provider would refuse this body.
    pub(crate) refusal: Option<Refusal>,
}

impl Call {
    pub(crate) fn unreadable(channel: Channel, page: &str, refusal: Refusal) -> Self {
        let nothing: Arc<str> = Arc::from("");
        Self {
            channel,
            page: Arc::from(page),
            to: Arc::clone(&nothing),
            input: nothing,
            tag: None,
            scope: None,
            refusal: Some(refusal),
        }
    }

    /// What "accepted twice" is counted by: channel, page, scope and recipient in 128 bits.
    pub(crate) fn key(&self) -> u128 {
        let scope = self.scope.as_deref().unwrap_or("");
        let mut bytes = Vec::with_capacity(4 + self.page.len() + scope.len() + self.to.len());
        bytes.push(self.channel as u8);
        for part in [&*self.page, scope, &*self.to] {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0xff); // not part of any UTF-8 text
        }
        xxh3_128(&bytes)
    }
}

/// An error answer in the provider's own terms.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub(crate) status: u16,
    /// The provider's code; 0 for generic HTTP.
    pub(crate) code: u32,
    pub(crate) subcode: Option<u32>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) details: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(
        status: u16,
        code: u32,
        message: impl Into<Cow<'static, str>>,
        details: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, subcode: None, message: message.into(), details: details.into() }
    }

    pub(crate) fn with_subcode(mut self, subcode: u32) -> Self {
        self.subcode = Some(subcode);
        self
    }
}
