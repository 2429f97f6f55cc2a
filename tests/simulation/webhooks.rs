//! What the simulated provider tells, on its way through `webhooks.raw`.

use crate::cluster::Cluster;
use sluice_core::ids::EchoTag;
use sluice_core::partition::partition_of;
use sluice_receipts::{ParseWebhook, ParsedWebhook, WebhookFact, WebhookTarget};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{Channel, Fact, WebhookReceived, encode};
use sluice_simulation::SimWebhook;
use std::str::FromStr;

/// `tag status at_ms`, or `id:<message id> status at_ms`.
pub(crate) struct PlainWebhooks;

impl ParseWebhook for PlainWebhooks {
    fn parse(&self, received: &WebhookReceived) -> Result<ParsedWebhook, String> {
        let text = String::from_utf8(received.body.clone()).map_err(|error| error.to_string())?;
        let words: Vec<&str> = text.split(' ').collect();
        let [target, status, at_ms] = words[..] else { return Err(format!("not three words: {text}")) };
        let target = match target.strip_prefix("id:") {
            Some(id) => WebhookTarget::Message(Channel::Http, id.to_owned()),
            None => WebhookTarget::Tag(EchoTag::from_str(target).map_err(|error| error.to_string())?),
        };
        let fact = match status {
            "delivered" => Fact::Delivered,
            "read" => Fact::Read,
            "failed" => Fact::Failed,
            _ => return Err(format!("unknown status {status}")),
        };
        let fact = WebhookFact {
            target,
            fact,
            at_ms: at_ms.parse().map_err(|_| "no time".to_owned())?,
            reason: (fact == Fact::Failed).then(|| "undeliverable".to_owned()),
            message: None,
            provider_id: None,
        };
        Ok(ParsedWebhook { facts: vec![fact], ..ParsedWebhook::default() })
    }
}

/// Half of the webhooks name the echo tag, half only the message id.
fn body(webhook: &SimWebhook) -> Vec<u8> {
    let status = match webhook.fact {
        Fact::Delivered => "delivered",
        Fact::Read => "read",
        _ => "failed",
    };
    let by_tag = webhook.tag.send.index.is_multiple_of(2);
    let target = if by_tag { webhook.tag.to_string() } else { format!("id:{}", webhook.message_id) };
    format!("{target} {status} {}", webhook.at_ms).into_bytes()
}

/// The gateway: appends what arrives until the world ends.
pub(crate) fn start_gateway(cluster: &Cluster) {
    let process = cluster.world.observer("gateway");
    let log = cluster.log.handle(process);
    let mut arrivals = cluster.provider.webhooks();
    tokio::spawn(async move {
        while let Some(webhook) = arrivals.recv().await {
            let body = body(&webhook);
            let partitions = log.partitions(Topic::WebhooksRaw);
            let partition = Partition(partition_of(&webhook.tag.send.chunk.0, partitions));
            let received =
                WebhookReceived { channel: Channel::Http, page: None, received_at_ms: webhook.at_ms, body };
            let record = NewRecord { key: Vec::new().into(), value: encode(&received).into() };
            log.append(Topic::WebhooksRaw, partition, vec![record]).await.unwrap();
        }
    });
}
