//! The life of a campaign.
//!
//! ```text
//!              ┌──────────── retry failed ◄──────────┐
//!              ▼                                     │
//!  launch ► running ◄─ resume ─┐                     │
//!    │         │  └─── pause ► paused                │
//!    │         ├──────────────────┴─ all terminal ► completed
//!    │         ├──────────────────┴─ no way to expand ► failed
//!    └► scheduled ─ its time ► running
//!              ├─ cancel (of scheduled, running, paused) ► cancelling ► cancelled
//!              ├─ recurring, and does not come again ► completed
//!              └─ no way to expand ► failed
//! ```
//!
//! Which command does what in which state is decided in [`crate::control`].

use crate::ids::{CampaignId, ChunkId, PageId};
use serde::{Deserialize, Serialize};
use sluice_schemas::{CampaignLaunch, GateClass, Span};

mod descriptors;
mod events;
mod running;
mod terms;

pub use terms::{Retried, Terms};

/// Where a campaign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CampaignState {
    /// Waits for the time it is to start at.
    Scheduled,
    /// Expanding or sending.
    Running,
    /// Expanding perhaps, not sending: a person wants it so.
    Paused,
    /// Nothing more is granted; what is out is settled.
    Cancelling,
    /// Every recipient is in a final state. Of a recurring one, which has no recipients of its own: it came for the last
    /// time.
    Completed,
    /// Ended by a person, or by its end, before everybody was called.
    Cancelled,
    /// It could not be expanded; the reason says why.
    Failed,
}

impl CampaignState {
    /// The word used in the CLI, the API, metrics and dashboards.
    pub fn as_str(self) -> &'static str {
        match self {
            CampaignState::Scheduled => "scheduled",
            CampaignState::Running => "running",
            CampaignState::Paused => "paused",
            CampaignState::Cancelling => "cancelling",
            CampaignState::Completed => "completed",
            CampaignState::Cancelled => "cancelled",
            CampaignState::Failed => "failed",
        }
    }

    /// Whether nothing more happens by itself.
    pub fn is_ended(self) -> bool {
        matches!(self, CampaignState::Completed | CampaignState::Cancelled | CampaignState::Failed)
    }

    /// Whether sends may be granted (hazard 4: a lane opens only if the row says so).
    pub fn may_send(self) -> bool {
        self == CampaignState::Running
    }

    /// Whether it has started and is not at its end: it sends, or would after a pause.
    pub fn goes_on(self) -> bool {
        matches!(self, CampaignState::Running | CampaignState::Paused)
    }

    /// Whether the step is one of those drawn above.
    pub fn may_become(self, next: CampaignState) -> bool {
        use CampaignState::{Cancelled, Cancelling, Completed, Failed, Paused, Running, Scheduled};
        matches!(
            (self, next),
            (Scheduled, Running | Cancelling | Completed | Failed)
                | (Running, Paused | Cancelling | Completed | Failed)
                | (Paused, Running | Cancelling | Completed | Failed)
                | (Cancelling, Cancelled)
                | (Completed, Running)
        )
    }
}

/// What an expansion made in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Committed chunks.
    pub chunks: u32,
    /// Rows of the audience: those in chunks and those counted only because the campaign was cancelled.
    pub total: u64,
    /// Rows that are in no chunk because the campaign was cancelled before they were expanded.
    pub not_expanded: u64,
}

/// The step that brought a campaign into its present state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// The state before.
    pub from: CampaignState,
    /// [`CampaignRow::steps`] after it.
    pub step: u32,
    /// ms since 1970.
    pub at_ms: i64,
}

/// A step of a campaign, made only from the state, run and version of the terms that it was decided on.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// Needed state.
    pub from: CampaignState,
    /// Needed run. [`CampaignState::Completed`] to [`CampaignState::Running`] raises it.
    pub run: u32,
    /// New state; the same where only the terms change.
    pub to: CampaignState,
    /// Why, for people.
    pub reason: Option<String>,
    /// When it was decided, in ms since 1970.
    pub at_ms: i64,
    /// New terms, and the version that they replace.
    pub terms: Option<(u32, Terms)>,
    /// Needed version of the terms, for a step that follows from them; `None`: any.
    pub under: Option<u32>,
}

/// A campaign as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CampaignRow {
    /// Derived from tenant and name.
    pub id: CampaignId,
    /// As validated.
    pub launch: CampaignLaunch,
    /// Where it is.
    pub state: CampaignState,
    /// From 1; another with every retry of failed recipients.
    pub run: u32,
    /// Of the expansion: the fence against a former expander.
    pub exp_epoch: u32,
    /// Size and digest of the audience; a changed one is refused.
    pub source_pin: Option<String>,
    /// Set when the expansion is complete.
    pub seal: Option<Seal>,
    /// ms since 1970.
    pub created_at_ms: i64,
    /// ms since 1970.
    pub ended_at_ms: Option<i64>,
    /// Why it is in its present state, as somebody said or Sluice found: cancelled, failed, paused, resumed, over.
    pub reason: Option<String>,
    /// Id of the newest event that is durable in `campaign.events`; the transition's own event is
    /// produced again until it stands here (hazard 22).
    pub announced: Option<String>,
    /// Raised by each step.
    #[serde(default)]
    pub steps: u32,
    /// How it got into its present state: tells one pause from the next. `None`: by its launch.
    #[serde(default)]
    pub entered: Option<Entered>,
    /// It was launched for later and has not started: nobody was called, its audience was not read.
    #[serde(default)]
    pub awaits_start: bool,
    /// When the present run began to send, or will: ms since 1970.
    #[serde(default)]
    pub starts_at_ms: i64,
    /// ms since its launch in which it was not running, up to its present state.
    #[serde(default)]
    pub rested_ms: i64,
    /// In force instead of the launch's.
    #[serde(default)]
    pub changed: Option<Terms>,
    /// Raised by each change of the terms.
    #[serde(default)]
    pub terms_version: u32,
}

