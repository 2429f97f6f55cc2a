//! Values on their way through a real registry's framing.

use crate::place::{framing, names, options_at, prefix, registry_url};
use crate::proxy::Proxy;
use bytes::Bytes;
use sluice_log::kafka::{Framing, Incoming};
use sluice_registry::{RegistryClient, RegistryError, RegistryFraming, RegistryOptions};
use sluice_runtime::ports::log::Topic;
use sluice_schemas::framing::frame_for_registry;
use sluice_schemas::*;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn launch() -> CampaignLaunch {
    serde_json::from_value(serde_json::json!({
        "campaign": "spring-sale", "channel": "http", "pages": ["shop"],
        "audience": {"inline": [{"address": "a@example.org"}]},
        "message": {"http": {"body": {"to": "{{address}}"}}}
    }))
    .unwrap()
}

fn retry() -> RetryReady {
    RetryReady {
        chunk: Default::default(),
        page: "p".to_owned(),
        attempt: 2,
        not_before_ms: 5,
        indexes: vec![IndexRange { first: 1, last: 4 }],
        class: GateClass::default(),
    }
}

fn ready(incoming: Incoming) -> Bytes {
    match incoming {
        Incoming::Ready(value) => value,
        Incoming::Unknown => panic!("it has to be fetched"),
    }
}

/// A launch with a further field, and its value in the registry's framing.
async fn foreign(prefix: &str) -> Bytes {
    let mut schema: serde_json::Value =
        serde_json::from_str(CampaignLaunch::versions().texts().last().unwrap().0).unwrap();
    let more = serde_json::json!({"name": "owner", "type": ["null", "string"], "default": null});
    schema["fields"].as_array_mut().unwrap().push(more);
    let client = RegistryClient::new(&options_at(registry_url())).unwrap();
    let subject = format!("{prefix}campaign.launches-value");
    let id = client.register(&subject, &schema.to_string()).await.unwrap();
    let mut datum = encode(&launch())[10..].to_vec();
    datum.extend_from_slice(b"\x02\x06Ana");
    let mut value = Vec::new();
    frame_for_registry(id, &datum, &mut value);
    value.into()
}

#[tokio::test]
async fn what_leaves_carries_its_schemas_id_and_comes_back_as_it_was() {
    let framing = framing(&prefix()).await;
    let mut out = Vec::new();
    for (topic, value) in [
        (Topic::Launches, encode(&launch())),
        (Topic::Chunks, encode(&retry())),
        (
            Topic::Chunks,
            encode(&ChunkReady {
                chunk: Default::default(),
                page: "p".to_owned(),
                size: 1,
                spans: vec![],
                class: GateClass::default(),
            }),
        ),
    ] {
        assert!(framing.outgoing(topic, &value, &mut out));
        assert!(matches!(Framed::of(&out), Framed::Registry { datum, .. } if datum == &value[10..]));
        assert_eq!(ready(framing.incoming(topic, out.clone().into())), value);
    }
}

#[tokio::test]
async fn what_is_not_ours_leaves_and_comes_as_it_is() {
    let framing = framing(&prefix()).await;
    let mut out = vec![7];
    let foreign = Bytes::from_static(b"hello");
    assert!(!framing.outgoing(Topic::Launches, &foreign, &mut out));
    // A record of another topic, and one that is in the registry's framing already.
    assert!(!framing.outgoing(Topic::Launches, &encode(&retry()), &mut out));
    assert!(!framing.outgoing(Topic::Launches, &[0, 0, 0, 0, 9, 1], &mut out));
    assert_eq!(ready(framing.incoming(Topic::Launches, foreign.clone())), foreign);
    let own = Bytes::from(encode(&launch()));
    assert_eq!(ready(framing.incoming(Topic::Launches, own.clone())), own);
}

#[tokio::test]
async fn a_launch_of_an_upstream_with_its_own_schema_is_fetched_once_and_read() {
    let prefix = prefix();
    let framing = framing(&prefix).await;
    let value = foreign(&prefix).await;
    assert_eq!(framing.incoming(Topic::Launches, value.clone()), Incoming::Unknown);
    let read = framing.resolve(Topic::Launches, value.clone()).await;
    assert_eq!(decode::<CampaignLaunch>(&read).unwrap(), launch());
    assert_eq!(ready(framing.incoming(Topic::Launches, value)), read);
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_schema_is_delivered_as_it_is_and_says_which() {
    let prefix = prefix();
    let framing = framing(&prefix).await;
    let mut cut = foreign(&prefix).await;
    cut.truncate(cut.len() - 2);
    let value = framing.resolve(Topic::Launches, cut.clone()).await;
    assert_eq!(value, cut);
    assert!(matches!(decode::<CampaignLaunch>(&value), Err(DecodeError::Registry { .. })));
}

#[tokio::test]
async fn a_schema_that_does_not_fit_the_topic_makes_dead_letters() {
    let prefix = prefix();
    let framing = framing(&prefix).await;
    let value = foreign(&prefix).await;
    let read = framing.resolve(Topic::Events, value.clone()).await;
    assert_eq!(read, value);
    assert_eq!(ready(framing.incoming(Topic::Events, value)), read);
    assert_eq!(framing.trouble(), None);
}

#[tokio::test]
async fn an_id_that_the_registry_does_not_have_makes_dead_letters_that_name_it() {
    let framing = framing(&prefix()).await;
    let mut value = Vec::new();
    frame_for_registry(2_000_000_001, b"datum", &mut value);
    let value = Bytes::from(value);
    assert_eq!(framing.incoming(Topic::Launches, value.clone()), Incoming::Unknown);
    assert_eq!(framing.resolve(Topic::Launches, value.clone()).await, value);
    // The next one is not asked for.
    assert_eq!(ready(framing.incoming(Topic::Launches, value.clone())), value);
    let error = decode::<CampaignLaunch>(&value).unwrap_err().to_string();
    assert!(error.contains("2000000001"), "{error}");
}

#[tokio::test]
async fn a_value_waits_while_the_registry_is_away_and_the_framing_says_so() {
    let prefix = prefix();
    let proxy = Proxy::start(&registry_url()).await;
    let framing = RegistryFraming::connect(&options_at(&proxy.url), names(&prefix)).await.unwrap();
    let framing = Arc::new(framing);
    let value = foreign(&prefix).await;
    proxy.cut();
    // Our own schemas need nobody.
    let mut out = Vec::new();
    assert!(framing.outgoing(Topic::Launches, &encode(&launch()), &mut out));
    assert_eq!(
        decode::<CampaignLaunch>(&ready(framing.incoming(Topic::Launches, out.into()))).unwrap(),
        launch()
    );
    let (other, theirs) = (Arc::clone(&framing), value.clone());
    let waiting = tokio::spawn(async move { other.resolve(Topic::Launches, theirs).await });
    while framing.trouble().is_none() {
        assert!(!waiting.is_finished());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(framing.trouble().unwrap().contains("can't be reached"));
    proxy.restore();
    assert_eq!(decode::<CampaignLaunch>(&waiting.await.unwrap()).unwrap(), launch());
    assert_eq!(framing.trouble(), None);
}

#[tokio::test]
async fn where_others_register_a_missing_schema_stops_the_start() {
    let prefix = prefix();
    let options = RegistryOptions { register: false, ..options_at(registry_url()) };
    let error = RegistryFraming::connect(&options, names(&prefix)).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotRegistered { .. }), "{error}");
    framing(&prefix).await;
    RegistryFraming::connect(&options, names(&prefix)).await.unwrap();
}
