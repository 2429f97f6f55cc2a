//! A source whose rows, pin and faults a test decides.

use async_trait::async_trait;
use sluice_core::row::{RowDecision, SkipReason};
use sluice_runtime::ports::audience::{AudienceProblem, Audiences, DecidedRow, OpenAudience, Rows};
use sluice_schemas::CampaignLaunch;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A row of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    /// Can be sent to.
    Valid,
    /// The same, in a zone, from a day on.
    In(Option<&'static str>, Option<&'static str>),
    /// Is never sent to.
    Duplicate,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) people: Vec<Person>,
    pub(crate) pin: String,
    /// Rows at a time.
    pub(crate) batch: usize,
    /// Time between them.
    pub(crate) pace: Duration,
    /// Opening fails.
    pub(crate) unreadable: bool,
    /// Reading fails after so many rows.
    pub(crate) breaks_after: Option<usize>,
    /// The reader notices at the end that the content changed meanwhile.
    pub(crate) changes: bool,
    pub(crate) opened: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Source(Arc<Mutex<Settings>>);

impl Source {
    pub(crate) fn new(people: Vec<Person>) -> Self {
        let pin = format!("{}-aa", people.len() * 10);
        Self(Arc::new(Mutex::new(Settings {
            people,
            pin,
            batch: 5,
            pace: Duration::ZERO,
            unreadable: false,
            breaks_after: None,
            changes: false,
            opened: 0,
        })))
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(crate) fn opened(&self) -> u32 {
        self.0.lock().unwrap().opened
    }
}

pub(crate) fn address(line: u64) -> String {
    format!("person-{line}")
}

fn unreadable() -> AudienceProblem {
    AudienceProblem {
        code: "audience_unreadable",
        message: "cannot read people.csv".to_owned(),
        actionable: "check the disk".to_owned(),
    }
}

#[async_trait]
impl Audiences for Source {
    async fn open(&self, _launch: &CampaignLaunch) -> Result<OpenAudience, AudienceProblem> {
        let mut settings = self.0.lock().unwrap();
        settings.opened += 1;
        if settings.unreadable {
            return Err(unreadable());
        }
        Ok(OpenAudience {
            pin: settings.pin.clone(),
            rows: Box::new(Reader { settings: settings.clone(), next: 0, due: None }),
        })
    }
}

struct Reader {
    settings: Settings,
    next: usize,
    due: Option<tokio::time::Instant>,
}

#[async_trait]
impl Rows for Reader {
    async fn next(&mut self) -> Result<Option<Vec<DecidedRow>>, AudienceProblem> {
        // Kept until it has passed: cancel-safe.
        let pace = self.settings.pace;
        let due = *self.due.get_or_insert_with(|| tokio::time::Instant::now() + pace);
        tokio::time::sleep_until(due).await;
        self.due = None;
        if self.settings.breaks_after.is_some_and(|rows| self.next >= rows) {
            return Err(unreadable());
        }
        if self.settings.changes && self.next >= self.settings.people.len() {
            return Err(AudienceProblem {
                code: "audience_changed",
                message: "people.csv changed while it was read".to_owned(),
                actionable: "launch again".to_owned(),
            });
        }
        let rows: Vec<_> = self
            .settings
            .people
            .iter()
            .enumerate()
            .skip(self.next)
            .take(self.settings.batch)
            .map(row)
            .collect();
        self.next += rows.len();
        Ok((!rows.is_empty()).then_some(rows))
    }
}

fn row((number, person): (usize, &Person)) -> DecidedRow {
    let line = number as u64 + 2;
    let valid = |zone: Option<&str>, day: Option<&str>| RowDecision::Valid {
        address: address(line),
        name: None,
        customer_id: None,
        time_zone: zone.map(str::to_owned),
        page_id: None,
        send_date: day.map(|day| day.parse().unwrap()),
        variables: Default::default(),
        warnings: Vec::new(),
    };
    let decision = match person {
        Person::Valid => valid(None, None),
        Person::In(zone, day) => valid(*zone, *day),
        Person::Duplicate => {
            RowDecision::Skipped { reason: SkipReason::Duplicate, detail: "an earlier row".to_owned() }
        }
    };
    DecidedRow { line, decision }
}
