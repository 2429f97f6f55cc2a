//! C5, C6, B5: what a person does to a campaign of the running service, judged by the simulator's own log.

use crate::launches;
use serde_json::{Value, json};
use sluice_runtime::{Clock, SystemClock};
use sluice_schemas::CampaignEventKind::{Cancelled, Completed, Paused, Resumed, Started};
use sluice_simulator::{Kind, LogLine};
use sluice_tests::people::by_status;
use sluice_tests::process::Signal;
use sluice_tests::{Place, Process, Simulator, events, free_port, wait_for};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const WITHIN: Duration = Duration::from_secs(90);
/// A grant's life: what was granted before a command is called by then, or not at all (G7).
const GRANT: Duration = Duration::from_secs(2);

/// A place with a simulator, a service that calls it, and the address of the service.
pub(crate) struct Running {
    pub(crate) place: Place,
    simulator: Simulator,
    pub(crate) service: Process,
    pub(crate) server: String,
}

impl Running {
    pub(crate) fn start(people: usize, configuration: &str, faults: &[&str]) -> Self {
        let mut place = Place::new();
        place.configure(configuration);
        launches::addresses(&place, people, 0);
        let simulator = Simulator::start(&place, faults);
        place.set_variable("SLUICE_HTTP_URL", &simulator.page_url("shop"));
        let port = free_port();
        let mut service = place.sluice(&["run", "--listen", &format!("127.0.0.1:{port}")]);
        service.until_it_says("sluice listens on", Duration::from_secs(30));
        Self { place, simulator, service, server: format!("http://127.0.0.1:{port}") }
    }

    /// Runs `sluice campaign …` against the service.
    fn ask(&self, arguments: &[&str]) -> sluice_tests::process::Ended {
        self.place.run(&[&["campaign"], arguments, &["--server", &self.server, "--json"]].concat())
    }

    pub(crate) fn launch(&self, launch: &Value) {
        let path = self.place.launch("launch.json", launch);
        self.ask(&["launch", &path]).expect(0);
    }

    fn status(&self, campaign: &str) -> Value {
        self.ask(&["status", campaign]).expect(0).json()
    }

    pub(crate) fn reaches(&self, campaign: &str, state: &str) -> Value {
        wait_for(state, WITHIN, || {
            let status = self.status(campaign);
            (status["state"] == state).then_some(status)
        })
    }

    /// Calls so far, oldest first.
    pub(crate) fn calls(&self) -> Vec<LogLine> {
        self.simulator.lines().into_iter().filter(|line| line.kind == Kind::Call).collect()
    }

    /// Waits until more calls than these were made.
    pub(crate) fn calls_more_than(&self, calls: usize) -> usize {
        wait_for("more calls", WITHIN, || Some(self.calls().len()).filter(|count| *count > calls))
    }

    /// How often each person was called.
    pub(crate) fn stop(self) -> (Place, BTreeMap<String, u32>) {
        self.service.stop(Signal::TERM, WITHIN).expect(0);
        let mut calls = BTreeMap::new();
        let (lines, _) = self.simulator.stop();
        for line in lines.iter().filter(|line| line.kind == Kind::Call) {
            *calls.entry(line.to.to_string()).or_default() += 1;
        }
        (self.place, calls)
    }
}

fn number(answer: &Value, field: &str) -> u64 {
    answer[field].as_u64().unwrap_or_else(|| panic!("{field} of {answer}"))
}

pub(crate) fn at(line: &LogLine) -> Duration {
    Duration::from_micros(line.t_us)
}

pub(crate) fn wall() -> Duration {
    Duration::from_millis(u64::try_from(SystemClock.wall_ms()).unwrap())
}

