//! The two campaigns of a round.

use crate::settings::{HTTP_PAGES, Settings, WHATSAPP_PAGES};
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
    /// As the provider writes them.
    pub audience: BTreeSet<String>,
    /// LAUNCH.json.
    pub launch: PathBuf,
}

/// Writes audiences and launches of a round. Nobody is in two rounds: a second message is a double, whatever for.
///
/// # Errors
/// Nothing can be written to `directory`.
pub fn plan(settings: &Settings, directory: &Path, round: u64, length_ms: u64) -> Result<[Planned; 2]> {
    let per_page = settings.people_per_page(length_ms);
    let http: Vec<String> = (0..per_page * HTTP_PAGES.len() as u64)
        .map(|person| format!("r{round}-{person:06}@example.com"))
        .collect();
    let phones: Vec<String> = (0..per_page * WHATSAPP_PAGES.len() as u64)
        .map(|person| format!("55119{:03}{person:05}", round % 1_000))
        .collect();
    let rows = |people: &[String], header: &str, row: fn(&str, usize) -> String| {
        let mut text = format!("{header}\n");
        people.iter().enumerate().for_each(|(number, person)| {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "{}", row(person, number));
        });
        text
    };
    let http_rows = rows(&http, "address,first_name", |person, number| format!("{person},N{number}"));
    let phone_rows = rows(&phones, "phone,whatsapp_opt_in,first_name", |person, number| {
        format!("+{person},true,N{number}")
    });
    let http_message = json!({ "http": { "body": { "to": "{{address}}", "text": "Hi {{first_name}}" } } });
    let whatsapp_message = json!({ "template": { "name": "spring_sale", "language": "en_US", "components": [
        { "type": "body", "parameters": [{ "type": "text", "text": "{{first_name}}" }] },
    ] } });
    let files = Files { directory, round };
    Ok([
        files.write(Channel::Http, &HTTP_PAGES, http, &http_rows, &http_message)?,
        files.write(Channel::WhatsApp, &WHATSAPP_PAGES, phones, &phone_rows, &whatsapp_message)?,
    ])
}

struct Files<'a> {
    directory: &'a Path,
    round: u64,
}

impl Files<'_> {
    fn write(
        &self,
        channel: Channel,
        pages: &[&str],
        people: Vec<String>,
        rows: &str,
        message: &Value,
    ) -> Result<Planned> {
        let name = format!("{channel}-{}", self.round);
        let save = |ending: &str, text: &str| {
            let path = self.directory.join(format!("{name}.{ending}"));
            std::fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
            Ok::<_, Error>(path)
        };
        let audience = save("csv", rows)?;
        let launch = json!({
            "campaign": name, "channel": channel, "pages": pages, "audience": { "path": audience },
            "message": message, "max_retries": crate::judge::campaign::RETRIES_MAX,
        });
        let launch = save("json", &format!("{launch:#}"))?;
        Ok(Planned { name, channel, audience: people.into_iter().collect(), launch })
    }
}
