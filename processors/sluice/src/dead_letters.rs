//! Records that no step could use: kept whole, with the reason and where they came from, until somebody looks.
//!
//! A letter's own name is `partition/offset` in `dead.letters`. Memory is bounded by what is asked for.

use crate::error::{Failure, Outcome};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_runtime::ports::log::{
    Log, LogError, NewRecord, Offset, Partition, Position, ReadLimit, StoredRecord, Topic,
};
use sluice_schemas::{
    CampaignControl, CampaignLaunch, CampaignProgress, ChunkReady, DeadLetter, PageRefused, Receipt,
    RetryReady, decode,
};
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

/// What one read of the topic may bring.
const STEP: ReadLimit = ReadLimit { records_max: 1_000, bytes_max: 4 << 20 };

/// A letter's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterId {
    /// In `dead.letters`.
    pub partition: u32,
    /// In that partition.
    pub offset: u64,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(partition, offset)| {
            Some(Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        });
        parts.ok_or_else(|| {
            "a dead letter is named like 0/17, as `sluice dead-letters list` shows it".to_owned()
        })
    }
}

/// A record of `dead.letters`; `Err` where not even that can be read.
#[derive(Debug)]
pub struct Found {
    /// Its name.
    pub id: LetterId,
    /// What it says.
    pub letter: Result<DeadLetter, String>,
}

/// The newest letters, oldest first; `topic`: only those that came from it.
pub async fn list(log: &dyn Log, topic: Option<Topic>, limit: usize) -> Outcome<Vec<Found>> {
    let mut all = Vec::new();
    for number in 0..log.partitions(Topic::DeadLetters) {
        let mut newest: VecDeque<Found> = VecDeque::new();
        let mut from = log.bounds(Topic::DeadLetters, Partition(number)).await?.start;
        loop {
            let records = match log.read(Topic::DeadLetters, Partition(number), from, STEP).await {
                // Retention goes on while it is read.
                Err(LogError::BelowStart { start, .. }) => {
                    from = start;
                    continue;
                }
                records => records?,
            };
            let Some(last) = records.last() else { break };
            from = last.offset.next();
            for found in records.into_iter().map(|record| found(number, &record)) {
                let wanted = match (&found.letter, topic) {
                    (Ok(letter), Some(topic)) => letter.topic == topic.name(),
                    _ => true,
                };
                if wanted {
                    newest.push_back(found);
                    if newest.len() > limit {
                        newest.pop_front();
                    }
                }
            }
        }
        all.extend(newest);
    }
    all.sort_by_key(|found| (found.letter.as_ref().map_or(0, |letter| letter.at_ms), found.id));
    let surplus = all.len().saturating_sub(limit);
    Ok(all.split_off(surplus))
}

/// The same as they are shown, without their content.
pub async fn shown(log: &dyn Log, topic: Option<Topic>, limit: usize) -> Outcome<Letters> {
    let found = list(log, topic, limit).await?;
    Ok(Letters { letters: found.iter().map(|found| Shown::of(found, false)).collect() })
}

/// The topic that letters came from, by its name; `Err` says which there are.
pub fn topic(name: &str) -> Result<Topic, String> {
    let found = Topic::ALL.into_iter().find(|topic| topic.name() == name);
    found.ok_or_else(|| format!("there are {}", Topic::ALL.map(Topic::name).join(", ")))
}

/// One letter.
pub async fn one(log: &dyn Log, id: LetterId) -> Outcome<Found> {
    let limit = ReadLimit { records_max: 1, bytes_max: STEP.bytes_max };
    let records = log.read(Topic::DeadLetters, Partition(id.partition), Position(id.offset), limit).await;
    match records {
        Ok(records) if records.first().is_some_and(|record| record.offset == Offset(id.offset)) => {
            Ok(found(id.partition, &records[0]))
        }
        Ok(_) | Err(LogError::BelowStart { .. } | LogError::NoPartition { .. }) => Err(Failure::refused(
            "no_such_dead_letter",
            format!("there is no dead letter {id}"),
            "`sluice dead-letters list` names those that are there",
        )),
        Err(error) => Err(error.into()),
    }
}

fn found(partition: u32, record: &StoredRecord) -> Found {
    let letter = decode(&record.value).map_err(|error| error.to_string());
    Found { id: LetterId { partition, offset: record.offset.0 }, letter }
}

/// Appends a letter's record to where it came from: the step that refused it takes it again. Every step knows
/// what it has done already, so a record that is replayed twice counts once.
pub async fn replay(log: &dyn Log, id: LetterId, letter: &DeadLetter) -> Outcome<()> {
    let refused = |message: String| {
        Failure::refused(
            "not_replayable",
            message,
            "nothing is to be done; `sluice dead-letters show` has its content",
        )
    };
    let topic = Topic::ALL.into_iter().find(|topic| topic.name() == letter.topic).ok_or_else(|| {
        refused(format!("dead letter {id} came from {}, which is no topic of this version", letter.topic))
    })?;
    let partition = u32::try_from(letter.partition).map_err(|_| {
        refused(format!("dead letter {id} is a fact and no record: its webhook was read before"))
    })?;
    let key = Bytes::from(letter.key.clone());
    let value = Bytes::from(letter.value.clone());
    log.append(topic, Partition(partition), vec![NewRecord { key, value }]).await?;
    Ok(())
}

