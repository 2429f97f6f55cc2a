//! D3: what webhooks tell, however they come, is what the recipients' states say.

use crate::launches;
use serde_json::{Value, json};
use sluice_simulator::webhook::{SIGNATURE_HEADER, sign};
use sluice_simulator::{Kind, LogLine, Outcome};
use sluice_tests::people::{Person, by_status};
use sluice_tests::process::Signal;
use sluice_tests::{Place, Process, Simulator, free_port, http, wait_for};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(90);
/// The simulator's, known to the service.
const SECRET: &str = "end-to-end";
const PAGE: &str = "106540352242922";

/// Who was told what: events that were answered with 200.
fn told(lines: &[LogLine]) -> HashMap<&str, BTreeSet<&str>> {
    let mut told: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for line in lines.iter().filter(|line| line.kind == Kind::Webhook && line.outcome == Outcome::Posted) {
        told.entry(&line.to).or_default().extend(line.event.as_deref());
    }
    told
}

/// The state that follows from what was told about an accepted message: the furthest event wins. Without any, it is
/// what the call's own answer said. A reply names its message by an id, which the answer tells, and `sent`.
fn expected(events: Option<&BTreeSet<&str>>, answered: bool) -> &'static str {
    let told = |event: &str| events.is_some_and(|events| events.contains(event));
    let accepted = answered || told("sent");
    match () {
        () if told("failed") => "failed",
        () if told("reply") && accepted => "responded",
        () if told("read") => "read",
        () if told("delivered") => "delivered",
        () if accepted => "sent",
        () => "unknown",
    }
}

/// A service with these settings on `port`.
fn service(place: &Place, port: u16) -> Process {
    let mut service = place.sluice(&["run", "--listen", &format!("127.0.0.1:{port}")]);
    service.until_it_says("sluice listens on", Duration::from_secs(30));
    service
}

fn status(place: &Place, campaign: &str, port: u16) -> Value {
    let server = format!("http://127.0.0.1:{port}");
    place.run(&["campaign", "status", campaign, "--json", "--server", &server]).expect(0).json()
}

/// Launches through the service and waits until the campaign has ended and the simulator has told everything.
fn launch_and_hear_all(place: &Place, launch: &Value, port: u16, simulator: &Simulator) {
    let campaign = launch["campaign"].as_str().unwrap();
    let path = place.launch("launch.json", launch);
    let server = format!("http://127.0.0.1:{port}");
    place.run(&["campaign", "launch", &path, "--server", &server]).expect(0);
    let ended = || (status(place, campaign, port)["state"] == "completed").then_some(());
    wait_for("the end of the campaign", WITHIN, ended);
    // Late ones, second tries and events that wait for others to share a call: quiet for a while is the end.
    let mut quiet = 0;
    let mut posted = 0;
    wait_for("the last webhook", WITHIN, || {
        std::thread::sleep(Duration::from_millis(50));
        let webhooks = simulator.stats().webhooks;
        quiet = if webhooks.waiting == 0 && webhooks.posted == posted { quiet + 1 } else { 0 };
        posted = webhooks.posted;
        (quiet > 20).then_some(())
    });
}

fn assert_as_told(people: &[Person], lines: &[LogLine]) {
    let told = told(lines);
    let calls: HashMap<&str, Outcome> =
        lines.iter().filter(|line| line.kind == Kind::Call).map(|line| (&*line.to, line.outcome)).collect();
    let different: Vec<_> = people
        .iter()
        .filter_map(|person| {
            let to = person.address.trim_start_matches('+');
            let expected = expected(told.get(to), calls[to].is_answered());
            (person.status != expected).then_some((to, &person.status, expected, told.get(to), calls[to]))
        })
        .collect();
    assert!(different.is_empty(), "{} of {} differ: {different:?}", different.len(), people.len());
}

fn webhook(event: &str, line: &LogLine) -> Vec<u8> {
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "1", "phone_number_id": PAGE },
        "statuses": [{
            "id": line.message_id, "status": event, "recipient_id": line.to,
            "timestamp": (line.t_us / 1_000_000).to_string(), "biz_opaque_callback_data": line.tag,
        }],
    } }] }] })
    .to_string()
    .into_bytes()
}

