//! How fast calls are made, beside a bare hyper-util client, against a sink in a process of its own.
//!
//! `cargo run --release -p sluice-providers --example call_speed -- [calls] [in flight] [rounds]`
//!
//! Each round runs the bare client, Sluice's caller, and the bare client again; machines drift, so only the
//! ratio to the mean of both bare runs counts.

#![expect(clippy::print_stdout, reason = "a program for people")]

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sluice_core::{CampaignId, ChunkId, PageId, SendId};
use sluice_providers::http::response::HttpAnswers;
use sluice_providers::{HttpCaller, HttpCallerOptions};
use sluice_runtime::ports::caller::{Begun, Call, CallRequest, CallResult, Caller, Endpoint, Outcomes};
use sluice_runtime::{Clock, SystemClock};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::unbounded_channel;

const BODY: &str =
    r#"{"to":"+5511987654321","text":"Hello Ana, the spring sale has begun: 20 % off until Sunday."}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--sink") {
        return sink();
    }
    let number = |at: usize, otherwise: usize| arguments.get(at).map_or(Ok(otherwise), |text| text.parse());
    let (calls, in_flight, rounds) = (number(0, 200_000)?, number(1, 200)?, number(2, 5)?);
    let mut child = Command::new(std::env::current_exe()?).arg("--sink").stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output of the sink")?).read_line(&mut line)?;
    let url = format!("http://127.0.0.1:{}/", line.trim());
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let before = bare(&url, calls, in_flight)?;
        let ours = sluice(&url, calls, in_flight)?;
        let after = bare(&url, calls, in_flight)?;
        let ratio = ours / ((before + after) / 2.0);
        println!(
            "round {round}: bare {before:.0}/s, sluice {ours:.0}/s, bare {after:.0}/s: ratio {ratio:.2}"
        );
        ratios.push(ratio);
    }
    child.kill()?;
    child.wait()?;
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[ratios.len() / 2]);
    Ok(())
}

/// hyper-util's pooled client on a multi-thread runtime of two workers, without deadlines or limits.
fn bare(url: &str, calls: usize, in_flight: usize) -> Result<f64, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let uri: hyper::Uri = url.parse()?;
    let clock = SystemClock;
    let began = clock.monotonic();
    runtime.block_on(async {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(in_flight).build(connector);
        let started = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for _ in 0..in_flight {
            let (client, uri, started) = (client.clone(), uri.clone(), Arc::clone(&started));
            tasks.push(tokio::spawn(async move {
                while started.fetch_add(1, Ordering::Relaxed) < calls {
                    let mut request = hyper::Request::new(Full::new(Bytes::from_static(BODY.as_bytes())));
                    *request.method_mut() = hyper::Method::POST;
                    *request.uri_mut() = uri.clone();
                    let json = hyper::header::HeaderValue::from_static("application/json");
                    request.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
                    let response = client.request(request).await.map_err(|error| error.to_string())?;
                    response.into_body().collect().await.map_err(|error| error.to_string())?;
                }
                Ok::<(), String>(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        Ok::<(), Box<dyn Error>>(())
    })?;
    Ok(calls as f64 / (clock.monotonic() - began).as_secs_f64())
}

/// The caller, fed in batches so that `in_flight` calls are always open.
fn sluice(url: &str, calls: usize, in_flight: usize) -> Result<f64, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options =
        HttpCallerOptions { connections_max: in_flight.div_ceil(2), ..HttpCallerOptions::default() };
    let caller = HttpCaller::start(options, Arc::clone(&clock))?;
    let endpoint = Arc::new(Endpoint {
        page: PageId::from("p"),
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        answers: Arc::new(HttpAnswers::default()),
        timeout_ms: 10_000,
    });
    let (sender, mut outcomes) = unbounded_channel();
    let chunk = ChunkId::new(CampaignId::of("t", "c"), 0, 1, 0);
    let call = |number: usize, now: Duration| Call {
        send: SendId { chunk, index: (number % 8_192) as u16 },
        attempt: 1,
        request: CallRequest {
            endpoint: Arc::clone(&endpoint),
            body: Bytes::from_static(BODY.as_bytes()),
            tag: Some(Bytes::from_static(b"0123456789abcdef0123456789abcdef.1234.1")),
        },
        not_before: now,
        start_by: now + Duration::from_secs(60),
        not_after: now + Duration::from_secs(60),
        outcomes: Outcomes::new(sender.clone(), Begun::default()),
    };
    // As the sender grants: ahead of what is in flight, refilled in batches.
    let (ahead, batch) = (in_flight + 512, 256);
    let began = clock.monotonic();
    runtime.block_on(async {
        let (mut started, mut ended, mut failed) = (0, 0, 0);
        let mut buffer = Vec::new();
        while ended < calls {
            while started < calls && started - ended + batch <= ahead + batch {
                let now = clock.monotonic();
                let count = batch.min(calls - started);
                caller.call((started..started + count).map(|number| call(number, now)).collect());
                started += count;
            }
            // Taken in batches, as the sender does: a wake-up for each outcome would cost as much as its call.
            tokio::time::sleep(Duration::from_millis(1)).await;
            ended += outcomes.recv_many(&mut buffer, 4_096).await;
            failed +=
                buffer.drain(..).filter(|end| !matches!(end.result, CallResult::Accepted { .. })).count();
        }
        if failed == 0 { Ok(()) } else { Err(format!("{failed} calls failed")) }
    })?;
    let took = clock.monotonic() - began;
    runtime.block_on(caller.shutdown());
    Ok(calls as f64 / took.as_secs_f64())
}

/// Answers every request with the same bytes, on one thread.
fn sink() -> Result<(), Box<dyn Error>> {
    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"id\":\"42\"}";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        std::io::stdout().flush()?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let mut held = vec![0_u8; 16 * 1024];
                let mut filled = 0;
                while let Ok(count) = stream.read(&mut held[filled..]).await {
                    if count == 0 {
                        return;
                    }
                    filled += count;
                    // One request at a time on a connection: it is whole when the known body has come.
                    if held[..filled].ends_with(BODY.as_bytes()) {
                        filled = 0;
                        if stream.write_all(ANSWER).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    })
}
