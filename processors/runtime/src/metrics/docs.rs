//! `docs/metrics.md`, from the constants.

use super::definition::{Definition, Kind, Labels, Stage};
use std::fmt::Write;

const HEAD: &str = "\
# Metrics

Every metric that Sluice exports, in the order of a message's path. `GET /metrics` on the metrics port gives them in
the text format of Prometheus; `GET /health/live` and `GET /health/ready` are beside it. No label names a campaign, a
page or a person: what one campaign does is what `sluice campaign status` and the API tell.

A process exports those of the stages that it runs, and of its engines; every series is there from the start, with 0.
Where several processes run, counters and histograms are summed, and what each of them sees of the whole (lag,
unfinished campaigns) is not: take the maximum.

This page is made from the definitions in the code. After a change: `SLUICE_UPDATE_DOCS=1 cargo test -p sluice-tests --test metrics`.
";

/// The page about these metrics, as Markdown; grouped by stage, in the order given inside a stage.
pub fn markdown(definitions: &[&Definition]) -> String {
    let mut page = HEAD.to_owned();
    for stage in Stage::ALL {
        let mut of_stage = definitions.iter().filter(|definition| definition.stage == stage).peekable();
        if of_stage.peek().is_none() {
            continue;
        }
        write_all(&mut page, format_args!("\n## {}\n\n{}\n", stage.title(), stage.about()));
        for definition in of_stage {
            metric(&mut page, definition);
        }
    }
    page
}

fn metric(page: &mut String, definition: &Definition) {
    let Definition { name, kind, unit, labels, help, look, .. } = definition;
    write_all(page, format_args!("\n### {name}\n\n{help}\n\n- Kind and unit: {}, {unit}.\n", kind.as_str()));
    if let Kind::Histogram(bounds) = kind {
        let bounds: Vec<String> = bounds.iter().map(f64::to_string).collect();
        write_all(page, format_args!("- Buckets: {}.\n", bounds.join(", ")));
    }
    match labels {
        Labels::None => {}
        Labels::Each(labels) => {
            for label in *labels {
                let values: Vec<String> = label.values.iter().map(|value| format!("`{value}`")).collect();
                write_all(page, format_args!("- Label `{}`: {}.\n", label.name, values.join(", ")));
            }
        }
        Labels::Rows(names, rows) => {
            let rows: Vec<String> = rows.iter().map(|row| format!("`{}`", row.join("` with `"))).collect();
            write_all(page, format_args!("- Labels `{}`: {}.\n", names.join("`, `"), rows.join("; ")));
        }
        Labels::Told(told) => {
            for (name, about) in *told {
                write_all(page, format_args!("- Label `{name}`: {about}.\n"));
            }
        }
    }
    write_all(page, format_args!("- Look for: {look}\n"));
}

fn write_all(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    page.write_fmt(text).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_a_heading_that_rules_can_link_to() {
        let page = markdown(&crate::metrics::definitions());
        assert!(page.contains("\n## Call\n"));
        assert!(page.contains("\n### sluice_calls_total\n"));
        assert!(page.contains("- Label `channel`: `whatsapp`, `messenger`"), "{page}");
    }
}