#[test]
fn d3_whatsapp_states_are_what_webhooks_told_in_whatever_order_and_number() {
    let mut place = Place::new();
    place.configure("[sender]\nunresolved_after_ms = 4000\n[channels.whatsapp]\ntimeout_ms = 700\n");
    launches::phones(&place, 600);
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let faults = [
        "delivered_percent=85",
        "read_percent=60",
        "reply_percent=10",
        "webhook_failed_percent=5",
        "webhook_duplicated_percent=30",
        "webhook_missing_percent=10",
        "webhook_early_percent=25",
        "webhook_late_percent=20",
        "webhook_late_ms=1500",
        "webhook_reordered_percent=30",
        // Accepted, and the answer never came: only a webhook can tell.
        "hang_accepted_percent=4",
    ];
    let mut arguments = vec!["--webhook-url", base.as_str(), "--app-secret", SECRET];
    arguments.extend(faults.iter().flat_map(|fault| ["--fault", *fault]));
    let simulator = Simulator::start(&place, &arguments);
    place.set_variable("SLUICE_WHATSAPP_URL", simulator.url());
    place.set_variable("SLUICE_WHATSAPP_TOKEN", "any");
    place.set_variable("SLUICE_WHATSAPP_RATE", "400/s");
    place.set_variable("SLUICE_WHATSAPP_APP_SECRET", SECRET);
    let service = service(&place, port);
    launch_and_hear_all(&place, &launches::whatsapp("told"), port, &simulator);

    // A webhook with another signature, or with none, changes nothing.
    let lines = simulator.lines();
    let already = told(&lines);
    let quiet = lines.iter().find(|line| {
        line.kind == Kind::Call
            && line.outcome == Outcome::Accepted
            && expected(already.get(&*line.to), true) == "sent"
    });
    let quiet = quiet.unwrap();
    let before = status(&place, "told", port)["counters"].clone();
    let (url, body) = (format!("{base}/webhooks/whatsapp"), webhook("read", quiet));
    let forged = http::request("POST", &url, &[(SIGNATURE_HEADER, &sign("guessed", &body))], &body).unwrap();
    let unsigned = http::request("POST", &url, &[], &body).unwrap();
    assert_eq!((forged.status, unsigned.status), (401, 401), "{} {}", forged.body, unsigned.body);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(status(&place, "told", port)["counters"], before);

    service.stop(Signal::TERM, WITHIN).expect(0);
    place.verify("told");
    let people = place.people("told");
    assert_as_told(&people, &lines);
    let states = by_status(&people);
    println!("{states:?}");
    for state in ["sent", "delivered", "read", "responded", "failed"] {
        assert!(states.get(state).is_some_and(|people| *people > 3), "{state} hardly occurs: {states:?}");
    }

    // The same body with the right signature, after the end and a restart: it counts.
    let service = crate::webhooks::service(&place, port);
    let signed = http::request("POST", &url, &[(SIGNATURE_HEADER, &sign(SECRET, &body))], &body).unwrap();
    assert_eq!(signed.status, 200, "{}", signed.body);
    let read = before["read"].as_u64().unwrap() + 1;
    let counted = || (status(&place, "told", port)["counters"]["read"] == read).then_some(());
    wait_for("the webhook in the counters", WITHIN, counted);
    service.stop(Signal::TERM, WITHIN).expect(0);
    place.verify("told");
    let (_, truth) = simulator.stop();
    assert_eq!(truth.doubles(), [], "G1");
}

