//! What the meter around the caller costs. Run it by hand:
//! `cargo test --release -p sluice-runtime --test it -- --ignored --nocapture speed`

use crate::caller::World;
use sluice_runtime::ports::caller::{Call, CallOutcome, CallResult, Caller};
use sluice_runtime::{Clock, SystemClock};
use std::sync::Arc;

const BATCHES: u16 = 400;
const BATCH: u16 = 50;

/// Answers at once.
struct Instant;

impl Caller for Instant {
    fn call(&self, calls: Vec<Call>) {
        for call in calls {
            let result = CallResult::Accepted { message_id: None };
            let outcome =
                CallOutcome { send: call.send, attempt: call.attempt, result, used_percent: None, at_ms: 0 };
            call.outcomes.send(outcome);
        }
    }
}

#[tokio::test]
#[ignore = "measures"]
async fn a_call_through_the_meter() {
    let mut world = World::over(Arc::new(Instant));
    for (name, caller) in [("bare", world.inner.clone()), ("metered", world.metered.clone())] {
        let start = SystemClock.monotonic();
        for batch in 0..BATCHES {
            caller.call((0..BATCH).map(|index| world.call(batch * BATCH + index, 1, 0)).collect());
            for _ in 0..BATCH {
                world.outcomes.recv().await.unwrap();
            }
        }
        let took = SystemClock.monotonic() - start;
        println!("{name}: {:?} a call", took / (u32::from(BATCHES) * u32::from(BATCH)));
    }
}
