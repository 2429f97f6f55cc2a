//! The sink for benchmarks and the kill test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use sluice_simulator::{Sink, SinkMode, SinkOptions, SinkStats, Truth, read_log};

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn post(to: &str) -> Vec<u8> {
    let body = format!(r#"{{"to":"{to}","text":"hi"}}"#);
    format!("POST /http/bench HTTP/1.1\r\nhost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn answers(stream: &mut TcpStream, count: usize) {
    let one = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
    let mut seen = vec![0; one.len() * count];
    stream.read_exact(&mut seen).unwrap();
    assert_eq!(seen, one.repeat(count).as_bytes());
}

#[test]
fn requests_on_one_connection_are_counted_one_by_one_and_pipelined() {
    let sink = Sink::start(local(), SinkOptions { threads: 2, ..SinkOptions::default() }).unwrap();
    let mut stream = TcpStream::connect(sink.address()).unwrap();
    for _ in 0..3 {
        stream.write_all(&post("a")).unwrap();
        answers(&mut stream, 1);
    }
    stream.write_all(&[post("b"), post("c")].concat()).unwrap();
    answers(&mut stream, 2);
    assert_eq!(sink.stats(), SinkStats { requests: 5, ..SinkStats::default() });
    assert!(sink.recipients().is_empty());
    sink.shutdown().unwrap();
}

#[test]
fn recorded_recipients_show_doubles_in_the_statistics_and_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("sink.ndjson");
    let mode = SinkMode::Record { log: Some(log.clone()) };
    let sink = Sink::start(local(), SinkOptions { mode, ..SinkOptions::default() }).unwrap();
    let mut stream = TcpStream::connect(sink.address()).unwrap();
    for to in ["a", "b", "a"] {
        stream.write_all(&post(to)).unwrap();
        answers(&mut stream, 1);
    }
    stream.write_all(&post("cut off")[..60]).unwrap();
    drop(stream);
    let mut stream = TcpStream::connect(sink.address()).unwrap();
    stream.write_all(b"GET /_sink/stats HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let stats: SinkStats = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(stats, sink.stats());
    assert_eq!((stats.requests, stats.distinct, stats.twice), (3, 2, 1));
    assert_eq!(stats.twice_first, [("a".to_owned(), 2)]);
    assert_eq!(sink.recipients()["b"], 1);
    sink.shutdown().unwrap();
    let truth = Truth::fold(&read_log(&log).unwrap());
    assert_eq!((truth.accepted, truth.doubles().len()), (3, 1));
}

#[test]
fn an_address_in_use_is_said_so() {
    let sink = Sink::start(local(), SinkOptions::default()).unwrap();
    let error = Sink::start(sink.address(), SinkOptions::default()).unwrap_err();
    assert!(error.to_string().contains("cannot listen on 127.0.0.1:"), "{error}");
}
