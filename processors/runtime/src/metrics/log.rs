//! Metrics of the log, and of both engines' condition.

use super::definition::{Definition, Kind, Label, Labels, QUICK, Stage};
use super::family::{Counters, Gauges, Histograms};
use super::labels::{GROUP_NAMES, GROUP_ROWS, TOPIC};
use super::{ENGINES, Metrics};
use crate::ports::log::LogError;

crate::label_words! {
    /// What the log is asked for.
    LogOperation, LOG_OPERATIONS:
    Append = "append",
    Read = "read",
    Bounds = "bounds",
    Join = "join",
    Deliver = "deliver",
    Commit = "commit",
    Committed = "committed",
    Trim = "trim",
    Attendance = "attendance",
}

crate::label_words! {
    /// Kinds of [`LogError`].
    LogErrorKind, LOG_ERROR_KINDS:
    Fenced = "fenced",
    BelowStart = "below_start",
    Behind = "behind",
    NoPartition = "no_partition",
    Storage = "storage",
    Closed = "closed",
}

crate::label_words! {
    /// What a group does to a member.
    GroupEvent, GROUP_EVENTS: Assigned = "assigned", Revoked = "revoked", Lost = "lost"
}

const OPERATION: Label = Label { name: "operation", values: LOG_OPERATIONS };

/// Records appended.
pub const APPENDED: Definition = Definition {
    name: "sluice_log_records_appended_total",
    kind: Kind::Counter,
    unit: "records",
    stage: Stage::Engines,
    labels: Labels::Each(&[TOPIC]),
    help: "Records that were appended and acknowledged as durable.",
    look: "The flow through each topic: `sends` while audiences are expanded, `receipts` while messages go out. \
           Any record of `dead.letters` is one that nobody could use.",
};

/// Bytes appended.
pub const APPENDED_BYTES: Definition = Definition {
    name: "sluice_log_appended_bytes_total",
    kind: Kind::Counter,
    unit: "bytes",
    stage: Stage::Engines,
    labels: Labels::Each(&[TOPIC]),
    help: "Bytes of keys and values that were appended and acknowledged as durable.",
    look: "What the log's disks and network have to take, before compression and replication.",
};

/// How long a batch took.
pub const APPEND_SECONDS: Definition = Definition {
    name: "sluice_log_append_seconds",
    kind: Kind::Histogram(QUICK),
    unit: "seconds",
    stage: Stage::Engines,
    labels: Labels::Each(&[TOPIC]),
    help: "From handing a batch to the log until it is acknowledged as durable.",
    look: "Everything waits for it somewhere; above a second the log is overloaded or a replica is missing.",
};

/// Records read by offset.
pub const READ: Definition = Definition {
    name: "sluice_log_records_read_total",
    kind: Kind::Counter,
    unit: "records",
    stage: Stage::Engines,
    labels: Labels::Each(&[TOPIC]),
    help: "Records that were read by their offsets, outside of a group.",
    look: "`sends` read again and again: more than appended means that lanes are refilled piece by piece.",
};

/// Records delivered.
pub const DELIVERED: Definition = Definition {
    name: "sluice_log_records_delivered_total",
    kind: Kind::Counter,
    unit: "records",
    stage: Stage::Engines,
    labels: Labels::Rows(GROUP_NAMES, GROUP_ROWS),
    help: "Records that were delivered to this process as a member of a group.",
    look: "A group with lag and no deliveries does not work.",
};

/// How long operations take.
pub const OPERATION_SECONDS: Definition = Definition {
    name: "sluice_log_operation_seconds",
    kind: Kind::Histogram(QUICK),
    unit: "seconds",
    stage: Stage::Engines,
    labels: Labels::Each(&[Label {
        name: "operation",
        values: &["read", "bounds", "join", "commit", "committed", "trim", "attendance"],
    }]),
    help: "How long the log took for anything but appending.",
    look: "Slow `commit`: hand-overs take longer. Slow `read`: lanes run dry.",
};

/// Errors.
pub const ERRORS: Definition = Definition {
    name: "sluice_log_errors_total",
    kind: Kind::Counter,
    unit: "errors",
    stage: Stage::Engines,
    labels: Labels::Each(&[OPERATION, Label { name: "kind", values: LOG_ERROR_KINDS }]),
    help: "What the log refused.",
    look: "`fenced` is normal while partitions move. `storage`, `behind` and `no_partition` need a person: the \
           message in the process's own log says what is wrong. `below_start` means that retention removed \
           what was still needed.",
};

