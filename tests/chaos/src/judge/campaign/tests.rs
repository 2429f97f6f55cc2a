//! A campaign that ended well, and everything that may be wrong with one.

use super::super::history::tests::call;
use super::*;
use crate::order::Action;
use crate::rules::Rate;
use serde_json::{Value, json};
use sluice_simulator::Outcome;

struct World {
    audience: BTreeSet<String>,
    lines: Vec<Line>,
    rules: Rules,
    given: Vec<Given>,
    people: Vec<Exported>,
    verified: Value,
    events: Vec<CampaignEvent>,
    clean: bool,
}

fn person(address: &str, line: u64, status: &str) -> Exported {
    let (address, status) = (address.to_owned(), status.to_owned());
    Exported { address, line, page: "p".to_owned(), status, retry_count: 0, reason: None }
}

fn end(id: &str, total: i64) -> CampaignEvent {
    CampaignEvent {
        id: id.to_owned(),
        campaign: "c".to_owned(),
        tenant: "default".to_owned(),
        kind: CampaignEventKind::Completed,
        run: 1,
        at_ms: 9,
        counters: BTreeMap::from([("total".to_owned(), total)]),
        reason: None,
    }
}

/// Three people: sent, unknown without an answer, failed.
fn world() -> World {
    World {
        audience: ["a", "b", "c"].map(str::to_owned).into(),
        lines: vec![
            call(1_000, 0, "p", "a", Outcome::Accepted),
            call(2_000, 0, "p", "b", Outcome::HangAccepted),
            call(3_000, 1, "p", "c", Outcome::Rejected),
        ],
        rules: Rules::default(),
        given: Vec::new(),
        people: vec![person("a", 2, "sent"), person("b", 3, "unknown"), person("c", 4, "failed")],
        verified: json!({ "agrees": true, "counters": {
            "total": 3, "pending": 0, "sent": 1, "delivered": 0, "read": 0, "responded": 0, "failed": 1,
            "opted_out": 0, "skipped": 0, "cancelled": 0, "unknown": 1, "retries": 0,
        } }),
        events: vec![end("e1", 3), end("e1", 3)],
        clean: true,
    }
}

fn judged(world: &World) -> Judged {
    judge(&Evidence {
        campaign: "c",
        channel: Channel::Http,
        audience: &world.audience,
        rules: &world.rules,
        given: &world.given,
        lines: &world.lines,
        people: &world.people,
        verified: &world.verified,
        events: &world.events,
        clean: world.clean,
    })
}

fn guarantees(world: &World) -> Vec<&'static str> {
    judged(world).violations.iter().map(|violation| violation.guarantee).collect()
}

#[test]
fn what_agrees_is_not_complained_about() {
    let judged = judged(&world());
    assert_eq!(judged.violations, []);
    // Calls are folded through a map: their order says nothing.
    let mut sent = judged.sent.clone();
    sent.sort_unstable();
    assert_eq!((sent, judged.unknown_by_provider), (vec![1_000, 2_000], vec![2_000]));
    assert!(judged.unknown_by_fault.is_empty() && judged.lost.is_empty() && judged.doubled.is_empty());
}

#[test]
fn g1_a_second_call_is_found_with_its_moment() {
    let mut world = world();
    world.lines.push(call(5_000, 2, "p", "a", Outcome::Accepted));
    assert_eq!(guarantees(&world), ["G1"]);
    assert_eq!(judged(&world).doubled, [5_000]);
}

#[test]
fn g2_somebody_without_a_state_or_with_two_is_found() {
    let mut lost = world();
    lost.people.remove(1);
    assert!(guarantees(&lost).contains(&"G2"));
    assert_eq!(judged(&lost).lost.len(), 1);
    let mut twice = world();
    twice.people.push(person("a", 9, "sent"));
    assert!(guarantees(&twice).contains(&"G2"));
}

