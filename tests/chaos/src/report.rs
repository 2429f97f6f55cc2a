//! The final table: plain text that is a table in Markdown, too.

use crate::drive::run::Outcome;
use crate::settings::{KIOSK, KIOSK_DAILY};
use crate::tally::{Sums, Tally};
use std::fmt::Write;

const HEAD: [&str; 9] =
    ["fault", "times", "sent", "doubled", "lost", "unknown", "unanswered", "back: median", "back: longest"];

/// Everything that came of a run.
pub fn summary(seed: u64, outcome: &Outcome) -> String {
    let mut text = format!("seed {seed}, rounds {}\n\n{}\n", outcome.rounds, table(&outcome.tally));
    let mut line = |line: &str| {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{line}");
    };
    for page in outcome.busiest.values() {
        let [second, ten] = page.calls;
        line(&format!(
            "page {}: {}/s allowed, at most {second} in 1 s, {ten} in 10 s",
            page.page, page.per_second
        ));
    }
    line(&format!("page {KIOSK}: {KIOSK_DAILY} in 24 h allowed, {} called", outcome.kiosk.len()));
    outcome.quotas.iter().for_each(|used| line(&used.to_string()));
    for (order, (times, longest_ms)) in &outcome.orders {
        line(&format!("{order}: {times} times, answered within {:.1} s", *longest_ms as f64 / 1_000.0));
    }
    outcome.campaigns.iter().for_each(|campaign| line(campaign));
    outcome.slow.iter().for_each(|slow| line(&format!("slow: {slow}")));
    outcome.violations.iter().for_each(|violation| line(&format!("BROKEN {violation}")));
    if let Some(kept) = &outcome.kept {
        line(&format!("logs, schedules and what the providers noted: {}", kept.display()));
    }
    if outcome.violations.is_empty() {
        line("every guarantee held");
    }
    text
}

/// One line a kind, and the sums.
pub fn table(tally: &Tally) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    for (kind, sums) in &tally.kinds {
        let name = kind.map_or("none yet", |kind| kind.as_str());
        rows.push(row(name, sums));
    }
    let mut total = row("all", &tally.total());
    // Times of different meaning have no common median.
    total[7] = "-".to_owned();
    total[8] = "-".to_owned();
    rows.push(total);
    let widths: [usize; 9] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text.push_str(&line(row, &widths));
        if number == 0 {
            let rules = widths.map(|width| "-".repeat(width));
            text.push_str(&line(&rules, &widths));
        }
    }
    text
}

fn line(cells: &[String; 9], widths: &[usize; 9]) -> String {
    let mut text = String::from("|");
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let cell = if column == 0 { format!(" {cell:<width$} |") } else { format!(" {cell:>width$} |") };
        text.push_str(&cell);
    }
    text.push('\n');
    text
}

fn row(name: &str, sums: &Sums) -> [String; 9] {
    let mut silences = sums.silences_ms.clone();
    silences.sort_unstable();
    let seconds = |ms: Option<&u64>| ms.map_or("-".to_owned(), |ms| format!("{:.1} s", *ms as f64 / 1_000.0));
    [
        name.to_owned(),
        sums.times.to_string(),
        thousands(sums.sent),
        sums.doubled.to_string(),
        sums.lost.to_string(),
        sums.unknown.to_string(),
        sums.unanswered.to_string(),
        seconds(silences.get(silences.len() / 2)),
        seconds(silences.last()),
    ]
}

/// `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;

    #[test]
    fn the_table_names_each_kind_and_sums_up() {
        let mut tally = Tally::default();
        tally.add_fault(Kind::Kill, &[4_000_000, 9_000_000, 5_000_000]);
        tally.kinds.entry(Some(Kind::Kill)).or_default().sent = 12_345;
        tally.kinds.entry(None).or_default().sent = 655;
        let table = table(&tally);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 5, "{table}");
        assert!(lines[2].contains("none yet"), "{table}");
        for part in ["kill", "12,345", "5.0 s", "9.0 s"] {
            assert!(lines[3].contains(part), "{part}: {table}");
        }
        assert!(lines[4].contains("13,000"), "{table}");
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{table}");
    }
}