/// The same of several: all are looked at before the first is replayed. Gives how many there were.
pub async fn replay_all(log: &dyn Log, ids: &[LetterId]) -> Outcome<Replayed> {
    let mut letters = Vec::with_capacity(ids.len());
    for id in ids {
        let letter = one(log, *id).await?.letter.map_err(|unreadable| {
            let message = format!("dead letter {id} can't be read");
            Failure::refused("not_replayable", message, "leave it out").with(unreadable)
        })?;
        letters.push((*id, letter));
    }
    for (id, letter) in &letters {
        replay(log, *id, letter).await?;
    }
    Ok(Replayed { replayed: letters.len() as u64 })
}

/// How many letters' records are back where they came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// So many.
    pub replayed: u64,
}

/// Letters as they are shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Letters {
    /// Oldest first.
    pub letters: Vec<Shown>,
}

/// A letter as it is shown, to people and to programs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shown {
    /// Its name.
    pub id: String,
    /// Why no step could use it; of a letter that can't be read itself, that.
    pub reason: String,
    /// Where it came from; `None` where that can't be read.
    #[serde(flatten)]
    pub from: Option<Origin>,
    /// What it holds, where that was asked for.
    #[serde(flatten)]
    pub content: Option<Content>,
}

/// Where a record came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Origin {
    /// Its topic.
    pub topic: String,
    /// Below 0: it was a fact and no record.
    pub partition: i32,
    /// In that partition.
    pub offset: i64,
    /// When it was put aside, in ms since 1970.
    pub at_ms: i64,
    /// Of its value.
    pub bytes: usize,
}

/// What a record holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Content {
    /// As text, otherwise hexadecimal.
    pub key: String,
    /// What [`content`] reads.
    pub value: Value,
}

impl Shown {
    /// `whole` adds key and content.
    pub fn of(found: &Found, whole: bool) -> Self {
        let id = found.id.to_string();
        match &found.letter {
            Ok(letter) => Self {
                id,
                reason: letter.reason.clone(),
                from: Some(Origin {
                    topic: letter.topic.clone(),
                    partition: letter.partition,
                    offset: letter.offset,
                    at_ms: letter.at_ms,
                    bytes: letter.value.len(),
                }),
                content: whole.then(|| Content { key: text_or_hex(&letter.key), value: content(letter) }),
            },
            Err(unreadable) => {
                Self { id, reason: format!("unreadable itself: {unreadable}"), from: None, content: None }
            }
        }
    }
}

/// What the record says: its fields where some schema reads it, text where it is text, otherwise hexadecimal.
pub fn content(letter: &DeadLetter) -> Value {
    let value = letter.value.as_slice();
    let read = match letter.topic.as_str() {
        name if name == Topic::Launches.name() => decode::<CampaignLaunch>(value).map(|record| json!(record)),
        name if name == Topic::Control.name() => decode::<CampaignControl>(value).map(|record| json!(record)),
        name if name == Topic::Receipts.name() => decode::<Receipt>(value).map(|record| json!(record)),
        name if name == Topic::Progress.name() => {
            decode::<CampaignProgress>(value).map(|record| json!(record))
        }
        _ => decode::<ChunkReady>(value)
            .map(|record| json!(record))
            .or_else(|_| decode::<RetryReady>(value).map(|record| json!(record)))
            .or_else(|_| decode::<PageRefused>(value).map(|record| json!(record))),
    };
    read.unwrap_or_else(|_| json!(text_or_hex(value)))
}

fn text_or_hex(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => text.to_owned(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_named_by_its_place() {
        let id: LetterId = "3/17".parse().unwrap();
        assert_eq!((id.partition, id.offset, id.to_string().as_str()), (3, 17, "3/17"));
        assert!("17".parse::<LetterId>().is_err() && "a/b".parse::<LetterId>().is_err());
    }

    #[test]
    fn content_that_no_schema_reads_is_shown_as_text_or_bytes() {
        let letter = |value: &[u8]| DeadLetter {
            topic: "campaign.launches".to_owned(),
            partition: 0,
            offset: 0,
            reason: String::new(),
            at_ms: 0,
            key: Vec::new(),
            value: value.to_vec(),
        };
        assert_eq!(content(&letter(b"{\"campaign\": 1}")), json!("{\"campaign\": 1}"));
        assert_eq!(content(&letter(&[0, 0, 0, 0, 7, 255])), json!("0000000007ff"));
    }
}
