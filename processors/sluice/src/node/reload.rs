//! Looks at the configuration file while the process runs, and takes its limits over when they change.
//!
//! Looking needs no signal, so it works where the file is mounted, as in a container. A file that is being written is seen
//! half now and then, or empty, or not at all, and would lift limits that stand further down: so it is taken when two looks
//! have found the same, where it takes a limit away only when that stays so for longer, and never where it says nothing.

use super::live::LiveConfig;
use crate::config::limits::changes;
use crate::config::{Layers, Loaded, Sources, load_with};
use crate::error::Outcome;
use sluice_runtime::Shutdown;
use sluice_runtime::metrics::process::CONFIG_REJECTED;
use sluice_runtime::metrics::{Gauges, Metrics};
use sluice_sender::SenderLimits;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;
use tracing::{error, info, warn};

/// Between two looks: a changed file is in force well within a second.
const EVERY: Duration = Duration::from_millis(250);

/// So many looks find the same before it is taken.
const STEADY: u32 = 2;

/// And so many where it takes a limit away: two seconds.
const STEADY_WITHOUT: u32 = 8;

/// After so many looks in a row that could not read it, it counts as a file with a mistake.
const UNREADABLE: u32 = 4;

/// Takes changed limits over.
pub(super) struct Reloader {
    sources: Sources,
    /// In force, limits included.
    layers: Layers,
    file: Steady,
    /// What is in the file was refused.
    is_refused: bool,
    live: LiveConfig,
    /// Of the sender, where this process has one.
    limits: Option<SenderLimits>,
    rejected: Gauges,
}

/// A file's text, and how many looks have found it.
#[derive(Debug, Default)]
struct Steady {
    /// Dealt with.
    taken: Option<String>,
    seen: Option<String>,
    looks: u32,
    unreadable: u32,
}

impl Steady {
    /// How many looks in a row have found this text; 0: it is dealt with already.
    fn look(&mut self, found: String) -> u32 {
        self.unreadable = 0;
        let found = Some(found);
        self.looks = if self.seen == found { self.looks.saturating_add(1) } else { 1 };
        self.seen = found;
        if self.seen == self.taken { 0 } else { self.looks }
    }

    /// It could not be read; whether that is so for long, for the first time.
    fn is_unreadable(&mut self) -> bool {
        self.seen = None;
        self.unreadable = self.unreadable.saturating_add(1);
        self.unreadable == UNREADABLE
    }

    /// What was seen is dealt with.
    fn take(&mut self) {
        self.taken.clone_from(&self.seen);
    }
}

impl Reloader {
    /// `loaded`: what the process has started with.
    pub(super) fn new(
        loaded: Loaded,
        live: LiveConfig,
        limits: Option<SenderLimits>,
        metrics: &Metrics,
    ) -> Self {
        let rejected = CONFIG_REJECTED.gauges();
        metrics.register(&rejected);
        let file = Steady { taken: loaded.text, ..Steady::default() };
        let Loaded { sources, layers, .. } = loaded;
        Self { sources, layers, file, is_refused: false, live, limits, rejected }
    }

