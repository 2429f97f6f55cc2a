//! The audience port of the runtime over files, objects and inline rows.
//!
//! A thread of its own reads, decides and deduplicates ahead of the expander, two batches at most.

use crate::batch::RowContent;
use crate::decided::DecidedRows;
use crate::error::AudienceError;
use crate::options::AudienceOptions;
use crate::reader::AudienceReader;
use crate::seen::SeenSet;
use crate::source::AudienceSource;
use async_trait::async_trait;
use sluice_core::launch::{LaunchProblem, ValidLaunch, validate};
use sluice_core::row::{ColumnRules, Keep, RowDecision, SkipReason};
use sluice_runtime::ports::audience::{AudienceProblem, Audiences, DecidedRow, OpenAudience, Rows};
use sluice_schemas::CampaignLaunch;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Rows of a batch.
const BATCH_ROWS: usize = 1_024;
/// Batches read ahead.
const AHEAD_BATCHES: usize = 2;

/// Opens audiences: files of this machine and, by URL, of object stores and web servers.
#[derive(Debug, Clone)]
pub struct FileAudiences {
    base: PathBuf,
    temporary: PathBuf,
    options: AudienceOptions,
}

impl FileAudiences {
    /// Relative paths of launches count from `base`; sets of addresses too large for memory go to `temporary`.
    pub fn new(base: impl Into<PathBuf>, temporary: impl Into<PathBuf>) -> Self {
        let options = AudienceOptions::default();
        FileAudiences { base: base.into(), temporary: temporary.into(), options }
    }

    /// The same with other settings: what may be read, and how.
    #[must_use]
    pub fn with_options(self, options: AudienceOptions) -> Self {
        FileAudiences { options, ..self }
    }

    /// Opens the audience of a checked launch here and now. Of each row, the variables that the message uses are kept.
    /// Blocks the thread, for a URL also on the network: asynchronous code opens through the port.
    pub fn open_now(&self, launch: &ValidLaunch) -> Result<DecidedRows, AudienceError> {
        open(&self.base, &self.temporary, launch, &self.options)
    }
}

fn open(
    base: &Path,
    temporary: &Path,
    valid: &ValidLaunch,
    options: &AudienceOptions,
) -> Result<DecidedRows, AudienceError> {
    options.validate()?;
    let launch = &valid.launch;
    let has_value = |name: &str| launch.variables.get(name).is_some_and(|value| !value.is_empty());
    let rules = ColumnRules {
        channel: launch.channel,
        mapping: launch.audience.columns.clone(),
        pages: launch.pages.clone(),
        keep: Keep::Only(valid.variables().map(str::to_owned).collect()),
        needed: valid.variables().filter(|name| !has_value(name)).map(str::to_owned).collect(),
    };
    let reader = AudienceReader::open_with(&AudienceSource::of(&launch.audience, base), &rules, options)?;
    Ok(DecidedRows::new(reader, launch.channel, SeenSet::new(temporary)))
}

fn problem(error: &AudienceError) -> AudienceProblem {
    AudienceProblem {
        code: error.code(),
        message: error.to_string(),
        actionable: error.actionable().to_owned(),
    }
}

fn refused(problems: &[LaunchProblem]) -> AudienceProblem {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    AudienceProblem {
        code: "launch_invalid",
        message: format!("the launch is not valid: {}", texts.join("; ")),
        actionable: "repair the launch and launch again".to_owned(),
    }
}

fn stopped() -> AudienceProblem {
    AudienceProblem {
        code: "audience_stopped",
        message: "reading the audience stopped unexpectedly".to_owned(),
        actionable: "run it again; if it stays, the log says what happened".to_owned(),
    }
}

#[async_trait]
impl Audiences for FileAudiences {
    async fn open(&self, launch: &CampaignLaunch) -> Result<OpenAudience, AudienceProblem> {
        let valid = validate(launch).map_err(|problems| refused(&problems))?;
        let audiences = self.clone();
        let opened = tokio::task::spawn_blocking(move || audiences.open_now(&valid)).await;
        let rows = opened.map_err(|_| stopped())?.map_err(|error| problem(&error))?;
        let pin = rows.pin().to_string();
        let (sender, receiver) = mpsc::channel(AHEAD_BATCHES);
        std::thread::Builder::new()
            .name("audience".to_owned())
            .spawn(move || read_ahead(rows, &sender))
            .map_err(|_| stopped())?;
        Ok(OpenAudience { pin, rows: Box::new(ReadAhead { receiver, failed: None, done: false }) })
    }
}

type Message = Result<Option<Vec<DecidedRow>>, AudienceProblem>;

/// Reads until the end, an error, or nobody listens.
fn read_ahead(mut rows: DecidedRows, sender: &mpsc::Sender<Message>) {
    loop {
        let message = next_rows(&mut rows).map_err(|error| problem(&error));
        let more = matches!(message, Ok(Some(_)));
        if sender.blocking_send(message).is_err() || !more {
            return;
        }
    }
}

