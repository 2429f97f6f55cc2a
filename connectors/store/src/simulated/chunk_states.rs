//! Chunk states: written to a majority, read from a majority.

use super::raw::{Session, TRIES_MAX};
use super::replicas::{ChunkWrite, REPLICAS};
use sluice_core::chunk_state::Stamp;
use sluice_core::{CampaignId, ChunkId, ChunkState, Counters};
use sluice_runtime::ports::store::{ChunkSave, StoreError, StoreResult};
use sluice_schemas::ReceiptEntry;
use sluice_simulation::Random;
use std::time::Duration;

/// What becomes of one write.
struct Reach {
    /// Replicas that have it now.
    now: Vec<usize>,
    /// A replica that gets it later.
    later: Option<usize>,
    answered: bool,
}

/// The replicas in a random order.
fn shuffled(random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..REPLICAS).collect();
    for place in (1..REPLICAS).rev() {
        order.swap(place, random.below(place as u64 + 1) as usize);
    }
    order
}

impl Session {
    pub(super) async fn save(&self, saves: Vec<ChunkSave>) -> StoreResult<()> {
        for save in saves {
            let write = ChunkWrite {
                chunk: save.chunk,
                stamp: save.stamp,
                state: save.state.encode(),
                counters: save.counters,
                details: save.details,
                details_to: save.details_to,
            };
            self.save_one(write).await?;
        }
        Ok(())
    }

    async fn save_one(&self, write: ChunkWrite) -> StoreResult<()> {
        for _ in 0..TRIES_MAX {
            self.store.world.effect(self.process, "chunk save").await;
            let reach = self.reach();
            for replica in &reach.now {
                self.store.tables().states.write(*replica, &write);
            }
            if let Some(replica) = reach.later {
                self.arrive_later(replica, write.clone());
            }
            self.store.world.effect(self.process, "store answers").await;
            if reach.answered {
                return Ok(());
            }
            // Again with identical bytes, or the caller goes on with a higher stamp (hazard 16).
            self.gives_up("chunk save")?;
        }
        Err(StoreError::Unavailable("chunk save".to_owned()))
    }

    fn reach(&self) -> Reach {
        let faults = self.faults();
        self.store.world.draw(|random| {
            let mut now = shuffled(random);
            if random.chance(faults.minority_ppm) {
                // Nobody, one, or all of them without the writer hearing of it.
                now.truncate([0, 1, 1, 3][random.below(4) as usize]);
                return Reach { now, later: None, answered: false };
            }
            let later = if random.chance(faults.straggler_ppm) { now.pop() } else { None };
            Reach { now, later, answered: true }
        })
    }

    fn arrive_later(&self, replica: usize, write: ChunkWrite) {
        let store = self.store.clone();
        let late_ms_max = self.faults().late_ms_max.max(1);
        let late = Duration::from_millis(store.world.draw(|random| random.between(1, late_ms_max)));
        tokio::spawn(async move {
            tokio::time::sleep(late).await;
            store.tables().states.write(replica, &write);
        });
    }

    /// Two replicas to ask.
    fn quorum(&self) -> Vec<usize> {
        let mut order = self.store.world.draw(shuffled);
        order.truncate(2);
        order
    }

    pub(super) async fn load(&self, chunk: ChunkId) -> StoreResult<Option<(Stamp, ChunkState)>> {
        self.look("chunk state?", |_| ()).await?;
        let asked = self.quorum();
        let newest = self.store.tables().states.read_state(chunk, &asked);
        let Some((stamp, bytes)) = newest else { return Ok(None) };
        let state = ChunkState::decode(&bytes).map_err(|error| StoreError::Damaged {
            what: format!("chunk state {chunk}"),
            reason: error.to_string(),
        })?;
        Ok(Some((stamp, state)))
    }

    pub(super) async fn count(&self, id: CampaignId) -> StoreResult<Vec<(ChunkId, Counters)>> {
        self.look("counters?", |_| ()).await?;
        let asked = self.quorum();
        Ok(self.store.tables().states.read_counters(id, &asked).into_values().collect())
    }

    pub(super) async fn detail(&self, chunk: ChunkId) -> StoreResult<Vec<ReceiptEntry>> {
        self.look("details?", |_| ()).await?;
        let asked = self.quorum();
        Ok(self.store.tables().states.read_details(chunk, &asked))
    }
}