#[test]
fn c5_g7_a_pause_holds_a_resume_goes_on_and_a_cancel_ends_what_is_left() {
    const PEOPLE: u64 = 3_000;
    let running = Running::start(PEOPLE as usize, "", &[]);
    let mut launch = launches::http("held");
    launch["rate"] = json!("50/s");
    running.launch(&launch);
    running.calls_more_than(50);

    let paused = running.ask(&["pause", "held"]).expect(0).json();
    let paused_at = wall();
    let out = number(&paused, "sent") + number(&paused, "in_flight");
    assert_eq!((&paused["state"], &paused["already"]), (&json!("paused"), &json!(false)));
    assert_eq!(out + number(&paused, "remaining"), PEOPLE, "{paused}");
    std::thread::sleep(2 * GRANT);
    let calls = running.calls();
    let late: Vec<_> = calls.iter().filter(|call| at(call) > paused_at + GRANT).collect();
    assert!(late.is_empty(), "{} calls after a grant's life, for example {:?}", late.len(), late.first());
    assert!(calls.len() as u64 <= out, "{} calls, {out} were out when it was paused", calls.len());
    assert_eq!(running.status("held")["state"], "paused");
    let again = running.ask(&["pause", "held"]).expect(0).json();
    assert_eq!((&again["already"], &again["in_flight"]), (&json!(true), &json!(0)), "{again}");

    let resumed = running.ask(&["resume", "held"]).expect(0).json();
    assert_eq!(resumed["state"], "running");
    running.calls_more_than(calls.len() + 20);

    let limited = running.ask(&["set-limits", "held", "--rate", "100/s"]).expect(0).json();
    assert_eq!(limited["rate"], "100/s");
    running.ask(&["set-limits", "held", "--rate", "none"]).expect(0);
    running.ask(&["set-limits", "held", "--rate", "40/s"]).expect(0);

    let cancelled = running.ask(&["cancel", "held", "--reason", "wrong price"]).expect(0).json();
    let cancelled_at = wall();
    assert_eq!(cancelled["state"], "cancelling");
    let ended = running.reaches("held", "cancelled");
    assert_eq!(ended["reason"], "wrong price");
    std::thread::sleep(GRANT);
    let late = running.calls().iter().filter(|call| at(call) > cancelled_at + GRANT).count();
    assert_eq!(late, 0);

    for (refused, why) in
        [("pause", "was cancelled"), ("resume", "was cancelled"), ("retry-failed", "was cancelled")]
    {
        running.ask(&[refused, "held"]).expect(3).says(&["wrong_state", why]);
    }
    running.ask(&["pause", "hold"]).expect(3).says(&["no_such_campaign", "perhaps held is meant"]);

    let (place, calls) = running.stop();
    place.verify("held");
    assert!(calls.values().all(|times| *times == 1), "G1");
    let people = place.people("held");
    let states = by_status(&people);
    assert_eq!(people.len() as u64, PEOPLE);
    assert_eq!(states.get("sent").copied().unwrap_or(0), calls.len() as u64, "{states:?}");
    assert_eq!(states["cancelled"], PEOPLE - calls.len() as u64, "{states:?}");
    let kinds: Vec<_> = events::of(place.data()).into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Started, Paused, Resumed, Cancelled]);
}

#[test]
fn c6_failed_recipients_are_tried_again_and_unknown_ones_when_it_is_asked_for() {
    const PEOPLE: usize = 400;
    let quick = "[sender]\nunresolved_after_ms = 1000\n[receipts]\nresend_wait_ms = 1000\n";
    let faults = ["--fault", "permanent_percent=20", "--fault", "closed_after_percent=10"];
    let running = Running::start(PEOPLE, quick, &faults);
    running.launch(&launches::http("again"));
    let first = running.reaches("again", "completed")["counters"].clone();
    let (failed, unknown) = (number(&first, "failed"), number(&first, "unknown"));
    assert!(failed > 0 && unknown > 0, "{first}");
    let calls = running.calls().len();

    running.simulator.set(&json!({"permanent_percent": 0, "closed_after_percent": 0}));
    let again = running.ask(&["retry-failed", "again"]).expect(0).json();
    assert_eq!((number(&again, "run"), number(&again["counters"], "failed")), (2, failed));
    let second = wait_for("the second end", WITHIN, || {
        let status = running.status("again");
        (status["state"] == "completed" && status["run"] == 2).then_some(status["counters"].clone())
    });
    assert_eq!(
        (number(&second, "failed"), number(&second, "unknown")),
        (0, unknown),
        "unknown is not failed"
    );
    assert_eq!(running.calls().len() - calls, failed as usize, "nobody else is called");

    running.ask(&["retry-failed", "again"]).expect(3).says(&["nothing_failed", "--include-unknown"]);
    let twice = running.ask(&["retry-failed", "again", "--include-unknown"]).expect(0);
    let twice = twice.says(&["second time"]).json();
    assert_eq!(twice["includes_unknown"], true);
    let third = wait_for("the third end", WITHIN, || {
        let status = running.status("again");
        (status["state"] == "completed" && status["run"] == 3).then_some(status["counters"].clone())
    });
    assert_eq!((number(&third, "sent"), number(&third, "unknown")), (PEOPLE as u64, 0));

    let (place, calls) = running.stop();
    place.verify("again");
    assert_eq!(calls.values().filter(|times| **times == 2).count() as u64, failed + unknown);
    assert!(calls.values().all(|times| *times <= 2));
    let kinds: Vec<_> = events::ends(place.data()).into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Completed; 3]);
}

