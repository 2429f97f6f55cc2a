//! Answers that are lost, requests that come late, a database that is away: through a proxy that does it.

use crate::cql::{campaign, chunk, connect, shared};
use sluice_core::quota::Quota;
use sluice_core::{CampaignRow, CampaignState, ChunkRow, IndexSet, LedgerBody, PageId, QuotaBody};
use sluice_engines::Proxy;
use sluice_runtime::ports::store::{
    Fence, Granted, Leased, Predecessor, RecipientRow, Store, StoreError, Transition,
};
use sluice_store::CqlStore;
use sluice_store::cql::CqlOptions;
use std::sync::Arc;
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A store that speaks through a proxy, and one that does not.
struct Pair {
    proxy: Proxy,
    behind: Arc<CqlStore>,
    direct: CqlStore,
}

async fn pair(total_ms: u64) -> Pair {
    let options = shared().await;
    let direct = connect(options).await;
    // It starts a runtime of its own, which a thread of this one must not.
    let starting = tokio::task::spawn_blocking(|| Proxy::start(sluice_engines::shared_cql()));
    let proxy = starting.await.unwrap().unwrap();
    let options = CqlOptions {
        contact_points: vec![proxy.address().to_owned()],
        request_ms: 600,
        total_ms,
        ..options.clone()
    };
    Pair { proxy, behind: Arc::new(connect(&options).await), direct }
}

pub(crate) fn claims(count: u32) -> LedgerBody {
    let mut body = LedgerBody::new();
    body.claim(chunk("faults", 0), 1, &IndexSet::full(count)).unwrap();
    body
}

pub(crate) fn chunk_row(row: &CampaignRow, epoch: u32, number: u32) -> ChunkRow {
    ChunkRow {
        id: sluice_core::ChunkId::new(row.id, 0, epoch as u16, number),
        page: PageId::from("p"),
        size: 10,
        first_in_class: u64::from(number) * 10,
        shard: 0,
        spans: Vec::new(),
        skipped: 0,
        class: sluice_schemas::GateClass::default(),
    }
}

