//! Campaign rows: one history, whoever asks.

use super::{campaign, chunk_row, tenant};
use sluice_core::{CampaignState, Seal, Terms};
use sluice_runtime::ports::store::{Created, Store, StoreError, Transition};

/// The second launch of a name changes nothing and gets the row that stands.
pub async fn a_campaign_is_created_once(store: &dyn Store) {
    let first = campaign("spring-sale", 1_000);
    assert_eq!(store.campaign(first.id).await, Ok(None));
    assert_eq!(store.create_campaign(first.clone()).await, Ok(Created::New(first.clone())));
    let again = campaign("spring-sale", 2_000);
    assert_eq!(store.create_campaign(again).await, Ok(Created::Existing(first.clone())));
    assert_eq!(store.campaign(first.id).await, Ok(Some(first)));
}

/// Two names whose ids collide are told apart.
pub async fn an_id_that_belongs_to_another_name_is_refused(store: &dyn Store) {
    let first = campaign("spring-sale", 1_000);
    let mut other = campaign("winback", 1_000);
    other.id = first.id;
    store.create_campaign(first.clone()).await.unwrap();
    let refused = store.create_campaign(other).await;
    assert!(matches!(refused, Err(StoreError::Fenced(_))), "{refused:?}");
    assert_eq!(store.campaign(first.id).await, Ok(Some(first)));
}

/// By the time of their creation.
pub async fn campaigns_are_listed_oldest_first(store: &dyn Store) {
    for (name, at_ms) in [("b", 3), ("c", 1), ("a", 2)] {
        store.create_campaign(campaign(name, at_ms)).await.unwrap();
    }
    let rows = store.campaigns().await.unwrap().into_iter().filter(|row| row.launch.tenant == tenant());
    let names: Vec<String> = rows.map(|row| row.launch.campaign).collect();
    assert_eq!(names, ["c", "a", "b"]);
}

/// After a takeover the former epoch can neither commit nor pin nor seal.
pub async fn hazard_2_a_former_expander_commits_nothing(store: &dyn Store) {
    let row = campaign("spring-sale", 1_000);
    let seal = Seal { chunks: 1, total: 100, not_expanded: 0 };
    store.create_campaign(row.clone()).await.unwrap();
    let first = store.lease_expansion(row.id).await.unwrap().row.exp_epoch;
    store.commit_chunk(first, chunk_row(row.id, 1, 0)).await.unwrap();
    let second = store.lease_expansion(row.id).await.unwrap();
    assert!(second.row.exp_epoch > first);
    assert_eq!(second.chunks, [chunk_row(row.id, 1, 0)], "what was committed before is seen");

    let late = [
        store.commit_chunk(first, chunk_row(row.id, 1, 1)).await,
        store.seal(row.id, first, seal).await,
        store.pin_source(row.id, first, "late").await.map(|_| ()),
    ];
    for answer in late {
        assert!(matches!(answer, Err(StoreError::Fenced(_))), "{answer:?}");
    }
    store.commit_chunk(second.row.exp_epoch, chunk_row(row.id, 2, 1)).await.unwrap();
    assert_eq!(store.chunks(row.id).await.unwrap(), [chunk_row(row.id, 1, 0), chunk_row(row.id, 2, 1)]);
    let now = store.campaign(row.id).await.unwrap().unwrap();
    assert_eq!((now.seal, now.source_pin), (None, None));
}

/// A commit that races with a takeover is either in what the new expander read or was refused.
pub async fn hazard_2_a_chunk_is_refused_or_seen_by_the_next_expander(store: &dyn Store) {
    let row = campaign("spring-sale", 1_000);
    store.create_campaign(row.clone()).await.unwrap();
    let mut epoch = store.lease_expansion(row.id).await.unwrap().row.exp_epoch;
    for number in 0..20 {
        let chunk = chunk_row(row.id, epoch as u16, number);
        let (committed, lease) = if number % 2 == 0 {
            tokio::join!(store.commit_chunk(epoch, chunk.clone()), store.lease_expansion(row.id))
        } else {
            let (lease, committed) =
                tokio::join!(store.lease_expansion(row.id), store.commit_chunk(epoch, chunk.clone()));
            (committed, lease)
        };
        let lease = lease.unwrap();
        assert_eq!(committed.is_ok(), lease.chunks.contains(&chunk), "{committed:?}");
        epoch = lease.row.exp_epoch;
    }
}

