//! Small campaigns, one after the other, on two channels, for as long as somebody looks.

use bytes::Bytes;
use serde_json::{Value, json};
use sluice_runtime::ports::log::{Log, NewRecord, Partition, Topic};
use sluice_schemas::{CampaignLaunch, encode};
use std::sync::Arc;
use std::time::Duration;

/// People of each campaign.
const PEOPLE: usize = 25;
/// Between two campaigns: slow enough that each ends.
const EVERY: Duration = Duration::from_millis(250);
/// Names that must not be exported.
pub(crate) const SECRET_NAMES: [&str; 3] = ["a-campaign-name", "106540352242922", "5511987"];

/// Launches until it is dropped with its runtime.
pub(crate) async fn run(log: Arc<dyn Log>) {
    for number in 0_u64.. {
        let launch = if number.is_multiple_of(2) { whatsapp(number) } else { http(number) };
        let launch: CampaignLaunch = serde_json::from_value(launch).unwrap();
        let record = NewRecord { key: Bytes::new(), value: Bytes::from(encode(&launch)) };
        log.append(Topic::Launches, Partition(0), vec![record]).await.unwrap();
        tokio::time::sleep(EVERY).await;
    }
}

fn whatsapp(number: u64) -> Value {
    let person = |index| json!({ "phone": format!("+5511987{number:03}{index:03}"), "first_name": "Ana" });
    json!({
        "campaign": format!("a-campaign-name-{number}"),
        "channel": "whatsapp",
        "pages": ["106540352242922"],
        "audience": { "inline": (0..PEOPLE).map(person).collect::<Vec<_>>() },
        "message": { "template": {
            "name": "spring_sale", "language": "en_US",
            "components": [{ "type": "body", "parameters": [{ "type": "text", "text": "{{first_name}}" }] }],
        } },
    })
}

/// Every tenth person lacks what the message needs; every fifth row is there twice.
fn http(number: u64) -> Value {
    let person = |index: usize| {
        let mut row = json!({ "address": format!("p{number}-{}@example.com", index - index % 5 / 4) });
        if !index.is_multiple_of(10) {
            row["coupon"] = json!("SPRING10");
        }
        row
    };
    json!({
        "campaign": format!("a-campaign-name-{number}"),
        "channel": "http",
        "pages": ["shop"],
        "audience": { "inline": (0..PEOPLE).map(person).collect::<Vec<_>>() },
        "message": { "http": { "body": { "to": "{{address}}", "coupon": "{{coupon}}" } } },
    })
}
