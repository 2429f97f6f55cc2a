//! Page ledgers: one owner, one sequence of grants.

use super::{campaign, chunk_id, page, scoped};
use sluice_core::{IndexSet, LedgerBody, PageId};
use sluice_runtime::ports::store::{Granted, Predecessor, Store, StoreError};

fn claims(count: u32) -> LedgerBody {
    let mut body = LedgerBody::new();
    body.claim(chunk_id(campaign("spring-sale", 1).id, 1, 0), 1, &IndexSet::full(count)).unwrap();
    body
}

fn yes(granted: Granted) -> sluice_runtime::ports::store::Fence {
    match granted {
        Granted::Yes(fence) => fence,
        Granted::No(fence) => panic!("refused, the ledger is at {fence:?}"),
    }
}

/// Nobody has called for it before.
pub async fn a_fresh_page_is_taken_without_a_predecessor(store: &dyn Store) {
    let page = page();
    assert_eq!(store.ledger(&page).await, Ok(None));
    let taken = store.take(&page, "a").await.unwrap();
    assert_eq!((taken.predecessor, &taken.body), (Predecessor::HandedOver, &LedgerBody::new()));
    let row = store.ledger(&page).await.unwrap().unwrap();
    assert_eq!((row.owner.as_deref(), row.fence, row.body), (Some("a"), taken.fence, LedgerBody::new()));
}

/// A grant that was overtaken does not come true later.
pub async fn hazard_3_a_grant_is_conditional_on_the_sequence(store: &dyn Store) {
    let page = page();
    let first = store.take(&page, "a").await.unwrap().fence;
    let second = yes(store.grant(&page, first, &claims(1)).await.unwrap());
    assert!(second.seq > first.seq && second.epoch == first.epoch);
    let third = yes(store.grant(&page, second, &claims(2)).await.unwrap());
    assert_eq!(store.grant(&page, first, &claims(9)).await, Ok(Granted::No(third)), "it woke up too late");
    let row = store.ledger(&page).await.unwrap().unwrap();
    assert_eq!((row.fence, row.body), (third, claims(2)));
    yes(store.grant(&page, third, &claims(3)).await.unwrap());
}

/// Of two grants under one fence one is written, and the other one is told so.
pub async fn g1_of_racing_grants_one_is_written(store: &dyn Store) {
    let page = page();
    let mut fence = store.take(&page, "a").await.unwrap().fence;
    for round in 0..10 {
        let (left, right) = (claims(round * 2 + 1), claims(round * 2 + 2));
        let (a, b) = tokio::join!(store.grant(&page, fence, &left), store.grant(&page, fence, &right));
        let (next, body) = match (a.unwrap(), b.unwrap()) {
            (Granted::Yes(next), Granted::No(_)) => (next, left),
            (Granted::No(_), Granted::Yes(next)) => (next, right),
            other => panic!("{other:?}"),
        };
        assert_eq!(store.ledger(&page).await.unwrap().unwrap().body, body);
        fence = next;
    }
}

/// The new owner finds the claims of the former one, who grants nothing more.
pub async fn g1_a_former_owner_grants_nothing(store: &dyn Store) {
    let page = page();
    let first = store.take(&page, "a").await.unwrap().fence;
    let granted = yes(store.grant(&page, first, &claims(5)).await.unwrap());
    let taken = store.take(&page, "b").await.unwrap();
    assert!(taken.fence.epoch > granted.epoch);
    assert_eq!(taken.body, claims(5));
    assert_ne!(taken.predecessor, Predecessor::HandedOver, "it did not hand over");
    assert_eq!(store.grant(&page, granted, &claims(6)).await, Ok(Granted::No(taken.fence)));
    let refused = store.release(&page, granted, &LedgerBody::new()).await;
    assert!(matches!(refused, Err(StoreError::Fenced(_))), "{refused:?}");
    let row = store.ledger(&page).await.unwrap().unwrap();
    assert_eq!((row.owner.as_deref(), row.body), (Some("b"), claims(5)));
    yes(store.grant(&page, taken.fence, &claims(7)).await.unwrap());
}

/// After a release the next owner need not wait, and the former one is fenced.
pub async fn a_page_that_was_handed_over_has_nobody_calling(store: &dyn Store) {
    let page = page();
    let first = store.take(&page, "a").await.unwrap().fence;
    let granted = yes(store.grant(&page, first, &claims(5)).await.unwrap());
    store.release(&page, granted, &claims(2)).await.unwrap();
    let row = store.ledger(&page).await.unwrap().unwrap();
    assert_eq!((row.owner, row.body), (None, claims(2)));
    assert!(matches!(store.grant(&page, granted, &claims(6)).await, Ok(Granted::No(_))));
    let taken = store.take(&page, "b").await.unwrap();
    assert_eq!((taken.predecessor, taken.body), (Predecessor::HandedOver, claims(2)));
}

/// A grant that did not see the command is refused without a trace.
pub async fn g7_a_command_makes_the_next_grant_look_again(store: &dyn Store) {
    let page = page();
    let before = store.bump_control(&page).await.unwrap();
    let fence = store.take(&page, "a").await.unwrap().fence;
    assert_eq!(fence.control, before, "a command before the first take counts");
    let control = store.bump_control(&page).await.unwrap();
    assert!(control > fence.control);
    let Granted::No(now) = store.grant(&page, fence, &claims(1)).await.unwrap() else {
        panic!("granted without looking at the command")
    };
    assert_eq!((now.control, now.epoch, now.seq), (control, fence.epoch, fence.seq));
    assert_eq!(store.ledger(&page).await.unwrap().unwrap().body, LedgerBody::new());
    yes(store.grant(&page, now, &claims(1)).await.unwrap());
    assert_eq!(store.take(&page, "b").await.unwrap().fence.control, control, "a take forgets no command");
    // A campaign has several pages, some of which nobody has looked at yet.
    let [other, unknown] = ["page-2", "page-3"].map(|name| PageId::from(scoped(name).as_str()));
    store.bump_controls(&[page.clone(), other.clone()]).await.unwrap();
    let ledgers = store.ledgers(&[unknown, other.clone(), page.clone()]).await.unwrap();
    assert_eq!(ledgers.keys().collect::<Vec<_>>(), [&page, &other]);
    assert!(ledgers[&page].fence.control > control);
}