#[test]
fn g2_sent_and_never_called_is_lost_at_the_moment_of_the_neighbour() {
    let mut world = world();
    world.lines.remove(1);
    world.people[1].status = "sent".to_owned();
    let judged = judged(&world);
    assert_eq!(judged.lost, [1_000]);
    assert!(judged.violations.iter().any(|violation| violation.guarantee == "G2"), "{judged:?}");
}

#[test]
fn g3_accepted_and_failed_is_found() {
    let mut world = world();
    world.people[0].status = "failed".to_owned();
    assert!(guarantees(&world).contains(&"G3"));
}

#[test]
fn g3_a_counter_that_is_off_by_one_is_found() {
    let mut world = world();
    world.verified["counters"]["sent"] = json!(2);
    assert_eq!(guarantees(&world), ["G3"]);
    world.verified["agrees"] = json!(false);
    assert_eq!(guarantees(&world), ["G3", "G3"]);
}

#[test]
fn g8_no_end_two_ends_and_a_wrong_end_are_found() {
    let mut world = world();
    world.events = vec![end("e1", 3), end("e2", 3)];
    assert_eq!(guarantees(&world), ["G8"]);
    world.events.clear();
    assert_eq!(guarantees(&world), ["G8"]);
    world.events = vec![end("e1", 2)];
    assert_eq!(guarantees(&world), ["G8"]);
}

#[test]
fn g2_unknown_after_a_clean_end_of_processes_is_found_and_after_a_kill_it_is_a_figure() {
    let mut world = world();
    world.people[0].status = "unknown".to_owned();
    world.verified["counters"]["sent"] = json!(0);
    world.verified["counters"]["unknown"] = json!(2);
    assert_eq!(guarantees(&world), ["G2"]);
    world.clean = false;
    let judged = judged(&world);
    assert_eq!((judged.violations.len(), judged.unknown_by_fault.as_slice()), (0, &[1_000][..]));
}

/// Nobody called the third one: a cancel was answered before.
fn cut_short() -> World {
    let mut world = world();
    world.lines.pop();
    world.people[2].status = "cancelled".to_owned();
    world.verified["counters"]["failed"] = json!(0);
    world.verified["counters"]["cancelled"] = json!(1);
    let cancel = Action::Cancel;
    world.given =
        vec![Given { action: cancel, asked_us: 2_500, acknowledged_us: Some(2_600), lingers: false }];
    world.events = vec![CampaignEvent { kind: CampaignEventKind::Cancelled, ..end("e1", 3) }];
    world
}

#[test]
fn c5_g8_a_cancelled_campaign_ends_as_cancelled_and_has_people_who_were_not_called() {
    assert_eq!(judged(&cut_short()).violations, []);
    let uncommanded = World { given: Vec::new(), ..cut_short() };
    assert_eq!(guarantees(&uncommanded), ["G2", "G8"]);
    let ended_otherwise = World { events: vec![end("e1", 3)], ..cut_short() };
    assert_eq!(guarantees(&ended_otherwise), ["G8"]);
    let mut called = cut_short();
    called.lines.push(call(2_700, 0, "p", "c", Outcome::Accepted));
    assert_eq!(guarantees(&called), ["G3"]);
}

#[test]
fn g4_g5_g7_rules_of_the_launch_and_commands_are_judged() {
    let mut world = world();
    world.rules.rate = Some(Rate { count: 2, per_s: 1 });
    assert_eq!(guarantees(&world), ["G4"]);
    world.rules = Rules { open: vec![(1, 2)], ..Rules::default() };
    assert_eq!(guarantees(&world), ["G5", "G5", "G5"]);
    world.rules = Rules::default();
    world.lines.iter_mut().for_each(|line| line.line.t_us += 9_000_000);
    world.given =
        vec![Given { action: Action::Pause, asked_us: 1, acknowledged_us: Some(2), lingers: false }];
    assert_eq!(guarantees(&world), ["G7", "G7", "G7"]);
}