impl Pair {
    /// Cuts all connections after `delay`, with each byte 30 ms under way: before 30 ms a request is lost on its
    /// way there, up to 60 ms its answer is lost on the way back.
    async fn cut_after<T>(&self, delay: u64, work: impl Future<Output = T> + Send + 'static) -> T
    where
        T: Send + 'static,
    {
        self.proxy.delay(ms(30));
        let working = tokio::spawn(work);
        tokio::time::sleep(ms(delay)).await;
        self.proxy.cut();
        tokio::time::sleep(ms(60)).await;
        self.proxy.heal();
        working.await.unwrap()
    }

    async fn fence(&self, page: &PageId) -> Fence {
        self.direct.ledger(page).await.unwrap().unwrap().fence
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_3_a_grant_whose_answer_is_lost_is_neither_lost_nor_made_twice() {
    let pair = pair(20_000).await;
    let page = PageId::from("grants");
    let mut fence = pair.behind.take(&page, "a").await.unwrap().fence;
    for (round, delay) in [5, 45, 50, 40, 20, 47].into_iter().enumerate() {
        let (store, asked, body) = (pair.behind.clone(), page.clone(), claims(round as u32 + 1));
        let granted =
            pair.cut_after(delay, async move { store.grant(&asked, fence, &body).await }).await.unwrap();
        let next = Fence { seq: fence.seq + 1, ..fence };
        assert_eq!(granted, Granted::Yes(next), "cut after {delay} ms");
        let row = pair.direct.ledger(&page).await.unwrap().unwrap();
        assert_eq!((row.fence, row.body), (next, claims(round as u32 + 1)), "cut after {delay} ms");
        fence = next;
    }
    assert_eq!(pair.behind.trouble(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_3_a_lease_whose_answer_is_lost_is_neither_lost_nor_made_twice() {
    let pair = pair(20_000).await;
    let quota = Quota { daily: "1000/day".parse().ok(), ..Quota::default() };
    let mut body = QuotaBody::new();
    for (version, delay) in (0_u64..).zip([5, 45, 50, 40, 20, 47]) {
        body.book(&quota, 1, 1_795_219_200_000);
        let (store, asked) = (pair.behind.clone(), body.clone());
        let writer = format!("a/{version}");
        let lease = async move { store.lease("leases", version, &writer, &asked).await };
        let leased = pair.cut_after(delay, lease).await.unwrap();
        assert_eq!(leased, Leased::Yes(version + 1), "cut after {delay} ms");
        let row = pair.direct.quota("leases").await.unwrap().unwrap();
        assert_eq!((row.version, &row.body), (version + 1, &body), "cut after {delay} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_3_takes_and_releases_whose_answers_are_lost_are_recognised() {
    let pair = pair(20_000).await;
    let page = PageId::from("takes");
    pair.direct.take(&page, "before").await.unwrap();
    for delay in [5, 45, 50] {
        let before = pair.fence(&page).await;
        let (store, asked) = (pair.behind.clone(), page.clone());
        let taken = pair.cut_after(delay, async move { store.take(&asked, "a").await }).await.unwrap();
        assert_eq!(taken.fence.epoch, before.epoch + 1, "one take, not two: cut after {delay} ms");
        assert_eq!(taken.fence, pair.fence(&page).await);
        let (store, asked) = (pair.behind.clone(), page.clone());
        let fence = taken.fence;
        let released =
            pair.cut_after(delay, async move { store.release(&asked, fence, &claims(3)).await }).await;
        assert_eq!(released, Ok(()), "cut after {delay} ms");
        let row = pair.direct.ledger(&page).await.unwrap().unwrap();
        assert_eq!((row.owner, row.body, row.fence.seq), (None, claims(3), fence.seq + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_2_commits_and_leases_whose_answers_are_lost_happen_once() {
    let pair = pair(20_000).await;
    let row = campaign("commits");
    pair.direct.create_campaign(row.clone()).await.unwrap();
    let mut committed = Vec::new();
    for (number, delay) in [5, 45, 50, 80].into_iter().enumerate() {
        let (store, id) = (pair.behind.clone(), row.id);
        let before = pair.direct.campaign(id).await.unwrap().unwrap().exp_epoch;
        let lease = pair.cut_after(delay, async move { store.lease_expansion(id).await }).await.unwrap();
        let epoch = lease.row.exp_epoch;
        assert_eq!(epoch, before + 1, "raised once: cut after {delay} ms");
        assert_eq!(lease.chunks, committed);
        let (store, chunk) = (pair.behind.clone(), chunk_row(&row, epoch, number as u32));
        committed.push(chunk.clone());
        let done = pair.cut_after(delay, async move { store.commit_chunk(epoch, chunk).await }).await;
        assert_eq!(done, Ok(()), "cut after {delay} ms");
        assert_eq!(pair.direct.chunks(id).await.unwrap(), committed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_25_a_transition_whose_answer_is_lost_is_still_the_callers_own() {
    let pair = pair(20_000).await;
    let row = campaign("transitions");
    pair.direct.create_campaign(row.clone()).await.unwrap();
    let mut run = 1;
    for delay in [45, 5, 50] {
        for (from, to) in [
            (CampaignState::Running, CampaignState::Completed),
            (CampaignState::Completed, CampaignState::Running),
        ] {
            let (store, id) = (pair.behind.clone(), row.id);
            let step = Transition { from, run, to, reason: None, at_ms: 5, terms: None, under: None };
            let taken = pair.cut_after(delay, async move { store.transition(id, step).await }).await.unwrap();
            let taken = taken.unwrap_or_else(|| panic!("it was nobody else's: cut after {delay} ms"));
            run = taken.run;
            assert_eq!(pair.direct.campaign(id).await, Ok(Some(taken)));
        }
    }
    assert_eq!(run, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_5_a_grant_that_wakes_up_after_a_take_is_refused() {
    let pair = pair(20_000).await;
    let page = PageId::from("late");
    let former = pair.behind.take(&page, "former").await.unwrap().fence;
    pair.proxy.hang();
    let (store, asked) = (pair.behind.clone(), page.clone());
    let late = tokio::spawn(async move { store.grant(&asked, former, &claims(9)).await });
    tokio::time::sleep(ms(200)).await;
    let taken = pair.direct.take(&page, "new").await.unwrap();
    assert_eq!(taken.predecessor, Predecessor::MayRun);
    let Granted::Yes(fence) = pair.direct.grant(&page, taken.fence, &claims(2)).await.unwrap() else {
        panic!("the owner was refused")
    };
    pair.proxy.heal();
    assert_eq!(late.await.unwrap(), Ok(Granted::No(fence)));
    let row = pair.direct.ledger(&page).await.unwrap().unwrap();
    assert_eq!((row.fence, row.body, row.owner.as_deref()), (fence, claims(2), Some("new")));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nothing_is_known_and_afterwards_all_goes_on() {
    let pair = pair(1_500).await;
    let page = PageId::from("away");
    let fence = pair.behind.take(&page, "a").await.unwrap().fence;
    pair.proxy.cut();
    let answers = [
        pair.behind.grant(&page, fence, &claims(1)).await.map(drop),
        pair.behind.campaign(campaign("away").id).await.map(drop),
        pair.behind.bump_control(&page).await.map(drop),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    let trouble = pair.behind.trouble().unwrap();
    assert!(trouble.contains(pair.proxy.address()), "{trouble}");
    pair.proxy.heal();
    let mut granted = pair.behind.grant(&page, fence, &claims(1)).await;
    for _ in 0..20 {
        if granted.is_ok() {
            break;
        }
        granted = pair.behind.grant(&page, fence, &claims(1)).await;
    }
    assert_eq!(granted, Ok(Granted::Yes(Fence { seq: fence.seq + 1, ..fence })), "asking again is safe");
    assert_eq!(pair.behind.trouble(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_that_were_cut_off_half_way_are_all_there_after_the_repetition() {
    let pair = pair(1_000).await;
    let rows: Vec<RecipientRow> = (0..8_192)
        .map(|index| RecipientRow {
            index,
            line: 1,
            skipped: None,
            payload: format!("{:x}", u64::from(index).wrapping_mul(0x9E37_79B9_7F4A_7C15))
                .into_bytes()
                .into(),
        })
        .collect();
    let all = IndexSet::full(8_192);
    for (number, delay) in [35, 45, 60].into_iter().enumerate() {
        let chunk = chunk("recipients", number as u32);
        let (store, written) = (pair.behind.clone(), rows.clone());
        let first = pair.cut_after(delay, async move { store.write_recipients(chunk, written).await }).await;
        let there = pair.direct.recipients(chunk, &all).await.unwrap();
        assert!(there.iter().all(|row| rows[usize::from(row.index)] == *row), "each is whole or not there");
        if first.is_err() {
            while pair.behind.write_recipients(chunk, rows.clone()).await.is_err() {}
        }
        assert!(pair.direct.recipients(chunk, &all).await.unwrap() == rows);
    }
}