impl CampaignRow {
    /// The pages that it is sent from.
    pub fn page_ids(&self) -> Vec<PageId> {
        self.launch.pages.iter().map(|page| PageId::from(page.as_str())).collect()
    }

    /// A campaign that has just been launched.
    pub fn launched(launch: CampaignLaunch, now_ms: i64) -> Self {
        Self {
            id: CampaignId::of(&launch.tenant, &launch.campaign),
            launch,
            state: CampaignState::Running,
            run: 1,
            exp_epoch: 0,
            source_pin: None,
            seal: None,
            created_at_ms: now_ms,
            ended_at_ms: None,
            reason: None,
            announced: None,
            steps: 0,
            entered: None,
            awaits_start: false,
            starts_at_ms: now_ms,
            rested_ms: 0,
            changed: None,
            terms_version: 0,
        }
    }

    /// A campaign that starts at `starts_at_ms`.
    pub fn scheduled(launch: CampaignLaunch, now_ms: i64, starts_at_ms: i64) -> Self {
        let launched = Self::launched(launch, now_ms);
        Self { state: CampaignState::Scheduled, starts_at_ms, awaits_start: true, ..launched }
    }

    /// A campaign that was to start at `starts_at_ms` and is not going to: nobody is called. It ends like one that a
    /// person cancels before its start, so that everybody is told.
    pub fn never_started(launch: CampaignLaunch, now_ms: i64, starts_at_ms: i64, reason: String) -> Self {
        let waits = Self::scheduled(launch, now_ms, starts_at_ms);
        Self { state: CampaignState::Cancelling, reason: Some(reason), ..waits }
    }

    /// The row after `step`; `None` where it was decided on another state, run or version of the terms.
    pub fn after(&self, step: &Transition) -> Option<Self> {
        let stays = step.to == self.state && step.terms.is_some();
        let possible = (self.state, self.run) == (step.from, step.run)
            && (stays || self.state.may_become(step.to))
            && step.terms.as_ref().is_none_or(|(version, _)| *version == self.terms_version)
            && step.under.is_none_or(|version| version == self.terms_version);
        if !possible {
            return None;
        }
        let is_new_run = step.is_new_run();
        let mut row = self.clone();
        row.state = step.to;
        row.run += u32::from(is_new_run);
        row.steps += 1;
        if step.to != self.state {
            row.rested_ms += self.rests_until(step.at_ms);
            row.entered = Some(Entered { from: self.state, step: row.steps, at_ms: step.at_ms });
        }
        row.ended_at_ms = step.to.is_ended().then_some(step.at_ms);
        // A reason belongs to the state that it was given for: it stays while the terms change, and from being cancelled to
        // the end of that.
        let keeps_reason = step.to == self.state || self.state == CampaignState::Cancelling;
        if !keeps_reason || step.reason.is_some() {
            row.reason = step.reason.clone();
        }
        if is_new_run || (step.from, step.to) == (CampaignState::Scheduled, CampaignState::Running) {
            row.starts_at_ms = step.at_ms;
            row.awaits_start = false;
        }
        if let Some((_, terms)) = &step.terms {
            row.changed = Some(terms.clone());
            row.terms_version += 1;
            if let (CampaignState::Scheduled, Some(at_ms)) = (row.state, terms.starts_at_ms) {
                row.starts_at_ms = at_ms;
            }
        }
        Some(row)
    }

    /// Whether something is still to be done for it: it goes on, or nobody was told of its end yet.
    pub fn is_unfinished(&self) -> bool {
        let told = self.announced.as_ref().is_some_and(|event| *event == self.event_id());
        !self.state.is_ended() || !told
    }
}

impl Transition {
    /// A step of `row` to another state, whatever its terms.
    pub fn of(row: &CampaignRow, to: CampaignState, reason: Option<String>, at_ms: i64) -> Self {
        Self { from: row.state, run: row.run, to, reason, at_ms, terms: None, under: None }
    }

    /// The same because of its terms: they say when it starts and ends, and a person may change them meanwhile.
    pub fn by_terms_of(row: &CampaignRow, to: CampaignState, reason: Option<String>, at_ms: i64) -> Self {
        Self { under: Some(row.terms_version), ..Self::of(row, to, reason, at_ms) }
    }

