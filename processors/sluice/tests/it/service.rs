//! `run`, and the commands that ask it.

use crate::support::{Place, object, sink, text, url};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn c7_a_launch_through_the_service_runs_to_its_end_and_sigterm_is_clean() {
    let (place, sink) = (Place::new(), sink());
    place.write("sluice.toml", &format!("data_dir = \"data\"\n[channels.http]\nurl = \"{}\"\n", url(&sink)));
    let launch = place.http_launch("spring", 300);
    let service = place.serve();
    let server = service.server.clone();

    let launched = place.run(&["campaign", "launch", text(&launch), "--server", &server]);
    assert_eq!(launched.exit, 0, "{launched:?}");
    // The same launch again is the same campaign.
    assert_eq!(place.run(&["campaign", "launch", text(&launch), "--server", &server]).exit, 0);
    let watched = place.run(&["campaign", "watch", "spring", "--server", &server]);
    assert_eq!(
        (watched.exit, watched.out.as_str()),
        (0, "spring is completed: 300 recipients.\n"),
        "{watched:?}"
    );
    let status = object(&place.run(&["campaign", "status", "spring", "--server", &server, "--json"]).out);
    assert_eq!((&status["counters"]["sent"], &status["counters"]["pending"]), (&json!(300), &json!(0)));
    let missing = place.run(&["campaign", "status", "autumn", "--server", &server]);
    assert_eq!(missing.exit, 3, "{missing:?}");

    let ended = service.stop();
    assert_eq!(ended.exit, 0, "{ended:?}");
    let log = ended.err;
    assert!(log.contains("stopped cleanly"), "{log}");
    assert!(!log.contains("p1@example.com"), "G2: no addresses in the log: {log}");
    assert_eq!((sink.stats().distinct, sink.stats().twice), (300, 0));
    let verify = place.run(&["verify", "spring"]);
    assert_eq!(verify.exit, 0, "{verify:?}");
}

/// What a command says of the service, and of the directory when the service is gone.
const LISTS: [&[&str]; 8] = [
    &["campaign", "recipients", "spring", "--limit", "7"],
    &["campaign", "recipients", "spring", "--status", "sent", "--after", "0.290", "--json"],
    &["campaign", "errors", "spring"],
    &["campaign", "export", "spring"],
    &["campaign", "events"],
    &["campaign", "events", "--campaign", "autumn", "--json"],
    &["dead-letters", "list", "--topic", "webhooks.raw"],
    &["dead-letters", "list", "--limit", "1", "--json"],
];

#[test]
fn d2_d4_lists_are_the_same_from_the_running_service_and_from_the_directory() {
    let (place, sink) = (Place::new(), sink());
    place.write("sluice.toml", &hearing(&url(&sink)));
    let service = place.serve();
    let server = service.server.clone();
    let of_service = |arguments: &[&str]| {
        let said = place.run(&[arguments, &["--server", &server]].concat());
        assert_eq!(said.exit, 0, "{arguments:?}: {said:?}");
        said.out
    };
    for (campaign, rows) in [("spring", 300), ("autumn", 2)] {
        of_service(&["campaign", "launch", text(&place.http_launch(campaign, rows))]);
    }
    of_service(&["campaign", "watch", "spring"]);
    of_service(&["campaign", "watch", "autumn"]);
    webhook(&server, "\"is this one?\"");
    let letters = || of_service(&["dead-letters", "list", "--json"]).lines().map(object).next();
    let letter = waited_for("the dead letter", letters)["id"].as_str().unwrap().to_owned();
    let show = ["dead-letters", "show", &letter];
    let shown = of_service(&show);
    assert!(shown.contains("webhooks.raw") && shown.contains("is this one?"), "{shown}");
    let live = LISTS.map(of_service);
    assert!(live[6].contains(&letter) && live[6].lines().count() == 2, "{}", live[6]);
    assert_eq!(object(&live[7])["topic"], "webhooks.raw");
    assert_eq!(live[0].lines().count(), 8, "{}", live[0]);
    assert!(live[0].contains("p6@example.com") && live[0].contains(" UTC"), "{}", live[0]);
    assert_eq!((live[1].lines().count(), live[2].as_str()), (9, "Nothing failed in spring.\n"));
    assert_eq!((live[3].lines().count(), live[5].lines().count()), (301, 2));
    assert!(live[4].contains("spring  completed  sent 300, total 300"), "{}", live[4]);

    // The service is found by the directory that it has open, wherever it listens; nobody else is asked.
    for (arguments, live) in LISTS.into_iter().zip(&live) {
        let said = place.run(arguments);
        assert_eq!((said.exit, &said.out), (0, live), "{arguments:?}: {said:?}");
    }
    let paused = place.run(&["campaign", "pause", "spring"]);
    assert!(paused.err.contains("spring is completed"), "{paused:?}");
    let elsewhere = place.run(&["campaign", "pause", "spring", "--data-dir", "elsewhere"]);
    assert_eq!(elsewhere.exit, 75, "{elsewhere:?}");
    assert!(elsewhere.err.contains("no service has the data directory elsewhere open"), "{elsewhere:?}");

    // What is wrong is told alike.
    let wrong = place.run(&["campaign", "recipients", "sprint", "--server", &server]);
    assert_eq!(wrong.exit, 3, "{wrong:?}");
    assert!(wrong.err.contains("perhaps spring is meant; `sluice campaign list` shows all"), "{wrong:?}");
    let wrong = place.run(&["campaign", "recipients", "spring", "--status", "snet", "--server", &server]);
    assert_eq!(wrong.exit, 2, "{wrong:?}");

    assert_eq!(service.stop().exit, 0);
    for (arguments, live) in LISTS.into_iter().zip(live) {
        let said = place.run(arguments);
        assert_eq!((said.exit, said.out), (0, live), "{arguments:?}");
    }
    assert_eq!(place.run(&show).out, shown);
}