/// Whoever pins later is told what was pinned first, also after a takeover.
pub async fn the_first_pin_stands(store: &dyn Store) {
    let row = campaign("spring-sale", 1_000);
    store.create_campaign(row.clone()).await.unwrap();
    let first = store.lease_expansion(row.id).await.unwrap().row.exp_epoch;
    assert_eq!(store.pin_source(row.id, first, "4 bytes, abcd").await.as_deref(), Ok("4 bytes, abcd"));
    let second = store.lease_expansion(row.id).await.unwrap().row;
    assert_eq!(second.source_pin.as_deref(), Some("4 bytes, abcd"));
    assert_eq!(
        store.pin_source(row.id, second.exp_epoch, "5 bytes, efgh").await.as_deref(),
        Ok("4 bytes, abcd")
    );
}

/// An answer that was lost is asked for again; nothing changes by it.
pub async fn commits_and_seals_may_be_repeated(store: &dyn Store) {
    let row = campaign("spring-sale", 1_000);
    let seal = Seal { chunks: 2, total: 200, not_expanded: 7 };
    store.create_campaign(row.clone()).await.unwrap();
    let epoch = store.lease_expansion(row.id).await.unwrap().row.exp_epoch;
    for number in [1, 0, 1, 0] {
        store.commit_chunk(epoch, chunk_row(row.id, 1, number)).await.unwrap();
    }
    assert_eq!(store.chunks(row.id).await.unwrap(), [chunk_row(row.id, 1, 0), chunk_row(row.id, 1, 1)]);
    assert_eq!(store.chunk(chunk_row(row.id, 1, 1).id).await, Ok(Some(chunk_row(row.id, 1, 1))));
    assert_eq!(store.chunk(chunk_row(row.id, 1, 2).id).await, Ok(None));
    for _ in 0..2 {
        store.seal(row.id, epoch, seal).await.unwrap();
        assert_eq!(store.campaign(row.id).await.unwrap().unwrap().seal, Some(seal));
    }
    let _refused_or_ignored = store.seal(row.id, epoch, Seal { chunks: 3, ..seal }).await;
    assert_eq!(store.campaign(row.id).await.unwrap().unwrap().seal, Some(seal), "the first seal stands");
    let stranger = campaign("nobody", 1).id;
    let missing = store.lease_expansion(stranger).await;
    assert!(matches!(missing, Err(StoreError::Missing(_))), "{missing:?}");
    let missing = store.commit_chunk(1, chunk_row(stranger, 1, 0)).await;
    assert!(matches!(missing, Err(StoreError::Missing(_))), "{missing:?}");
}

fn step(from: CampaignState, run: u32, to: CampaignState, at_ms: i64) -> Transition {
    Transition { from, run, to, reason: None, at_ms, terms: None, under: None }
}

/// Two who see the same end (or click twice) make one transition.
pub async fn hazard_25_a_transition_is_taken_once(store: &dyn Store) {
    use CampaignState::{Completed, Running};
    let row = campaign("spring-sale", 1_000);
    store.create_campaign(row.clone()).await.unwrap();
    for run in 1..4 {
        let end = || store.transition(row.id, step(Running, run, Completed, 5_000));
        let (a, b) = tokio::join!(end(), end());
        let taken: Vec<_> = [a.unwrap(), b.unwrap()].into_iter().flatten().collect();
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].state, taken[0].run, taken[0].ended_at_ms), (Completed, run, Some(5_000)));
        let again = || store.transition(row.id, step(Completed, run, Running, 6_000));
        let (a, b) = tokio::join!(again(), again());
        let taken: Vec<_> = [a.unwrap(), b.unwrap()].into_iter().flatten().collect();
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].state, taken[0].run), (Running, run + 1));
    }
    assert_eq!(
        store.transition(row.id, step(Running, 1, Completed, 7_000)).await,
        Ok(None),
        "of a former run"
    );
}

/// Retrying failed recipients opens the campaign again.
pub async fn a_new_run_begins_without_an_end(store: &dyn Store) {
    use CampaignState::{Cancelled, Cancelling, Completed, Running};
    let row = campaign("spring-sale", 1_000);
    store.create_campaign(row.clone()).await.unwrap();
    store.transition(row.id, step(Running, 1, Completed, 5_000)).await.unwrap().unwrap();
    let reopened = store.transition(row.id, step(Completed, 1, Running, 6_000)).await.unwrap().unwrap();
    assert_eq!((reopened.run, reopened.ended_at_ms), (2, None));
    let why = Transition { reason: Some("by ops".to_owned()), ..step(Running, 2, Cancelling, 7_000) };
    let cancelling = store.transition(row.id, why).await.unwrap().unwrap();
    assert_eq!((cancelling.ended_at_ms, cancelling.reason.as_deref()), (None, Some("by ops")));
    let cancelled = store.transition(row.id, step(Cancelling, 2, Cancelled, 8_000)).await.unwrap().unwrap();
    assert_eq!((cancelled.ended_at_ms, cancelled.run), (Some(8_000), 2));
    assert_eq!(store.campaign(row.id).await, Ok(Some(cancelled)));
}

