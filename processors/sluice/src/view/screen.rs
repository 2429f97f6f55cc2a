//! A view that is shown again and again on stdout: redrawn in place on a terminal, one below the other elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};

/// Where views are shown.
#[derive(Debug)]
pub enum Screen {
    /// In place. What does not fit on the terminal is cut off at its end.
    Terminal(ProgressBar),
    /// Appended.
    Stream,
}

impl Screen {
    /// As stdout takes it.
    pub fn new() -> Self {
        if !std::io::stdout().is_terminal() {
            return Self::Stream;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout_with_hz(20));
        match ProgressStyle::with_template("{msg}") {
            Ok(style) => Self::Terminal(bar.with_style(style)),
            Err(_) => Self::Stream,
        }
    }

    /// Shows a view under its heading. Whether there is still somebody to show it to.
    pub fn show(&self, heading: &str, lines: &[String]) -> bool {
        match self {
            Self::Terminal(bar) => {
                bar.set_message(joined(heading, lines));
                true
            }
            Self::Stream => append(&format!("{}\n\n", joined(heading, lines))),
        }
    }

    /// Leaves the last view where it is; what follows stands below it.
    pub fn leave(&self) {
        if let Self::Terminal(bar) = self {
            bar.abandon();
        }
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes `text` on stdout at once. Whether somebody reads it.
pub fn append(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

fn joined(heading: &str, lines: &[String]) -> String {
    format!("{heading}\n{}", lines.join("\n"))
}
