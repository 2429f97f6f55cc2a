//! Members that do not finish, freeze, or begin where there is nothing.

use crate::kafka::{Lives, Own};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset as ClientOffset, TopicPartitionList};
use sluice_engines::{Kafka, KafkaOptions as BrokerOptions};
use sluice_log::KafkaLog;
use sluice_log::kafka::{GroupProtocol, KafkaOptions, topics};
use sluice_runtime::ports::log::{
    Deliveries, Delivery, Log, LogError, NewRecord, Partition, Position, Topic,
};
use sluice_runtime::{Clock, SystemClock};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ZERO: Partition = Partition(0);
const PATIENCE: Duration = Duration::from_secs(60);

fn records(count: usize) -> Vec<NewRecord> {
    vec![NewRecord { key: "key".into(), value: "value".into() }; count]
}

async fn next(deliveries: &mut Box<dyn Deliveries>) -> Result<Delivery, LogError> {
    tokio::time::timeout(PATIENCE, deliveries.next()).await.expect("waited in vain")
}

async fn assigned(deliveries: &mut Box<dyn Deliveries>, count: usize) -> Vec<(Partition, Position)> {
    let mut places = Vec::new();
    while places.len() < count {
        if let Delivery::Assigned { partition, position, .. } = next(deliveries).await.unwrap() {
            places.push((partition, position));
        }
    }
    places
}

#[tokio::test]
async fn hazard_17_a_committed_position_beyond_the_end_is_an_error() {
    let own = Own::created().await;
    let log = own.log().await;
    log.append(Topic::Chunks, ZERO, records(10)).await.unwrap();
    let outsider: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &own.options.brokers)
        .set("group.id", own.options.group_name("group"))
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&own.options.topic_name(Topic::Chunks), 0, ClientOffset::Offset(1_000))
        .unwrap();
    outsider.commit(&list, CommitMode::Sync).unwrap();
    let mut member = log.join("group", Topic::Chunks).await.unwrap();
    let error = loop {
        match next(&mut member.deliveries).await {
            Ok(Delivery::Assigned { .. }) => {}
            Ok(other) => panic!("unexpected {other:?}"),
            Err(error) => break error,
        }
    };
    let (topic, partition) = (Topic::Chunks, ZERO);
    assert_eq!(error, LogError::Behind { topic, partition, end: Position(10), known: Position(1_000) });
    drop(member);
    own.tidy_up().await;
}

#[tokio::test]
async fn hazard_34_who_holds_back_too_long_loses_its_partitions_and_the_others_go_on() {
    let mut own = Own::created().await;
    own.options.drain_ms = 1_500;
    let log = own.log().await;
    let mut slow = log.join("group", Topic::Chunks).await.unwrap();
    assigned(&mut slow.deliveries, 4).await;
    let mut quick = log.join("group", Topic::Chunks).await.unwrap();
    let (partitions, guard) = loop {
        if let Delivery::Revoking { partitions, done } = next(&mut slow.deliveries).await.unwrap() {
            break (partitions, done);
        }
    };
    assert!(guard.deadline <= SystemClock.monotonic() + Duration::from_millis(1_500));
    slow.committer.commit(partitions[0], Position(0)).await.unwrap();

    // While it holds them back, its other partitions are delivered (G6).
    let kept = (0..4).map(Partition).find(|partition| !partitions.contains(partition)).unwrap();
    log.append(Topic::Chunks, kept, records(1)).await.unwrap();
    match next(&mut slow.deliveries).await.unwrap() {
        Delivery::Records { partition, .. } => assert_eq!(partition, kept),
        other => panic!("unexpected {other:?}"),
    }

    // The guard stays alive: the time decides.
    match next(&mut slow.deliveries).await.unwrap() {
        Delivery::Lost { partitions: lost } => assert_eq!(lost, partitions),
        other => panic!("unexpected {other:?}"),
    }
    let refused = slow.committer.commit(partitions[0], Position(9)).await;
    assert_eq!(refused, Err(LogError::Fenced { topic: Topic::Chunks, partition: partitions[0] }));
    let taken = assigned(&mut quick.deliveries, partitions.len()).await;
    assert!(taken.iter().all(|(partition, _)| partitions.contains(partition)));
    drop((guard, slow, quick));
    own.tidy_up().await;
}