/// Who comes after a crash sees whether the end was told.
pub async fn hazard_22_the_announced_event_is_remembered(store: &dyn Store) {
    use CampaignState::{Completed, Running};
    let row = campaign("spring-sale", 1_000);
    store.create_campaign(row.clone()).await.unwrap();
    let ended = store.transition(row.id, step(Running, 1, Completed, 5_000)).await.unwrap().unwrap();
    assert_ne!(ended.announced, Some(ended.event_id()));
    for _ in 0..2 {
        store.announced(row.id, &ended.event_id()).await.unwrap();
        let told = store.campaign(row.id).await.unwrap().unwrap();
        assert_eq!(told.announced, Some(ended.event_id()));
        assert_eq!((told.state, told.run, told.ended_at_ms), (Completed, 1, Some(5_000)));
    }
}

/// Whoever works on campaigns finds each that goes on, in every run, until its end was told; and no other one.
pub async fn unfinished_are_those_whose_end_was_not_told(store: &dyn Store) {
    use CampaignState::{Cancelled, Cancelling, Completed, Running};
    let going_on = async || -> Vec<String> {
        let rows = store.unfinished().await.unwrap().into_iter().filter(|row| row.launch.tenant == tenant());
        rows.map(|row| row.launch.campaign).collect()
    };
    let tell = async |id| {
        let row = store.campaign(id).await.unwrap().unwrap();
        store.announced(id, &row.event_id()).await.unwrap();
    };
    let (old, new) = (campaign("old", 1), campaign("new", 2));
    for row in [&new, &old, &new] {
        store.create_campaign(row.clone()).await.unwrap();
    }
    assert_eq!(going_on().await, ["old", "new"]);
    tell(old.id).await;
    assert_eq!(going_on().await, ["old", "new"], "it was told that it runs");
    store.transition(old.id, step(Running, 1, Completed, 5)).await.unwrap().unwrap();
    store.transition(new.id, step(Running, 1, Cancelling, 5)).await.unwrap().unwrap();
    store.transition(new.id, step(Cancelling, 1, Cancelled, 6)).await.unwrap().unwrap();
    assert_eq!(going_on().await, ["old", "new"], "nobody was told of the ends");
    tell(old.id).await;
    assert_eq!(going_on().await, ["new"]);
    store.create_campaign(old.clone()).await.unwrap();
    assert_eq!(going_on().await, ["new"], "a launch that comes again does not wake it");
    for run in 1..4 {
        assert_eq!(store.transition(old.id, step(Completed, run + 7, Running, 7)).await, Ok(None));
        store.transition(old.id, step(Completed, run, Running, 7)).await.unwrap().unwrap();
        assert_eq!(going_on().await, ["old", "new"], "run {}", run + 1);
        store.transition(old.id, step(Running, run + 1, Completed, 8)).await.unwrap().unwrap();
        tell(old.id).await;
        assert_eq!(going_on().await, ["new"], "run {}", run + 1);
    }
    tell(new.id).await;
    assert_eq!(going_on().await, [""; 0]);
}

/// Terms change only from the version they were decided on, in whatever order commands arrive.
pub async fn c5_terms_change_from_the_version_they_were_decided_on(store: &dyn Store) {
    use CampaignState::{Paused, Running};
    let row = campaign("spring-sale", 1_000);
    store.create_campaign(row.clone()).await.unwrap();
    let terms = |rate: &str| Terms { rate: Some(rate.to_owned()), ..Terms::default() };
    let change = |version, rate| Transition {
        terms: Some((version, terms(rate))),
        ..step(Running, 1, Running, 5_000)
    };
    let changed = store.transition(row.id, change(0, "5/s")).await.unwrap().unwrap();
    assert_eq!((changed.rate(), changed.terms_version, changed.state), (Some("5/s"), 1, Running));
    assert_eq!(store.transition(row.id, change(0, "9/s")).await, Ok(None), "decided on terms that are over");
    let paused = store.transition(row.id, step(Running, 1, Paused, 6_000)).await.unwrap().unwrap();
    assert_eq!((paused.rate(), paused.steps), (Some("5/s"), 2), "a pause keeps the terms");
    assert_eq!(store.transition(row.id, change(1, "9/s")).await, Ok(None), "decided on a running campaign");
    let resumed = store.transition(row.id, step(Paused, 1, Running, 7_000)).await.unwrap().unwrap();
    assert_eq!((resumed.run, resumed.steps), (1, 3), "going on is no other run");
}
