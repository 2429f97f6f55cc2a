//! What librdkafka calls back: a rebalance is noted and answered later, from the polling thread.

use super::super::client;
use super::super::trouble::Trouble;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaRespErr;
use sluice_runtime::ports::log::Partition;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the group decided. librdkafka waits for the answer, an (un)assign call, while it is polled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rebalance {
    Assign(Vec<Partition>),
    Revoke { partitions: Vec<Partition>, is_lost: bool },
}

/// The consumer's context.
#[derive(Debug)]
pub(crate) struct MemberContext {
    pub(crate) trouble: Arc<Trouble>,
    rebalances: Mutex<VecDeque<Rebalance>>,
    is_leaving: AtomicBool,
}

impl MemberContext {
    pub(crate) fn new(trouble: Arc<Trouble>) -> Self {
        Self { trouble, rebalances: Mutex::default(), is_leaving: AtomicBool::new(false) }
    }

    /// The next rebalance that is not answered.
    pub(crate) fn next_rebalance(&self) -> Option<Rebalance> {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// From now on rebalances are answered at once: closing waits for it.
    pub(crate) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.trouble.heard(&error, reason);
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let is_assign = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.is_leaving.load(Ordering::Relaxed) {
            // A refusal means that there is nothing to answer.
            drop(if is_assign {
                consumer.incremental_assign(list)
            } else {
                consumer.incremental_unassign(list)
            });
            return;
        }
        let partition = |number: i32| Partition(u32::try_from(number).unwrap_or_default());
        let partitions: Vec<Partition> =
            list.elements().iter().map(|element| partition(element.partition())).collect();
        let rebalance = if is_assign {
            Rebalance::Assign(partitions)
        } else {
            Rebalance::Revoke { partitions, is_lost: consumer.assignment_lost() }
        };
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
    }
}
