//! Expressions of panels and rules, taken apart as far as the tests need it.

use crate::files;
use serde_json::Value;
use std::collections::BTreeSet;

/// An expression and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) place: String,
    pub(crate) text: String,
}

/// Every query of every panel, with the dashboard's variables set.
pub(crate) fn of_panels() -> Vec<Expression> {
    let dashboard: Value =
        serde_json::from_str(&files::read("grafana/dashboards/message-path.json")).unwrap();
    let mut all = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = target["expr"].as_str().unwrap();
            let text = text.replace("$__rate_interval", "10s").replace("$instance", ".*");
            assert!(!text.contains('$'), "an unknown variable: {text}");
            all.push(Expression { place: format!("panel `{}`", panel["title"].as_str().unwrap()), text });
        }
    }
    all
}

/// What has to find data so that a condition can ever be true: the sides of its comparisons, without numbers.
pub(crate) fn operands(condition: &str) -> Vec<String> {
    let mut parts = vec![condition.to_owned()];
    for separator in [" and ", " unless ", " or ", " > ", " < ", " >= ", " <= ", " == "] {
        parts = parts.iter().flat_map(|part| outside_of_parentheses(part, separator)).collect();
    }
    parts.retain(|part| part.trim().parse::<f64>().is_err());
    parts
}

fn outside_of_parentheses(text: &str, separator: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for piece in text.split_inclusive(separator) {
        let part = parts.last_mut().unwrap();
        part.push_str(piece);
        let count = |c: char| part.matches(c).count();
        let is_closed = count('(') == count(')') && count('{') == count('}');
        if is_closed && part.ends_with(separator) {
            part.truncate(part.len() - separator.len());
            parts.push(String::new());
        }
    }
    parts
}

/// The names of metrics in an expression.
pub(crate) fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let ours = |name: &&str| {
        *name == "up" || ["sluice_", "sluice:", "process_"].iter().any(|prefix| name.starts_with(prefix))
    };
    text.split(|c| !word(c)).filter(ours).map(str::to_owned).collect()
}

#[test]
fn a_condition_falls_into_its_sides() {
    let condition = r#"max(a{b="c > d"}) > 0 and sum(rate(e[5m]) > 1) == 0 unless f > 1"#;
    assert_eq!(operands(condition), [r#"max(a{b="c > d"})"#, "sum(rate(e[5m]) > 1)", "f"]);
    assert_eq!(
        names(r#"rate(sluice_x_total{topic="up"}[1m]) / sluice:y:rate5m"#).into_iter().collect::<Vec<_>>(),
        ["sluice:y:rate5m", "sluice_x_total", "up"]
    );
}
