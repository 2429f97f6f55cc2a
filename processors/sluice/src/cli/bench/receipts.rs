//! Webhooks become counters, beside the sending before them.

use super::child::Process;
use super::ground::Ground;
use super::report::{Beside, Report, Row};
use super::scratch::{PAGE, Scratch, phone};
use super::worker::{APP_SECRET, Job, Merged, Sent};
use super::{BenchArgs, failed, median};
use crate::cli::Common;
use crate::error::Outcome;
use crate::view::numbers::thousands;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use sluice_runtime::{Clock, SystemClock};
use sluice_simulator::webhook::{SIGNATURE_HEADER, sign};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const RECIPIENTS: u64 = 400_000;
/// Statuses of one webhook.
const STATUSES: usize = 100;
/// Webhooks under way at once.
const CONCURRENCY: usize = 32;

pub(super) async fn measure(
    common: &Common,
    args: &BenchArgs,
    ground: &Ground,
    report: &mut Report,
) -> Outcome<()> {
    let recipients = args.recipients.unwrap_or(RECIPIENTS);
    let scratch = Scratch::new()?;
    let audience = scratch.audience(recipients).await?;
    let (mut rates, mut accepted_rates, mut sends, mut ratios) = (vec![], vec![], vec![], vec![]);
    let mut rss_mb = 0.0_f64;
    for round in 1..=args.rounds {
        let place = ground.fresh().await?;
        let mut provider = Process::worker(common, &place, &Job::Answers)?;
        let line = provider.next().await?;
        let url = line["listening"].as_str().ok_or_else(|| failed("the provider did not start", &line))?;
        let job = Job::Receipts {
            data_dir: scratch.data()?,
            audience: audience.clone(),
            recipients,
            url: url.to_owned(),
            in_flight: args.in_flight,
        };
        let mut worker = Process::worker(common, &place, &job)?;
        let sent: Sent = worker.read().await?;
        let bodies = Arc::new(bodies(&sent.chunks));
        let began = SystemClock.monotonic();
        post_all(&format!("http://{}/webhooks/whatsapp", sent.gateway), &bodies).await?;
        let accepted = SystemClock.monotonic();
        let merged: Merged = worker.read().await?;
        drop(worker);
        ground.remove(place).await?;
        let rate = recipients as f64 / (merged.at - began).as_secs_f64();
        let send = recipients as f64 / sent.seconds;
        report.say(format_args!(
            "round {round}: {} sends/s, {} statuses/s merged: {:.2}",
            thousands(send as u64),
            thousands(rate as u64),
            rate / send,
        ));
        rates.push(rate);
        accepted_rates.push(recipients as f64 / (accepted - began).as_secs_f64());
        sends.push(send);
        ratios.push(rate / send);
        rss_mb = rss_mb.max(merged.peak_rss_mb);
    }
    let details = json!({
        "statuses": recipients, "per_webhook": STATUSES, "ratios": ratios,
        "accepted_per_s": median(accepted_rates).round(), "peak_rss_mb": rss_mb,
    });
    report.row(Row {
        name: "receipts",
        value: median(rates),
        unit: "statuses/s",
        ratio: Some(median(ratios)),
        beside: Some(Beside { name: "sending", value: median(sends), unit: "sends/s" }),
        aim: "3.0",
        details: details.as_object().cloned().unwrap_or_default(),
    });
    Ok(())
}

/// A signed body, as Meta sends it.
struct Signed {
    body: Bytes,
    signature: String,
}

/// One `delivered` for everybody.
fn bodies(chunks: &[(String, u32)]) -> Vec<Signed> {
    let seconds = SystemClock.wall_ms() / 1_000;
    let mut number = 0;
    let everybody = chunks.iter().flat_map(|(chunk, size)| (0..*size).map(move |index| (chunk, index)));
    let statuses: Vec<String> = everybody
        .map(|(chunk, index)| {
            number += 1;
            let to = phone(number);
            let to = to.trim_start_matches('+');
            format!(
                r#"{{"id":"wamid.{number:020}","status":"delivered","timestamp":"{seconds}","recipient_id":"{to}","biz_opaque_callback_data":"{chunk}.{index}.1","conversation":{{"id":"{number:032x}","origin":{{"type":"marketing"}}}},"pricing":{{"billable":true,"pricing_model":"PMP","category":"marketing"}}}}"#
            )
        })
        .collect();
    statuses.chunks(STATUSES).map(|statuses| signed(&statuses.join(","))).collect()
}

fn signed(statuses: &str) -> Signed {
    let metadata = format!(r#"{{"display_phone_number":"15550783881","phone_number_id":"{PAGE}"}}"#);
    let body = format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"102290129340398","changes":[{{"value":{{"messaging_product":"whatsapp","metadata":{metadata},"statuses":[{statuses}]}},"field":"messages"}}]}}]}}"#
    );
    Signed { signature: sign(APP_SECRET, body.as_bytes()), body: Bytes::from(body) }
}

/// Until every one is answered with 200.
async fn post_all(url: &str, bodies: &Arc<Vec<Signed>>) -> Outcome<()> {
    let uri: hyper::Uri = url.parse().map_err(|error| failed("the gateway has no URL", error))?;
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(CONCURRENCY).build_http();
    let next = Arc::new(AtomicUsize::new(0));
    let posting = (0..CONCURRENCY).map(|_| {
        let (client, uri, bodies, next) = (client.clone(), uri.clone(), bodies.clone(), next.clone());
        tokio::spawn(async move {
            while let Some(signed) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                post(&client, &uri, signed).await?;
            }
            Outcome::Ok(())
        })
    });
    for task in posting.collect::<Vec<_>>() {
        task.await.map_err(|error| failed("webhooks could not be sent", error))??;
    }
    Ok(())
}

async fn post(client: &Client<HttpConnector, Full<Bytes>>, uri: &hyper::Uri, signed: &Signed) -> Outcome<()> {
    let refused = |error: String| failed("the gateway did not take a webhook", error);
    let request = hyper::Request::post(uri)
        .header("content-type", "application/json")
        .header(SIGNATURE_HEADER, &signed.signature)
        .body(Full::new(signed.body.clone()))
        .map_err(|error| refused(error.to_string()))?;
    let response = client.request(request).await.map_err(|error| refused(error.to_string()))?;
    let status = response.status();
    response.into_body().collect().await.map_err(|error| refused(error.to_string()))?;
    if status.is_success() { Ok(()) } else { Err(refused(status.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_providers::webhook::{Target, parse};
    use sluice_schemas::{Channel, WebhookReceived};

    #[test]
    fn a_hundred_statuses_a_body_are_read_as_a_hundred_facts_about_our_sends() {
        let bodies = bodies(&[("00112233445566778899aabbccddeeff".to_owned(), 150)]);
        assert_eq!(bodies.len(), 2);
        let received = WebhookReceived {
            channel: Channel::Whatsapp,
            page: None,
            received_at_ms: 0,
            body: bodies[0].body.to_vec(),
        };
        let facts = parse(&received).unwrap().facts;
        assert_eq!(facts.len(), 100);
        assert!(matches!(facts[99].target, Target::Tag(tag) if tag.send.index == 99 && tag.attempt == 1));
    }
}
