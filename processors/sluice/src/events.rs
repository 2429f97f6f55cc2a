//! What downstream systems are told, read a part at a time.

use crate::error::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use sluice_runtime::ports::log::{Log, LogError, Partition, Position, ReadLimit, Topic};
use sluice_schemas::{CampaignEvent, decode};

/// What one read of a partition may bring.
const READ: ReadLimit = ReadLimit { records_max: 1_000, bytes_max: 1 << 20 };

/// Events of a part at most, more or less one read.
const PART_MAX: usize = 1_000;

/// Partitions of a part that have some, at most: on a cluster the first read of each takes up to half a second.
const PARTITIONS_MAX: usize = 4;

/// Some events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Those of a campaign are in order.
    pub events: Vec<CampaignEvent>,
    /// Records that can't be read, and why.
    pub unreadable: Vec<String>,
    /// Where the next part begins, now or later: the next position of each partition, as `12,0,7`.
    pub next: String,
    /// Whether there may be more just now.
    pub more: bool,
}

/// The events from `from` on, the end of an earlier part; without it from the first one that is kept. `campaign`: only
/// those of campaigns of that name.
pub async fn part(log: &dyn Log, from: Option<&str>, campaign: Option<&str>) -> Outcome<Part> {
    let mut positions = from.map(positions).transpose()?.unwrap_or_default();
    // Partitions may have been added.
    for number in positions.len() as u32..log.partitions(Topic::Events) {
        positions.push(log.bounds(Topic::Events, Partition(number)).await?.start);
    }
    let (mut events, mut unreadable, mut more, mut with_some) = (Vec::new(), Vec::new(), false, 0);
    for (number, at) in (0..log.partitions(Topic::Events)).zip(&mut positions) {
        if events.len() >= PART_MAX || with_some == PARTITIONS_MAX {
            more = true;
            break;
        }
        let records = match log.read(Topic::Events, Partition(number), *at, READ).await {
            // Retention goes on while it is read.
            Err(LogError::BelowStart { start, .. }) => {
                (*at, more) = (start, true);
                continue;
            }
            records => records?,
        };
        with_some += usize::from(!records.is_empty());
        for record in records {
            (*at, more) = (record.offset.next(), true);
            match decode::<CampaignEvent>(&record.value) {
                Ok(event) if campaign.is_none_or(|name| *name == event.campaign) => events.push(event),
                Ok(_) => {}
                Err(error) => unreadable.push(format!("{number}/{}: {error}", record.offset.0)),
            }
        }
    }
    let next: Vec<String> = positions.iter().map(|position| position.0.to_string()).collect();
    Ok(Part { events, unreadable, next: next.join(","), more })
}

fn positions(text: &str) -> Outcome<Vec<Position>> {
    let position = |number: &str| number.parse().ok().map(Position);
    text.split(',').map(position).collect::<Option<_>>().ok_or_else(|| {
        let to_do = "use `next` of the part before, or leave it out";
        Failure::usage("after", format!("`{text}` is no place among the events"), to_do)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[test]
    fn a_place_among_the_events_is_a_position_of_each_partition() {
        assert_eq!(positions("12,0").unwrap(), [Position(12), Position(0)]);
        for wrong in ["", "12,", "-1", "3.120"] {
            let refused = positions(wrong).unwrap_err();
            assert_eq!((refused.exit, refused.code.as_str()), (Exit::Usage, "after"), "{wrong}");
        }
    }
}
