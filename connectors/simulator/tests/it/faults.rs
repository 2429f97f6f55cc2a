//! Hangs, closed connections, and a provider that is away.

use std::io::ErrorKind;
use std::time::Duration;

use sluice_simulator::{FaultKind, Faults, Outcome, SimulatorConfig, Truth, read_log};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{NUMBER, eventually, generic, graph, start, template};

async fn failing(kind: FaultKind) -> sluice_simulator::SimulatorHandle {
    let faults = Faults { fail_all: Some(kind), hang_ms: 50, ..Faults::default() };
    start(SimulatorConfig { faults, ..SimulatorConfig::default() }).await
}

#[tokio::test]
async fn a_call_that_hangs_or_is_cut_off_has_no_answer_and_is_counted_as_the_provider_knows_it() {
    let cases = [
        (FaultKind::Hang, 0),
        (FaultKind::ClosedBefore, 0),
        (FaultKind::HangAccepted, 1),
        (FaultKind::ClosedAfter, 1),
    ];
    for (kind, accepted) in cases {
        let simulator = failing(kind).await;
        assert!(generic(&simulator, "a").await.is_none(), "{kind:?}");
        let stats = simulator.stats();
        assert_eq!(
            (stats.calls, stats.accepted, stats.distinct_accepted),
            (1, accepted, accepted),
            "{kind:?}"
        );
        assert_eq!(stats.pages["http/shop"].unanswered, 1);
    }
}

#[tokio::test]
async fn a_hang_ends_when_the_caller_gives_up() {
    let faults = Faults { fail_all: Some(FaultKind::Hang), hang_ms: 3_600_000, ..Faults::default() };
    let simulator = start(SimulatorConfig { faults, ..SimulatorConfig::default() }).await;
    let call = tokio::time::timeout(Duration::from_millis(100), generic(&simulator, "a")).await;
    assert!(call.is_err(), "it was answered");
    assert!(eventually(|| simulator.stats().calls == 1).await);
    // The connection has gone with its caller: nothing is left to wait for.
    tokio::time::timeout(Duration::from_millis(900), simulator.shutdown()).await.unwrap().unwrap();
}

#[tokio::test]
async fn every_call_can_be_made_to_fail_in_the_words_of_its_provider() {
    let cases = [
        (FaultKind::Error500, 500, 1),
        (FaultKind::Throttled, 429, 130_429),
        (FaultKind::Permanent, 400, 131_026),
        (FaultKind::Transient, 500, 131_000),
        (FaultKind::WrongToken, 401, 190),
    ];
    for (kind, status, code) in cases {
        let simulator = failing(kind).await;
        let answer = graph(&simulator, NUMBER, &template("16505551234")).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{kind:?}");
        assert_eq!(simulator.stats().accepted, 0);
    }
}

#[tokio::test]
async fn a_provider_that_is_down_refuses_connections_and_comes_back_on_its_port() {
    let simulator = start(SimulatorConfig::default()).await;
    let mut kept = TcpStream::connect(simulator.address()).await.unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(kept.read(&mut [0; 512]).await.unwrap() > 0);
    for _ in 0..3 {
        simulator.set_faults(Faults { down: true, ..Faults::default() }).await.unwrap();
        for _ in 0..20 {
            let refused = TcpStream::connect(simulator.address()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
        simulator.set_faults(Faults::default()).await.unwrap();
        assert_eq!(generic(&simulator, "a").await.unwrap().status, 200);
    }
    assert_eq!(kept.read(&mut [0; 512]).await.unwrap(), 0, "an idle connection ends with its provider");
    assert_eq!(simulator.stats().calls, 3);
}

#[tokio::test]
async fn a_provider_can_be_told_to_come_back_by_itself() {
    let simulator = start(SimulatorConfig::default()).await;
    simulator.set_faults(Faults { down: true, down_for_ms: Some(80), ..Faults::default() }).await.unwrap();
    assert!(TcpStream::connect(simulator.address()).await.is_err());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(generic(&simulator, "a").await.unwrap().status, 200);
    assert!(!simulator.faults().down);
}

#[tokio::test]
async fn the_log_and_the_statistics_agree() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("calls.ndjson");
    let faults = Faults {
        permanent_percent: 10.0,
        transient_percent: 15.0,
        throttled_percent: 10.0,
        closed_before_percent: 5.0,
        closed_after_percent: 10.0,
        ..Faults::default()
    };
    let config = SimulatorConfig { log: Some(log.clone()), faults, ..SimulatorConfig::default() };
    let simulator = start(config).await;
    for n in 0..300 {
        // Every third recipient is called twice.
        generic(&simulator, &format!("r{}", if n % 3 == 0 { n } else { n - n % 3 + 1 })).await;
    }
    let stats = simulator.stats();
    simulator.shutdown().await.unwrap();
    let lines = read_log(&log).unwrap();
    let truth = Truth::fold(&lines);
    assert_eq!((truth.calls, truth.accepted), (stats.calls, stats.accepted));
    assert_eq!(truth.distinct_accepted(), stats.distinct_accepted);
    assert_eq!(truth.doubles().len() as u64, stats.accepted_twice);
    let page = &stats.pages["http/shop"];
    let of = |outcome| truth.outcomes.get(&outcome).copied().unwrap_or(0);
    assert_eq!(of(Outcome::Throttled), page.throttled);
    assert_eq!(of(Outcome::Rejected), page.rejected);
    assert_eq!(of(Outcome::Failed), page.failed);
    assert_eq!(of(Outcome::ClosedBefore) + of(Outcome::ClosedAfter), page.unanswered);
    assert_eq!(truth.busiest(sluice_simulator::Channel::Http, "shop", 1_000_000), page.busiest_second);
    assert_eq!((stats.log_lines, stats.log_errors), (lines.len() as u64, 0));
    assert!(page.accepted > 100 && page.rejected > 0 && page.failed > 0 && page.throttled > 0);
}

#[tokio::test]
async fn a_line_is_in_the_file_within_50_ms() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("calls.ndjson");
    let simulator = start(SimulatorConfig { log: Some(log.clone()), ..SimulatorConfig::default() }).await;
    generic(&simulator, "a").await;
    tokio::time::sleep(Duration::from_millis(150)).await; // 50 ms, and a slow machine
    assert_eq!(read_log(&log).unwrap().len(), 1);
}
