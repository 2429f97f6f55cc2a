//! Launches and audiences that several tests use.

use serde_json::{Value, json};
use sluice_tests::Place;
use std::fmt::Write;

/// A generic HTTP campaign over these many pages: rows are dealt out to them in turn.
pub(crate) fn over_pages(place: &Place, campaign: &str, people: usize, pages: usize, rate: &str) -> Value {
    let names: Vec<String> = (0..pages).map(|page| format!("{campaign}-{page}")).collect();
    let mut text = String::from("address,page_id\n");
    for number in 0..people {
        writeln!(text, "{campaign}{number:06}@example.com,{}", names[number % pages]).unwrap();
    }
    let audience = place.write(&format!("{campaign}.csv"), text);
    json!({
        "campaign": campaign,
        "channel": "http",
        "pages": names,
        "audience": { "path": audience },
        "message": { "http": { "body": { "to": "{{address}}" } } },
        "rate": rate,
    })
}
