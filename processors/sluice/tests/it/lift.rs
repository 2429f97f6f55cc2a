//! `page lift`: a person says that what a page waits for is over.

use crate::support::{Place, object, text};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// An endpoint that refuses the token until it is told to take it; gives its URL.
fn endpoint(takes: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let takes = takes.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                loop {
                    let mut length = 0;
                    let mut line = String::new();
                    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                        let value = line.to_ascii_lowercase();
                        let value = value.strip_prefix("content-length:").map(str::trim);
                        length = value.map_or(length, |value| value.parse().unwrap());
                        line.clear();
                    }
                    let mut body = vec![0; length];
                    if length == 0 || reader.read_exact(&mut body).is_err() {
                        return;
                    }
                    let status = if takes.load(Ordering::SeqCst) { "200 OK" } else { "401 Unauthorized" };
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
                    if reader.get_mut().write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("http://{address}/messages")
}

#[test]
fn b6_a_page_whose_account_was_refused_goes_on_when_a_person_lifts_the_hold() {
    let takes = Arc::new(AtomicBool::new(false));
    let place = Place::new();
    let url = endpoint(takes.clone());
    // Tried again by itself after an hour.
    let settings = "[sender.hold]\naccount_first_ms = 3600000\naccount_wait_ms_max = 3600000\n";
    let config = format!("data_dir = \"data\"\n[channels.http]\nurl = \"{url}\"\n{settings}");
    place.write("sluice.toml", &config);
    let launch = place.http_launch("spring", 100);
    let service = place.serve();
    let server = service.server.clone();

    assert_eq!(place.run(&["campaign", "launch", text(&launch), "--server", &server]).exit, 0);
    let waits = || {
        let shown = place.run(&["campaign", "status", "spring", "--server", &server, "--json"]);
        object(&shown.out)["pages"][0]["waits"] == "account"
    };
    while !waits() {
        std::thread::sleep(Duration::from_millis(50));
    }
    takes.store(true, Ordering::SeqCst);
    let lifted = place.run(&["page", "lift", "shop", "--server", &server]);
    assert_eq!(lifted.exit, 0, "{lifted:?}");
    assert!(
        lifted.out.starts_with("page shop waited: account (") && lifted.out.contains("401"),
        "{lifted:?}"
    );
    let watched = place.run(&["campaign", "watch", "spring", "--server", &server]);
    assert_eq!(watched.out, "spring is completed: 100 recipients.\n", "{watched:?}");
    let again = place.run(&["page", "lift", "shop", "--server", &server, "--json"]);
    assert_eq!(object(&again.out)["waited_for"], serde_json::json!([]), "{again:?}");
    let missing = place.run(&["page", "lift", "no/body?", "--server", &server]);
    assert!(
        missing.exit == 3 && missing.err.contains("nothing was ever sent from page no/body?"),
        "{missing:?}"
    );
    assert_eq!(place.run(&["page", "shop", "--server", &server]).exit, 0);
    assert_eq!(place.run(&["page"]).exit, 2);
    assert_eq!(service.stop().exit, 0);
}
