use sluice_engines::{Kafka, KafkaOptions};

use crate::kafka_wire::{contains, create_topic, metadata};

#[test]
fn a_killed_broker_comes_back_on_its_port_with_its_topics() {
    let mut kafka = Kafka::start(KafkaOptions::default()).unwrap();
    let address = kafka.bootstrap();
    assert_eq!(create_topic(&address, "kept", 1), 0);

    kafka.kill(0).unwrap();
    assert!(metadata(&address).is_err(), "a killed broker answers");
    kafka.restart(0).unwrap();

    assert_eq!(kafka.bootstrap(), address);
    assert!(contains(&metadata(&address).unwrap(), "kept"));
}

#[test]
fn a_frozen_broker_keeps_silent_until_it_is_thawed() {
    let mut kafka = Kafka::start(KafkaOptions::default()).unwrap();
    let address = kafka.bootstrap();

    kafka.freeze(0).unwrap();
    assert!(metadata(&address).is_err(), "a frozen broker answers");
    kafka.thaw(0).unwrap();

    assert!(metadata(&address).is_ok());
}

#[test]
fn three_brokers_go_on_when_one_is_killed() {
    let mut kafka = Kafka::start(KafkaOptions { brokers: 3, ..KafkaOptions::default() }).unwrap();
    assert_eq!(kafka.bootstrap().split(',').count(), 3);
    assert_eq!(create_topic(&kafka.direct(0).unwrap(), "before", 3), 0);

    kafka.kill(2).unwrap();
    assert!(contains(&metadata(&kafka.direct(0).unwrap()).unwrap(), "before"));
    kafka.restart(2).unwrap();
    kafka.stop(1).unwrap();
    kafka.restart(1).unwrap();

    let err = kafka.kill(3).unwrap_err().to_string();
    assert_eq!(err, "kafka has no node 3: it has 3");
}

#[test]
fn clients_are_sent_through_the_proxies() {
    let kafka = Kafka::start(KafkaOptions { proxied: true, ..KafkaOptions::default() }).unwrap();
    let proxy = kafka.proxy(0).unwrap();
    assert_eq!(kafka.bootstrap(), proxy.address());
    let port: i32 = proxy.address().rsplit(':').next().unwrap().parse().unwrap();
    let advertised = metadata(proxy.address()).unwrap();
    assert!(
        advertised.windows(4).any(|four| four == port.to_be_bytes()),
        "the broker names another address than the proxy's"
    );

    proxy.cut();
    assert!(metadata(proxy.address()).is_err());
    assert!(metadata(&kafka.direct(0).unwrap()).is_ok(), "the broker itself is up");
    proxy.heal();
    assert!(metadata(proxy.address()).is_ok());
}

#[test]
fn a_broker_that_cannot_start_shows_the_end_of_its_log() {
    let error = Kafka::start(KafkaOptions {
        settings: vec!["log.segment.bytes=none".to_owned()],
        ..KafkaOptions::default()
    })
    .unwrap_err()
    .to_string();
    assert!(error.contains("log.segment.bytes"), "{error}");
}
