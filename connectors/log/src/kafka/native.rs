//! Requests of librdkafka that the safe crate does not have: describing topics with their ids (KIP-516), changing
//! single settings of a topic (KIP-339; the safe crate's `alter_configs` resets all that is not named), adding brokers, and
//! describing groups of either protocol ([`groups`]; the safe crate knows only the classic one).
//! And one of OpenSSL, before librdkafka uses it.
//!
//! Everything unsafe of the log is here: calls into librdkafka whose results are copied before they are freed, and a mend of
//! librdkafka itself in [`leaders`].
#![allow(unsafe_code, reason = "librdkafka's C interface, wrapped once")]

mod groups;
#[cfg(librdkafka_mended)]
mod leaders;

pub(crate) use groups::attendance;

use rdkafka::bindings as native;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

/// OpenSSL's `OPENSSL_INIT_NO_ATEXIT`.
#[cfg(feature = "tls")]
const NO_ATEXIT: u64 = 0x0008_0000;

/// Has OpenSSL stay as it is when the process exits. Otherwise `exit` takes it apart while threads of librdkafka may
/// still be closing their connections: a process that had stopped cleanly died of SIGSEGV. Only the first use of
/// OpenSSL in a process decides, so this comes before any connection. Without TLS there is nothing to do.
pub fn keep_tls_until_exit() {
    #[cfg(feature = "tls")]
    {
        unsafe extern "C" {
            fn OPENSSL_init_crypto(options: u64, settings: *const std::ffi::c_void) -> std::ffi::c_int;
        }
        // SAFETY: may be called at any time, from any thread, any number of times; no settings are given.
        unsafe { OPENSSL_init_crypto(NO_ATEXIT, std::ptr::null()) };
    }
}

/// A topic as the brokers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: String,
    /// The topic's id: another one after it was made anew. `None` for a topic that is not there.
    pub(crate) life: Option<String>,
    pub(crate) partitions: u32,
    /// The fewest replicas of a partition.
    pub(crate) replicas: u16,
}

/// What is freed when it goes out of scope.
struct Owned<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the pointer came from the constructor that belongs to this destructor, and is freed once.
            unsafe { (self.1)(self.0) }
        }
    }
}

/// Adds brokers, `host:port,host:port`, to those that a client knows.
pub(crate) fn add_brokers<C: ClientContext>(client: &Client<C>, brokers: &CStr) {
    // SAFETY: the client lives as long as the borrow, and librdkafka copies the names; any thread may ask for it.
    unsafe { native::rd_kafka_brokers_add(client.native_ptr(), brokers.as_ptr()) };
}

/// Describes the topics, in their order. Blocks until `timeout`.
pub(crate) fn describe_topics<C: ClientContext>(
    client: &Client<C>,
    names: &[String],
    timeout: Duration,
) -> Result<Vec<Described>, Code> {
    let texts: Vec<CString> = names
        .iter()
        .map(|name| CString::new(name.as_str()))
        .collect::<Result<_, _>>()
        .map_err(|_| Code::InvalidArgument)?;
    let mut pointers: Vec<*const c_char> = texts.iter().map(|text| text.as_ptr()).collect();
    // SAFETY: the array holds as many pointers as is said, to strings that outlive the call; they are copied.
    let topics =
        unsafe { native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) };
    let topics = Owned(topics, native::rd_kafka_TopicCollection_destroy);
    let ask = |options: *const native::rd_kafka_AdminOptions_t, queue: *mut native::rd_kafka_queue_t| {
        // SAFETY: client, collection, options and queue live until the event is here.
        unsafe { native::rd_kafka_DescribeTopics(client.native_ptr(), topics.0, options, queue) }
    };
    let event = request(client, native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout, ask)?;
    let mut count = 0;
    // SAFETY: the event is of this request, and what it gives lives as long as the event.
    let described = unsafe {
        let result = native::rd_kafka_event_DescribeTopics_result(event.0);
        if result.is_null() {
            return Err(Code::BadMessage);
        }
        list(native::rd_kafka_DescribeTopics_result_topics(result, &mut count), count)
    };
    described.iter().map(|topic| describe_topic(*topic)).collect()
}

fn describe_topic(topic: *const native::rd_kafka_TopicDescription_t) -> Result<Described, Code> {
    // SAFETY: the description belongs to an event that outlives this call, and so does all that it gives; the
    // text of the id belongs to the id. Everything is copied.
    unsafe {
        let name = text(native::rd_kafka_TopicDescription_name(topic));
        let error = native::rd_kafka_TopicDescription_error(topic);
        let code: Code =
            if error.is_null() { Code::NoError } else { native::rd_kafka_error_code(error).into() };
        match code {
            Code::NoError => {}
            Code::UnknownTopicOrPartition | Code::UnknownTopic => {
                return Ok(Described { name, life: None, partitions: 0, replicas: 0 });
            }
            other => return Err(other),
        }
        let life = text(native::rd_kafka_Uuid_base64str(native::rd_kafka_TopicDescription_topic_id(topic)));
        let mut count = 0;
        let partitions = list(native::rd_kafka_TopicDescription_partitions(topic, &mut count), count);
        let replicas = partitions.iter().map(|partition| {
            let mut replicas = 0;
            native::rd_kafka_TopicPartitionInfo_replicas(*partition, &mut replicas);
            u16::try_from(replicas).unwrap_or(u16::MAX)
        });
        let replicas = replicas.min().unwrap_or(0);
        Ok(Described { name, life: Some(life), partitions: partitions.len() as u32, replicas })
    }
}

