//! Registering and looking up at a real registry.

use crate::place::{options_at, prefix, registry_url};
use crate::proxy::Proxy;
use sluice_registry::{RegistryClient, RegistryError};
use sluice_schemas::{CampaignLaunch, Record};

fn schema() -> &'static str {
    CampaignLaunch::versions().texts().last().unwrap().0
}

#[tokio::test]
async fn a_schema_that_is_registered_twice_has_one_id_and_is_found_by_it() {
    let subject = format!("{}launches-value", prefix());
    let first = RegistryClient::new(&options_at(registry_url())).unwrap();
    let second = RegistryClient::new(&options_at(registry_url())).unwrap();
    let id = first.register(&subject, schema()).await.unwrap();
    assert_eq!(second.register(&subject, schema()).await.unwrap(), id);
    assert_eq!(second.find(&subject, schema()).await.unwrap(), id);
    let third = RegistryClient::new(&options_at(registry_url())).unwrap();
    let text = third.by_id(id).await.unwrap();
    let (got, own): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&text).unwrap(), serde_json::from_str(schema()).unwrap());
    assert_eq!(got, own);
}

#[tokio::test]
async fn what_is_known_is_not_asked_for_again() {
    let proxy = Proxy::start(&registry_url()).await;
    let client = RegistryClient::new(&options_at(&proxy.url)).unwrap();
    let subject = format!("{}launches-value", prefix());
    let id = client.register(&subject, schema()).await.unwrap();
    let other = RegistryClient::new(&options_at(&proxy.url)).unwrap();
    let text = other.by_id(id).await.unwrap();
    proxy.cut();
    assert_eq!(client.register(&subject, schema()).await.unwrap(), id);
    assert_eq!(&*client.by_id(id).await.unwrap(), schema());
    assert_eq!(other.by_id(id).await.unwrap(), text);
}

#[tokio::test]
async fn a_start_waits_for_a_registry_that_comes_back() {
    let proxy = Proxy::start(&registry_url()).await;
    proxy.cut();
    let client = RegistryClient::new(&options_at(&proxy.url)).unwrap();
    let subject = format!("{}launches-value", prefix());
    let registered = tokio::spawn(async move { client.register(&subject, schema()).await });
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    assert!(!registered.is_finished());
    proxy.restore();
    registered.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_the_registry_does_not_have_is_said_with_what_to_do() {
    let client = RegistryClient::new(&options_at(registry_url())).unwrap();
    let error = client.by_id(2_000_000_000).await.unwrap_err();
    assert!(matches!(error, RegistryError::UnknownId { id: 2_000_000_000, .. }) && !error.is_retriable());
    let subject = format!("{}launches-value", prefix());
    let error = client.find(&subject, schema()).await.unwrap_err();
    assert!(matches!(&error, RegistryError::NotRegistered { .. }), "{error}");
    assert!(error.to_string().contains("registry.register = true"));
}

#[tokio::test]
async fn an_incompatible_schema_is_refused_with_the_subject_and_what_to_do() {
    let client = RegistryClient::new(&options_at(registry_url())).unwrap();
    let subject = format!("{}launches-value", prefix());
    let other = r#"{"type":"record","name":"Order","fields":[{"name":"x","type":"int"}]}"#;
    client.register(&subject, other).await.unwrap();
    // The rule is the subject's; Confluent's registry has it by default.
    let answer = reqwest::Client::builder()
        .tls_backend_preconfigured(crate::tls::trusting_nobody())
        .build()
        .unwrap()
        .put(format!("{}/config/{subject}", registry_url()))
        .json(&serde_json::json!({"compatibility": "BACKWARD"}))
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success());
    let error = client.register(&subject, schema()).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Incompatible { .. }), "{error}");
    assert!(error.to_string().contains(&subject) && error.to_string().contains("registry.subjects"));
    let error = client.register(&subject, "nonsense").await.unwrap_err();
    assert!(matches!(&error, RegistryError::Refused { .. }), "{error}");
}
