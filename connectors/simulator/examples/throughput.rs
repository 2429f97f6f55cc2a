//! How many calls a second the simulator and the sink take from a plain client on the same machine.
//!
//! `cargo run --release -p sluice-simulator --example throughput`

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![expect(clippy::unwrap_used, reason = "a measurement that cannot start may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sluice_simulator::{Simulator, SimulatorConfig, Sink, SinkMode, SinkOptions};
use tokio::time::Instant;

const CONNECTIONS: usize = 32;
const SECONDS: u64 = 3;

fn template(n: usize) -> String {
    format!(
        r#"{{"messaging_product":"whatsapp","recipient_type":"individual","to":"1650{n:08}","type":"template","biz_opaque_callback_data":"c1:{n}","template":{{"name":"spring_sale","language":{{"code":"en_US"}},"components":[{{"type":"body","parameters":[{{"type":"text","text":"Asha"}}]}}]}}}}"#
    )
}

fn generic(n: usize) -> String {
    format!(r#"{{"to":"49151{n:08}","text":"Hello, this is a message of the usual length to somebody."}}"#)
}

/// All connections in one thread: a request on each, then an answer from each. Returns requests a second.
fn drive(address: SocketAddr, path: &str, body: fn(usize) -> String) -> f64 {
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    streams.iter().for_each(|stream| stream.set_nodelay(true).unwrap());
    let (mut number, mut buffer) = (0, [0; 4096]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(SECONDS) {
        for stream in &mut streams {
            let body = body(number);
            number += 1;
            let request = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(request.as_bytes()).unwrap();
        }
        for stream in &mut streams {
            let read = stream.read(&mut buffer).unwrap();
            assert!(
                buffer[..read].starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&buffer[..read])
            );
        }
    }
    number as f64 / start.elapsed().as_secs_f64()
}

/// Seconds of processor time of this process's threads whose name starts with `prefix`.
fn cpu_seconds(prefix: &str) -> f64 {
    let mut ticks = 0u64;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
        let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        if name.starts_with(prefix) {
            let fields: Vec<&str> = rest.split_whitespace().collect();
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    ticks as f64 / 100.0
}

fn report(name: &str, threads: &[&str], run: impl FnOnce() -> f64) {
    let rate = run();
    let cpu: f64 = threads.iter().map(|prefix| cpu_seconds(prefix)).sum();
    println!("{name:<34} {rate:>9.0}/s   {:>9.0} per core-second", rate * SECONDS as f64 / cpu);
}

fn main() {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let sink = Sink::start(local, SinkOptions::default()).unwrap();
    report("sink, count only", &["sink-"], || drive(sink.address(), "/", generic));
    sink.shutdown().unwrap();
    let mode = SinkMode::Record { log: None };
    let sink = Sink::start(local, SinkOptions { mode, ..SinkOptions::default() }).unwrap();
    report("sink, recording", &["sink-"], || drive(sink.address(), "/", generic));
    sink.shutdown().unwrap();

    let log = std::env::temp_dir().join(format!("simulator-throughput-{}.ndjson", std::process::id()));
    for (name, path, body) in [
        ("simulator, whatsapp, log on", "/v23.0/1065/messages", template as fn(usize) -> String),
        ("simulator, generic, log on", "/http/shop", generic),
    ] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("serve")
            .enable_all()
            .build()
            .unwrap();
        let config = SimulatorConfig { log: Some(log.clone()), ..SimulatorConfig::default() };
        let simulator = runtime.block_on(Simulator::start(config)).unwrap();
        let address = simulator.address();
        report(name, &["serve", "simulator-log"], || drive(address, path, body));
        runtime.block_on(simulator.shutdown()).unwrap();
    }
    std::fs::remove_file(log).unwrap();
}