/// So many whole seconds from now, as a launch writes it.
fn in_seconds(seconds: i64) -> (String, Duration) {
    let at = jiff::Timestamp::from_second(SystemClock.wall_ms() / 1_000 + seconds).unwrap();
    (at.to_string(), Duration::from_millis(u64::try_from(at.as_millisecond()).unwrap()))
}

#[test]
fn b5_a_scheduled_campaign_starts_at_its_time_and_ends_at_its_end_also_after_a_restart() {
    let mut running = Running::start(2_000, "", &[]);
    let mut launch = launches::http("later");
    launch["rate"] = json!("50/s");
    let path = running.place.launch("later.json", &launch);
    let (start, start_at) = in_seconds(8);
    let scheduled = running.ask(&["schedule", &path, "--at", &start]).expect(0).json();
    assert_eq!((&scheduled["state"], &scheduled["recipients"]), (&json!("scheduled"), &json!(0)));

    launch["campaign"] = json!("never");
    let never = running.place.launch("never.json", &launch);
    running.ask(&["schedule", &never, "--at", &start]).expect(0);
    let upcoming = running.ask(&["upcoming"]).expect(0).stdout;
    assert_eq!(upcoming.lines().count(), 2, "{upcoming}");
    assert!(upcoming.contains(&start_at.as_millis().to_string()), "{upcoming}");
    let taken_back = running.ask(&["unschedule", "never"]).expect(0).json();
    assert!(taken_back["starts_at_ms"].is_number(), "{taken_back}");
    running.reaches("never", "cancelled");
    running.ask(&["schedule", &never, "--at", "2020-01-01T00:00"]).expect(2).says(&["start_is_over"]);

    // The launch is a row: another process finds it.
    running.service.stop(Signal::TERM, WITHIN).expect(0);
    let port = running.server.rsplit_once(':').unwrap().1.to_owned();
    running.service = running.place.sluice(&["run", "--listen", &format!("127.0.0.1:{port}")]);
    running.service.until_it_says("sluice listens on", Duration::from_secs(30));
    running.calls_more_than(20);
    let calls = running.calls();
    assert!(at(&calls[0]) >= start_at, "nobody is called before the start");
    running.ask(&["unschedule", "later"]).expect(3).says(&["wrong_state", "has started"]);

    let (end, end_at) = in_seconds(5);
    running.ask(&["reschedule", "later", "--end-at", &end]).expect(0);
    let ended = running.reaches("later", "cancelled");
    assert_eq!(ended["reason"], format!("ended at {end}"));
    assert!(number(&ended, "ended_at_ms") >= end_at.as_millis() as u64);
    assert!(running.calls().iter().all(|call| at(call) < end_at + GRANT));

    let (place, calls) = running.stop();
    place.verify("later");
    assert!(calls.values().all(|times| *times == 1), "G1");
    let kinds: Vec<_> = events::of(place.data())
        .into_iter()
        .filter(|event| event.campaign == "never")
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, [Cancelled], "nobody is told of a start");
}

#[test]
fn g3_b1_b3_what_holds_a_campaign_is_said_in_one_sentence_with_its_time() {
    let running = Running::start(100, "", &[]);
    let explain = |campaign: &str| {
        running.place.run(&["explain", campaign, "--server", &running.server]).expect(0).stdout
    };
    let mut capped = launches::http("capped");
    capped["rules"] = json!({ "daily_send_limit": 40 });
    running.launch(&capped);
    running.calls_more_than(39);
    let said = wait_for("its limit to be told", WITHIN, || {
        Some(explain("capped")).filter(|said| said.contains("waits for its daily limit"))
    });
    assert!(said.contains("40 of 40 in 24 h used") && said.contains("goes on 2"), "{said}");

    let hour = 3_600_000;
    let clock = |ms: i64| format!("{:02}:00", (ms / hour) % 24);
    let now = SystemClock.wall_ms();
    let mut closed = launches::http("closed");
    closed["rules"] =
        json!({ "window": { "open": [{ "from": clock(now + 2 * hour), "to": clock(now + 3 * hour) }] } });
    running.launch(&closed);
    let said = wait_for("its window to be told", WITHIN, || {
        Some(explain("closed")).filter(|said| said.contains("waits for its window: opens"))
    });
    assert!(said.contains("UTC, in 1 h") && said.contains("<- holds 100"), "{said}");

    running.ask(&["pause", "closed"]).expect(0);
    assert!(explain("closed").contains("to go on: sluice campaign resume closed"));
    assert_eq!(running.calls().len(), 40, "nobody beyond the limit, nobody outside the window");
    running.stop();
}

