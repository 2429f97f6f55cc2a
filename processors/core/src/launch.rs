//! A launch: read with errors that help, checked as a whole before anything is created.
//!
//! Guarantee: a [`ValidLaunch`] can be expanded and sent as far as the launch alone decides; every problem
//! of a launch is reported at once, each with its field and a way out.
//!
//! Not done here: whether the audience can be read, pages are configured or credits suffice.

use crate::rate::Rate;
use crate::template::{MissingVariable, Template};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sluice_schemas::{AudienceFormat, CampaignLaunch};
use std::collections::BTreeSet;

mod in_time;
mod location;
mod message;
mod nearest;
mod rules;
mod shape;

pub use location::{Location, LocationError, ObjectStoreKind, is_url};
pub use message::{INSTAGRAM_TEXT_BYTES_MAX, MESSENGER_TEXT_CHARS_MAX, RETIRED_TAGS};
pub use nearest::nearest;
pub use rules::ValidRules;
pub use shape::{Details, SHAPE_BYTES_MAX};

/// Further attempts after a transient failure at most.
pub const MAX_RETRIES_MAX: i32 = 10;

/// One thing that is wrong with a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchProblem {
    /// Where: `audience.delimiter`.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

impl LaunchProblem {
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into(), hint: hint.into() }
    }
}

impl std::fmt::Display for LaunchProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.problem, self.hint)
    }
}

/// Why a text is no launch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// It is no JSON document, one that says a field twice, or one that is too long to look for all of its mistakes.
    #[error("{message} at line {line}, column {column}; {hint}")]
    NotJson {
        /// Line from 1.
        line: usize,
        /// Column from 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// It is not shaped like a launch. Everything that is wrong with it, also with what could be read.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Wrong(Vec<LaunchProblem>),
}

/// The message, compiled.
#[derive(Debug, Clone, PartialEq)]
pub enum CompiledMessage {
    /// WhatsApp: the components of the approved template, a JSON array.
    Template {
        /// Compiled components.
        components: Template,
    },
    /// Messenger, Instagram: the text.
    Text {
        /// Compiled body.
        body: Template,
    },
    /// Generic HTTP: the JSON body. Headers are the same for everybody.
    Http {
        /// Compiled body.
        body: Template,
    },
}

impl CompiledMessage {
    /// The one part that differs between recipients.
    pub fn template(&self) -> &Template {
        match self {
            CompiledMessage::Template { components } => components,
            CompiledMessage::Text { body } | CompiledMessage::Http { body } => body,
        }
    }
}

/// A launch that was checked, with its compiled parts.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidLaunch {
    /// As it came.
    pub launch: CampaignLaunch,
    /// The campaign's limit.
    pub rate: Option<Rate>,
    /// The zone of recipients without one, as the database writes it.
    pub time_zone: &'static str,
    /// When its sends may be called.
    pub rules: ValidRules,
    /// The message.
    pub message: CompiledMessage,
}

impl ValidLaunch {
    /// Variables that the message uses.
    pub fn variables(&self) -> impl ExactSizeIterator<Item = &str> {
        self.message.template().variables()
    }

    /// Renders the message for a recipient's values; see [`Template::render`].
    pub fn render<'v>(
        &self,
        lookup: impl Fn(&str) -> Option<&'v str>,
        out: &mut Vec<u8>,
    ) -> Result<(), MissingVariable> {
        self.message.template().render(lookup, out)
    }
}

/// Reads LAUNCH.json.
///
/// # Errors
/// All that is wrong with it, each mistake with its place; the first one of a text longer than [`SHAPE_BYTES_MAX`].
pub fn parse_json(text: &str) -> Result<CampaignLaunch, LaunchError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let error = match serde_json::from_str(text) {
        Ok(launch) => return Ok(launch),
        Err(error) => error,
    };
    if text.len() > SHAPE_BYTES_MAX {
        return Err(not_json(&error));
    }
    match serde_json::from_str(text).map(shape::mistakes) {
        Ok(mistakes) if !mistakes.is_empty() => Err(LaunchError::Wrong(mistakes)),
        _ => Err(not_json(&error)),
    }
}

