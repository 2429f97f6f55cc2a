//! Progress of campaigns: bars on a terminal, a line a second otherwise, on stderr.

use super::numbers::{duration, percent, thousands};
use super::out;
use crate::campaign::status::CampaignStatus;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal;
use std::time::Duration;

/// How much is said while a command works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// Bars or lines, as stderr takes them.
    Normal,
    /// Nothing but problems.
    Quiet,
}

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// Before that there is no rate to tell.
const RATE_FROM: Duration = Duration::from_millis(900);
/// Rates are measured over about this long: counters come in strides, and over less than a few of them a
/// page seems to exceed its limit.
const RATE_OVER: Duration = Duration::from_secs(5);

/// Shows campaigns while they run.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
    campaigns: BTreeMap<String, Track>,
}

#[derive(Debug)]
enum Shown {
    Bars { all: MultiProgress, bars: BTreeMap<String, ProgressBar> },
    Lines,
    Nothing,
}

/// One campaign's recent past.
#[derive(Debug, Clone, Default)]
struct Track {
    measured: VecDeque<(Duration, u64)>,
    rate: f64,
    line_at: Option<Duration>,
    line: String,
}

impl Progress {
    /// Bars on a terminal, lines otherwise.
    pub fn new(talk: Talk) -> Self {
        let shown = match talk {
            Talk::Quiet => Shown::Nothing,
            Talk::Normal if std::io::stderr().is_terminal() => {
                let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
                Shown::Bars { all, bars: BTreeMap::new() }
            }
            Talk::Normal => Shown::Lines,
        };
        Self { shown, campaigns: BTreeMap::new() }
    }

    /// Shows where a campaign is at `now` (since an arbitrary start).
    pub fn update(&mut self, status: &CampaignStatus, now: Duration) {
        let track = self.campaigns.entry(status.campaign.clone()).or_default();
        track.measure(status.done() - status.counters.skipped.min(status.done()), now);
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Lines => {
                let due = track.line_at.is_none_or(|at| now >= at + LINE_EVERY);
                let line = format!("{}  {}", status.campaign, describe(status, track.rate));
                if (due || status.state.is_ended()) && line != track.line {
                    out::note(&line);
                    track.line_at = Some(now);
                    track.line = line;
                }
            }
            Shown::Bars { all, bars } => {
                let bar =
                    bars.entry(status.campaign.clone()).or_insert_with(|| all.add(bar(&status.campaign)));
                let (done, all) = status.of_run();
                bar.set_length(all);
                bar.set_position(done);
                bar.set_message(describe(status, track.rate));
                if status.state.is_ended() && !bar.is_finished() {
                    bar.finish();
                }
            }
        }
    }

    /// Says something without tearing a bar.
    pub fn say(&self, text: &str) {
        match &self.shown {
            // A terminal that is gone is nobody to tell.
            Shown::Bars { all, .. } => drop(all.println(text)),
            Shown::Lines => out::note(text),
            Shown::Nothing => {}
        }
    }

    /// Says something also where little is said.
    pub fn warn(&self, text: &str) {
        match &self.shown {
            Shown::Nothing => out::note(text),
            _ => self.say(text),
        }
    }

    /// Takes the bars away, so that what follows stands below.
    pub fn finish(&self) {
        if let Shown::Bars { bars, .. } = &self.shown {
            bars.values().filter(|bar| !bar.is_finished()).for_each(|bar| bar.abandon());
        }
    }
}

impl Track {
    fn measure(&mut self, done: u64, now: Duration) {
        self.measured.push_back((now, done));
        while self.measured.get(1).is_some_and(|(second, _)| now >= *second + RATE_OVER) {
            self.measured.pop_front();
        }
        let Some(&(then, before)) = self.measured.front() else { return };
        if now >= then + RATE_FROM {
            self.rate = done.saturating_sub(before) as f64 / (now - then).as_secs_f64();
        }
    }
}

fn bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::no_length().with_prefix(name.to_owned());
    match ProgressStyle::with_template("{prefix:<14} {bar:32} {msg}") {
        Ok(style) => bar.with_style(style.progress_chars("██░")),
        Err(_) => bar,
    }
}

/// `82 %   8,204 sent  7,911 delivered  4,120 read  19 failed   1,998/s   done in 1 s`; of a later run
/// `40 % of 30 in run 2   …`, whoever was reached before.
fn describe(status: &CampaignStatus, rate: f64) -> String {
    if let Some(coming) = status.coming.says().filter(|_| !status.state.is_ended()) {
        return coming;
    }
    let counters = &status.counters;
    let (done, all) = status.of_run();
    let of_run = match status.retried {
        Some(_) => format!(" of {} in run {}", thousands(all), status.run),
        None => String::new(),
    };
    let mut parts = vec![format!("{:>3} %{of_run}", percent(done, all))];
    if status.recipients == 0 && !status.expanded && !status.state.is_ended() {
        parts[0] = "reading the audience".to_owned();
    }
    parts.push(format!(" {} sent", thousands(counters.sent)));
    let others = [
        ("delivered", counters.delivered),
        ("read", counters.read),
        ("failed", counters.failed + counters.opted_out),
        ("unknown", counters.unknown),
    ];
    let others = others.into_iter().filter(|(_, count)| *count > 0);
    parts.extend(others.map(|(name, count)| format!("{} {name}", thousands(count))));
    if status.state.is_ended() {
        parts.push(format!(" {}", status.state.as_str()));
        return parts.join("  ");
    }
    if rate >= 1.0 {
        parts.push(format!(" {}/s", thousands(rate as u64)));
        let left = counters.pending as f64 / rate;
        if status.expanded && left >= 1.0 {
            parts.push(format!(" done in {}", duration(Duration::from_secs(left.ceil() as u64))));
        }
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::status::derived;
    use crate::campaign::stored::tests::{row, stored};
    use sluice_core::{CampaignState, Counters};

    #[test]
    fn c6_f5_the_progress_of_a_later_run_is_its_own() {
        let mut status = derived(&stored(row("null", "{}"), &[("a", 300)]), 5);
        status.counters = Counters { total: 300, sent: 284, pending: 16, ..Counters::default() };
        assert_eq!(describe(&status, 0.0), " 94 %   284 sent");
        (status.run, status.retried) = (2, Some(30));
        assert_eq!(describe(&status, 0.0), " 46 % of 30 in run 2   284 sent");
    }

    #[test]
    fn b5_what_has_not_started_says_when_it_will() {
        let launch = row("null", "{}").launch;
        let later = sluice_core::CampaignRow::scheduled(launch, 0, 1_000);
        let status = derived(&stored(later, &[]), 5);
        assert_eq!(describe(&status, 0.0), "starts at 1969-12-31 21:00 America/Sao_Paulo");
    }

    #[test]
    fn b5_a5_nobody_is_read_of_a_campaign_without_recipients_that_has_ended() {
        let mut status = derived(&stored(row("null", "{}"), &[]), 5);
        assert_eq!(describe(&status, 0.0), "reading the audience   0 sent");
        status.state = CampaignState::Completed;
        assert_eq!(describe(&status, 0.0), "100 %   0 sent   completed");
    }

    #[test]
    fn counters_that_come_in_strides_show_the_rate_behind_them() {
        let mut track = Track::default();
        for ms in (0..20_000).step_by(100) {
            // 1,000/s, stored every 700 ms.
            track.measure(ms / 700 * 700, Duration::from_millis(ms));
            if ms > 6_000 {
                assert!((850.0..1_150.0).contains(&track.rate), "{} at {ms}", track.rate);
            }
        }
        assert!(track.measured.len() < 60);
    }
}
