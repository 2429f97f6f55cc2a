//! Opening the log: what is wrong is said with what to do; topics are made as they should be.

use crate::kafka::{Lives, Own};
use rdkafka::admin::AdminOptions;
use sluice_log::KafkaLog;
use sluice_log::kafka::topics::{self, Change};
use sluice_log::kafka::{KafkaError, KafkaOptions, SecurityProtocol};
use sluice_runtime::ports::log::{Log, Partition, Topic};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

async fn refused(options: KafkaOptions) -> KafkaError {
    KafkaLog::connect(options, &Lives::default()).await.unwrap_err()
}

#[tokio::test]
async fn a_wrong_address_is_said_with_what_the_connection_failed_by() {
    let options = KafkaOptions {
        brokers: "127.0.0.1:1".to_owned(),
        connect_timeout_ms: 1_500,
        ..KafkaOptions::default()
    };
    let error = refused(options).await;
    assert!(matches!(error, KafkaError::Unreachable { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("127.0.0.1:1") && text.contains("refused") && text.contains("check brokers"),
        "{text}"
    );
}

#[tokio::test]
async fn topics_are_created_once_grow_and_never_shrink() {
    let mut own = Own::named();
    let KafkaError::MissingTopics(missing) = refused(own.options.clone()).await else { panic!() };
    assert_eq!(missing.len(), Topic::ALL.len());
    assert_eq!(topics::check(&own.options).await.unwrap().len(), Topic::ALL.len());

    let changes = topics::create(&own.options).await.unwrap();
    assert!(changes.len() == 9 && changes.iter().all(|change| matches!(change, Change::Created { .. })));
    assert_eq!(topics::check(&own.options).await.unwrap(), []);
    assert_eq!(topics::create(&own.options).await.unwrap(), []);
    own.log().await;

    own.options.partitions_receipts = 5;
    own.options.retention_events_days = 3;
    let rows = topics::check(&own.options).await.unwrap();
    let told: Vec<String> = rows.iter().flat_map(|row| &row.differences).map(ToString::to_string).collect();
    assert_eq!(told[0], "partitions: 2 instead of 5");
    assert_eq!(told[1], "retention.ms: 2592000000 instead of 259200000");
    assert_eq!(told.len(), 3, "{told:?}");
    let error = refused(own.options.clone()).await.to_string();
    assert!(error.contains("has 2 partitions and should have 5") && error.contains("create"), "{error}");
    let changes = topics::create(&own.options).await.unwrap();
    assert_eq!(changes.len(), 3, "{changes:?}");
    let settled = async {
        while !topics::check(&own.options).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await.unwrap();

    own.options.partitions_receipts = 1;
    assert_eq!(topics::create(&own.options).await.unwrap(), []);
    assert_eq!(own.log().await.partitions(Topic::Receipts), 5);
    own.tidy_up().await;
}

#[tokio::test]
async fn too_few_replicas_are_refused_at_creation_and_at_the_start() {
    let mut own = Own::created().await;
    own.options.replication = 2;
    let error = refused(own.options.clone()).await;
    assert!(matches!(error, KafkaError::Replication { wanted: 2, found: 1, .. }), "{error}");
    own.options.replication = 1;
    let mut more = Own::named();
    more.options.replication = 7;
    let error = topics::create(&more.options).await.unwrap_err().to_string();
    assert!(error.contains("fewer brokers than copies (7)"), "{error}");
    own.tidy_up().await;
}

#[tokio::test]
async fn g3_sends_and_chunks_must_have_as_many_partitions() {
    let own = Own::created().await;
    let name = own.options.topic_name(Topic::Sends);
    let more = rdkafka::admin::NewPartitions::new(&name, 6);
    own.admin().create_partitions([&more], &AdminOptions::new()).await.unwrap();
    let mut error = String::new();
    for _ in 0..100 {
        match KafkaLog::connect(own.options.clone(), &own.lives).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(refused) => {
                error = refused.to_string();
                break;
            }
        }
    }
    assert!(error.contains("set partitions_sends to 6"), "{error}");
    own.tidy_up().await;
}

#[tokio::test]
async fn hazard_17_a_topic_that_was_made_anew_has_a_higher_generation() {
    let own = Own::created().await;
    let before = own.log().await.bounds(Topic::Receipts, Partition(0)).await.unwrap();
    let again = own.log().await.bounds(Topic::Receipts, Partition(0)).await.unwrap();
    assert_eq!((before.generation, again.generation), (1, 1));
    own.delete(&[Topic::Receipts]).await;
    let created = async {
        while topics::create(&own.options).await.is_ok_and(|changes| changes.is_empty()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), created).await.unwrap();
    let log = own.log().await;
    assert_eq!(log.bounds(Topic::Receipts, Partition(0)).await.unwrap().generation, 2);
    assert_eq!(log.bounds(Topic::Chunks, Partition(0)).await.unwrap().generation, 1);
    own.tidy_up().await;
}

/// A broker that knows one thing: the password is wrong. (KIP-43 and KIP-152; every number is big-endian.)
fn refuse_logins() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || refuse_login(stream.unwrap()));
        }
    });
    address
}

fn refuse_login(mut stream: TcpStream) -> Option<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request).ok()?;
        let (api, version) = (request[1], request[3]);
        let mut answer = request[4..8].to_vec();
        match (api, version) {
            // ApiVersions: no error in version 0, "unsupported version" (35) in later ones; then what there is.
            (18, _) => {
                answer.extend([0, if version == 0 { 0 } else { 35 }, 0, 0, 0, 4]);
                for (api, last) in [(3, 4), (17, 1), (18, 0), (36, 1)] {
                    answer.extend([0, api, 0, 0, 0, last]);
                }
            }
            // SaslHandshake: one mechanism.
            (17, _) => answer.extend(b"\0\0\0\0\0\x01\0\x05PLAIN"),
            // SaslAuthenticate: error 58, a message, no bytes, no lifetime.
            (36, _) => {
                answer.extend(b"\0\x3a\0\x1aInvalid username or secret\0\0\0\0");
                answer.extend(if version == 0 { &[][..] } else { &[0; 8] });
            }
            _ => return None,
        }
        stream.write_all(&u32::try_from(answer.len()).unwrap().to_be_bytes()).ok()?;
        stream.write_all(&answer).ok()?;
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_before_the_time_is_over() {
    let mut own = Own::on(&refuse_logins());
    own.options.connect_timeout_ms = 60_000;
    own.options.security_protocol = SecurityProtocol::SaslPlaintext;
    own.options.sasl_username = "sluice".to_owned();
    own.options.sasl_password = "hush".into();
    let error = refused(own.options).await;
    let text = error.to_string();
    assert!(matches!(error, KafkaError::Refused(_)), "{text}");
    assert!(text.contains("check sasl_username and sasl_password") && !text.contains("hush"), "{text}");
}
