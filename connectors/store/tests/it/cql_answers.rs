//! Hazard 35: what a conditional statement or batch answers, on a real CQL database.

use crate::cql::{campaign, connect, session, shared};
use crate::cql_faults::{chunk_row, claims};
use scylla::client::session::Session;
use scylla::response::query_result::QueryResult;
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::{CqlValue, Row};
use sluice_core::{ChunkRow, PageId};
use sluice_runtime::ports::store::{Fence, Granted, Store, StoreError};

#[tokio::test(flavor = "multi_thread")]
async fn hazard_35_a_single_compare_and_set_that_was_refused_is_not_taken_for_an_applied_one() {
    let store = connect(shared().await).await;
    let page = PageId::from("answers");
    let before = store.take(&page, "a").await.unwrap().fence;
    let granted = Fence { seq: before.seq + 1, ..before };
    assert_eq!(store.grant(&page, before, &claims(1)).await, Ok(Granted::Yes(granted)));
    assert_eq!(store.grant(&page, before, &claims(2)).await, Ok(Granted::No(granted)), "of the past");
    let coming = Fence { seq: granted.seq + 1, ..granted };
    assert_eq!(store.grant(&page, coming, &claims(3)).await, Ok(Granted::No(granted)), "of nobody");
    let row = store.ledger(&page).await.unwrap().unwrap();
    assert_eq!((row.fence, row.body), (granted, claims(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_35_a_batch_of_compare_and_sets_that_was_refused_is_not_taken_for_an_applied_one() {
    let store = connect(shared().await).await;
    let row = campaign("answers");
    store.create_campaign(row.clone()).await.unwrap();
    let former = store.lease_expansion(row.id).await.unwrap().row.exp_epoch;
    let first = chunk_row(&row, former, 0);
    assert_eq!(store.commit_chunk(former, first.clone()).await, Ok(()));
    // The epoch holds, the chunk's name is taken; then the other way round.
    let same_name = store.commit_chunk(former, ChunkRow { size: 11, ..first.clone() }).await;
    assert!(matches!(same_name, Err(StoreError::Fenced(_))), "{same_name:?}");
    let epoch = store.lease_expansion(row.id).await.unwrap().row.exp_epoch;
    let late = store.commit_chunk(former, chunk_row(&row, former, 1)).await;
    assert!(matches!(late, Err(StoreError::Fenced(_))), "{late:?}");
    let second = chunk_row(&row, epoch, 1);
    assert_eq!(store.commit_chunk(epoch, second.clone()).await, Ok(()));
    assert_eq!(store.chunks(row.id).await, Ok(vec![first, second]));
}

/// The columns of an answer by their names, and its rows.
fn taken_apart(answer: QueryResult) -> (Vec<String>, Vec<Vec<Option<CqlValue>>>) {
    let answer = answer.into_rows_result().unwrap();
    let names = answer.column_specs().iter().map(|column| column.name().to_owned()).collect();
    (names, answer.rows::<Row>().unwrap().map(|row| row.unwrap().columns).collect())
}

async fn run(session: &Session, text: &str) -> (Vec<String>, Vec<Vec<Option<CqlValue>>>) {
    taken_apart(session.query_unpaged(text, ()).await.unwrap())
}

async fn run_both(session: &Session, texts: [&str; 2]) -> (Vec<String>, Vec<Vec<Option<CqlValue>>>) {
    let mut batch = Batch::new(BatchType::Unlogged);
    texts.iter().for_each(|text| batch.append_statement(*text));
    taken_apart(session.batch(&batch, ((), ())).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_35_applied_stands_first_and_after_it_what_was_found() {
    let session = session().await;
    let table = format!("{}.answers", shared().await.keyspace);
    let make = format!("CREATE TABLE {table} (id int, number int, value int, PRIMARY KEY (id, number))");
    session.query_unpaged(make, ()).await.unwrap();
    let add = |number: i32| {
        format!("INSERT INTO {table} (id, number, value) VALUES (1, {number}, 1) IF NOT EXISTS")
    };
    let change =
        |from: i32| format!("UPDATE {table} SET value = 2 WHERE id = 1 AND number = 0 IF value = {from}");
    let says = |(names, rows): &(Vec<String>, Vec<Vec<Option<CqlValue>>>), applied: bool| {
        assert!(names[0] == "[applied]" && !rows.is_empty(), "{names:?} {rows:?}");
        assert!(rows.iter().all(|row| row[0] == Some(CqlValue::Boolean(applied))), "{names:?} {rows:?}");
        names.len()
    };
    says(&run(&session, &add(0)).await, true);
    assert!(says(&run(&session, &add(0)).await, false) > 1, "with the row that is there");
    assert!(says(&run(&session, &change(7)).await, false) > 1, "with the value that is there");
    says(&run(&session, &change(1)).await, true);
    says(&run_both(&session, [&add(1), &add(2)]).await, true);
    assert!(says(&run_both(&session, [&add(2), &add(3)]).await, false) > 1, "with the row that is there");
    says(&run_both(&session, [&add(3), &add(4)]).await, true);
}