fn next_rows(rows: &mut DecidedRows) -> Result<Option<Vec<DecidedRow>>, AudienceError> {
    let Some(batch) = rows.next_batch(BATCH_ROWS)? else { return Ok(None) };
    let mut decided_rows = Vec::with_capacity(batch.len());
    for row in batch.rows() {
        let verdict = rows.decide(&batch, row)?.verdict;
        let decision = match row.content {
            RowContent::Cells(cells) => batch.columns().own(verdict, cells),
            RowContent::Malformed { reason, .. } => {
                RowDecision::Skipped { reason: SkipReason::MalformedRow, detail: reason.to_owned() }
            }
        };
        decided_rows.push(DecidedRow { line: row.line, decision });
    }
    Ok(Some(decided_rows))
}

/// The receiving end of the reading thread.
struct ReadAhead {
    receiver: mpsc::Receiver<Message>,
    failed: Option<AudienceProblem>,
    done: bool,
}

#[async_trait]
impl Rows for ReadAhead {
    async fn next(&mut self) -> Message {
        if let Some(problem) = &self.failed {
            return Err(problem.clone());
        }
        if self.done {
            return Ok(None);
        }
        let message = self.receiver.recv().await.unwrap_or_else(|| Err(stopped()));
        match &message {
            Ok(Some(_)) => {}
            Ok(None) => self.done = true,
            Err(problem) => self.failed = Some(problem.clone()),
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::launch::parse_json;
    use sluice_core::row::SkipReason::{
        Duplicate, InvalidAddress, MalformedRow, MissingAddress, NoOptIn, OptedOut,
    };
    use std::io::Write;

    const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data");

    fn launch(channel: &str, path: &str, message: &str) -> CampaignLaunch {
        let document = format!(
            r#"{{"campaign": "c", "channel": "{channel}", "pages": ["p1"], "audience": {{"path": "{path}"}},
                 "message": {message}}}"#
        );
        parse_json(&document).unwrap()
    }

    fn http(path: &str) -> CampaignLaunch {
        launch("http", path, r#"{"http": {"body": {"to": "{{address}}"}}}"#)
    }

    /// How many rows are valid, then how many are skipped for each of `reasons`; and how many rows there are.
    async fn counts(launch: &CampaignLaunch, reasons: &[SkipReason]) -> (Vec<usize>, usize) {
        let temporary = tempfile::tempdir().unwrap();
        let mut opened = FileAudiences::new(SAMPLES, temporary.path()).open(launch).await.unwrap();
        let (mut counts, mut total) = (vec![0; reasons.len() + 1], 0);
        while let Some(rows) = opened.rows.next().await.unwrap() {
            total += rows.len();
            for row in rows {
                let place = match row.decision {
                    RowDecision::Valid { .. } => Some(0),
                    RowDecision::Skipped { reason, .. } => {
                        reasons.iter().position(|r| *r == reason).map(|p| p + 1)
                    }
                };
                place.into_iter().for_each(|place| counts[place] += 1);
            }
        }
        (counts, total)
    }

    #[tokio::test]
    async fn a3_the_samples_come_through_the_port_with_the_counts_of_their_readme() {
        let text = r#"{"text": {"body": "hello"}}"#;
        let no_address = [MissingAddress, InvalidAddress];
        let (found, total) = counts(&launch("messenger", "contacts-messenger.csv", text), &no_address).await;
        assert_eq!((found[0], found[1] + found[2], total), (10, 40, 50));
        let no_instagram = [MissingAddress, InvalidAddress, NoOptIn];
        let (found, total) =
            counts(&launch("instagram", "contacts-messenger.csv", text), &no_instagram).await;
        assert_eq!((found[0], found[1] + found[2], found[3], total), (5, 22, 23, 50));

        let template = r#"{"template": {"name": "spring", "language": "en"}}"#;
        let reasons = [Duplicate, OptedOut, NoOptIn, MissingAddress, InvalidAddress, MalformedRow];
        let (found, total) = counts(&launch("whatsapp", "contacts-messy.csv", template), &reasons).await;
        assert_eq!((&found[..4], found[4] + found[5], found[6], total), (&[15, 1, 1, 1][..], 6, 2, 26));
    }

    #[tokio::test]
    async fn hazard_1_a_file_that_changes_while_it_is_read_is_refused_before_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("people.csv");
        let text: String = (0..200_000).map(|number| format!("person-{number}\n")).collect();
        std::fs::write(&path, format!("address\n{text}")).unwrap();
        let mut opened =
            FileAudiences::new(directory.path(), directory.path()).open(&http("people.csv")).await.unwrap();
        assert!(opened.rows.next().await.unwrap().is_some());
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"late\n").unwrap();
        let problem = loop {
            match opened.rows.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the change was not noticed"),
                Err(problem) => break problem,
            }
        };
        assert_eq!(problem.code, "audience_changed");
        assert_eq!(opened.rows.next().await.unwrap_err(), problem, "it stays so");
    }

    #[test]
    fn g9_addresses_beyond_memory_go_to_the_configured_directory_and_leave_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let temporary = directory.path().join("data").join("tmp");
        let mut text = String::from("address\n");
        (0..900_100).for_each(|number| text.push_str(&format!("{number}\n")));
        std::fs::write(directory.path().join("people.csv"), text).unwrap();
        let valid = validate(&http("people.csv")).unwrap();
        let mut rows = FileAudiences::new(directory.path(), &temporary).open_now(&valid).unwrap();
        while let Some(batch) = rows.next_batch(8_192).unwrap() {
            for row in batch.rows() {
                rows.decide(&batch, row).unwrap();
            }
        }
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 1);
        drop(rows);
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    }
}
