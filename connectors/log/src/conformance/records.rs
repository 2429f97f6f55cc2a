//! Records: order, durability, limits.

use super::{ALL, CHUNKS, ONE, START, ZERO, append, names, records, values, within};
use bytes::Bytes;
use sluice_runtime::ports::log::{Log, LogError, NewRecord, Offset, Partition, Position, ReadLimit, Topic};

/// Whatever is awaited first; offsets of a ticket are those of its batch.
pub async fn batches_lie_in_the_order_of_the_calls(log: &dyn Log) {
    let tickets: Vec<_> = (0..40)
        .map(|batch| log.append(CHUNKS, ZERO, records(&format!("b{batch}"), 1 + batch * 7 % 30)))
        .collect();
    let mut ranges = Vec::new();
    for ticket in tickets.into_iter().rev() {
        ranges.push(within("append", ticket).await.unwrap());
    }
    ranges.reverse();
    assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "{ranges:?}");
    let read = log.read(CHUNKS, ZERO, START, ALL).await.unwrap();
    let expected: Vec<String> =
        (0..40).flat_map(|batch| names(&format!("b{batch}"), 1 + batch * 7 % 30)).collect();
    assert_eq!(values(&read), expected);
    assert!(read.windows(2).all(|pair| pair[0].offset < pair[1].offset));
    let mut rest = read.as_slice();
    for (batch, range) in ranges.iter().enumerate() {
        let (mine, after) = rest.split_at(1 + batch * 7 % 30);
        rest = after;
        assert_eq!(mine[0].offset.0, range.start);
        assert_eq!(mine[mine.len() - 1].offset.0 + 1, range.end);
    }
}

/// The same offsets and bytes, from wherever one begins.
pub async fn what_was_read_once_is_read_again(log: &dyn Log) {
    append(log, ZERO, records("a", 700)).await;
    let once = log.read(CHUNKS, ZERO, START, ALL).await.unwrap();
    append(log, ZERO, records("b", 700)).await;
    let again = log.read(CHUNKS, ZERO, START, ALL).await.unwrap();
    assert_eq!(again[..700], once);
    assert_eq!(again[0].key, Bytes::from("key-0"));
}

/// Fewer than asked for is fine, none is not while there is one.
pub async fn a_read_keeps_to_its_limit(log: &dyn Log) {
    let end = append(log, ZERO, records("a", 1_000)).await.end;
    let few = log.read(CHUNKS, ZERO, START, ReadLimit { records_max: 7, ..ALL }).await.unwrap();
    assert_eq!(values(&few), names("a", 7));
    let limit = ReadLimit { bytes_max: 40, ..ALL };
    let small = log.read(CHUNKS, ZERO, START, limit).await.unwrap();
    let bytes: usize = small[..small.len() - 1].iter().map(|r| r.key.len() + r.value.len()).sum();
    assert!(!small.is_empty() && bytes < 40, "{} records", small.len());
    let single = log.read(CHUNKS, ZERO, START, ReadLimit { bytes_max: 1, ..ALL }).await.unwrap();
    assert_eq!(values(&single), names("a", 1), "a record larger than the limit is returned alone");
    assert_eq!(log.read(CHUNKS, ZERO, Position(end), ALL).await, Ok(Vec::new()));

    let mut from = START;
    let mut all = Vec::new();
    while all.len() < 1_000 {
        let part =
            log.read(CHUNKS, ZERO, from, ReadLimit { records_max: 300, bytes_max: 3_000 }).await.unwrap();
        from = part.last().unwrap().offset.next();
        all.extend(part);
    }
    assert_eq!(values(&all), names("a", 1_000));
}

/// Also in the middle of a batch.
pub async fn a_read_begins_at_any_record(log: &dyn Log) {
    append(log, ZERO, records("a", 600)).await;
    append(log, ZERO, records("b", 5)).await;
    let all = log.read(CHUNKS, ZERO, START, ALL).await.unwrap();
    for place in [1, 255, 256, 511, 512, 599, 600, 604] {
        let from = Position(all[place].offset.0);
        let read = log.read(CHUNKS, ZERO, from, ReadLimit { records_max: 3, ..ALL }).await.unwrap();
        assert_eq!(read, all[place..(place + 3).min(all.len())], "from record {place}");
    }
}

