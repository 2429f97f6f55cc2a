//! Quotas: one sequence of leases, whoever leases.

use super::scoped;
use sluice_core::QuotaBody;
use sluice_core::quota::Quota;
use sluice_runtime::ports::store::{Leased, QuotaRow, Store, StoreError, StoreResult};

fn booked(count: u32) -> QuotaBody {
    let quota = Quota { daily: "1000000/day".parse().ok(), ..Quota::default() };
    let mut body = QuotaBody::new();
    body.book(&quota, count, 1_795_219_200_000);
    body
}

fn row(version: u64, count: u32) -> QuotaRow {
    QuotaRow { version, body: booked(count) }
}

/// Asks for the same as long as nothing is known.
async fn lease(
    store: &dyn Store,
    scope: &str,
    version: u64,
    writer: &str,
    body: &QuotaBody,
) -> StoreResult<Leased> {
    loop {
        match store.lease(scope, version, writer, body).await {
            Err(StoreError::Unavailable(_)) => {}
            answer => return answer,
        }
    }
}

/// A lease that was decided on an older row changes nothing; quotas do not touch each other.
pub async fn g4_a_lease_is_conditional_on_the_version(store: &dyn Store) {
    let (acme, other) = (scoped("acme"), scoped("other"));
    assert_eq!(store.quota(&acme).await, Ok(None));
    assert_eq!(lease(store, &acme, 0, "a/1", &booked(1)).await, Ok(Leased::Yes(1)));
    assert_eq!(lease(store, &other, 0, "a/2", &booked(9)).await, Ok(Leased::Yes(1)));
    assert_eq!(lease(store, &acme, 1, "b/1", &booked(2)).await, Ok(Leased::Yes(2)));
    for expected in [0, 1] {
        let late = lease(store, &acme, expected, "a/3", &booked(7)).await;
        assert_eq!(late, Ok(Leased::No(row(2, 2))), "it was decided on version {expected}");
    }
    assert_eq!(store.quota(&acme).await, Ok(Some(row(2, 2))));
    assert_eq!(store.quota(&other).await, Ok(Some(row(1, 9))));
}

/// Of several leases of one version one is written, and the others are told what it wrote.
pub async fn g4_of_racing_leases_one_is_written(store: &dyn Store) {
    let scope = scoped("acme");
    for version in 0..8 {
        let race = async |writer: u32| {
            let count = 10 * version as u32 + writer;
            let name = format!("{writer}/{version}");
            (count, lease(store, &scope, version, &name, &booked(count)).await.unwrap())
        };
        let answers = tokio::join!(race(1), race(2), race(3));
        let written: Vec<u32> = [&answers.0, &answers.1, &answers.2]
            .into_iter()
            .filter_map(|(count, answer)| (*answer == Leased::Yes(version + 1)).then_some(*count))
            .collect();
        assert_eq!(written.len(), 1, "{answers:?}");
        let now = row(version + 1, written[0]);
        for (_, answer) in [answers.0, answers.1, answers.2] {
            assert!(answer == Leased::Yes(version + 1) || answer == Leased::No(now.clone()), "{answer:?}");
        }
        assert_eq!(store.quota(&scope).await, Ok(Some(now)));
    }
}

/// Whoever had no answer asks again.
pub async fn hazard_3_the_same_lease_again_is_written_once(store: &dyn Store) {
    let scope = scoped("acme");
    for (version, writer) in [(0, "a/1"), (1, "a/2")] {
        for _ in 0..3 {
            let leased = lease(store, &scope, version, writer, &booked(version as u32 + 1)).await;
            assert_eq!(leased, Ok(Leased::Yes(version + 1)));
        }
    }
    assert_eq!(lease(store, &scope, 2, "b/1", &booked(5)).await, Ok(Leased::Yes(3)));
    assert_eq!(lease(store, &scope, 1, "a/2", &booked(2)).await, Ok(Leased::No(row(3, 5))));
    assert_eq!(store.quota(&scope).await, Ok(Some(row(3, 5))));
}