/// What comes within half a minute.
fn waited_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what} does not come")
}

/// A configuration that takes webhooks as they come.
fn hearing(url: &str) -> String {
    format!("data_dir = \"data\"\n[gateway]\nallow_unsigned = true\n[channels.http]\nurl = \"{url}\"\n")
}

/// A webhook of page `shop`, which is taken.
fn webhook(server: &str, body: &str) {
    let address = server.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!("POST /webhooks/http/shop HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    write!(stream, "{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a4_an_opt_out_is_put_on_the_list_of_the_running_service() {
    let (place, sink) = (Place::new(), sink());
    place.write("sluice.toml", &hearing(&url(&sink)));
    let service = place.serve();
    let suppress = |arguments: &[&str]| place.run(&[&["suppress"], arguments].concat());
    let added = suppress(&["add", "--channel", "http", "p1@example.com", " p2@example.com "]);
    assert_eq!((added.exit, added.out.as_str()), (0, "2 addresses of http suppressed\n"), "{added:?}");
    let check = ["check", "--channel", "http", "p2@example.com", "p3@example.com"];
    let checked = suppress(&check);
    let expected = "p2@example.com  suppressed\np3@example.com  not suppressed\n";
    assert_eq!((checked.exit, checked.out.as_str()), (0, expected), "{checked:?}");
    let wrong = suppress(&["add", "--channel", "whatsapp", "p4@example.com"]);
    assert_eq!(wrong.exit, 2, "{wrong:?}");
    let launched = place.run(&["campaign", "launch", text(&place.http_launch("spring", 3))]);
    assert_eq!(launched.exit, 0, "{launched:?}");
    let watched = place.run(&["campaign", "watch", "spring"]);
    assert_eq!(watched.exit, 0, "{watched:?}");
    assert_eq!(service.stop().exit, 0);
    assert_eq!(sink.stats().distinct, 1);
    assert_eq!(suppress(&check).out, expected, "from the directory");
}

#[test]
fn d9_a_dead_letter_is_replayed_by_the_running_service() {
    let (place, sink) = (Place::new(), sink());
    place.write("sluice.toml", &hearing(&url(&sink)));
    let service = place.serve();
    webhook(&service.server, "[1,");
    let letters = || {
        let said = place.run(&["dead-letters", "list", "--json", "--server", &service.server]);
        assert_eq!(said.exit, 0, "{said:?}");
        said.out.lines().map(object).collect::<Vec<_>>()
    };
    let letter = waited_for("the dead letter", || letters().pop())["id"].as_str().unwrap().to_owned();
    let replay = |letters: &[&str]| {
        place.run(&[&["dead-letters", "replay", "--server", &service.server], letters].concat())
    };
    // All of them or none.
    let missing = replay(&[&letter, "0/700"]);
    assert_eq!(missing.exit, 3, "{missing:?}");
    assert!(missing.err.contains("there is no dead letter 0/700"), "{missing:?}");
    assert_eq!(letters().len(), 1);
    let replayed = replay(&[&letter]);
    assert_eq!((replayed.exit, replayed.out.as_str()), (0, "1 record replayed\n"), "{replayed:?}");
    // It is refused again.
    waited_for("the second refusal", || (letters().len() == 2).then_some(()));
    let wrong = place.run(&["dead-letters", "list", "--topic", "sent", "--server", &service.server]);
    assert_eq!(wrong.exit, 2, "{wrong:?}");
    assert_eq!(service.stop().exit, 0);
}

#[test]
fn a6_d4_rows_that_a_service_skipped_are_named_with_line_and_reason_and_written_to_a_file() {
    let (place, sink) = (Place::new(), sink());
    place.write("sluice.toml", &format!("data_dir = \"data\"\n[channels.http]\nurl = \"{}\"\n", url(&sink)));
    let launch = place.http_launch("spring", 0);
    let rows =
        json!([{"address": "a"}, {"address": ""}, {"address": "a"}, {"address": "b"}, {"address": "null"}]);
    let mut document = object(&std::fs::read_to_string(&launch).unwrap());
    document["audience"] = json!({ "inline": rows });
    document["message"]["http"]["body"] = json!({"to": "{{address}}"});
    let launch = place.write("spring.json", &document.to_string());
    let service = place.serve();
    let of_service = |arguments: &[&str]| {
        let said = place.run(&[arguments, &["--server", &service.server]].concat());
        assert_eq!(said.exit, 0, "{arguments:?}: {said:?}");
        said.out
    };
    of_service(&["campaign", "launch", text(&launch)]);
    of_service(&["campaign", "watch", "spring"]);
    let errors = of_service(&["campaign", "errors", "spring", "--json", "--rejected", "rejected.csv"]);
    let errors: Vec<_> = errors.lines().map(object).collect();
    let told = |reason: &str| errors.iter().find(|error| error["reason"] == reason).unwrap();
    let missing = told("missing_address");
    assert_eq!((&missing["skipped"], &missing["lines"]), (&json!(true), &json!([2, 5])), "{missing}");
    assert_eq!(told("duplicate")["lines"], json!([3]));
    assert_eq!(
        std::fs::read_to_string(place.path("rejected.csv")).unwrap(),
        "line,reason,detail,address\n2,missing_address,there is no address,\n\
         3,duplicate,an earlier row has the same address,\n5,missing_address,there is no address,\n"
    );
    let shown = of_service(&["campaign", "errors", "spring"]);
    assert!(
        shown.starts_with("Nothing failed in spring.\n\nSkipped, so that nobody was called:\n"),
        "{shown}"
    );
    assert_eq!(service.stop().exit, 0);
}

#[test]
fn f3_reasons_are_told_by_status_explain_and_events_new_limits_at_once_and_a_page_that_is_not_configured_is_warned_of()
 {
    let (place, sink) = (Place::new(), sink());
    let config = format!(
        "data_dir = \"data\"\n[channels.http]\nurl = \"{}\"\n[pages.shop2]\nrate = \"1/min\"\n",
        url(&sink)
    );
    place.write("sluice.toml", &config);
    let launch = place.http_launch("spring", 300);
    let warning = "warning: page shop is not configured: its calls use the URL and headers of channel http; perhaps shop2 is meant";
    let previewed = place.run(&["campaign", "preview", text(&launch)]);
    assert!(previewed.err.contains(warning), "{previewed:?}");
    let service = place.serve();
    let server = service.server.clone();
    let ask = |arguments: &[&str]| {
        let said = place.run(&[arguments, &["--server", &server]].concat());
        assert_eq!(said.exit, 0, "{arguments:?}: {said:?}");
        said
    };
    let launch = std::fs::read_to_string(&launch).unwrap().replace("[\"shop\"]", "[\"shop\",\"shop2\"]");
    let launch = place.write("spring.json", &launch);
    assert!(ask(&["campaign", "launch", text(&launch)]).err.contains(warning));
    ask(&["campaign", "pause", "spring", "--reason", "a look first"]);
    assert!(
        ask(&["campaign", "status", "spring"]).out.starts_with("spring is paused (a look first); to go on:")
    );
    let limits = ask(&["campaign", "set-limits", "spring", "--rate", "5/s"]).out;
    let told = "is paused: rate none -> 5/s, priority normal, no daily limit, no pair rate. ";
    assert!(limits.contains(told), "{limits}");
    ask(&["campaign", "resume", "spring", "--reason", "it is fine"]);
    let explained = ask(&["explain", "spring"]).out;
    assert!(explained.contains("run state") && explained.contains(" UTC (it is fine)"), "{explained}");
    ask(&["campaign", "cancel", "spring", "--reason", "wrong price"]);
    while !ask(&["campaign", "events"]).out.contains("cancelled") {
        std::thread::sleep(Duration::from_millis(50));
    }
    let events = ask(&["campaign", "events"]).out;
    for told in ["paused: a look first", "resumed: it is fine", "cancelled: wrong price  cancelled "] {
        assert!(events.contains(&format!("spring  {told}")), "{told}: {events}");
    }
    assert!(ask(&["campaign", "list"]).out.lines().next().unwrap().contains("cancelled"));
    assert_eq!(service.stop().exit, 0);
}

#[test]
fn the_demo_agrees_with_its_simulator_and_runs_twice() {
    let place = Place::new();
    for run in ["demo", "demo-2"] {
        let said = place.run(&["demo", "--recipients", "300", "--port", "0", "--data-dir", "data"]);
        assert_eq!(said.exit, 0, "{said:?}");
        for part in [
            "400 rows, 310 can receive, 90 skipped (57 no PSID, 21 duplicates, 12 opted out)",
            "none twice. Counters, recount and simulator agree.",
        ] {
            assert!(said.out.contains(part), "{part}: {said:?}");
        }
        assert!(place.path("data").join(run).is_dir());
        std::thread::sleep(Duration::from_millis(10));
    }
}
