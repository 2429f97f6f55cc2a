//! Metrics of campaigns: launched, expanded, ended. They are seen where the store is asked.

use super::Metrics;
use super::definition::{Definition, Kind, LONG, Label, Labels, Stage};
use super::family::{Counters, Gauges, Histograms};

crate::label_words! {
    /// What became of a launch.
    LaunchResult, LAUNCH_RESULTS: New = "new", Existing = "existing"
}

crate::label_words! {
    /// Whether a row of an audience is sent to.
    RowKind, ROW_KINDS: Sendable = "sendable", Skipped = "skipped"
}

crate::label_words! {
    /// How a campaign ended.
    EndState, END_STATES: Completed = "completed", Cancelled = "cancelled", Failed = "failed"
}

crate::label_words! {
    /// Where a campaign is that has not ended, or whose end nobody was told.
    OpenState, OPEN_STATES:
    Scheduled = "scheduled",
    Expanding = "expanding",
    Paused = "paused",
    Sending = "sending",
    Cancelling = "cancelling",
    Ending = "ending",
}

/// Launches taken.
pub const LAUNCHES: Definition = Definition {
    name: "sluice_launches_total",
    kind: Kind::Counter,
    unit: "launches",
    stage: Stage::Launch,
    labels: Labels::Each(&[Label { name: "result", values: LAUNCH_RESULTS }]),
    help: "Launches that became a campaign, or whose campaign was there already.",
    look: "Many `existing`: somebody produces launches again and again; nobody is sent to twice.",
};

/// Campaigns that are not ended.
pub const UNFINISHED: Definition = Definition {
    name: "sluice_campaigns_unfinished",
    kind: Kind::Gauge,
    unit: "campaigns",
    stage: Stage::Launch,
    labels: Labels::Each(&[Label { name: "state", values: OPEN_STATES }]),
    help: "Campaigns that are not ended, as this process last read them: scheduled, expanding, paused, sending, cancelling, or ended \
           and not announced yet.",
    look: "`ending` or `cancelling` for more than a minute. Processes that do not run completion do not read them \
           and tell 0: take the maximum.",
};

/// Rows expanded.
pub const EXPANDED: Definition = Definition {
    name: "sluice_recipients_expanded_total",
    kind: Kind::Counter,
    unit: "recipients",
    stage: Stage::Expand,
    labels: Labels::Each(&[Label { name: "kind", values: ROW_KINDS }]),
    help: "Rows of audiences in committed chunks; `skipped` ones are invalid, duplicate or suppressed.",
    look: "How fast audiences are read. A large part `skipped`: a list that is not clean.",
};

/// Chunks committed.
pub const CHUNKS: Definition = Definition {
    name: "sluice_chunks_committed_total",
    kind: Kind::Counter,
    unit: "chunks",
    stage: Stage::Expand,
    labels: Labels::None,
    help: "Chunks that were committed.",
    look: "Many small chunks (recipients divided by chunks far below 8,192) from a large audience: it is spread \
           over many pages, or its source is slow.",
};

/// Launch → first chunk.
pub const FIRST_CHUNK_SECONDS: Definition = Definition {
    name: "sluice_launch_first_chunk_seconds",
    kind: Kind::Histogram(LONG),
    unit: "seconds",
    stage: Stage::Expand,
    labels: Labels::None,
    help: "From the creation of a campaign until its first chunk is committed: its first message can go out.",
    look: "More than a few seconds: expansions wait for each other, or the source is slow to open.",
};

/// Launch → sealed.
pub const EXPANSION_SECONDS: Definition = Definition {
    name: "sluice_launch_expanded_seconds",
    kind: Kind::Histogram(LONG),
    unit: "seconds",
    stage: Stage::Expand,
    labels: Labels::None,
    help: "From the creation of a campaign until all of its audience is expanded.",
    look: "Sending goes on meanwhile; it matters only when pages run out of chunks.",
};

/// Campaigns that ended.
pub const ENDED: Definition = Definition {
    name: "sluice_campaigns_ended_total",
    kind: Kind::Counter,
    unit: "campaigns",
    stage: Stage::Completion,
    labels: Labels::Each(&[Label { name: "state", values: END_STATES }]),
    help: "Campaigns that this process brought to their end.",
    look: "`failed`: the audience could not be expanded; the campaign's reason says why.",
};

/// Launch → end.
pub const CAMPAIGN_SECONDS: Definition = Definition {
    name: "sluice_launch_ended_seconds",
    kind: Kind::Histogram(LONG),
    unit: "seconds",
    stage: Stage::Completion,
    labels: Labels::None,
    help: "From the creation of a campaign until its first end.",
    look: "The size of the audience divided by the rate of its pages; much more means that something held it up.",
};

/// Ends announced.
pub const ANNOUNCED: Definition = Definition {
    name: "sluice_campaign_events_announced_total",
    kind: Kind::Counter,
    unit: "events",
    stage: Stage::Completion,
    labels: Labels::None,
    help: "Events of campaigns that are durable in `campaign.events` and noted as such.",
    look: "It follows the campaigns that start and end; if it stays behind, downstream systems are not told.",
};

/// The metrics of this component.
pub const DEFINITIONS: &[&Definition] = &[
    &LAUNCHES,
    &UNFINISHED,
    &EXPANDED,
    &CHUNKS,
    &FIRST_CHUNK_SECONDS,
    &EXPANSION_SECONDS,
    &ENDED,
    &CAMPAIGN_SECONDS,
    &ANNOUNCED,
];

/// The handles.
#[derive(Debug)]
pub(crate) struct CampaignMetrics {
    pub(crate) launches: Counters,
    pub(crate) unfinished: Gauges,
    pub(crate) expanded: Counters,
    pub(crate) chunks: Counters,
    pub(crate) first_chunk_seconds: Histograms,
    pub(crate) expansion_seconds: Histograms,
    pub(crate) ended: Counters,
    pub(crate) campaign_seconds: Histograms,
    pub(crate) announced: Counters,
}

impl CampaignMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let all = Self {
            launches: LAUNCHES.counters(),
            unfinished: UNFINISHED.gauges(),
            expanded: EXPANDED.counters(),
            chunks: CHUNKS.counters(),
            first_chunk_seconds: FIRST_CHUNK_SECONDS.histograms(),
            expansion_seconds: EXPANSION_SECONDS.histograms(),
            ended: ENDED.counters(),
            campaign_seconds: CAMPAIGN_SECONDS.histograms(),
            announced: ANNOUNCED.counters(),
        };
        for counters in [&all.launches, &all.expanded, &all.chunks, &all.ended, &all.announced] {
            metrics.register(counters);
        }
        for histograms in [&all.first_chunk_seconds, &all.expansion_seconds, &all.campaign_seconds] {
            metrics.register(histograms);
        }
        metrics.register(&all.unfinished);
        all
    }
}
