//! `rejected/<campaign>.csv`: the rows that got no message, and why.

use super::people;
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

/// Writes the file; it appears whole or not at all. Gives its rows; without any there is no file.
pub async fn write(store: &dyn Store, row: &CampaignRow, path: &Path) -> Outcome<u64> {
    let chunks: Vec<_> = store.chunks(row.id).await?.into_iter().filter(|chunk| chunk.skipped > 0).collect();
    if chunks.is_empty() {
        return Ok(0);
    }
    let failed = |error: io::Error| {
        Failure::refused(
            "rejected_file",
            format!("cannot write {}", path.display()),
            "free space there; `sluice campaign recipients --status skipped` shows the same",
        )
        .with(error.to_string())
    };
    let partial = path.with_extension("csv.partial");
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut out = BufWriter::new(File::create(&partial).map_err(failed)?);
    let mut text = String::new();
    csv::line(&mut text, ["line", "reason", "detail", "address"]);
    let mut rows = 0;
    for chunk in chunks {
        let is_skipped = |_, recipient: Recipient| recipient.status() == Status::Skipped;
        for person in people::of_chunk(store, &chunk, is_skipped, usize::MAX).await? {
            let (line, reason) = (person.line.to_string(), person.reason.unwrap_or_default());
            let detail = person.message.unwrap_or_else(|| detail_of(&reason).to_owned());
            csv::line(&mut text, [line.as_str(), &reason, &detail, &person.address]);
            rows += 1;
        }
        out.write_all(text.as_bytes()).map_err(failed)?;
        text.clear();
    }
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)?;
    Ok(rows)
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
