//! Bad input: each a clear error that says what to do, and nothing is sent.

use crate::support::{Place, Said, object, sink, text, url};
use sluice_simulator::{Simulator, SimulatorConfig};

fn refused(place: &Place, arguments: &[&str], parts: &[&str]) -> Said {
    let said = place.run(arguments);
    assert_eq!(said.exit, 3, "{said:?}");
    for part in parts {
        assert!(said.err.contains(part), "{part}: {said:?}");
    }
    assert!(said.err.contains("To go on:"), "{said:?}");
    said
}

#[test]
fn an_audience_that_is_not_there_is_refused_and_the_name_stays_free() {
    let (place, sink) = (Place::new(), sink());
    let (launch, sink_url) = (place.http_launch("spring", 5), url(&sink));
    std::fs::rename(place.path("spring.csv"), place.path("away.csv")).unwrap();
    let arguments = ["send", text(&launch), "--data-dir", "data", "--provider-url", &sink_url];
    refused(&place, &arguments, &["cannot read the audience", "spring.csv", "audience.path"]);
    std::fs::rename(place.path("away.csv"), place.path("spring.csv")).unwrap();
    let ended = place.run(&arguments);
    assert_eq!(ended.exit, 0, "{ended:?}");
    assert_eq!(sink.stats().requests, 5);
}

#[test]
fn a_missing_address_column_is_refused() {
    let (place, sink) = (Place::new(), sink());
    let (launch, sink_url) = (place.http_launch("spring", 5), url(&sink));
    place.write("spring.csv", "customer,first_name\n1,A\n");
    refused(&place, &["send", text(&launch), "--provider-url", &sink_url], &["address", "audience.columns"]);
    refused(&place, &["campaign", "check", text(&launch)], &["address"]);
    assert_eq!(sink.stats().requests, 0);
}

#[test]
fn a_page_without_credentials_is_refused_before_anything_is_created() {
    let place = Place::new();
    let launch = r#"{"campaign":"c","channel":"whatsapp","pages":["1065"],"audience":{"inline":[{"phone":"+5511987654321"}]},
                     "message":{"template":{"name":"t","language":"en_US"}}}"#;
    place.write("launch.json", launch);
    refused(&place, &["send", "launch.json"], &["1065", "SLUICE_WHATSAPP_TOKEN", "Nothing was sent"]);
    let http = place.http_launch("spring", 1);
    refused(&place, &["send", text(&http)], &["SLUICE_HTTP_URL"]);
    let list = place.run(&["campaign", "list"]);
    assert_eq!((list.exit, list.out.as_str()), (0, "There is no campaign yet.\n"));
}

#[test]
fn a_refused_access_token_ends_with_what_to_do_and_the_same_command_goes_on() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = SimulatorConfig { access_token: Some("good".to_owned()), ..SimulatorConfig::default() };
    let simulator = runtime.block_on(Simulator::start(config)).unwrap();
    let place = Place::new();
    let launch = r#"{"campaign":"c","channel":"whatsapp","pages":["1065"],"audience":{"inline":[{"phone":"+5511987654321"}]},
                     "message":{"template":{"name":"t","language":"en_US"}}}"#;
    place.write("launch.json", launch);
    let simulator_url = simulator.url();
    let arguments = ["send", "launch.json", "--data-dir", "data", "--provider-url", &simulator_url];
    let said = place.run_with(&arguments, &[("SLUICE_WHATSAPP_TOKEN", "bad")]);
    assert_eq!(said.exit, 3, "{said:?}");
    for part in ["refused the access token", "page 1065", "SLUICE_WHATSAPP_TOKEN", "nothing was lost"] {
        assert!(said.err.contains(part), "{part}: {said:?}");
    }
    assert!(!said.err.contains("bad\n") && !said.out.contains("bad"), "no token is shown: {said:?}");
    let said = place.run_with(&arguments, &[("SLUICE_WHATSAPP_TOKEN", "good")]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!((simulator.stats().accepted, simulator.stats().accepted_twice), (1, 0));
}

