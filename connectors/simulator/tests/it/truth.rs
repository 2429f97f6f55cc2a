//! The fold of the log, and reading it.

use sluice_simulator::{Channel, Kind, LogLine, Outcome, Truth, read_log};

fn call(t_us: u64, to: &str, outcome: Outcome) -> LogLine {
    LogLine {
        t_us,
        kind: Kind::Call,
        channel: Channel::WhatsApp,
        page: "1".into(),
        to: to.into(),
        tag: None,
        scope: None,
        event: None,
        outcome,
        status: 200,
        code: 0,
        message_id: None,
    }
}

#[test]
fn acceptance_without_an_answer_counts_towards_doubles() {
    let truth = Truth::fold(&[
        call(1, "a", Outcome::ClosedAfter),
        call(2, "a", Outcome::Accepted),
        call(3, "b", Outcome::Throttled),
        call(4, "b", Outcome::HangAccepted),
        call(5, "c", Outcome::ClosedBefore),
    ]);
    assert_eq!((truth.calls, truth.accepted, truth.distinct_accepted()), (5, 3, 2));
    let doubles: Vec<_> =
        truth.doubles().into_iter().map(|(who, times)| (who.to.to_string(), times)).collect();
    assert_eq!(doubles, [("a".to_owned(), 2)]);
    assert_eq!(truth.of("b")[0].1.accepted_unanswered, 1);
    assert_eq!(truth.of("c")[0].1.last, Some(Outcome::ClosedBefore));
}

#[test]
fn the_busiest_window_is_half_open_and_any_order_of_lines_will_do() {
    let times = [1_999_999, 0, 1_000_000, 1_000_001, 999_999];
    let truth = Truth::fold(times.map(|t| call(t, "a", Outcome::Accepted)).iter());
    assert_eq!(truth.busiest(Channel::WhatsApp, "1", 1_000_000), 3);
    assert_eq!(truth.busiest(Channel::WhatsApp, "1", 1), 1);
    assert_eq!(truth.busiest(Channel::WhatsApp, "2", 1_000_000), 0);
}

#[test]
fn a_log_is_read_up_to_a_torn_last_line_and_a_bad_line_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.ndjson");
    let line = serde_json::to_string(&call(1, "a", Outcome::Accepted)).unwrap();
    assert!(line.contains(r#""kind":"call","channel":"whatsapp""#), "{line}");
    std::fs::write(&path, format!("{line}\n{line}\n{}", &line[..20])).unwrap();
    assert_eq!(read_log(&path).unwrap().len(), 2);
    std::fs::write(&path, format!("{line}\nnonsense\n{line}\n")).unwrap();
    assert!(read_log(&path).unwrap_err().to_string().contains("line 2"));
}
