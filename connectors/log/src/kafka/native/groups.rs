//! Describing a group: the request of the new protocol (KIP-848) first, that of the classic one where the group or the
//! brokers are of it.

use super::{Owned, list, native, request, text};
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use sluice_runtime::ports::log::{Attendance, Partition};
use std::collections::BTreeSet;
use std::ffi::{CString, c_char};
use std::time::Duration;

/// How long a question may take. librdkafka 2.12.1 ends the process where a question about a group times out before its
/// coordinator is found and the coordinator is found then (an assertion of `rd_kafka_enq_once_del_source_return`): a broker
/// that comes back after a shorter time does not meet one that was given up.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Who is in `group`, and which partitions of `topic` its members have. Blocks until there is an answer.
pub(crate) fn attendance<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    topic: &str,
) -> Result<Attendance, Code> {
    let name = CString::new(group).map_err(|_| Code::InvalidArgument)?;
    let mut names: [*const c_char; 1] = [name.as_ptr()];
    let ask = |options: *const native::rd_kafka_AdminOptions_t, queue: *mut native::rd_kafka_queue_t| {
        // SAFETY: an array of one text, which is copied; client, options and queue live until the event is here.
        unsafe {
            native::rd_kafka_DescribeConsumerGroups(
                client.native_ptr(),
                names.as_mut_ptr(),
                1,
                options,
                queue,
            );
        }
    };
    let operation = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    let event: Owned<native::rd_kafka_event_t> = request(client, operation, PATIENCE, ask)?;
    let mut count = 0;
    // SAFETY: the event is of this request, and what it gives lives as long as the event.
    unsafe {
        let result = native::rd_kafka_event_DescribeConsumerGroups_result(event.0);
        if result.is_null() {
            return Err(Code::BadMessage);
        }
        let groups = list(native::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count), count);
        match groups.first() {
            Some(group) => describe_group(*group, topic),
            None => Err(Code::BadMessage),
        }
    }
}

/// # Safety
/// `group` belongs to an event that outlives this call.
unsafe fn describe_group(
    group: *const native::rd_kafka_ConsumerGroupDescription_t,
    topic: &str,
) -> Result<Attendance, Code> {
    // SAFETY: as promised by the caller; everything that the group gives belongs to it and is copied.
    unsafe {
        let error = native::rd_kafka_ConsumerGroupDescription_error(group);
        let code: Code =
            if error.is_null() { Code::NoError } else { native::rd_kafka_error_code(error).into() };
        match code {
            Code::NoError => {}
            // Never joined, or forgotten since: brokers of the classic protocol call it dead instead.
            Code::GroupIdNotFound => return Ok(Attendance::default()),
            other => return Err(other),
        }
        let members = native::rd_kafka_ConsumerGroupDescription_member_count(group);
        let mut assigned = BTreeSet::new();
        for place in 0..members {
            let member = native::rd_kafka_ConsumerGroupDescription_member(group, place);
            let assignment = native::rd_kafka_MemberDescription_assignment(member);
            if !assignment.is_null() {
                partitions(native::rd_kafka_MemberAssignment_partitions(assignment), topic, &mut assigned);
            }
        }
        Ok(Attendance { members: u32::try_from(members).unwrap_or(u32::MAX), assigned })
    }
}

/// Adds those of `topic`.
///
/// # Safety
/// `all` is null, or lives as long as this call.
unsafe fn partitions(
    all: *const native::rd_kafka_topic_partition_list_t,
    topic: &str,
    assigned: &mut BTreeSet<Partition>,
) {
    if all.is_null() {
        return;
    }
    // SAFETY: as promised by the caller; the list holds as many elements as it says.
    unsafe {
        let count = usize::try_from((*all).cnt).unwrap_or_default();
        if (*all).elems.is_null() || count == 0 {
            return;
        }
        for element in std::slice::from_raw_parts((*all).elems, count) {
            if text(element.topic) == topic {
                assigned.extend(u32::try_from(element.partition).ok().map(Partition));
            }
        }
    }
}