    /// Until `shutdown`.
    pub(super) async fn run(mut self, mut shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let path = self.sources.path().to_owned();
            let is_expected = self.file.taken.is_some() || self.sources.file.is_some();
            match tokio::task::spawn_blocking(move || text_of(&path)).await {
                Ok(Ok(text)) if is_emptied(self.file.taken.as_deref(), &text) => {
                    if self.file.is_unreadable() {
                        self.tell("it says nothing; to lift all limits, start anew with it");
                    }
                }
                Ok(Ok(text)) => self.found(text),
                // There was no file, and there is none.
                Ok(Err(error)) if error.kind() == ErrorKind::NotFound && !is_expected => {}
                Ok(Err(error)) if self.file.is_unreadable() => self.tell(&error.to_string()),
                Ok(Err(_)) | Err(_) => {}
            }
            let is_rejected = self.is_refused || self.file.unreadable >= UNREADABLE;
            self.rejected.at([]).set(if is_rejected { 1.0 } else { 0.0 });
        }
    }

    fn found(&mut self, text: String) {
        let looks = self.file.look(text);
        if looks != STEADY && looks != STEADY_WITHOUT {
            return;
        }
        match self.take(looks) {
            Ok(false) => return,
            Ok(true) => self.is_refused = false,
            Err(failure) => {
                self.is_refused = true;
                self.tell(&format!("{} {}", failure.message, failure.details.join("; ")));
            }
        }
        self.file.take();
    }

    fn tell(&self, problem: &str) {
        let path = self.sources.path().display();
        error!(%path, problem, "the changed configuration can't be taken: the limits of before hold until it is corrected");
    }

    /// Takes over what was found by so many looks; `false`: it takes limits away, and that has to stay so for longer.
    fn take(&mut self, looks: u32) -> Outcome<bool> {
        let loaded = load_with(self.sources.clone(), self.file.seen.clone())?;
        let changes = changes(&self.layers, &loaded.layers);
        if changes.takes_away && looks < STEADY_WITHOUT {
            return Ok(false);
        }
        let config = self.live.take_limits(&loaded.config).map_err(crate::config::invalid)?;
        if let Some(limits) = &self.limits {
            limits.change(&config.quotas);
        }
        if !changes.limits.is_empty() {
            info!(changed = changes.limits.join(", "), "other limits are in force");
        }
        if !changes.others.is_empty() {
            warn!(keys = changes.others.join(", "), "these settings have changed, too, and need a restart");
        }
        self.layers = loaded.layers;
        Ok(true)
    }
}

/// Whether the file can be looked at again: what comes through a pipe is read once.
pub(super) fn can_be_watched(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |file| file.is_file())
}

fn text_of(path: &Path) -> io::Result<String> {
    if !can_be_watched(path) {
        return Err(io::Error::other("it is no file"));
    }
    std::fs::read_to_string(path)
}

/// Whether a file that said something says nothing any more: it is being written, or was emptied by mistake.
fn is_emptied(taken: Option<&str>, text: &str) -> bool {
    let says = |text: &str| text.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with('#'));
    taken.is_some_and(says) && !says(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_a_file_is_steady_when_looks_in_a_row_find_the_same() {
        let mut file = Steady { taken: Some("a".to_owned()), ..Steady::default() };
        let texts = ["a", "", "a b", "a b", "a b", "a", "a b", "a b"];
        let looks: Vec<u32> = texts.into_iter().map(|text| file.look(text.to_owned())).collect();
        assert_eq!(looks, [0, 1, 1, 2, 3, 0, 1, 2]);
        file.take();
        assert_eq!(file.look("a b".to_owned()), 0);
        let unreadable: Vec<bool> = (0..6).map(|_| file.is_unreadable()).collect();
        assert_eq!(unreadable, [false, false, false, true, false, false]);
        assert_eq!((file.look("c".to_owned()), file.unreadable), (1, 0));
    }

    #[test]
    fn g4_a_file_that_was_emptied_or_is_gone_or_a_pipe_says_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("sluice.toml");
        assert!(text_of(&path).is_err() && can_be_watched(&path), "it may come");
        std::fs::write(&path, "[pages.shop]\n").unwrap();
        let full = text_of(&path).unwrap();
        for nothing in ["", "\n  \n", "# all limits\n"] {
            assert!(is_emptied(Some(&full), nothing), "{nothing:?}");
            assert!(!is_emptied(Some(nothing), "") && !is_emptied(None, nothing), "it never said anything");
        }
        assert!(!is_emptied(Some(&full), &full));
        assert!(!can_be_watched(Path::new("/dev/stdin")) || Path::new("/dev/stdin").is_file());
        assert!(!can_be_watched(place.path()));
    }
}