fn not_json(error: &serde_json::Error) -> LaunchError {
    let full = error.to_string();
    let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(message, _)| message).to_owned();
    let hint = match () {
        () if error.is_eof() => "the document ends too early: a bracket or quote is not closed",
        () if message.starts_with("duplicate field") => "keep one of them",
        () => "docs/launch.md shows how a launch is written",
    };
    LaunchError::NotJson { line: error.line(), column: error.column(), message, hint: hint.to_owned() }
}

/// How an audience file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// A header and a record a line.
    Csv,
    /// A JSON object a line.
    Ndjson,
    /// Columns in row groups. Known by the ending alone: the launch's schema has no word for it, since a reader of
    /// an earlier version could not read a launch with a word that it does not know.
    Parquet,
}

/// The format of an audience file: as the launch says, or from the ending of the path or URL.
pub fn audience_format(path: &str, stated: Option<AudienceFormat>) -> Option<FileFormat> {
    match stated {
        Some(AudienceFormat::Csv) => return Some(FileFormat::Csv),
        Some(AudienceFormat::Ndjson) => return Some(FileFormat::Ndjson),
        None => {}
    }
    let location = Location::parse(path).ok()?;
    let (_, ending) = location.name().rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "csv" | "tsv" | "txt" => Some(FileFormat::Csv),
        "ndjson" | "jsonl" => Some(FileFormat::Ndjson),
        "parquet" | "pq" => Some(FileFormat::Parquet),
        _ => None,
    }
}

/// Collects what is wrong.
#[derive(Debug, Default)]
struct Problems(Vec<LaunchProblem>);

impl Problems {
    fn add(&mut self, field: &str, problem: impl Into<String>, hint: impl Into<String>) {
        self.0.push(LaunchProblem::new(field, problem, hint));
    }

    fn keep<T>(&mut self, checked: Result<T, Vec<LaunchProblem>>) -> Option<T> {
        checked.map_err(|problems| self.0.extend(problems)).ok()
    }
}

/// Checks everything that the launch alone decides.
pub fn validate(launch: &CampaignLaunch) -> Result<ValidLaunch, Vec<LaunchProblem>> {
    let mut problems = Problems::default();
    check_names(launch, &mut problems);
    check_pages(launch, &mut problems);
    check_audience(launch, &mut problems);
    let rate = rules::check_rate(launch, &mut problems);
    if !(0..=MAX_RETRIES_MAX).contains(&launch.max_retries) {
        let hint = "write a number from 0 to 10; without it 3 is used";
        problems.add("max_retries", format!("{} is out of range", launch.max_retries), hint);
    }
    let time_zone = rules::check_time_zone(launch, &mut problems);
    let zone = time_zone.and_then(crate::row::time_zone).unwrap_or(TimeZone::UTC);
    let rules = rules::check(launch, &zone, &mut problems);
    let message = message::check(launch, &mut problems);
    match (message, time_zone) {
        (Some(message), Some(time_zone)) if problems.0.is_empty() => {
            Ok(ValidLaunch { launch: launch.clone(), rate, time_zone, rules, message })
        }
        _ => Err(problems.0),
    }
}

/// The same for a launch whose campaign is about to be created at `now_ms`: also that it can call anybody from then on.
pub fn validate_at(launch: &CampaignLaunch, now_ms: i64) -> Result<ValidLaunch, Vec<LaunchProblem>> {
    let mut problems = Problems::default();
    let zone = rules::check_time_zone(launch, &mut problems).and_then(crate::row::time_zone);
    // What is wrong is left out of the rules: what is right of them may still come too late.
    let rules = rules::check(launch, &zone.unwrap_or(TimeZone::UTC), &mut problems);
    let late = rules.too_late(&launch.rules, now_ms);
    match validate(launch) {
        Ok(valid) if late.is_empty() => Ok(valid),
        Ok(_) => Err(late),
        Err(mut problems) => {
            let is_new = |late: &LaunchProblem| problems.iter().all(|known| known.field != late.field);
            let late: Vec<_> = late.into_iter().filter(is_new).collect();
            problems.extend(late);
            Err(problems)
        }
    }
}

