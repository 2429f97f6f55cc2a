//! Results: a line for programs as each is known, one table for people at the end.

use super::Common;
use crate::view::numbers::thousands;
use crate::view::out;
use crate::view::table::Table;
use serde::Serialize;
use serde_json::{Map, Value};

/// One result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    /// To what was measured beside it.
    pub(super) ratio: Option<f64>,
    pub(super) beside: Option<Beside>,
    /// The least ratio or the largest value that is aimed at, in words.
    pub(super) aim: &'static str,
    /// More about it, by name.
    pub(super) details: Map<String, Value>,
}

/// What was measured in the same run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Beside {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

/// Gathers rows.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    quiet: bool,
    rows: Vec<Row>,
}

impl Report {
    pub(super) fn new(common: &Common) -> Self {
        Self { json: common.json, quiet: common.quiet || common.json, rows: Vec::new() }
    }

    /// Takes a result.
    pub(super) fn row(&mut self, row: Row) {
        if self.json {
            // A row of numbers and words can always be written.
            out::line(serde_json::to_string(&row).unwrap_or_default());
        }
        self.rows.push(row);
    }

    /// What happens now, for people who wait.
    pub(super) fn say(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            out::note(text);
        }
    }

    /// The table, for people.
    pub(super) fn finish(&self) {
        if !self.json {
            table(&self.rows).lines().iter().for_each(out::line);
        }
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(1, ["", "measured", "beside", "ratio", "aim", "details"]);
    for row in rows {
        let beside = row.beside.as_ref();
        let details = row.details.iter().map(|(name, value)| format!("{name} {}", short(value)));
        table.row([
            row.name.to_owned(),
            with_unit(row.value, row.unit),
            beside.map_or_else(String::new, |it| format!("{} {}", it.name, with_unit(it.value, it.unit))),
            row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            row.aim.to_owned(),
            details.collect::<Vec<_>>().join(", "),
        ]);
    }
    table
}

fn with_unit(value: f64, unit: &str) -> String {
    format!("{} {unit}", number(value))
}

/// Three digits of a small number, separators in a large one.
fn number(value: f64) -> String {
    if value.abs() < 100.0 { format!("{value:.1}") } else { thousands(value.round() as u64) }
}

fn short(value: &Value) -> String {
    match value {
        Value::Number(value) => value.as_f64().map_or_else(String::new, |value| {
            if value.fract() == 0.0 { thousands(value as u64) } else { format!("{value:.2}") }
        }),
        Value::Array(values) => {
            format!("({})", values.iter().map(short).collect::<Vec<_>>().join(" "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row() -> Row {
        let details = json!({ "peak_rss_mb": 88.0, "ratios": [0.75, 0.8] });
        Row {
            name: "send",
            value: 41_234.4,
            unit: "sends/s",
            ratio: Some(0.812),
            beside: Some(Beside { name: "bare client", value: 50_780.0, unit: "calls/s" }),
            aim: "0.80",
            details: details.as_object().cloned().unwrap_or_default(),
        }
    }

    #[test]
    fn people_get_a_line_that_can_be_read() {
        let lines = table(&[row()]).lines();
        let words: Vec<&str> = lines[1].split("   ").filter(|word| !word.is_empty()).map(str::trim).collect();
        let details = "peak_rss_mb 88, ratios (0.75 0.80)";
        assert_eq!(words, ["send", "41,234 sends/s", "bare client 50,780 calls/s", "0.81", "0.80", details]);
    }

    #[test]
    fn programs_get_one_object_with_its_name_value_unit_ratio_and_what_was_beside() {
        let value = serde_json::to_value(row()).unwrap();
        assert_eq!(value["name"], "send");
        assert_eq!(value["unit"], "sends/s");
        assert_eq!(value["ratio"], 0.812);
        assert_eq!(value["beside"]["value"], 50_780.0);
    }
}
