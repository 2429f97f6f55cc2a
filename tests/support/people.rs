//! Recipients as the program exports them, and the judgement over them.

use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// One recipient of `campaign export --json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Person {
    /// Normalised address.
    pub address: String,
    /// From the audience.
    pub customer_id: Option<String>,
    /// Line in the audience.
    pub line: u64,
    /// `sent`, `delivered`, `failed`, …
    pub status: String,
    /// Attempts beyond the first.
    pub retry_count: u32,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// The same for people.
    pub message: Option<String>,
}

/// Reads an export.
pub fn parse(export: &str) -> Vec<Person> {
    export
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// How many are in each state.
pub fn by_status(people: &[Person]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    people.iter().for_each(|person| *counts.entry(person.status.as_str()).or_default() += 1);
    counts
}

/// How many have each reason.
pub fn by_reason(people: &[Person]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    people
        .iter()
        .filter_map(|person| person.reason.as_deref())
        .for_each(|reason| *counts.entry(reason).or_default() += 1);
    counts
}

/// What must hold between the states of a campaign over a provider that accepts everything and tells nothing, and
/// that provider's calls (G1, G2):
///
/// - nobody was called twice, and nobody who is not in the campaign;
/// - who was called is `sent` or `unknown`;
/// - who was not called is `unknown`, or `failed` or `skipped` with a reason.
///
/// Gives the number of `unknown`.
pub fn judge(people: &[Person], calls: &HashMap<String, u32>) -> u64 {
    let twice: Vec<_> = calls.iter().filter(|(_, times)| **times > 1).take(10).collect();
    assert!(twice.is_empty(), "G1: called more than once: {twice:?}");
    let mut unknown = 0;
    let mut called = 0;
    for person in people {
        let was_called = calls.contains_key(&person.address);
        called += u64::from(was_called);
        unknown += u64::from(person.status == "unknown");
        match person.status.as_str() {
            "unknown" => {}
            "sent" => assert!(was_called, "G2: `sent` and never called: {person:?}"),
            "failed" | "skipped" => {
                assert!(!was_called, "called and accepted, but not `sent`: {person:?}");
                assert!(person.reason.is_some(), "no reason: {person:?}");
            }
            _ => panic!("G2: not at its end: {person:?}"),
        }
    }
    assert_eq!(called, calls.len() as u64, "somebody was called who is not in the campaign");
    unknown
}
