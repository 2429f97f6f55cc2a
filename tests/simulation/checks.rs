//! What must hold after every run, whatever happened in it.

use crate::audience::SimAudience;
use crate::cluster::{Cluster, PARTITIONS};
use sluice_core::facts::Status;
use sluice_core::{Counters, SendId};
use sluice_runtime::ports::log::{Partition, Topic};
use sluice_schemas::{
    CampaignEvent, CampaignEventKind, ChunkReady, OnUnknown, RetryReady, SendRequest, decode,
};
use sluice_simulation::truth::{accepted_twice, recipients_reached};
use std::collections::{BTreeMap, BTreeSet};

/// G1, G2, G3 and G8 against the provider's own list of calls.
pub(crate) fn guarantees(cluster: &Cluster) {
    let truth = cluster.provider.truth();
    let snapshot = cluster.store.snapshot();
    let row = &snapshot.campaigns[&cluster.id()];
    let at_most_once = cluster.launch.on_unknown == OnUnknown::Keep;

    // G1: no message twice, neither by send nor by person.
    if at_most_once {
        let twice = accepted_twice(&truth);
        assert!(twice.is_empty(), "G1: accepted twice: {twice:#?}");
        let reached = recipients_reached(&truth);
        assert!(reached.values().all(|&messages| messages == 1), "G1: {reached:#?}");
    }

    // Hazards 1, 2: every row is in exactly one committed chunk.
    let mut people: BTreeMap<SendId, String> = BTreeMap::new();
    let mut addresses = BTreeSet::new();
    let mut rows = 0;
    for (chunk, committed) in &snapshot.chunks {
        let recipients = &snapshot.recipients[chunk];
        assert_eq!(recipients.len() as u32, committed.size, "chunk {chunk} lacks rows");
        rows += u64::from(committed.size);
        for recipient in recipients {
            let send: SendRequest = decode(&recipient.payload).unwrap();
            if recipient.skipped.is_none() {
                assert!(addresses.insert(send.address.clone()), "{} is in two places", send.address);
                people.insert(SendId { chunk: *chunk, index: recipient.index }, send.address);
            }
        }
    }
    let seal = row.seal.unwrap();
    assert_eq!((rows, seal.chunks as usize), (seal.total - seal.not_expanded, snapshot.chunks.len()));
    assert_eq!(seal.total, cluster.audience.rows);

    // G3: the counters beside each state are a recount of it.
    let mut total = Counters::default();
    for chunk in snapshot.chunks.keys() {
        let (_, state) = &snapshot.states[chunk];
        for reader in cluster.store.readers(*chunk) {
            assert_eq!(state.counters(), reader.counters, "G3: chunk {chunk}, whichever replicas are asked");
        }
        total += state.counters();
    }
    // G2: everyone is in exactly one final state.
    assert_eq!(total.total, rows, "G2: {total:?}");
    assert_eq!(total.pending, 0, "G2: {total:?}");

    // The states say what really happened.
    let accepted: BTreeSet<SendId> =
        truth.calls.iter().filter(|call| call.is_accepted()).map(|call| call.send).collect();
    for (send, address) in &people {
        let status = snapshot.states[&send.chunk].1.recipient(send.index).status();
        let reached = accepted.contains(send);
        match status {
            Status::Sent | Status::Delivered | Status::Read | Status::Responded => {
                assert!(reached, "{send:?} {address} is {status:?} and was never sent");
            }
            Status::Skipped | Status::Cancelled | Status::Pending => {
                assert!(!reached, "{send:?} {address} is {status:?} and was sent");
            }
            // Failed later by a webhook, or nobody heard.
            Status::Failed | Status::OptedOut | Status::Unknown => {}
        }
    }
    for call in &truth.calls {
        let person = people.get(&call.send).unwrap_or_else(|| panic!("called without a recipient: {call:?}"));
        assert_eq!(call.address.as_ref(), Some(person), "the wrong person was called");
    }
    for row in 0..cluster.audience.rows {
        if SimAudience::is_skipped(row) || SimAudience::lacks_variable(row) {
            let address = SimAudience::address(row);
            assert!(
                truth.calls.iter().all(|call| call.address.as_ref() != Some(&address)),
                "row {row} was called"
            );
        }
    }

    // G8: exactly one end event a run, by its id.
    let events = cluster.events();
    let is_end = |event: &&CampaignEvent| {
        use CampaignEventKind::{Cancelled, Completed, Failed};
        matches!(event.kind, Completed | Cancelled | Failed)
    };
    let ends: BTreeSet<&String> = events.iter().filter(is_end).map(|event| &event.id).collect();
    assert_eq!(ends.len() as u32, row.run, "G8: {events:#?}");
    let starts: BTreeSet<&String> = events
        .iter()
        .filter(|event| event.kind == CampaignEventKind::Started)
        .map(|event| &event.id)
        .collect();
    assert_eq!(starts.len(), 1, "A1: {events:#?}");
}

/// The campaign's counters as readers see them.
pub(crate) fn counters(cluster: &Cluster) -> Counters {
    cluster.store.snapshot().counters.values().copied().sum()
}

/// Who is not settled, and what the ledgers hold: for a run that does not end.
pub(crate) fn stuck(cluster: &Cluster) -> String {
    let snapshot = cluster.store.snapshot();
    let mut text = format!("{:#?}\n", snapshot.campaigns.get(&cluster.id()));
    for (chunk, row) in &snapshot.chunks {
        let state = snapshot.states.get(chunk).map(|(_, state)| state.clone()).unwrap_or_default();
        for index in state.select(row.size, |recipient| recipient.status() == Status::Pending).iter() {
            let bits = state.recipient(index).0;
            text.push_str(&format!(
                "{chunk} {} index {index} of {:?}: {bits:064b}\n",
                row.page,
                state.size()
            ));
        }
    }
    for (page, ledger) in &snapshot.ledgers {
        text.push_str(&format!("{page} {ledger:?}\n"));
    }
    for partition in (0..PARTITIONS).map(Partition) {
        let committed = cluster.log.inspect_committed("sender", Topic::Chunks, partition);
        text.push_str(&format!("chunks/{}: committed {committed:?}\n", partition.0));
        for record in cluster.log.inspect(Topic::Chunks, partition) {
            let what = decode::<RetryReady>(&record.value).map(|retry| format!("{retry:?}"));
            let what =
                what.or_else(|_| decode::<ChunkReady>(&record.value).map(|ready| format!("{ready:?}")));
            text.push_str(&format!("  {} {what:?}\n", record.offset.0));
        }
    }
    text
}
