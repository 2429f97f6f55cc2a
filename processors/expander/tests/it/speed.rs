//! What the expander itself costs, without engines.
//!
//! `cargo test --release -p sluice-expander -- --ignored speed --nocapture`

use crate::world::{World, launch};
use sluice_audience::FileAudiences;
use sluice_expander::ExpanderOptions;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROWS: usize = 2_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
async fn speed_of_two_million_rows_from_csv_to_chunks_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let mut text = String::from("address,name,customer_id,coupon\n");
    for row in 0..ROWS {
        writeln!(text, "+5511{row:09},Ana Souza,c{row},WELCOME{}", row % 10).unwrap();
    }
    std::fs::write(directory.path().join("people.csv"), text).unwrap();
    let mut launch = launch(4);
    launch.message.http.as_mut().unwrap().body = r#"{"to":"{{address}}","code":"{{coupon}}"}"#.to_owned();
    let mut world = World::new(Vec::new());
    world.audiences = Arc::new(FileAudiences::new(directory.path(), directory.path()));
    world.submit(&launch);
    let start = Instant::now();
    world.run(ExpanderOptions::default(), Duration::from_secs(120), World::is_over).await;
    let took = start.elapsed();
    assert_eq!(world.seal().unwrap().total, ROWS as u64);
    println!("{:.0} rows/s, {} chunks", ROWS as f64 / took.as_secs_f64(), world.chunks().len());
}
