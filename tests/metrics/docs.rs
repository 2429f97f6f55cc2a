//! `docs/metrics.md` is made from the constants.

use crate::files;
use sluice_runtime::metrics::docs::markdown;
use std::collections::BTreeSet;

const PAGE: &str = "docs/metrics.md";
const UPDATE: &str = "SLUICE_UPDATE_DOCS";

#[test]
fn the_page_about_metrics_is_what_the_constants_say() {
    let made = markdown(&files::definitions());
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(files::path(PAGE), &made).unwrap();
    }
    let written = std::fs::read_to_string(files::path(PAGE)).unwrap_or_default();
    let differs = made.lines().zip(written.lines()).find(|(made, written)| made != written);
    assert!(
        made == written,
        "{PAGE} is out of date, first at {differs:?}.\nTo update it, run:  {UPDATE}=1 cargo test -p sluice-tests \
         --test metrics docs"
    );
}

#[test]
fn no_metric_is_defined_twice() {
    let definitions = files::definitions();
    let names: BTreeSet<&str> = definitions.iter().map(|definition| definition.name).collect();
    assert_eq!(names.len(), definitions.len());
}