#[test]
fn a_data_directory_in_use_is_refused_and_names_the_process() {
    let place = Place::new();
    let engine =
        sluice_engine::Engine::open(place.path("data"), sluice_engine::EngineOptions::default()).unwrap();
    let launch = place.http_launch("spring", 1);
    let own = format!("process {}", std::process::id());
    let send = ["send", text(&launch), "--data-dir", "data", "--provider-url", "http://127.0.0.1:9/"];
    refused(&place, &send, &["in use", &own, "--data-dir"]);
    refused(&place, &["verify", "spring", "--data-dir", "data"], &["in use", &own]);
    let named = ["in use", &own, "name it with --server URL"];
    refused(&place, &["campaign", "export", "spring", "--data-dir", "data"], &named);
    let verify = place.run(&["verify", "spring", "--data-dir", "data"]);
    assert!(!verify.err.contains("--server"), "it takes none: {verify:?}");
    drop(engine);
}

#[test]
fn hazard_1_an_audience_that_changed_before_it_was_read_to_its_end_is_refused_until_it_is_restored() {
    let (place, sink) = (Place::new(), sink());
    let (launch, sink_url) = (place.http_launch("spring", 60_000), url(&sink));
    let arguments = ["send", text(&launch), "--data-dir", "data", "--provider-url", &sink_url];
    // Killed as soon as the campaign exists: most of its audience is not read yet.
    let mut child = place.start(&arguments);
    while sink.stats().requests == 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = std::fs::read_to_string(place.path("spring.csv")).unwrap();
    place.write("spring.csv", &before.replacen("p0@", "q0@", 1));
    let said = place.run(&arguments);
    place.write("spring.csv", &before);
    // Where the machine was fast enough to read all of it, a changed file does not matter any more.
    if said.exit == 3 {
        assert!(said.err.contains("the audience changed while the campaign was expanding"), "{said:?}");
    } else {
        assert_eq!(said.exit, 0, "{said:?}");
    }
    let ended = place.run(&arguments);
    assert_eq!(ended.exit, 0, "{ended:?}");
    assert_eq!(sink.stats().twice, 0);
    let verify = place.run(&["verify", "spring", "--data-dir", "data"]);
    assert_eq!(verify.exit, 0, "{verify:?}");
}

#[test]
fn a_changed_launch_under_the_same_name_is_refused() {
    let (place, sink) = (Place::new(), sink());
    let (launch, sink_url) = (place.http_launch("spring", 5), url(&sink));
    let arguments = ["send", text(&launch), "--data-dir", "data", "--provider-url", &sink_url];
    assert_eq!(place.run(&arguments).exit, 0);
    let changed = std::fs::read_to_string(&launch).unwrap().replace("Hi ", "Hello ");
    std::fs::write(&launch, changed).unwrap();
    refused(&place, &arguments, &["launched differently", "message"]);
    assert_eq!(sink.stats().requests, 5);
}

#[test]
fn a_campaign_that_is_not_there_is_refused_with_the_nearest_name() {
    let (place, sink) = (Place::new(), sink());
    let (launch, sink_url) = (place.http_launch("spring", 2), url(&sink));
    assert_eq!(
        place.run(&["send", text(&launch), "--data-dir", "data", "--provider-url", &sink_url]).exit,
        0
    );
    refused(&place, &["verify", "sprint", "--data-dir", "data"], &["perhaps spring is meant"]);
}

#[test]
fn a_service_that_is_not_there_asks_to_try_again() {
    let place = Place::new();
    let launch = place.http_launch("spring", 1);
    let said = place.run(&["campaign", "launch", text(&launch), "--server", "http://127.0.0.1:9", "--json"]);
    assert_eq!(said.exit, 75, "{said:?}");
    assert_eq!(object(&said.err)["error"]["code"], "service_unreachable");
}
