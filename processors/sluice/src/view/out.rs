//! Results go to stdout, everything said beside them to stderr.

use std::fmt::Display;
use std::io::Write;

/// One line of the result. A reader that is gone is no error: there is nobody to tell.
pub fn line(text: impl Display) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// One line beside the result.
pub fn note(text: impl Display) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
