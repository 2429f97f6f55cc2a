//! D8: an audience whose source stands still is told as such, and read on when it goes on.

use crate::launches;
use serde_json::{Value, json};
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Sink, wait_for};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(120);

/// Rows of which a web server gives the first 64 KiB, and the others once it is let.
struct HalfAudience {
    port: u16,
    gives_all: Arc<AtomicBool>,
}

impl HalfAudience {
    fn start(content: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, gives_all) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let gives = gives_all.clone();
        // It ends with the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&mut stream.unwrap(), content.as_bytes(), gives.load(Ordering::SeqCst));
            }
        });
        Self { port, gives_all }
    }
}

/// Answers one ranged request.
fn answer(stream: &mut TcpStream, content: &[u8], gives_all: bool) {
    let head = BufReader::new(&mut *stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let head: Vec<String> = head.map(|line| line.to_lowercase()).collect();
    let range = head.iter().find_map(|line| line.strip_prefix("range: bytes=")?.split_once('-'));
    let Some((first, last)) = range else { return };
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    if first >= 65_536 && !gives_all {
        // What came before is committed by then: a campaign that nobody was read of would fail.
        std::thread::sleep(Duration::from_secs(1));
        drop(stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
        return;
    }
    let part = &content[first..=last.min(content.len() - 1)];
    let head = format!(
        "HTTP/1.1 206 Partial\r\ncontent-range: bytes {first}-{}/{}\r\ncontent-length: {}\r\netag: \"one\"\r\n\
         connection: close\r\n\r\n",
        first + part.len() - 1,
        content.len(),
        part.len()
    );
    // Whoever asked may be gone.
    drop(stream.write_all(&[head.as_bytes(), part].concat()));
}

#[test]
fn d8_g3_an_audience_whose_source_stands_still_is_told_and_found_once_and_read_when_it_goes_on() {
    let mut cluster = Cluster::new();
    let sink = Sink::start(cluster.place());
    let rows: String = (0..5_000).map(|row| format!("person-{row:05}@half.example.com\n")).collect();
    let source = HalfAudience::start(format!("address\n{rows}"));
    for (variable, value) in [
        ("SLUICE_HTTP_URL", sink.url()),
        ("SLUICE_COMPLETION_STALLED_AFTER_MS", "12000".to_owned()),
        ("SLUICE_AUDIENCE_ALLOW_HOSTS", format!("127.0.0.1:{}", source.port)),
        ("SLUICE_AUDIENCE_ALLOW_PLAIN_HTTP", "true".to_owned()),
        ("SLUICE_AUDIENCE_ALLOW_PRIVATE_NETWORKS", "true".to_owned()),
        ("SLUICE_AUDIENCE_RANGE_BYTES", "65536".to_owned()),
        ("SLUICE_AUDIENCE_TRIES_MAX", "1".to_owned()),
    ] {
        cluster.place_mut().set_variable(variable, &value);
    }
    let mut launch = launches::over_pages(cluster.place(), "half", 1, 1, "5000/s");
    launch["audience"] = json!({ "path": format!("http://127.0.0.1:{}/half.csv", source.port) });
    let launch = cluster.place().launch("launch.json", &launch);
    let node = cluster.start();
    cluster.launch(&node, &launch).expect(0);

    let explained = || {
        let said =
            cluster.place().run(&["explain", "half", "--json", "--server", &node.url]).expect(0).stdout;
        serde_json::from_str::<Value>(&said).unwrap()
    };
    let stalled = || {
        let explained = explained();
        (explained["status"]["stalled"]["reason"] == "audience").then_some(explained)
    };
    let found = wait_for("that it is found", WITHIN, stalled);
    let audience = &found["status"]["audience"];
    let (rows, since_ms) = (audience["rows"].as_u64().unwrap(), audience["since_ms"].as_i64().unwrap());
    assert!((500..5_000).contains(&rows), "{found}");
    // By the log, whoever is asked; what was found is the time since it was looked at.
    let since_found = found["status"]["stalled"]["since_ms"].as_i64().unwrap();
    assert!((since_found - since_ms).abs() < 10_000, "{since_ms} {since_found}");
    let held = found["held"].as_str().unwrap();
    assert!(
        held.starts_with(&format!("half waits for its audience: {} read, none since 20", people(rows))),
        "{held}"
    );
    assert!(held.ends_with(&format!("{0} of {0} done.", thousands(rows))), "{held}");

    source.gives_all.store(true, Ordering::SeqCst);
    let ended = || (cluster.status("half")["state"] == "completed").then_some(());
    wait_for("the end of the campaign", WITHIN, ended);
    node.process.stop(Signal::TERM, WITHIN).expect(0);
    let reached = cluster.place().people("half");
    assert_eq!((reached.len(), judge(&reached, &sink.stop())), (5_000, 0));
}

fn thousands(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", number / 1_000, number % 1_000) }
}

fn people(rows: u64) -> String {
    format!("{} rows", thousands(rows))
}
