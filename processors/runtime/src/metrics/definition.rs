//! What a metric is, as a constant: the one place from which it is exported and documented.

/// A part of a message's path; `docs/metrics.md` and the dashboard follow this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`title` is the documentation")]
pub enum Stage {
    Launch,
    Expand,
    Wait,
    Grant,
    Call,
    Outcome,
    Webhooks,
    Merge,
    Completion,
    Engines,
    Process,
}

impl Stage {
    /// Every stage, in the order of a message's path.
    pub const ALL: [Stage; 11] = [
        Stage::Launch,
        Stage::Expand,
        Stage::Wait,
        Stage::Grant,
        Stage::Call,
        Stage::Outcome,
        Stage::Webhooks,
        Stage::Merge,
        Stage::Completion,
        Stage::Engines,
        Stage::Process,
    ];

    /// A heading.
    pub fn title(self) -> &'static str {
        match self {
            Stage::Launch => "Launch",
            Stage::Expand => "Expand",
            Stage::Wait => "Wait",
            Stage::Grant => "Grant",
            Stage::Call => "Call",
            Stage::Outcome => "Outcome",
            Stage::Webhooks => "Webhooks",
            Stage::Merge => "Merge",
            Stage::Completion => "Completion",
            Stage::Engines => "Engines",
            Stage::Process => "Process",
        }
    }

    /// What happens there, in one sentence.
    pub fn about(self) -> &'static str {
        match self {
            Stage::Launch => "A launch becomes a campaign row.",
            Stage::Expand => "The audience is read and cut into chunks of sends.",
            Stage::Wait => "Chunks wait in their page's lanes until they may be sent.",
            Stage::Grant => {
                "A page's owner claims a batch of sends in the page ledger, durably, before any call."
            }
            Stage::Call => "Granted sends are rendered and sent to the provider, each at its slot.",
            Stage::Outcome => "How the calls ended.",
            Stage::Webhooks => "What providers tell later: taken in, stored raw, split into receipts.",
            Stage::Merge => {
                "Receipts are merged into chunk states and counters; failures that pass are tried again."
            }
            Stage::Completion => "Campaigns end, each with one event.",
            Stage::Engines => "The log and the store under all of it.",
            Stage::Process => "The process itself.",
        }
    }
}

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows; starts at 0 with the process.
    Counter,
    /// A value now.
    Gauge,
    /// Observations in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word that Prometheus uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }
}

/// A label and every value that it can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// All of them: a label is never made from data.
    pub values: &'static [&'static str],
}

/// The labels of a metric. Whatever can be exported exists from the start, with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// One series.
    None,
    /// Each value of each label with each of the others.
    Each(&'static [Label]),
    /// Names, and the combinations that exist.
    Rows(&'static [&'static str], &'static [&'static [&'static str]]),
    /// Names, and what their values say; set once, when the process starts.
    Told(&'static [(&'static str, &'static str)]),
}

impl Labels {
    /// Their names, in order.
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Labels::None => Vec::new(),
            Labels::Each(labels) => labels.iter().map(|label| label.name).collect(),
            Labels::Rows(names, _) => names.to_vec(),
            Labels::Told(told) => told.iter().map(|(name, _)| *name).collect(),
        }
    }

    /// Every combination that exists from the start; the last label changes fastest.
    pub fn rows(&self) -> Vec<Vec<&'static str>> {
        match self {
            Labels::None => vec![Vec::new()],
            Labels::Rows(_, rows) => rows.iter().map(|row| row.to_vec()).collect(),
            Labels::Told(_) => Vec::new(),
            Labels::Each(labels) => labels.iter().fold(vec![Vec::new()], |rows, label| {
                let longer = |row: &Vec<&'static str>, value: &&'static str| [&row[..], &[*value]].concat();
                rows.iter().flat_map(|row| label.values.iter().map(move |value| longer(row, value))).collect()
            }),
        }
    }
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Definition {
    /// As it is exported.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What is counted or measured: `records`, `seconds`, `bytes`, …
    pub unit: &'static str,
    /// Where on a message's path.
    pub stage: Stage,
    /// Never a campaign, a page or an address.
    pub labels: Labels,
    /// One sentence, exported as `# HELP`.
    pub help: &'static str,
    /// What a person looks for in it.
    pub look: &'static str,
}

/// Upper bounds in seconds for what takes a disk or a network: 0.5 ms to 30 s.
pub const QUICK: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds in seconds for what takes as long as an audience is large: 0.1 s to a day.
pub const LONG: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 10_800.0, 21_600.0, 43_200.0,
    86_400.0,
];

/// An enum whose variants are the values of a label: the variant is the place in the list of words.
#[macro_export]
macro_rules! label_words {
    ($(#[$about:meta])* $name:ident, $words:ident: $($variant:ident = $word:literal),+ $(,)?) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the words are the documentation")]
        pub enum $name { $($variant),+ }

        #[doc = concat!("The words of [`", stringify!($name), "`], in the order of its variants.")]
        pub const $words: &[&str] = &[$($word),+];
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_label_changes_fastest() {
        let labels = Labels::Each(&[
            Label { name: "a", values: &["1", "2"] },
            Label { name: "b", values: &["x", "y"] },
        ]);
        assert_eq!(labels.names(), ["a", "b"]);
        assert_eq!(labels.rows(), [["1", "x"], ["1", "y"], ["2", "x"], ["2", "y"]]);
        assert_eq!(Labels::None.rows(), [Vec::<&str>::new()]);
    }
}
