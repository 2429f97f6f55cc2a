//! A mend of librdkafka: <https://github.com/confluentinc/librdkafka/issues/5280>, there up to 2.12.1 and later.
//!
//! A broker tells with an answer to a fetch where partitions have gone (KIP-951). librdkafka makes a list with a place for
//! each, leaves out those that have no leader, and reads all places: memory that nobody wrote. Partitions and leaders that
//! do not exist are logged then, and a process may end of it, usually when a broker starts again.
//!
//! Here the list is as long as what was written to it. The linker puts these functions before librdkafka's (`--wrap`,
//! `.cargo/config.toml`); a build without those flags goes on as librdkafka does. To be removed with a librdkafka that counts
//! right.

use rdkafka::bindings as native;
use std::ffi::{c_char, c_int, c_void};

/// `rd_kafka_Uuid_t`: passed by value.
#[repr(C)]
struct Uuid {
    most_significant: i64,
    least_significant: i64,
    text: [c_char; 23],
}

unsafe extern "C" {
    fn __real_rd_kafkap_leader_discovery_set_topic(
        memory: *mut c_void,
        metadata: *mut native::rd_kafka_metadata,
        topic: c_int,
        id: Uuid,
        name: *mut c_char,
        places: c_int,
    );
    fn __real_rd_kafkap_leader_discovery_set_CurrentLeader(
        memory: *mut c_void,
        metadata: *mut native::rd_kafka_metadata,
        topic: c_int,
        place: c_int,
        partition: i32,
        leader: *mut c_void,
    );
}

/// Adds a topic with places for partitions. None is written yet.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_kafkap_leader_discovery_set_topic(
    memory: *mut c_void,
    metadata: *mut native::rd_kafka_metadata,
    topic: c_int,
    id: Uuid,
    name: *mut c_char,
    places: c_int,
) {
    // SAFETY: the caller's arguments, as they came.
    unsafe { __real_rd_kafkap_leader_discovery_set_topic(memory, metadata, topic, id, name, places) };
    // SAFETY: as below.
    unsafe { written(metadata, topic, 0) };
}

/// Writes a place; they are written one after the other.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_kafkap_leader_discovery_set_CurrentLeader(
    memory: *mut c_void,
    metadata: *mut native::rd_kafka_metadata,
    topic: c_int,
    place: c_int,
    partition: i32,
    leader: *mut c_void,
) {
    // SAFETY: the caller's arguments, as they came.
    unsafe {
        __real_rd_kafkap_leader_discovery_set_CurrentLeader(
            memory, metadata, topic, place, partition, leader,
        );
    };
    // SAFETY: as below.
    unsafe { written(metadata, topic, place + 1) };
}

/// So many places of the topic are written.
///
/// # Safety
/// The metadata has the topic; nobody else has the metadata yet. Its first part is the public one.
unsafe fn written(metadata: *mut native::rd_kafka_metadata, topic: c_int, places: c_int) {
    // SAFETY: what the caller has to see to.
    unsafe { (*(*metadata).topics.offset(topic as isize)).partition_cnt = places };
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::client::ClientContext;
    use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
    use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
    use rdkafka::{Offset, TopicPartitionList};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    const PARTITIONS: i32 = 16;

    /// What librdkafka logs.
    #[derive(Clone, Default)]
    struct Logged(Arc<Mutex<Vec<String>>>);

    impl ClientContext for Logged {
        fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
            if facility == "METADATAUPDATE" {
                self.0.lock().unwrap().push(message.to_owned());
            }
        }
    }

    impl ConsumerContext for Logged {}

    #[test]
    fn partitions_without_a_leader_are_told_of_without_inventing_others() {
        let logged = Logged::default();
        let consumer: BaseConsumer<Logged> = ClientConfig::new()
            .set("test.mock.num.brokers", "2")
            .set("bootstrap.servers", "ignored")
            .set("group.id", "nobody")
            .set("debug", "metadata")
            .set_log_level(RDKafkaLogLevel::Debug)
            .create_with_context(logged.clone())
            .unwrap();
        let name = c"topic";
        // SAFETY: the client lives until the end of the test, and its cluster with it; names are copied.
        let cluster = unsafe { native::rd_kafka_handle_mock_cluster(consumer.client().native_ptr()) };
        // SAFETY: as above.
        let lead = |partition, broker| unsafe {
            native::rd_kafka_mock_partition_set_leader(cluster, name.as_ptr(), partition, broker);
        };
        // SAFETY: as above.
        unsafe { native::rd_kafka_mock_topic_create(cluster, name.as_ptr(), PARTITIONS, 2) };
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            lead(partition, 1);
            all.add_partition_offset("topic", partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let poll = || {
            for _ in 0..30 {
                drop(consumer.poll(Duration::from_millis(50)));
            }
        };
        poll();
        // Half of them are led by the other broker, and none knows a leader of the rest.
        for partition in 0..PARTITIONS {
            if partition % 2 == 0 {
                // SAFETY: as above.
                unsafe {
                    native::rd_kafka_mock_partition_push_leader_response(
                        cluster,
                        name.as_ptr(),
                        partition,
                        -1,
                        -1,
                    );
                }
            }
            lead(partition, 2);
        }
        poll();
        let said = logged.0.lock().unwrap().join("\n");
        assert!(said.contains("updated with leader"), "nothing was told: {said}");
        assert!(!said.contains("not found in cache"), "invented: {said}");
    }
}