fn check_names(launch: &CampaignLaunch, problems: &mut Problems) {
    let fits = |name: &str, upper: bool| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| {
                b.is_ascii_lowercase()
                    || b.is_ascii_digit()
                    || matches!(b, b'-' | b'_' | b'.')
                    || (upper && b.is_ascii_uppercase())
            })
    };
    if !fits(&launch.campaign, false) {
        let hint = "use 1 to 64 of a-z, 0-9, - _ and . , for example spring-sale";
        problems.add("campaign", format!("`{}` is not a campaign name", shown(&launch.campaign)), hint);
    }
    if !fits(&launch.tenant, true) {
        let hint = "use 1 to 64 letters, digits, - _ and . , or leave it out";
        problems.add("tenant", format!("`{}` is not a tenant name", shown(&launch.tenant)), hint);
    }
}

fn check_pages(launch: &CampaignLaunch, problems: &mut Problems) {
    if launch.pages.is_empty() {
        let hint = "name the page or number that sends, as it is called in the configuration";
        problems.add("pages", "there is none", hint);
    }
    let mut seen = BTreeSet::new();
    for (index, page) in launch.pages.iter().enumerate() {
        let field = format!("pages[{index}]");
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+' | b':' | b'@');
        if page.is_empty() || page.len() > 128 || !page.bytes().all(fits) {
            let hint = "a page has 1 to 128 letters, digits, - _ . + : @";
            problems.add(&field, format!("`{}` is not a page", shown(page)), hint);
        }
        if !seen.insert(page) {
            problems.add(&field, format!("`{}` is named twice", shown(page)), "name each page once");
        }
    }
}

fn check_audience(launch: &CampaignLaunch, problems: &mut Problems) {
    let audience = &launch.audience;
    match (&audience.path, &audience.inline) {
        (None, None) => {
            let hint = "give a file as `path`, or rows as `inline`";
            problems.add("audience", "there are no recipients", hint);
        }
        (Some(_), Some(_)) => {
            problems.add("audience", "`path` and `inline` are both given", "keep one of them");
        }
        (Some(path), None) if path.trim().is_empty() => {
            problems.add("audience.path", "it is empty", "name a CSV, NDJSON or Parquet file");
        }
        (Some(path), None) => match Location::parse(path) {
            Err(LocationError { problem, hint }) => problems.add("audience.path", problem, hint),
            Ok(_) if audience_format(path, audience.format).is_none() => {
                let hint = "set audience.format to csv or ndjson; a Parquet file ends with .parquet";
                problems.add("audience.path", "its ending does not tell the format", hint);
            }
            Ok(_) => {}
        },
        (None, Some(_)) => {}
    }
    let csv = |path: &String| audience_format(path, audience.format) == Some(FileFormat::Csv);
    if let Some(delimiter) = &audience.delimiter {
        let single = delimiter.len() == 1 && delimiter.is_ascii();
        if !single || matches!(delimiter.as_str(), "\"" | "\r" | "\n") {
            let hint = "use one ASCII character such as , or ; or leave it out: it is found from the header";
            problems.add("audience.delimiter", format!("`{}` cannot separate cells", shown(delimiter)), hint);
        }
        if !audience.path.as_ref().is_some_and(csv) {
            problems.add("audience.delimiter", "only CSV files have one", "leave it out");
        }
    }
    if let Err(error) = crate::row::check_fields(&audience.columns) {
        problems.add("audience.columns", error.to_string(), "map a field to the name of your column");
    }
    for (field, column) in &audience.columns {
        if column.trim().is_empty() {
            let hint = "name the column, or leave the field out";
            problems.add(&format!("audience.columns.{field}"), "the column's name is empty", hint);
        }
    }
}

/// As much of a text as a message needs, without control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests;
