//! Bodies as the providers document them.

use serde_json::{Value, json};
use sluice_core::ids::EchoTag;
use sluice_core::{CampaignId, ChunkId, PageId, SendId};
use sluice_providers::{PageConfig, PagePlan, PagesConfig, PlanError, ProviderMessages, RenderError, Secret};
use sluice_runtime::ports::messages::Messages;
use sluice_schemas::{CampaignLaunch, Channel, SendRequest};

fn launch(channel: &str, message: Value, variables: Value) -> CampaignLaunch {
    serde_json::from_value(json!({
        "campaign": "c", "channel": channel, "pages": ["1065"], "audience": {"path": "a.csv"},
        "message": message, "variables": variables,
    }))
    .unwrap()
}

fn send(address: &str, variables: Value) -> SendRequest {
    let chunk = ChunkId::new(CampaignId::of("t", "c"), 0, 1, 0);
    SendRequest {
        chunk: chunk.0.into(),
        index: 5,
        address: address.to_owned(),
        name: Some("Ana".to_owned()),
        customer_id: None,
        time_zone: None,
        variables: serde_json::from_value(variables).unwrap(),
    }
}

fn tag() -> EchoTag {
    let chunk = ChunkId::new(CampaignId::of("t", "c"), 0, 1, 0);
    EchoTag { send: SendId { chunk, index: 5 }, attempt: 2 }
}

fn config(url: &str) -> PageConfig {
    PageConfig { url: Some(url.to_owned()), token: Secret::from("s3cret"), ..PageConfig::default() }
}

fn compile(launch: &CampaignLaunch) -> Result<PagePlan, PlanError> {
    PagePlan::compile(launch, &PageId::from("1065"), &config("http://localhost:1"))
}

fn body(launch: &CampaignLaunch, send: &SendRequest) -> Value {
    let request = compile(launch).unwrap().render(send, tag()).unwrap();
    serde_json::from_slice(&request.body).unwrap()
}

fn template() -> Value {
    json!({"template": {"name": "spring_sale", "language": "en_US", "components": [
        {"type": "header", "parameters": [{"type": "image", "image": {"id": "17"}}]},
        {"type": "body", "parameters": [{"type": "text", "parameter_name": "first_name", "text": "{{name}}"}]},
        {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "{{code}}-{{city}}"}]},
    ]}})
}

#[test]
fn c1_a_whatsapp_template_looks_as_documented() {
    let launch = launch("whatsapp", template(), json!({"code": "sale2026", "city": "nowhere"}));
    let send = send("+16505551234", json!({"city": "São \"Paulo\"\n"}));
    assert_eq!(
        body(&launch, &send),
        json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "+16505551234",
            "type": "template", "biz_opaque_callback_data": tag().to_string(),
            "template": {"name": "spring_sale", "language": {"code": "en_US"}, "components": [
                {"type": "header", "parameters": [{"type": "image", "image": {"id": "17"}}]},
                {"type": "body", "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Ana"}]},
                {"type": "button", "sub_type": "url", "index": "0",
                 "parameters": [{"type": "text", "text": "sale2026-São \"Paulo\"\n"}]}]}})
    );
}

#[test]
fn a_template_without_components_has_none_in_its_body() {
    let message = json!({"template": {"name": "hello", "language": "de"}});
    let body = body(&launch("whatsapp", message, json!({})), &send("+16505551234", json!({})));
    assert_eq!(body["template"], json!({"name": "hello", "language": {"code": "de"}}));
}

#[test]
fn c1_graph_calls_go_to_version_and_page_with_the_token_in_a_header_only() {
    let launch = launch("whatsapp", template(), json!({"code": "1", "city": "2"}));
    let plan = PagePlan::compile(&launch, &PageId::from("1065"), &config("http://localhost:1/")).unwrap();
    let request = plan.render(&send("+16505551234", json!({})), tag()).unwrap();
    let endpoint = &request.endpoint;
    assert_eq!(
        (endpoint.method.as_str(), endpoint.url.as_str()),
        ("POST", "http://localhost:1/v26.0/1065/messages")
    );
    assert!(endpoint.headers.contains(&("authorization".to_owned(), "Bearer s3cret".to_owned())));
    assert!(!format!("{request:?} {plan:?} {:?}", config("http://x")).contains("s3cret"));
    assert!(!serde_json::to_string(&config("http://x")).unwrap().contains("s3cret"));
    assert_eq!(request.tag, None, "the tag is in the body");
    let default = PageConfig { token: Secret::from("s3cret"), ..PageConfig::default() };
    let plan = PagePlan::compile(&launch, &PageId::from("1065"), &default).unwrap();
    let request = plan.render(&send("+16505551234", json!({})), tag()).unwrap();
    assert_eq!(request.endpoint.url, "https://graph.facebook.com/v26.0/1065/messages");
}

