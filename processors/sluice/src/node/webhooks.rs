//! The providers' webhook parsers, as the webhook processor wants them.

use sluice_providers::webhook::{Target, parse};
use sluice_receipts::{ParseWebhook, ParsedWebhook, Suppression, WebhookFact, WebhookTarget};
use sluice_schemas::WebhookReceived;

/// Reads the bodies of every provider.
#[derive(Debug, Clone, Copy)]
pub struct ProviderWebhooks;

impl ParseWebhook for ProviderWebhooks {
    fn parse(&self, received: &WebhookReceived) -> Result<ParsedWebhook, String> {
        let parsed = parse(received).map_err(|error| error.to_string())?;
        let facts = parsed.facts.into_iter().map(|fact| WebhookFact {
            target: match fact.target {
                Target::Tag(tag) => WebhookTarget::Tag(tag),
                Target::Message(channel, id) => WebhookTarget::Message(channel, id),
                Target::Person { page, address } => WebhookTarget::Person { page, address },
            },
            fact: fact.fact,
            at_ms: fact.at_ms,
            reason: fact.reason,
            message: fact.message,
            provider_id: fact.provider_id,
        });
        let suppressions = parsed.suppressions.into_iter().map(|suppression| Suppression {
            channel: suppression.channel,
            address: suppression.address,
            reason: suppression.reason,
        });
        let (facts, suppressions) = (facts.collect(), suppressions.collect());
        Ok(ParsedWebhook { facts, suppressions, refused: parsed.refused })
    }
}
