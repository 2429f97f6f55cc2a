//! What a person sees: numbers, tables, progress; plain lines where there is no terminal.

pub mod csv;
pub mod hours;
pub mod moment;
pub mod numbers;
pub mod out;
pub mod progress;
pub mod screen;
pub mod style;
pub mod table;