/// Nothing is assumed about the bytes.
pub async fn empty_and_large_values_come_back_whole(log: &dyn Log) {
    let sizes = [0usize, 1, 300_000, 0, 1_000_000, 17];
    let batch: Vec<NewRecord> = sizes
        .iter()
        .map(|&size| NewRecord {
            key: Bytes::from(vec![7; size % 1_000]),
            value: (0..size).map(|at| (at * 31 % 251) as u8).collect::<Vec<u8>>().into(),
        })
        .collect();
    append(log, ZERO, batch.clone()).await;
    let read = log.read(CHUNKS, ZERO, START, ALL).await.unwrap();
    let back: Vec<NewRecord> =
        read.into_iter().map(|record| NewRecord { key: record.key, value: record.value }).collect();
    assert!(back == batch);
}

/// Each has its own offsets.
pub async fn topics_and_partitions_are_apart(log: &dyn Log) {
    append(log, ZERO, records("zero", 3)).await;
    append(log, ONE, records("one", 2)).await;
    within("append", log.append(Topic::Events, ZERO, records("event", 1))).await.unwrap();
    assert_eq!(values(&log.read(CHUNKS, ZERO, START, ALL).await.unwrap()), names("zero", 3));
    assert_eq!(values(&log.read(CHUNKS, ONE, START, ALL).await.unwrap()), names("one", 2));
    let events = log.read(Topic::Events, ZERO, START, ALL).await.unwrap();
    assert_eq!((values(&events), events[0].offset), (names("event", 1), Offset(0)));
    assert_eq!(log.read(Topic::Progress, ZERO, START, ALL).await, Ok(Vec::new()));
}

/// Of reads and writes alike.
pub async fn a_missing_partition_is_an_error(log: &dyn Log) {
    let partition = Partition(log.partitions(CHUNKS));
    let missing = LogError::NoPartition { topic: CHUNKS, partition };
    assert_eq!(within("append", log.append(CHUNKS, partition, records("a", 1))).await, Err(missing.clone()));
    assert_eq!(log.read(CHUNKS, partition, START, ALL).await, Err(missing.clone()));
    assert_eq!(log.bounds(CHUNKS, partition).await, Err(missing));
}

/// The generation is at least 1 and stays.
pub async fn bounds_name_the_first_and_the_next_record(log: &dyn Log) {
    let empty = log.bounds(CHUNKS, ZERO).await.unwrap();
    assert_eq!(empty.start, empty.end);
    assert!(empty.generation >= 1);
    let range = append(log, ZERO, records("a", 10)).await;
    let full = log.bounds(CHUNKS, ZERO).await.unwrap();
    assert_eq!((full.start, full.end, full.generation), (START, Position(range.end), empty.generation));
}

/// An error that says where the log begins now, never a skip.
pub async fn hazard_26_reading_what_was_removed_is_an_error(log: &dyn Log) {
    append(log, ZERO, records("a", 600)).await;
    append(log, ZERO, records("b", 600)).await;
    let all = log.read(CHUNKS, ZERO, START, ALL).await.unwrap();
    let start = Position(all[700].offset.0);
    log.trim(CHUNKS, ZERO, start).await.unwrap();
    for asked in [START, Position(all[699].offset.0)] {
        let refused = log.read(CHUNKS, ZERO, asked, ALL).await;
        assert_eq!(refused, Err(LogError::BelowStart { topic: CHUNKS, partition: ZERO, asked, start }));
    }
    assert_eq!(log.read(CHUNKS, ZERO, start, ALL).await.unwrap(), all[700..]);
    assert_eq!(log.bounds(CHUNKS, ZERO).await.unwrap().start, start);
    log.trim(CHUNKS, ZERO, START).await.unwrap();
    assert_eq!(log.bounds(CHUNKS, ZERO).await.unwrap().start, start, "nothing comes back");

    let end = log.bounds(CHUNKS, ZERO).await.unwrap().end;
    log.trim(CHUNKS, ZERO, end).await.unwrap();
    let empty = log.bounds(CHUNKS, ZERO).await.unwrap();
    assert_eq!((empty.start, empty.end), (end, end));
    let range = append(log, ZERO, records("c", 2)).await;
    assert!(range.start >= end.0, "offsets are not used again");
    assert_eq!(values(&log.read(CHUNKS, ZERO, end, ALL).await.unwrap()), names("c", 2));
}