/// Partitions owned.
pub const PARTITIONS_OWNED: Definition = Definition {
    name: "sluice_log_partitions_owned",
    kind: Kind::Gauge,
    unit: "partitions",
    stage: Stage::Engines,
    labels: Labels::Rows(GROUP_NAMES, GROUP_ROWS),
    help: "Partitions that a group has assigned to this process.",
    look: "The sum over all processes is the number of the topic's partitions; less for long means that nobody works.",
};

/// Partitions that came and went.
pub const PARTITIONS_MOVED: Definition = Definition {
    name: "sluice_log_partitions_moved_total",
    kind: Kind::Counter,
    unit: "partitions",
    stage: Stage::Engines,
    labels: Labels::Each(&[
        Label {
            name: "group",
            values: &["expander", "sender", "receipts", "webhooks", "completion", "completion-control"],
        },
        Label { name: "event", values: GROUP_EVENTS },
    ]),
    help: "Partitions that a group assigned to this process, asked back, or gave away without asking.",
    look: "`lost` means that the process was away for longer than its session lasts. Steady movement means that \
           members come and go.",
};

/// Whether an engine works.
pub const ENGINE_TROUBLE: Definition = Definition {
    name: "sluice_engine_trouble",
    kind: Kind::Gauge,
    unit: "0 or 1",
    stage: Stage::Engines,
    labels: Labels::Each(&[Label { name: "engine", values: ENGINES }]),
    help: "1 while something keeps the log or the store from working; `/health/ready` says what.",
    look: "Nothing is sent and nothing is lost while it is 1; work goes on by itself when the engine is back.",
};

/// The metrics of this component.
pub const DEFINITIONS: &[&Definition] = &[
    &ENGINE_TROUBLE,
    &APPENDED,
    &APPENDED_BYTES,
    &APPEND_SECONDS,
    &READ,
    &DELIVERED,
    &OPERATION_SECONDS,
    &ERRORS,
    &PARTITIONS_OWNED,
    &PARTITIONS_MOVED,
];

/// The handles.
#[derive(Debug)]
pub(crate) struct LogMetrics {
    pub(crate) appended: Counters,
    pub(crate) appended_bytes: Counters,
    pub(crate) append_seconds: Histograms,
    pub(crate) read: Counters,
    pub(crate) delivered: Counters,
    pub(crate) operation_seconds: Histograms,
    pub(crate) errors: Counters,
    pub(crate) owned: Gauges,
    pub(crate) moved: Counters,
}

impl LogMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let all = Self {
            appended: APPENDED.counters(),
            appended_bytes: APPENDED_BYTES.counters(),
            append_seconds: APPEND_SECONDS.histograms(),
            read: READ.counters(),
            delivered: DELIVERED.counters(),
            operation_seconds: OPERATION_SECONDS.histograms(),
            errors: ERRORS.counters(),
            owned: PARTITIONS_OWNED.gauges(),
            moved: PARTITIONS_MOVED.counters(),
        };
        for counters in
            [&all.appended, &all.appended_bytes, &all.read, &all.delivered, &all.errors, &all.moved]
        {
            metrics.register(counters);
        }
        metrics.register(&all.append_seconds);
        metrics.register(&all.operation_seconds);
        metrics.register(&all.owned);
        all
    }

    pub(crate) fn failed(&self, operation: LogOperation, error: &LogError) {
        let kind = match error {
            LogError::Fenced { .. } => LogErrorKind::Fenced,
            LogError::BelowStart { .. } => LogErrorKind::BelowStart,
            LogError::Behind { .. } => LogErrorKind::Behind,
            LogError::NoPartition { .. } => LogErrorKind::NoPartition,
            LogError::Storage(_) => LogErrorKind::Storage,
            LogError::Closed => LogErrorKind::Closed,
        };
        self.errors.at([operation as usize, kind as usize]).inc();
    }

    /// How long an operation took; appends and deliveries have metrics of their own.
    pub(crate) fn took(&self, operation: LogOperation, seconds: f64) {
        let place = match operation {
            LogOperation::Read => 0,
            LogOperation::Bounds => 1,
            LogOperation::Join => 2,
            LogOperation::Commit => 3,
            LogOperation::Committed => 4,
            LogOperation::Trim => 5,
            LogOperation::Attendance => 6,
            LogOperation::Append | LogOperation::Deliver => return,
        };
        self.operation_seconds.at([place]).observe(seconds);
    }
}
