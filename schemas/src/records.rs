//! The Rust types of the records; `avro/` documents their fields.

use crate::rules::Rules;
use serde::{Deserialize, Deserializer, Serialize};
use serde_bytes::ByteArray;
use std::collections::BTreeMap;

/// Column or variable name to value.
pub type StringMap = BTreeMap<String, String>;

/// A way to reach people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Channel {
    Whatsapp,
    Messenger,
    Instagram,
    Sms,
    Http,
}

impl Channel {
    /// The word used in launches, labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Whatsapp => "whatsapp",
            Channel::Messenger => "messenger",
            Channel::Instagram => "instagram",
            Channel::Sms => "sms",
            Channel::Http => "http",
        }
    }
}

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Starts a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "CampaignLaunch", deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct CampaignLaunch {
    pub campaign: String,
    #[serde(default = "default_tenant")]
    pub tenant: String,
    pub channel: Channel,
    pub pages: Vec<String>,
    pub audience: Audience,
    pub message: Message,
    #[serde(default)]
    pub variables: StringMap,
    #[serde(default)]
    pub rate: Option<String>,
    #[serde(default = "default_max_retries")]
    pub max_retries: i32,
    #[serde(default)]
    pub on_unknown: OnUnknown,
    #[serde(default)]
    pub time_zone: Option<String>,
    #[serde(default)]
    pub rules: Rules,
}

impl CampaignLaunch {
    /// A launch to nobody, without a message, with everything else as it is where a launch does not say it: to be filled
    /// in.
    pub fn bare(campaign: &str, channel: Channel, pages: Vec<String>) -> Self {
        Self {
            campaign: campaign.to_owned(),
            tenant: default_tenant(),
            channel,
            pages,
            audience: Audience::default(),
            message: Message::default(),
            variables: StringMap::new(),
            rate: None,
            max_retries: default_max_retries(),
            on_unknown: OnUnknown::default(),
            time_zone: None,
            rules: Rules::default(),
        }
    }
}

fn default_tenant() -> String {
    "default".to_owned()
}

fn default_max_retries() -> i32 {
    3
}

/// Where the recipients come from: exactly one of `path` and `inline`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Audience", deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct Audience {
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default)]
    pub inline: Option<Vec<StringMap>>,
    #[serde(default)]
    pub format: Option<AudienceFormat>,
    #[serde(default)]
    pub delimiter: Option<String>,
    #[serde(default)]
    pub columns: StringMap,
}

/// How an audience file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum AudienceFormat {
    Csv,
    Ndjson,
}

/// What to say: exactly the part that the channel takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Message", deny_unknown_fields)]
pub struct Message {
    /// WhatsApp.
    #[serde(default)]
    pub template: Option<TemplateMessage>,
    /// Messenger, Instagram.
    #[serde(default)]
    pub text: Option<TextMessage>,
    /// Generic HTTP.
    #[serde(default)]
    pub http: Option<HttpMessage>,
}

/// An approved WhatsApp template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "TemplateMessage", deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct TemplateMessage {
    pub name: String,
    pub language: String,
    #[serde(default = "empty_array", deserialize_with = "json_text")]
    pub components: String,
}

fn empty_array() -> String {
    "[]".to_owned()
}

/// A text for Messenger or Instagram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "TextMessage", deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct TextMessage {
    pub body: String,
    #[serde(default = "default_messaging_type")]
    pub messaging_type: String,
    #[serde(default)]
    pub tag: Option<String>,
}

fn default_messaging_type() -> String {
    "UPDATE".to_owned()
}

/// A request to any HTTP endpoint that speaks JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "HttpMessage", deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct HttpMessage {
    #[serde(default = "default_method")]
    pub method: String,
    #[serde(default)]
    pub headers: StringMap,
    #[serde(deserialize_with = "json_text")]
    pub body: String,
    #[serde(default)]
    pub message_id: Option<String>,
}

fn default_method() -> String {
    "POST".to_owned()
}

/// In LAUNCH.json a JSON document may stand as itself; in Avro it is text.
fn json_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    if !deserializer.is_human_readable() {
        return String::deserialize(deserializer);
    }
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text,
        document => document.to_string(),
    })
}