/// Sets single settings of a topic and leaves the others alone. Blocks until `timeout`.
pub(crate) fn set_configs<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    settings: &[(&str, String)],
    timeout: Duration,
) -> Result<(), (Code, String)> {
    let invalid = |_| (Code::InvalidArgument, "a zero byte".to_owned());
    let name = CString::new(topic).map_err(invalid)?;
    // SAFETY: the name is copied.
    let resource = unsafe {
        native::rd_kafka_ConfigResource_new(
            native::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC,
            name.as_ptr(),
        )
    };
    let resource = Owned(resource, native::rd_kafka_ConfigResource_destroy);
    for (key, value) in settings {
        let (key, value) =
            (CString::new(*key).map_err(invalid)?, CString::new(value.as_str()).map_err(invalid)?);
        // SAFETY: the resource lives, the texts are copied, the error (null where there is none) is freed.
        let refused = unsafe {
            let error = native::rd_kafka_ConfigResource_add_incremental_config(
                resource.0,
                key.as_ptr(),
                native::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET,
                value.as_ptr(),
            );
            let refused = !error.is_null();
            if refused {
                native::rd_kafka_error_destroy(error);
            }
            refused
        };
        if refused {
            return Err((Code::InvalidArgument, "not a setting".to_owned()));
        }
    }
    let mut resources = [resource.0];
    let ask = |options: *const native::rd_kafka_AdminOptions_t, queue: *mut native::rd_kafka_queue_t| {
        // SAFETY: an array of one living resource; all arguments live until the event is here.
        unsafe {
            native::rd_kafka_IncrementalAlterConfigs(
                client.native_ptr(),
                resources.as_mut_ptr(),
                1,
                options,
                queue,
            );
        }
    };
    let operation = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS;
    let event = request(client, operation, timeout, ask).map_err(|code| (code, code.to_string()))?;
    // SAFETY: the event is of this request, and what it gives lives as long as the event.
    unsafe {
        let result = native::rd_kafka_event_IncrementalAlterConfigs_result(event.0);
        if result.is_null() {
            return Err((Code::BadMessage, Code::BadMessage.to_string()));
        }
        let mut count = 0;
        for resource in
            list(native::rd_kafka_IncrementalAlterConfigs_result_resources(result, &mut count), count)
        {
            let code: Code = native::rd_kafka_ConfigResource_error(*resource).into();
            if code != Code::NoError {
                return Err((code, text(native::rd_kafka_ConfigResource_error_string(*resource))));
            }
        }
    }
    Ok(())
}

/// Makes an administrative request and waits for its answer.
fn request<C: ClientContext>(
    client: &Client<C>,
    operation: native::rd_kafka_admin_op_t,
    timeout: Duration,
    ask: impl FnOnce(*const native::rd_kafka_AdminOptions_t, *mut native::rd_kafka_queue_t),
) -> Result<Owned<native::rd_kafka_event_t>, Code> {
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX / 2);
    // SAFETY: the client lives as long as the borrow; queue and options are freed at the end of this function,
    // before which the event was taken from the queue. The event does not need either.
    unsafe {
        let queue = Owned(native::rd_kafka_queue_new(client.native_ptr()), native::rd_kafka_queue_destroy);
        let options = Owned(
            native::rd_kafka_AdminOptions_new(client.native_ptr(), operation),
            native::rd_kafka_AdminOptions_destroy,
        );
        let mut reason: [c_char; 256] = [0; 256];
        native::rd_kafka_AdminOptions_set_request_timeout(
            options.0,
            timeout_ms,
            reason.as_mut_ptr(),
            reason.len(),
        );
        ask(options.0, queue.0);
        // The request's own timeout comes first, so that there is an event in any case.
        let event = native::rd_kafka_queue_poll(queue.0, timeout_ms.saturating_add(2_000));
        let event = Owned(event, native::rd_kafka_event_destroy);
        if event.0.is_null() {
            return Err(Code::OperationTimedOut);
        }
        match native::rd_kafka_event_error(event.0).into() {
            Code::NoError => Ok(event),
            code => Err(code),
        }
    }
}

/// An array of librdkafka's; `null` is the empty one.
///
/// # Safety
/// `first` is null or points to `count` values that live as long as the result is used.
unsafe fn list<'a, T>(first: *mut *const T, count: usize) -> &'a [*const T] {
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: as promised by the caller.
    unsafe { std::slice::from_raw_parts(first, count) }
}

/// A copy of a C text; `null` is the empty one.
///
/// # Safety
/// `pointer` is null or points to a text that ends with a zero byte.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: as promised by the caller.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
