//! The client that everything is compared with: hyper-util's pooled one on two threads, without deadlines, limits,
//! records or retries.

use super::failed;
use super::scratch::BODY;
use crate::error::Outcome;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sluice_runtime::{Clock, SystemClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls a second, for as many calls as a campaign makes.
pub(super) async fn rate(url: &str, calls: u64, in_flight: u32) -> Outcome<f64> {
    let url = url.to_owned();
    // A runtime of its own in a thread of its own.
    let ran = tokio::task::spawn_blocking(move || run(&url, calls, in_flight as usize)).await;
    match ran {
        Ok(Ok(rate)) => Ok(rate),
        Ok(Err(error)) => Err(failed("the bare client could not call the sink", error)),
        Err(error) => Err(failed("the bare client ended", error)),
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

fn run(url: &str, calls: u64, in_flight: usize) -> Result<f64, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let uri: hyper::Uri = url.parse()?;
    let began = SystemClock.monotonic();
    runtime.block_on(async {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(in_flight).build(connector);
        let started = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::with_capacity(in_flight);
        for _ in 0..in_flight {
            let (client, uri, started) = (client.clone(), uri.clone(), started.clone());
            tasks.push(tokio::spawn(async move {
                while started.fetch_add(1, Ordering::Relaxed) < calls {
                    let mut request = hyper::Request::new(Full::new(Bytes::from_static(BODY.as_bytes())));
                    *request.method_mut() = hyper::Method::POST;
                    *request.uri_mut() = uri.clone();
                    let json = hyper::header::HeaderValue::from_static("application/json");
                    request.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
                    client.request(request).await?.into_body().collect().await?;
                }
                Ok::<(), Error>(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        Ok::<(), Error>(())
    })?;
    Ok(calls as f64 / (SystemClock.monotonic() - began).as_secs_f64())
}
