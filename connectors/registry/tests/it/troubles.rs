//! Servers that are no registry, or one in trouble.

use crate::place::{names, options_at, prefix};
use crate::server::serve;
use sluice_registry::{RegistryClient, RegistryError, RegistryFraming, RegistryOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

async fn client_of(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> RegistryClient {
    let port = serve(None, answer).await;
    let options = RegistryOptions { start_ms_max: 0, ..options_at(format!("http://127.0.0.1:{port}")) };
    RegistryClient::new(&options).unwrap()
}

#[tokio::test]
async fn a_url_of_something_else_is_told_from_a_registry_without_the_schema() {
    let client = client_of(|_| (404, "<html>not found</html>".to_owned())).await;
    for error in [client.by_id(7).await.unwrap_err(), client.register("s", "\"int\"").await.unwrap_err()] {
        assert!(matches!(error, RegistryError::NotARegistry { .. }), "{error}");
        assert!(error.to_string().contains("/apis/ccompat/v7"));
    }
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let port = serve(None, move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => (503, "busy".to_owned()),
        1 => (429, r#"{"error_code":42901,"message":"slowly"}"#.to_owned()),
        _ => (200, r#"{"id":5}"#.to_owned()),
    })
    .await;
    let client = RegistryClient::new(&options_at(format!("http://127.0.0.1:{port}"))).unwrap();
    assert_eq!(client.register("s", "\"int\"").await, Ok(5));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn nobody_at_the_address_is_said_with_the_reason() {
    let options = RegistryOptions { start_ms_max: 150, ..options_at("http://127.0.0.1:9/") };
    let error = RegistryFraming::connect(&options, names(&prefix())).await.unwrap_err();
    assert!(error.is_retriable());
    let text = error.to_string();
    assert!(text.contains("http://127.0.0.1:9 ") && text.to_lowercase().contains("refused"), "{text}");
}

#[tokio::test]
async fn schemas_of_another_kind_are_refused_with_the_reason() {
    let client = client_of(|request| match request.contains("/ids/1 ") {
        true => (200, r#"{"schemaType":"PROTOBUF","schema":"syntax"}"#.to_owned()),
        false => (200, r#"{"schema":"{}","references":[{"name":"a","subject":"a","version":1}]}"#.to_owned()),
    })
    .await;
    let error = client.by_id(1).await.unwrap_err();
    assert!(error.is_about_the_schema() && error.to_string().contains("PROTOBUF"), "{error}");
    let error = client.by_id(2).await.unwrap_err();
    assert!(error.is_about_the_schema() && error.to_string().contains("refers to"), "{error}");
}
