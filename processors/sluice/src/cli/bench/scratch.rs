//! A directory for one benchmark, removed at its end, and what is put into it.

use super::failed;
use crate::error::Outcome;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A fresh directory; gone with the last owner.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Below the system's temporary directory.
    pub(super) fn new() -> Outcome<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sluice-bench-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path)
            .map_err(|error| failed(&format!("cannot write in {}", path.display()), error))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A data directory inside, without what an earlier run left.
    pub(super) fn data(&self) -> Outcome<PathBuf> {
        let path = self.0.join("data");
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed(&format!("cannot empty {}", path.display()), error))
            }
            _ => Ok(path),
        }
    }

    /// A CSV of so many people, of whom all can receive.
    pub(super) async fn audience(&self, recipients: u64) -> Outcome<PathBuf> {
        let path = self.0.join(format!("audience-{recipients}.csv"));
        let written = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || write_audience(&path, recipients)).await
        };
        match written {
            Ok(Ok(())) => Ok(path),
            Ok(Err(error)) => Err(failed(&format!("cannot write {}", path.display()), error)),
            Err(error) => Err(failed("cannot write the audience", error)),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed is the temporary directory's to clean.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

const FIRST: [&str; 8] = ["Ana", "Ben", "Chloe", "Deng", "Ewa", "Femi", "Grace", "Hugo"];

fn write_audience(path: &Path, recipients: u64) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(out, "phone,first_name")?;
    for number in 0..recipients {
        writeln!(out, "{},{}", phone(number), FIRST[number as usize % FIRST.len()])?;
    }
    out.flush()
}

/// A Brazilian mobile number.
pub(super) fn phone(number: u64) -> String {
    format!("+55119{number:08}")
}

/// The page of every campaign here.
pub(super) const PAGE: &str = "106540352242922";
/// What the bare client sends: as many bytes as the pipeline's body for this person.
pub(super) const BODY: &str =
    r#"{"text":"Hi Grace, SPRING10 takes 10 % off until Sunday.","to":"+5511900000000"}"#;

/// A launch over generic HTTP to everybody in a file.
pub(super) fn http_launch(campaign: &str, audience: &Path) -> Value {
    http_launch_to(campaign, audience, &[PAGE.to_owned()])
}

/// The same from several pages.
pub(super) fn http_launch_to(campaign: &str, audience: &Path, pages: &[String]) -> Value {
    json!({
        "campaign": campaign,
        "channel": "http",
        "pages": pages,
        "audience": { "path": audience },
        "message": { "http": { "body": http_body() } },
    })
}

/// The same to a few people who are written in the launch itself.
pub(super) fn inline_launch(campaign: &str, recipients: u64) -> Value {
    json!({
        "campaign": campaign,
        "channel": "http",
        "pages": [PAGE],
        "audience": inline(campaign, recipients),
        "message": { "http": { "body": http_body() } },
    })
}

/// A few people, of whom all have the campaign's name.
pub(super) fn inline(campaign: &str, recipients: u64) -> Value {
    let people = (0..recipients).map(|number| json!({ "phone": phone(number), "first_name": campaign }));
    json!({ "inline": people.collect::<Vec<_>>() })
}

/// The header in which a campaign of [`named_launch`] names itself.
pub(super) const CAMPAIGN_HEADER: &str = "x-campaign";

/// From one page, with its name in every call: what answers can tell it from others.
pub(super) fn named_launch(campaign: &str, audience: Value, page: &str, priority: &str) -> Value {
    json!({
        "campaign": campaign,
        "channel": "http",
        "pages": [page],
        "audience": audience,
        "message": { "http": { "headers": { CAMPAIGN_HEADER: campaign }, "body": http_body() } },
        "rules": { "priority": priority },
    })
}

fn http_body() -> Value {
    json!({ "to": "{{address}}", "text": "Hi {{first_name}}, SPRING10 takes 10 % off until Sunday." })
}

/// A WhatsApp template to everybody in a file.
pub(super) fn whatsapp_launch(campaign: &str, audience: &Path) -> Value {
    let parameters = json!([{ "type": "text", "text": "{{first_name}}" }]);
    json!({
        "campaign": campaign,
        "channel": "whatsapp",
        "pages": [PAGE],
        "audience": { "path": audience },
        "message": { "template": {
            "name": "spring_sale", "language": "en_US",
            "components": [{ "type": "body", "parameters": parameters }],
        } },
    })
}
