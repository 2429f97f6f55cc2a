//! Audiences and launches of a round.

use crate::order::{Action, Order};
use crate::plan::Draft;
use crate::rules::Rules;
use crate::{Error, Result};
use serde_json::{Value, json};
use sluice_simulator::Channel;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A campaign and its people.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Its channel.
    pub channel: Channel,
    /// Its pages.
    pub pages: Vec<&'static str>,
    /// What it has to keep.
    pub rules: Rules,
    /// What persons do to it, in order of time.
    pub orders: Vec<Order>,
    /// What they do when the faults are over.
    pub at_end: Option<Action>,
    /// As the provider writes them.
    pub audience: BTreeSet<String>,
    /// LAUNCH.json.
    pub launch: PathBuf,
}

/// Writes audiences and launches of a round. Nobody is in two campaigns: a second message is a double, whatever for.
///
/// # Errors
/// Nothing can be written to `directory`.
pub fn write(drafts: Vec<Draft>, directory: &Path, round: u64) -> Result<Vec<Planned>> {
    // Phone numbers of one round are told apart by their place among all of its people.
    let mut people_before = 0;
    let mut planned = Vec::with_capacity(drafts.len());
    let mut text = String::new();
    for draft in drafts {
        let mut orders: Vec<String> = draft.orders.iter().map(ToString::to_string).collect();
        orders.extend(draft.at_end.map(|action| format!("at the end: {action}")));
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{}: {}; {}", draft.name, draft.rules, orders.join(", "));
        let people = (people_before..people_before + draft.people).map(|person| match draft.channel {
            Channel::WhatsApp => format!("55119{:03}{person:05}", round % 1_000),
            _ => format!("r{round}-{person:06}@example.com"),
        });
        let people: Vec<String> = people.collect();
        people_before += draft.people;
        planned.push(one(draft, people, directory, round)?);
    }
    let path = directory.join(format!("campaigns-{round}.txt"));
    std::fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
    Ok(planned)
}

fn one(draft: Draft, people: Vec<String>, directory: &Path, round: u64) -> Result<Planned> {
    let name = format!("{}-{round}", draft.name);
    let save = |ending: &str, text: &str| {
        let path = directory.join(format!("{name}.{ending}"));
        std::fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
        Ok::<_, Error>(path)
    };
    let audience = save("csv", &rows(draft.channel, &people))?;
    let mut launch = json!({
        "campaign": name, "channel": draft.channel, "pages": draft.pages, "audience": { "path": audience },
        "message": message(draft.channel), "max_retries": crate::judge::campaign::RETRIES_MAX,
        "rules": draft.rules.json(),
    });
    if let Some(rate) = draft.rules.rate {
        launch["rate"] = json!(rate.to_string());
    }
    let launch = save("json", &format!("{launch:#}"))?;
    let Draft { channel, pages, rules, orders, at_end, .. } = draft;
    let audience = people.into_iter().collect();
    Ok(Planned { name, channel, pages, rules, orders, at_end, audience, launch })
}

fn rows(channel: Channel, people: &[String]) -> String {
    let whatsapp = channel == Channel::WhatsApp;
    let mut text =
        String::from(if whatsapp { "phone,whatsapp_opt_in,first_name\n" } else { "address,first_name\n" });
    for (number, person) in people.iter().enumerate() {
        // Writing to a String cannot fail.
        let _infallible = match whatsapp {
            true => writeln!(text, "+{person},true,N{number}"),
            false => writeln!(text, "{person},N{number}"),
        };
    }
    text
}

fn message(channel: Channel) -> Value {
    match channel {
        Channel::WhatsApp => {
            json!({ "template": { "name": "spring_sale", "language": "en_US", "components": [
            { "type": "body", "parameters": [{ "type": "text", "text": "{{first_name}}" }] },
        ] } })
        }
        _ => json!({ "http": { "body": { "to": "{{address}}", "text": "Hi {{first_name}}" } } }),
    }
}
