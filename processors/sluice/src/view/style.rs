//! Colours, only where somebody sees them.

use std::fmt::Display;
use std::io::IsTerminal;

/// Whether stderr takes colours (`NO_COLOR` is kept).
pub fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The word before an error.
pub fn error(text: impl Display) -> String {
    paint(text, "1;31")
}

/// The word before a warning.
pub fn warning(text: impl Display) -> String {
    paint(text, "1;33")
}

fn paint(text: impl Display, code: &str) -> String {
    if colours() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
}