#[test]
fn c1_messenger_and_instagram_texts_look_as_documented() {
    let message = json!({"text": {"body": "Hi {{name}}, \"{{offer}}\"\n", "messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}});
    for channel in ["messenger", "instagram"] {
        let launch = launch(channel, message.clone(), json!({"offer": "2 for 1"}));
        assert_eq!(
            body(&launch, &send("24444529763028279", json!({}))),
            json!({"recipient": {"id": "24444529763028279"}, "messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT",
                "message": {"text": "Hi Ana, \"2 for 1\"\n"}})
        );
    }
    let plain = launch("messenger", json!({"text": {"body": "Hi"}}), json!({}));
    assert_eq!(
        body(&plain, &send("24444529763028279", json!({}))),
        json!({"recipient": {"id": "24444529763028279"}, "messaging_type": "UPDATE", "message": {"text": "Hi"}})
    );
}

#[test]
fn c1_a_generic_request_is_what_the_launch_says() {
    let message = json!({"http": {"method": "PUT", "headers": {"X-Campaign": "spring", "X-Customer": "c-{{customer}}"},
        "body": {"to": "{{address}}", "n": [1, "{{customer}}"]}, "message_id": "/id"}});
    let launch = launch("http", message, json!({"customer": "none"}));
    let plan = compile(&launch).unwrap();
    let request = plan.render(&send("ana@example.org", json!({"customer": "42"})), tag()).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({"to": "ana@example.org", "n": [1, "42"]}));
    assert_eq!(request.tag.as_deref(), Some(tag().to_string().as_bytes()));
    let endpoint = &request.endpoint;
    assert_eq!((endpoint.method.as_str(), endpoint.url.as_str()), ("PUT", "http://localhost:1"));
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-campaign", "spring"),
        ("x-customer", "c-42"),
        ("authorization", "Bearer s3cret"),
    ] {
        assert!(endpoint.headers.contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
    assert_eq!(
        plan.render(&send("a", json!({"customer": "1\n2"})), tag()).unwrap_err(),
        RenderError::InvalidHeader { header: "x-customer".to_owned() }
    );
}

#[test]
fn calls_with_the_same_headers_share_their_endpoint() {
    let launch = launch("http", json!({"http": {"body": {"to": "{{address}}"}}}), json!({}));
    let plan = compile(&launch).unwrap();
    let one = plan.render(&send("a", json!({})), tag()).unwrap();
    let two = plan.render(&send("b", json!({})), tag()).unwrap();
    assert!(std::sync::Arc::ptr_eq(&one.endpoint, &two.endpoint));
    assert_eq!(one.endpoint.method, "POST");
}

#[test]
fn a8_a_variable_without_value_fails_that_recipient_by_name() {
    let launch = launch("whatsapp", template(), json!({"code": "x"}));
    let plan = compile(&launch).unwrap();
    for variables in [json!({}), json!({"city": ""})] {
        let error = plan.render(&send("+16505551234", variables), tag()).unwrap_err();
        assert_eq!(error, RenderError::MissingVariable { name: "city".to_owned() });
        assert_eq!(error.code(), "missing_variable");
    }
    plan.render(&send("+16505551234", json!({"city": "Rio"})), tag()).unwrap();
}

#[test]
fn b7_an_address_that_is_none_is_never_called() {
    let whatsapp = compile(&launch("whatsapp", template(), json!({"code": "x", "city": "y"}))).unwrap();
    for address in ["", "16505551234", "+1", "+1650555\"1234"] {
        assert_eq!(
            whatsapp.render(&send(address, json!({})), tag()).unwrap_err(),
            RenderError::InvalidAddress
        );
    }
    let messenger = compile(&launch("messenger", json!({"text": {"body": "x"}}), json!({}))).unwrap();
    assert_eq!(messenger.render(&send("12ab", json!({})), tag()).unwrap_err(), RenderError::InvalidAddress);
}

#[test]
fn texts_longer_than_the_provider_takes_fail() {
    let text = json!({"text": {"body": "{{long}}"}});
    let long = |text: &str, count| send("24444529763028279", json!({"long": text.repeat(count)}));
    let messenger = compile(&launch("messenger", text.clone(), json!({}))).unwrap();
    messenger.render(&long("é", 2_000), tag()).unwrap();
    assert_eq!(
        messenger.render(&long("é", 2_001), tag()).unwrap_err(),
        RenderError::TooLong { length: 2_001, length_max: 2_000, unit: "characters" }
    );
    let instagram = compile(&launch("instagram", text, json!({}))).unwrap();
    instagram.render(&long("é", 500), tag()).unwrap();
    assert_eq!(
        instagram.render(&long("é", 501), tag()).unwrap_err(),
        RenderError::TooLong { length: 1_002, length_max: 1_000, unit: "bytes" }
    );
}

#[test]
fn what_would_fail_for_everybody_is_refused_before_anybody_is_called() {
    let refused = |channel: &str, message: Value| {
        compile(&launch(channel, message, json!({}))).unwrap_err().to_string()
    };
    let cases = [
        ("whatsapp", json!({"text": {"body": "x"}}), "no message.template"),
        ("whatsapp", json!({"template": {"name": "Big Sale", "language": "en"}}), "lowercase"),
        ("whatsapp", json!({"template": {"name": "a", "language": "en", "components": {"a": 1}}}), "array"),
        (
            "whatsapp",
            json!({"template": {"name": "a", "language": "en", "components": "[{"}}),
            "not a JSON document",
        ),
        ("messenger", json!({"text": {"body": "x", "messaging_type": "PROMO"}}), "messaging_type"),
        ("messenger", json!({"text": {"body": "x", "messaging_type": "MESSAGE_TAG"}}), "needs a tag"),
        (
            "messenger",
            json!({"text": {"body": "x", "messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}}),
            "retired",
        ),
        ("messenger", json!({"text": {"body": "x", "tag": "HUMAN_AGENT"}}), "takes no tag"),
        ("instagram", json!({"text": {"body": " "}}), "empty"),
        ("messenger", json!({"text": {"body": "{{a"}}), "never closed"),
        ("http", json!({"http": {"method": "GET", "body": {}}}), "expected POST"),
        ("http", json!({"http": {"headers": {"Host": "x"}, "body": {}}}), "can't be set by a launch"),
        ("http", json!({"http": {"headers": {"a b": "x"}, "body": {}}}), "not a header name"),
        ("http", json!({"http": {"body": {}, "message_id": "id"}}), "JSON pointer"),
        ("sms", json!({"text": {"body": "x"}}), "has no provider"),
    ];
    for (channel, message, expected) in cases {
        let text = refused(channel, message);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_page_that_can_not_be_called_says_why() {
    let whatsapp = launch("whatsapp", template(), json!({"code": "x", "city": "y"}));
    let http = launch("http", json!({"http": {"body": {}}}), json!({}));
    let problem = |launch: &CampaignLaunch, page: &str, config: &PageConfig| {
        PagePlan::compile(launch, &PageId::from(page), config).unwrap_err().to_string()
    };
    assert!(problem(&whatsapp, "1065", &PageConfig::default()).contains("no token"));
    assert!(problem(&whatsapp, "../x", &config("http://localhost")).contains("letters"));
    assert!(problem(&whatsapp, "1065", &config("ftp://localhost")).contains("http://"));
    assert!(problem(&whatsapp, "1065", &config("http://user:pass@localhost")).contains("credentials"));
    assert!(problem(&http, "1065", &PageConfig::default()).contains("no url"));
    // A second length, or a key that is the same for everybody.
    for name in ["Content-Length", "transfer-encoding", "Idempotency-Key", "connection"] {
        let headers = [(name.to_owned(), Secret::from("1"))].into();
        let with = PageConfig { headers, ..config("http://localhost") };
        for launch in [&whatsapp, &http] {
            let said = problem(launch, "1065", &with);
            assert!(said.to_lowercase().contains(&format!("header {}", name.to_lowercase())), "{said}");
        }
    }
}

#[test]
fn pages_are_found_by_name_or_by_star() {
    let pages: PagesConfig = serde_json::from_value(json!({
        "http": {"a": {"url": "http://a/", "rate": "80/s"}, "*": {"url": "http://all/"}}
    }))
    .unwrap();
    let messages = ProviderMessages::new(pages);
    let launch = launch("http", json!({"http": {"body": {"to": "{{address}}"}}}), json!({}));
    for (page, url) in [("a", "http://a/"), ("b", "http://all/")] {
        let plan = messages.plan(&launch, &PageId::from(page)).unwrap();
        assert_eq!(plan.render(&send("x", json!({})), tag()).unwrap().endpoint.url, url);
    }
    assert_eq!(messages.page_rate(Channel::Http, &PageId::from("a")), Some("80/s".parse().unwrap()));
    assert_eq!(messages.page_rate(Channel::Http, &PageId::from("b")), None);
    let whatsapp = self::launch("whatsapp", template(), json!({}));
    let problem = messages.plan(&whatsapp, &PageId::from("a")).err().unwrap();
    assert!(problem.message.contains("not configured"), "{problem}");
}
