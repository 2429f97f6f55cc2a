//! `campaign preview` beside what the pages of a launch send already.

use crate::support::{Place, Said, object, sink, text, url};
use serde_json::{Value, json};
use std::time::Duration;

/// Minutes from now to the end that is expected of a preview.
fn minutes(said: &Said) -> f64 {
    let answer = object(&said.out);
    let end_ms = answer["preview"]["estimated_end_ms"].as_f64().unwrap();
    let now_ms = jiff::Timestamp::now().as_millisecond() as f64;
    (end_ms - now_ms) / 60_000.0
}

#[test]
fn a7_f5_a_preview_knows_what_else_its_pages_send_from_a_service_and_from_its_data() {
    let (place, sink) = (Place::new(), sink());
    let config = format!(
        "data_dir = \"data\"\n[channels.http]\nurl = \"{}\"\n[pages.shop]\nrate = \"10/s\"\n\
         [quotas.acme]\ndaily = \"9000/day\"\npages = [\"shop\"]\n",
        url(&sink)
    );
    place.write("sluice.toml", &config);
    let (spring, autumn) = (place.http_launch("spring", 3_000), place.http_launch("autumn", 1_200));
    let previewed = |arguments: &[&str]| {
        let said = place.run(&[&["campaign", "preview"], arguments].concat());
        assert_eq!(said.exit, 0, "{said:?}");
        said
    };
    // Nobody knows of anything else: 1,200 at 10/s are two minutes.
    let alone = previewed(&[text(&autumn), "--json"]);
    assert_eq!(object(&alone.out)["beside_others"], json!(false));
    assert!((1.9..2.1).contains(&minutes(&alone)), "{alone:?}");
    assert!(previewed(&[text(&autumn)]).out.contains("As if its pages sent nothing else"));

    let service = place.serve();
    let server = ["--server", &service.server];
    let launched = place.run(&[&["campaign", "launch", text(&spring)], &server[..]].concat());
    assert_eq!(launched.exit, 0, "{launched:?}");
    let expanded = |status: &Value| status["counters"]["total"] == json!(3_000);
    let status =
        || object(&place.run(&[&["campaign", "status", "spring", "--json"], &server[..]].concat()).out);
    while !expanded(&status()) {
        std::thread::sleep(Duration::from_millis(50));
    }
    // Half of the page until it has ended, while the other one goes on.
    let beside = previewed(&[text(&autumn), "--json", server[0], server[1]]);
    let answer = object(&beside.out);
    assert_eq!((&answer["beside_others"], &answer["taken"]), (&json!(true), &Value::Null));
    assert!((3.5..4.1).contains(&minutes(&beside)), "{beside:?}");
    assert_eq!(answer["preview"]["limited_by"], json!("other_campaigns"));
    assert!(answer["preview"]["pages"][0]["others"].as_u64().unwrap() > 2_000, "{answer}");
    // The name is there, with these words and with others.
    let same = previewed(&[text(&spring), server[0], server[1]]);
    assert!(same.out.contains("Its name is taken: spring was launched before and is running."), "{same:?}");
    let other = place.http_launch("spring", 3_000);
    let words = std::fs::read_to_string(&other).unwrap().replace("\"shop\"]", "\"shop\"],\"rate\":\"5/s\"");
    let other = place.write("other.json", &words);
    let other = place.run(&[&["campaign", "preview", text(&other)], &server[..]].concat());
    assert_eq!(other.exit, 1, "{other:?}");
    assert!(other.out.contains("spring was launched differently before and is running"), "{other:?}");
    assert_eq!(service.stop().exit, 0);

    // The same from the data that it left.
    let left = previewed(&[text(&autumn)]);
    assert!(left.out.contains("of other campaigns wait there"), "{left:?}");
    assert!(!left.out.contains("As if its pages"), "{left:?}");
}
