//! `rejected/<campaign>.csv`: the rows that got no message, and why.

use super::people::{self, Person};
use crate::error::{Failure, Outcome};
use crate::view::csv;
use sluice_core::CampaignRow;
use sluice_core::facts::{Recipient, Status};
use sluice_runtime::ports::store::Store;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where the file of a campaign is.
pub fn path(data_dir: &Path, row: &CampaignRow) -> PathBuf {
    let name = match row.launch.tenant.as_str() {
        "default" => format!("{}.csv", row.launch.campaign),
        tenant => format!("{tenant}.{}.csv", row.launch.campaign),
    };
    data_dir.join("rejected").join(name)
}

/// Writes the file of a campaign as the store has it. Gives its rows; without any there is no file.
pub async fn write(store: &dyn Store, row: &CampaignRow, path: &Path) -> Outcome<u64> {
    let chunks: Vec<_> = store.chunks(row.id).await?.into_iter().filter(|chunk| chunk.skipped > 0).collect();
    if chunks.is_empty() {
        return Ok(0);
    }
    let mut file = RejectedFile::create(path)?;
    for chunk in chunks {
        let is_skipped = |_, recipient: Recipient| recipient.status() == Status::Skipped;
        file.add(people::of_chunk(store, &chunk, is_skipped, usize::MAX).await?)?;
    }
    file.finish()
}

/// A list that is being written; the file appears whole or not at all.
#[derive(Debug)]
pub struct RejectedFile {
    path: PathBuf,
    partial: PathBuf,
    out: BufWriter<File>,
    rows: u64,
}

impl RejectedFile {
    /// With its heading.
    pub fn create(path: &Path) -> Outcome<Self> {
        let partial = path.with_extension("csv.partial");
        let failed = |error| failed(path, &error);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let out = BufWriter::new(File::create(&partial).map_err(failed)?);
        let mut file = Self { path: path.to_owned(), partial, out, rows: 0 };
        let mut heading = String::new();
        csv::line(&mut heading, ["line", "reason", "detail", "address"]);
        file.write(&heading)?;
        Ok(file)
    }

    /// A row for each of them: they were skipped.
    pub fn add(&mut self, people: Vec<Person>) -> Outcome<()> {
        let mut text = String::new();
        for person in people {
            let (line, reason) = (person.line.to_string(), person.reason.unwrap_or_default());
            let detail = person.message.unwrap_or_else(|| detail_of(&reason).to_owned());
            csv::line(&mut text, [line.as_str(), &reason, &detail, &person.address]);
            self.rows += 1;
        }
        self.write(&text)
    }

    /// How many there are, once they are on disk.
    pub fn finish(mut self) -> Outcome<u64> {
        let durable = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        durable
            .and_then(|()| std::fs::rename(&self.partial, &self.path))
            .map_err(|error| failed(&self.path, &error))?;
        Ok(self.rows)
    }

    fn write(&mut self, text: &str) -> Outcome<()> {
        self.out.write_all(text.as_bytes()).map_err(|error| failed(&self.path, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(
        "rejected_file",
        format!("cannot write {}", path.display()),
        "free space there; `sluice campaign recipients --status skipped` shows the same",
    )
    .with(error.to_string())
}

/// A reason in a sentence.
pub fn detail_of(reason: &str) -> &'static str {
    match reason {
        "malformed_row" => "the row cannot be read",
        "opted_out" => "the audience says the person does not want messages",
        "no_opt_in" => "the channel's opt-in flag does not say yes",
        "missing_address" => "there is no address",
        "invalid_address" => "what stands there is not an address of the channel",
        "unknown_page" => "the row asks for a page that the launch does not name",
        "duplicate" => "an earlier row has the same address",
        "suppressed" => "the person is on the suppression list",
        _ => "",
    }
}