    /// Whether failed recipients are tried again.
    pub fn is_new_run(&self) -> bool {
        (self.from, self.to) == (CampaignState::Completed, CampaignState::Running)
    }
}

/// A committed chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRow {
    /// Its name.
    pub id: ChunkId,
    /// The page that sends it.
    pub page: PageId,
    /// Rows, skipped ones included.
    pub size: u32,
    /// Position of its first row among the rows of its class, in source order. A second expansion
    /// passes over the committed prefix of each class and can't give a row to two chunks (hazard 1).
    pub first_in_class: u64,
    /// Partition of `sends` and `chunks`.
    pub shard: u32,
    /// Offsets in that partition of `sends`.
    pub spans: Vec<Span>,
    /// Rows of it that are never sent.
    pub skipped: u32,
    /// What its gate looks at besides page and campaign.
    #[serde(default)]
    pub class: GateClass,
}

#[cfg(test)]
mod tests {
    use super::*;
    use CampaignState::*;

    #[test]
    fn only_the_drawn_transitions_are_possible() {
        let all = [Scheduled, Running, Paused, Cancelling, Completed, Cancelled, Failed];
        let possible: Vec<_> = all
            .iter()
            .flat_map(|from| all.iter().filter(|to| from.may_become(**to)).map(move |to| (*from, *to)))
            .collect();
        assert_eq!(
            possible,
            [
                (Scheduled, Running),
                (Scheduled, Cancelling),
                (Scheduled, Completed),
                (Scheduled, Failed),
                (Running, Paused),
                (Running, Cancelling),
                (Running, Completed),
                (Running, Failed),
                (Paused, Running),
                (Paused, Cancelling),
                (Paused, Completed),
                (Paused, Failed),
                (Cancelling, Cancelled),
                (Completed, Running)
            ]
        );
    }

    #[test]
    fn c5_a_reason_stays_with_the_state_that_it_was_given_for() {
        let launch = crate::launch::parse_json(
            r#"{"campaign": "c", "channel": "http", "pages": ["p"], "audience": {"path": "a.csv"},
                "message": {"http": {"body": {"to": "{{address}}"}}}}"#,
        );
        let row = CampaignRow::launched(launch.unwrap(), 0);
        let after = |row: &CampaignRow, to, reason: Option<&str>| {
            row.after(&Transition::of(row, to, reason.map(str::to_owned), 1)).unwrap()
        };
        let reason = |row: &CampaignRow| row.reason.clone();
        let paused = after(&row, Paused, Some("a look first"));
        let terms = Transition { terms: Some((0, row.terms())), ..Transition::of(&paused, Paused, None, 2) };
        assert_eq!(reason(&paused.after(&terms).unwrap()).as_deref(), Some("a look first"));
        assert_eq!(reason(&after(&paused, Running, None)), None, "it is not why it runs");
        assert_eq!(reason(&after(&paused, Completed, None)), None);
        assert_eq!(reason(&after(&paused, Cancelling, None)), None);
        let cancelling = after(&paused, Cancelling, Some("wrong price"));
        assert_eq!(reason(&after(&cancelling, Cancelled, None)).as_deref(), Some("wrong price"));
        let resumed = after(&paused, Running, Some("it is fine"));
        assert_eq!(
            reason(&after(&after(&resumed, Completed, None), Running, None)),
            None,
            "nor of another run"
        );
    }

    #[test]
    fn g7_a_step_that_follows_from_the_terms_is_not_taken_under_others() {
        let launch = crate::launch::parse_json(
            r#"{"campaign": "c", "channel": "http", "pages": ["p"], "audience": {"path": "a.csv"},
                "message": {"http": {"body": {"to": "{{address}}"}}}}"#,
        );
        let row = CampaignRow::scheduled(launch.unwrap(), 0, 1_000);
        let start = Transition::by_terms_of(&row, Running, None, 1_000);
        let later = Terms { starts_at_ms: Some(9_000), ..row.terms() };
        let moved = Transition { terms: Some((0, later)), ..Transition::of(&row, Scheduled, None, 500) };
        let moved = row.after(&moved).unwrap();
        assert!(row.after(&start).is_some());
        assert_eq!(moved.after(&start), None, "the start was moved, and the answer said so");
        assert!(moved.after(&Transition::of(&row, Cancelling, None, 1_000)).is_some());
    }

    #[test]
    fn c5_the_drawing_in_the_docs_has_every_step_and_no_other() {
        let states = [Scheduled, Running, Paused, Cancelling, Completed, Cancelled, Failed];
        let docs = include_str!("../../../docs/cli.md");
        let (_, drawing) = docs.split_once("stateDiagram-v2").unwrap();
        let (drawing, _) = drawing.split_once("```").unwrap();
        let drawn: Vec<(&str, &str)> =
            drawing.lines().filter_map(|line| line.split(':').next()?.trim().split_once(" --> ")).collect();
        for from in states {
            for to in states {
                let is_drawn = drawn.contains(&(from.as_str(), to.as_str()));
                assert_eq!(is_drawn, from.may_become(to), "{from:?} to {to:?}");
            }
        }
    }
}
