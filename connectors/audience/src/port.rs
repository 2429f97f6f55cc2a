//! The audience port of the runtime over files and inline rows.
//!
//! A thread of its own reads, decides and deduplicates ahead of the expander, two batches at most.

use crate::batch::RowContent;
use crate::decided::DecidedRows;
use crate::error::AudienceError;
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

/// Opens audiences of this machine.
#[derive(Debug, Clone)]
pub struct FileAudiences {
    base: PathBuf,
    temporary: PathBuf,
}

impl FileAudiences {
    /// Relative paths of launches count from `base`; sets of addresses too large for memory go to `temporary`.
    pub fn new(base: impl Into<PathBuf>, temporary: impl Into<PathBuf>) -> Self {
        FileAudiences { base: base.into(), temporary: temporary.into() }
    }

    /// Opens the audience of a checked launch here and now. Of each row, the variables that the message uses are kept.
    pub fn open_now(&self, launch: &ValidLaunch) -> Result<DecidedRows, AudienceError> {
        open(&self.base, &self.temporary, launch)
    }
}

fn open(base: &Path, temporary: &Path, valid: &ValidLaunch) -> Result<DecidedRows, AudienceError> {
    let launch = &valid.launch;
    let rules = ColumnRules {
        channel: launch.channel,
        mapping: launch.audience.columns.clone(),
        pages: launch.pages.clone(),
        keep: Keep::Only(valid.variables().map(str::to_owned).collect()),
    };
    let reader = AudienceReader::open(&AudienceSource::of(&launch.audience, base), &rules)?;
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
        let (base, temporary) = (self.base.clone(), self.temporary.clone());
        let opened = tokio::task::spawn_blocking(move || open(&base, &temporary, &valid)).await;
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
