//! What the sinks saw: when each page was called, and by which process.

use super::super::failed;
use crate::error::Outcome;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

/// Calls of each page, µs since 1970, in order; those of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Calls(BTreeMap<String, Vec<u64>>);

/// The log of a sink that only one process calls.
#[derive(Debug)]
pub(super) struct SinkLog {
    path: PathBuf,
    read: u64,
    pub(super) calls: Calls,
}

#[derive(Deserialize)]
struct Line {
    t_us: u64,
    page: String,
}

impl SinkLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: 0, calls: Calls::default() }
    }

    /// Reads what is new. The sink writes a line within 40 ms of its call.
    pub(super) fn read(&mut self) -> Outcome<()> {
        let unreadable = |error| failed("the sink's log cannot be read", error);
        let mut file = File::open(&self.path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(self.read)).map_err(unreadable)?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut text = String::new();
        loop {
            text.clear();
            reader.read_line(&mut text).map_err(unreadable)?;
            if !text.ends_with('\n') {
                // The rest of a torn line is read the next time.
                return Ok(());
            }
            self.read += text.len() as u64;
            let line: Line = serde_json::from_str(&text)
                .map_err(|error| failed("the sink's log cannot be understood", error))?;
            self.calls.add(&line.page, line.t_us);
        }
    }
}

impl Calls {
    fn add(&mut self, page: &str, t_us: u64) {
        match self.0.get_mut(page) {
            Some(calls) => calls.push(t_us),
            None => drop(self.0.insert(page.to_owned(), vec![t_us])),
        }
    }

    /// Pages that were called since.
    pub(super) fn since(&self, from_us: u64) -> Vec<&str> {
        let is_called = |calls: &Vec<u64>| calls.last().is_some_and(|last| *last >= from_us);
        self.0.iter().filter(|(_, calls)| is_called(calls)).map(|(page, _)| page.as_str()).collect()
    }

    fn last_before(&self, page: &str, at_us: u64) -> Option<u64> {
        let calls = self.0.get(page)?;
        calls[..calls.partition_point(|call| *call < at_us)].last().copied()
    }

    fn first_after(&self, page: &str, at_us: u64) -> Option<u64> {
        let calls = self.0.get(page)?;
        calls.get(calls.partition_point(|call| *call < at_us)).copied()
    }
}

/// Pages that one process called until a moment, and the other one not since the first one's last call.
pub(super) fn owned<'a>(from: &'a Calls, to: &Calls, at_us: u64) -> Vec<&'a str> {
    let is_owned = |page: &&str| {
        from.last_before(page, at_us)
            .is_some_and(|last| to.last_before(page, at_us).is_none_or(|to| to < last))
    };
    from.0.keys().map(String::as_str).filter(is_owned).collect()
}

/// A page that changed hands, in ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gap {
    /// From the moment that something was done to the process to the other one's first call.
    pub(super) since_ms: f64,
    /// From its last call to the other one's first call.
    pub(super) silent_ms: f64,
}

/// The gaps of these pages, where the other process has begun.
pub(super) fn gaps(pages: &[&str], from: &Calls, to: &Calls, at_us: u64) -> Vec<Gap> {
    let ms = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e3;
    let gap = |page: &&str| {
        // It calls on while it stops, so its last call is looked for until the other one begins.
        let next = to.first_after(page, at_us)?;
        let last = from.last_before(page, next)?;
        Some(Gap { since_ms: ms(at_us, next), silent_ms: ms(last, next) })
    };
    pages.iter().filter_map(gap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(of: &[(&str, &[u64])]) -> Calls {
        let mut calls = Calls::default();
        for (page, times) in of {
            times.iter().for_each(|time| calls.add(page, *time));
        }
        calls
    }

    #[test]
    fn a_page_belongs_to_whom_called_last_and_its_gap_ends_with_the_other_ones_first_call() {
        let from = calls(&[("a", &[1_000, 9_000, 11_000]), ("b", &[1_000]), ("c", &[9_500])]);
        let to = calls(&[("a", &[2_000, 14_000, 15_000]), ("b", &[5_000, 9_900])]);
        let pages = owned(&from, &to, 10_000);
        assert_eq!(pages, ["a", "c"]);
        // `a` was called once more after the strike; `c` is not taken over yet.
        let found = gaps(&pages, &from, &to, 10_000);
        assert_eq!(found, [Gap { since_ms: 4.0, silent_ms: 3.0 }]);
    }

    #[test]
    fn a_torn_line_is_read_once_it_is_complete() {
        let path = std::env::temp_dir().join(format!("sluice-calls-{}", std::process::id()));
        let mut log = SinkLog::new(path.clone());
        std::fs::write(&path, "{\"t_us\":5,\"page\":\"a\"}\n{\"t_us\":7,\"pa").unwrap();
        log.read().unwrap();
        assert_eq!(log.calls, calls(&[("a", &[5])]));
        std::fs::write(&path, "{\"t_us\":5,\"page\":\"a\"}\n{\"t_us\":7,\"page\":\"a\"}\n").unwrap();
        log.read().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(log.calls.since(6), ["a"]);
        assert_eq!(log.calls, calls(&[("a", &[5, 7])]));
    }
}