/// Asks the running service what `command` shows, for programs.
fn shown(running: &Running, command: &[&str]) -> Value {
    let server = ["--server", running.server.as_str(), "--json"];
    running.place.run(&[command, &server].concat()).expect(0).json()
}

#[test]
fn g3_f7_the_chain_the_page_and_the_queue_say_the_same_as_the_sentence() {
    let running = Running::start(400, "", &[]);
    let said = |command: &[&str]| {
        running.place.run(&[command, &["--server", running.server.as_str()]].concat()).expect(0).stdout
    };
    let mut slow = launches::http("slow");
    slow["rate"] = json!("2/s");
    let mut capped = launches::http("capped");
    capped["rules"] = json!({ "daily_send_limit": 40, "priority": "bulk" });
    running.launch(&slow);
    running.launch(&capped);
    // Without a rate it would be over before it is paused.
    let mut paused = launches::http("paused");
    paused["rate"] = json!("2/s");
    running.launch(&paused);
    running.ask(&["pause", "paused"]).expect(0);
    let held = wait_for("its limit to be told", WITHIN, || {
        let explained = shown(&running, &["explain", "capped"]);
        explained["held"].as_str().filter(|held| held.contains("40 of 40")).map(str::to_owned)
    });
    assert!(held.contains("with 40 more"), "{held}");

    let chain = said(&["explain", "slow"]);
    let words = chain.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in
        ["campaign 2/s", "page shop: no limit", "owner shop: sluice-", "epoch 1, shard", "lag chunks "]
    {
        assert!(words.contains(part), "{part} is missing in {chain}");
    }
    assert!(words.contains("provider shop: no back-off"), "{chain}");
    // 400 at 2/s.
    assert!(chain.contains("Expected end: about ") && chain.contains("limited by its 2/s."), "{chain}");
    let status = shown(&running, &["campaign", "status", "slow"]);
    let left = number(&status["counters"], "pending") as i64 * 500;
    let ends = status["finish"]["ends_ms"].as_i64().unwrap() - SystemClock.wall_ms();
    assert!((ends - left).abs() <= left / 20 + 3_000, "{ends} ms, {left} are expected");
    assert_eq!(shown(&running, &["campaign", "status", "paused"])["finish"], Value::Null);

    let page = shown(&running, &["page", "shop"]);
    let on_page = page["campaigns"].as_array().unwrap();
    assert_eq!(on_page.len(), 3, "{page}");
    let find = |name: &str| on_page.iter().find(|campaign| campaign["campaign"] == name).unwrap();
    assert_eq!((&find("slow")["rate"], &find("capped")["priority"]), (&json!("2/s"), &json!("bulk")));
    assert!(find("capped")["daily"].as_str().unwrap().starts_with("40 of 40 in 24 h, 40 free at"), "{page}");
    assert!(find("paused")["why"].as_str().unwrap().contains("sluice campaign resume paused"), "{page}");
    assert!(said(&["page", "shop"]).contains("waiting here"));
    running
        .place
        .run(&["page", "none", "--server", &running.server])
        .expect(3)
        .says(&["nothing was ever sent"]);

    let queue = shown(&running, &["queue"]);
    let places: Vec<_> = queue["campaigns"].as_array().unwrap().iter().map(|of| &of["place"]).collect();
    assert_eq!(places, ["active", "deferred", "deferred"], "{queue}");
    let why = |queued: &Value| queued["why"].as_str().unwrap().split(" goes on").next().map(str::to_owned);
    let capped = queue["campaigns"].as_array().unwrap().iter().find(|of| of["campaign"] == "capped").unwrap();
    assert_eq!(why(capped), held.split(" goes on").next().map(str::to_owned), "the same sentence");
    let chunks = queue["lags"].as_array().unwrap().iter().find(|lag| lag["topic"] == "chunks").unwrap();
    assert!(number(chunks, "records") >= 3, "{queue}");
    running.ask(&["cancel", "slow"]).expect(0);
    let (place, _) = running.stop();

    // Nobody works on it: that comes first, and what is stored says the same.
    let stored = place.run(&["explain", "capped"]).expect(0).stdout;
    assert!(stored.starts_with("capped stands still: nobody works on it;"), "{stored}");
    assert!(stored.contains("40 of 40 in 24 h used") && !stored.contains("Expected end"), "{stored}");
    assert!(stored.contains("nobody since epoch 1") && stored.contains("Nobody works on it"), "{stored}");
}