#[tokio::test]
async fn a_membership_that_is_dropped_hands_over_before_its_session_ends() {
    let mut own = Own::created().await;
    own.options.group_protocol = GroupProtocol::Classic;
    own.options.session_timeout_ms = 4 * u32::try_from(PATIENCE.as_millis()).unwrap();
    let log = own.log().await;
    let mut first = log.join("group", Topic::Chunks).await.unwrap();
    assigned(&mut first.deliveries, 4).await;
    let committer = first.committer.clone();
    drop(first);
    let mut second = log.join("group", Topic::Chunks).await.unwrap();
    assigned(&mut second.deliveries, 4).await;
    assert!(matches!(committer.commit(ZERO, Position(1)).await, Err(LogError::Fenced { .. })));
    drop(second);
    own.tidy_up().await;
}

/// As after the loss of `__consumer_offsets`, or of a group that somebody deleted.
async fn a_group_that_the_brokers_have_lost_is_joined_again(protocol: GroupProtocol) {
    let starting = tokio::task::spawn_blocking(|| Kafka::start(BrokerOptions::default()));
    let mut kafka = starting.await.unwrap().unwrap();
    let mut own = Own::on(&kafka.bootstrap());
    own.options.group_protocol = protocol;
    (own.options.session_timeout_ms, own.options.drain_ms) = (6_000, 5_000);
    topics::create(&own.options).await.unwrap();
    let log = own.log().await;
    log.append(Topic::Chunks, ZERO, records(10)).await.unwrap();
    let mut member = log.join("group", Topic::Chunks).await.unwrap();
    assigned(&mut member.deliveries, 4).await;
    let mut idle = log.join("group", Topic::Chunks).await.unwrap();
    while !matches!(next(&mut member.deliveries).await.unwrap(), Delivery::Revoking { .. }) {}
    assigned(&mut idle.deliveries, 2).await;

    kafka.kill(0).unwrap();
    kafka.lose_groups(0).unwrap();
    // One has something to commit all the time, as receipts have, the other one never.
    let committer = member.committer.clone();
    let commits = tokio::spawn(async move {
        loop {
            for partition in (0..4).map(Partition) {
                match committer.commit(partition, Position(0)).await {
                    Ok(()) | Err(LogError::Fenced { .. }) => {}
                    Err(error) => return error,
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let restarting = tokio::task::spawn_blocking(move || kafka.restart(0).map(|()| kafka));
    let _kafka = restarting.await.unwrap().unwrap();
    // Each is told what it has lost, and what it has.
    let mut held: [BTreeSet<Partition>; 2] = Default::default();
    let mut told = [false; 2];
    while !(told == [true; 2] && held[0].len() + held[1].len() == 4 && held[0].is_disjoint(&held[1])) {
        let (at, delivery) = tokio::select! {
            delivery = next(&mut member.deliveries) => (0, delivery.unwrap()),
            delivery = next(&mut idle.deliveries) => (1, delivery.unwrap()),
        };
        match delivery {
            Delivery::Assigned { partition, .. } => {
                told[at] = true;
                held[at].insert(partition);
            }
            Delivery::Revoking { partitions, .. } | Delivery::Lost { partitions } => {
                held[at].retain(|partition| !partitions.contains(partition));
            }
            Delivery::Records { .. } => {}
        }
    }
    assert!(!commits.is_finished(), "{}", commits.await.unwrap());
    commits.abort();
    for (member, held) in [(&member, &held[0]), (&idle, &held[1])] {
        for partition in held {
            assert_eq!(member.committer.commit(*partition, Position(0)).await, Ok(()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_a_group_that_the_brokers_have_lost_is_joined_again() {
    a_group_that_the_brokers_have_lost_is_joined_again(GroupProtocol::Consumer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_a_group_that_the_brokers_have_lost_is_joined_again_with_the_classic_protocol_too() {
    a_group_that_the_brokers_have_lost_is_joined_again(GroupProtocol::Classic).await;
}

const CHILD: &str = "SLUICE_TEST_KAFKA_MEMBER";

/// Not a test of its own: a member that commits as fast as it can, and prints what comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_commits_until_it_is_refused() {
    let Ok(text) = std::env::var(CHILD) else { return };
    let words: Vec<&str> = text.split(' ').collect();
    let protocol = if words[2] == "classic" { GroupProtocol::Classic } else { GroupProtocol::Consumer };
    let options = child_options(words[0], words[1], protocol);
    let log = KafkaLog::connect(options, &Lives::default()).await.unwrap();
    let mut member = log.join("group", Topic::Chunks).await.unwrap();
    assigned(&mut member.deliveries, 4).await;
    say("assigned");
    let committer = member.committer.clone();
    let commits = async {
        let mut count = 0;
        loop {
            match committer.commit(ZERO, Position(7)).await {
                Ok(()) if count == 0 => say("committed"),
                Ok(()) => {}
                Err(error) => return say(&format!("refused: {error}")),
            }
            count += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let deliveries = async {
        loop {
            match member.deliveries.next().await.unwrap() {
                Delivery::Lost { partitions } => return say(&format!("lost {}", partitions.len())),
                Delivery::Revoking { .. } => say("revoking"),
                _ => {}
            }
        }
    };
    tokio::join!(commits, deliveries);
    say("end");
    // Stays until it is killed: what it would do on leaving is another story.
    tokio::time::sleep(PATIENCE).await;
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "child: {text}").unwrap();
}

fn child_options(brokers: &str, prefix: &str, protocol: GroupProtocol) -> KafkaOptions {
    let mut options = Own::on(brokers).options;
    (options.prefix, options.group_prefix) = (prefix.to_owned(), prefix.to_owned());
    options.group_protocol = protocol;
    options.session_timeout_ms = 4_000;
    options.drain_ms = 3_000;
    options
}

/// A process that ends with the test, also with one that fails while it is frozen.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

async fn a_frozen_member_is_refused(protocol: GroupProtocol) {
    let mut own = Own::created().await;
    own.options = child_options(&own.options.brokers, &own.options.prefix, protocol);
    let name = if protocol == GroupProtocol::Classic { "classic" } else { "consumer" };
    let log = own.log().await;
    log.append(Topic::Chunks, ZERO, records(10)).await.unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["kafka_members::child_that_commits_until_it_is_refused", "--exact", "--nocapture"])
        .env(CHILD, format!("{} {} {name}", own.options.brokers, own.options.prefix))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let (tell, told) = std::sync::mpsc::channel();
    let out = BufReader::new(child.0.stdout.take().unwrap());
    std::thread::spawn(move || {
        let lines = out.lines().map_while(Result::ok);
        for line in lines.filter_map(|line| line.split_once("child: ").map(|(_, said)| said.to_owned())) {
            drop(tell.send(line));
        }
    });
    let hear = || told.recv_timeout(PATIENCE).expect("the child says nothing");
    assert_eq!((hear(), hear()), ("assigned".to_owned(), "committed".to_owned()));
    signal(&child.0, "-STOP");

    let mut member = log.join("group", Topic::Chunks).await.unwrap();
    let places = assigned(&mut member.deliveries, 4).await;
    assert!(places.contains(&(ZERO, Position(7))), "{places:?}");
    member.committer.commit(ZERO, Position(3)).await.unwrap();
    signal(&child.0, "-CONT");

    let mut said = Vec::new();
    while !said.contains(&"end".to_owned()) {
        said.push(hear());
    }
    drop(child);
    assert!(said.iter().any(|line| line.starts_with("refused: ")), "{said:?}");
    assert!(said.contains(&"lost 4".to_owned()) && !said.contains(&"revoking".to_owned()), "{said:?}");
    // Nothing that the frozen one did after it woke up counts.
    assert_eq!(log.committed("group", Topic::Chunks, ZERO).await, Ok(Some(Position(3))));
    drop(member);
    own.tidy_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hazard_6_a_member_that_was_frozen_past_its_session_is_refused() {
    a_frozen_member_is_refused(GroupProtocol::Consumer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hazard_6_a_frozen_member_is_refused_with_the_classic_group_protocol_too() {
    a_frozen_member_is_refused(GroupProtocol::Classic).await;
}