/// What happens to an attempt whose outcome nobody can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknown {
    /// The recipient stays `unknown`; a late webhook still settles it.
    #[default]
    Keep,
    /// Another attempt: at-least-once.
    Resend,
}

/// Wakes up whoever holds state of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "CampaignControl")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct CampaignControl {
    pub campaign: ByteArray<8>,
    pub at_ms: i64,
}

/// One message to one recipient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "SendRequest")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct SendRequest {
    pub chunk: ByteArray<16>,
    pub index: i32,
    pub address: String,
    pub name: Option<String>,
    pub customer_id: Option<String>,
    pub time_zone: Option<String>,
    pub variables: StringMap,
}

/// A committed chunk waits to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "ChunkReady")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct ChunkReady {
    pub chunk: ByteArray<16>,
    pub page: String,
    pub size: i32,
    pub spans: Vec<Span>,
    pub class: GateClass,
}

/// Consecutive offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Span")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct Span {
    pub first: i64,
    pub end: i64,
}

/// Some recipients of a chunk wait for another attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "RetryReady")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct RetryReady {
    pub chunk: ByteArray<16>,
    pub page: String,
    pub attempt: i32,
    pub not_before_ms: i64,
    pub indexes: Vec<IndexRange>,
    pub class: GateClass,
}

/// A provider told by webhook that it takes no messages of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "PageRefused")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct PageRefused {
    pub page: String,
    pub reason: String,
    pub detail: String,
    pub at_ms: i64,
    pub wait_ms: Option<i64>,
}

/// What a gate looks at besides page and campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename = "GateClass")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct GateClass {
    pub zone: Option<String>,
    pub day: Option<String>,
}

/// Consecutive indexes of a chunk, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "IndexRange")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct IndexRange {
    pub first: i32,
    pub last: i32,
}

/// A verified webhook body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "WebhookReceived")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct WebhookReceived {
    pub channel: Channel,
    pub page: Option<String>,
    pub received_at_ms: i64,
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// Facts about sends of one chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Receipt")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct Receipt {
    pub chunk: ByteArray<16>,
    pub entries: Vec<ReceiptEntry>,
}

/// One fact about consecutive indexes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "ReceiptEntry")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct ReceiptEntry {
    pub fact: Fact,
    pub first: i32,
    pub last: i32,
    pub attempt: i32,
    pub at_ms: i64,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub provider_id: Option<String>,
    pub retry_after_ms: Option<i64>,
    pub address: Option<String>,
}

/// What is known about a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The provider took it.
    Accepted,
    /// This attempt failed; another may follow.
    Failed,
    /// This attempt failed and no other follows.
    FailedForGood,
    /// Nobody can tell what became of the attempt.
    Unresolved,
    /// Never to be sent; the reason says why.
    Skipped,
    /// The campaign was cancelled before it was sent.
    Cancelled,
    /// Failed for good, and a new run tries it again.
    Reopened,
    /// The provider says the person does not want messages.
    OptedOut,
    /// It reached the device.
    Delivered,
    /// It was read.
    Read,
    /// The person answered.
    Responded,
    /// The person followed a link.
    Clicked,
    /// The person ordered.
    Ordered,
    /// The chunk holds `last + 1` rows.
    Closed,
}

/// Absolute totals of one chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "CampaignProgress")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct CampaignProgress {
    pub chunk: ByteArray<16>,
    pub size: i32,
    pub terminal: i32,
}

/// What became of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "CampaignEvent")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct CampaignEvent {
    pub id: String,
    pub campaign: String,
    pub tenant: String,
    pub kind: CampaignEventKind,
    pub run: i32,
    pub at_ms: i64,
    pub counters: BTreeMap<String, i64>,
    pub reason: Option<String>,
}

/// The transitions that downstream systems hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum CampaignEventKind {
    Started,
    Paused,
    Resumed,
    Completed,
    Cancelled,
    Failed,
}

/// A record nobody could use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "DeadLetter")]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct DeadLetter {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub reason: String,
    pub at_ms: i64,
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
}