#[test]
fn d3_messenger_deliveries_and_reads_by_watermark_are_what_was_told() {
    let place = Place::new();
    place.configure("[channels.messenger]\nrate = \"200/s\"\n");
    let mut audience = String::from("psid,first_name\n");
    (0..300).for_each(|number| audience.push_str(&format!("24444529763{number:06},N{number}\n")));
    place.write("audience.csv", audience);
    let launch = json!({
        "campaign": "marks", "channel": "messenger", "pages": ["204518396087735"],
        "audience": { "path": "audience.csv" }, "message": { "text": { "body": "Hi {{first_name}}" } },
    });
    let launch = place.launch("launch.json", &launch);
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let faults = [
        "delivered_percent=85",
        "read_percent=60",
        "mids_missing_percent=50",
        "webhook_duplicated_percent=30",
        "webhook_missing_percent=10",
        "webhook_early_percent=20",
        "webhook_late_percent=20",
        "webhook_late_ms=800",
        "webhook_reordered_percent=30",
    ];
    let mut arguments = vec!["--webhook-url", base.as_str()];
    arguments.extend(faults.iter().flat_map(|fault| ["--fault", *fault]));
    let simulator = Simulator::start(&place, &arguments);
    let listen = format!("127.0.0.1:{port}");
    let send = place.sluice(&[
        "send",
        &launch,
        "--provider-url",
        simulator.url(),
        "--webhook-listen",
        &listen,
        "--linger",
        "4",
    ]);
    send.wait(WITHIN).expect(0);
    place.verify("marks");
    let people = place.people("marks");
    let (lines, truth) = simulator.stop();
    assert_eq!(truth.doubles(), [], "G1");
    let lost: BTreeMap<_, _> = lines
        .iter()
        .filter(|line| matches!(line.outcome, Outcome::Refused | Outcome::Unreachable))
        .map(|line| (&line.to, line))
        .collect();
    assert!(lost.is_empty(), "webhooks came after the program had stopped: {lost:?}");
    assert_as_told(&people, &lines);
    println!("{:?}", by_status(&people));
}

#[test]
fn b6_an_account_that_is_refused_by_webhook_holds_the_page_until_a_person_lifts_it() {
    const PEOPLE: usize = 600;
    let mut place = Place::new();
    place.configure("[sender.hold]\naccount_first_ms = 5000\n");
    launches::phones(&place, PEOPLE);
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    // Every call is answered with 200, and its message refused for the account's payment a moment later.
    let unpaid = ["--fault", "webhook_failed_percent=100", "--fault", "webhook_failed_code=131042"];
    let arguments = [&["--webhook-url", &base, "--app-secret", SECRET], &unpaid[..]].concat();
    let simulator = Simulator::start(&place, &arguments);
    place.set_variable("SLUICE_WHATSAPP_URL", simulator.url());
    place.set_variable("SLUICE_WHATSAPP_TOKEN", "any");
    place.set_variable("SLUICE_WHATSAPP_RATE", "50/s");
    place.set_variable("SLUICE_WHATSAPP_APP_SECRET", SECRET);
    let service = service(&place, port);
    let path = place.launch("launch.json", &launches::whatsapp("unpaid"));
    place.run(&["campaign", "launch", &path, "--server", &base]).expect(0);

    wait_for("the hold", WITHIN, || {
        (status(&place, "unpaid", port)["pages"][0]["waits"] == "account").then_some(())
    });
    let calls = || simulator.lines().iter().filter(|line| line.kind == Kind::Call).count();
    let held = calls();
    assert!(held < PEOPLE / 2, "{held} calls before the first webhook was heard");
    std::thread::sleep(Duration::from_secs(3));
    // Those that were under way, and the one that finds out; at its rate it would be 150.
    assert!(calls() <= held + 20, "{} calls while it is held", calls() - held);
    let told = place.run(&["explain", "unpaid", "--server", &base]).expect(0).stdout;
    assert!(told.contains("account (131042"), "{told}");

    simulator.set(&json!({ "webhook_failed_percent": 0 }));
    place.run(&["page", "lift", PAGE, "--server", &base]).expect(0);
    let ended = || Some(status(&place, "unpaid", port)).filter(|status| status["state"] == "completed");
    let counters = wait_for("the end of the campaign", WITHIN, ended)["counters"].clone();
    let of = |name: &str| counters[name].as_u64().unwrap() as usize;
    assert_eq!(of("sent") + of("failed"), PEOPLE, "{counters}");
    assert!(of("sent") >= PEOPLE - held - 20, "{counters}");
    service.stop(Signal::TERM, WITHIN).expect(0);
}
