//! Validation of WhatsApp, Messenger and Instagram calls.

use serde_json::{Value, json};
use sluice_simulator::{SimulatorConfig, TemplateShape};

use crate::support::{INSTAGRAM, NUMBER, PAGE, graph, request, start, template, text};

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is missing")) = value;
    body
}

fn without(mut body: Value, name: &str) -> Value {
    body.as_object_mut().unwrap().remove(name);
    body
}

#[tokio::test]
async fn a_template_is_accepted_with_the_number_as_given_and_its_digits() {
    let simulator = start(SimulatorConfig::default()).await;
    let answer = graph(&simulator, NUMBER, &template("+16505551234")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["messaging_product"], "whatsapp");
    assert_eq!(answer.body["contacts"][0], json!({ "input": "+16505551234", "wa_id": "16505551234" }));
    assert!(answer.body["messages"][0]["id"].as_str().unwrap().starts_with("wamid."));
    assert_eq!(answer.body["messages"][0]["message_status"], "accepted");
}

#[tokio::test]
async fn bad_template_bodies_get_the_codes_meta_gives() {
    let simulator = start(SimulatorConfig::default()).await;
    let good = || template("16505551234");
    let text_parameter = "/template/components/0/parameters/0";
    let cases = [
        ("product", with(good(), "/messaging_product", json!("telegram")), 100),
        ("no recipient", without(good(), "to"), 100),
        ("not a number", with(good(), "/to", json!("Asha")), 131_009),
        ("wrong type of to", with(good(), "/to", json!(16_505_551_234u64)), 100),
        ("no type", without(good(), "type"), 131_008),
        ("free form", with(good(), "/type", json!("text")), 131_047),
        ("unknown type", with(good(), "/type", json!("telegram")), 131_051),
        ("no template", without(good(), "template"), 131_008),
        ("template name", with(good(), "/template/name", json!("Spring Sale")), 132_001),
        ("empty name", with(good(), "/template/name", json!("")), 131_008),
        ("language", with(good(), "/template/language/code", json!("english")), 132_001),
        ("component", with(good(), "/template/components/0/type", json!("torso")), 100),
        ("empty text", with(good(), &format!("{text_parameter}/text"), json!("")), 131_008),
        ("parameter type", with(good(), &format!("{text_parameter}/type"), json!("song")), 100),
        ("button index", with(good(), "/template/components/1/index", json!("12")), 131_009),
        ("sub type", with(good(), "/template/components/1/sub_type", json!("lever")), 100),
        ("long tag", with(good(), "/biz_opaque_callback_data", json!("x".repeat(513))), 100),
    ];
    for (name, body, code) in cases {
        let answer = graph(&simulator, NUMBER, &body).await;
        assert_eq!(answer.code(), code, "{name}: {answer:?}");
        assert!(answer.status >= 400, "{name}");
        assert_eq!(answer.body["error"]["type"], "OAuthException");
        assert!(answer.body["error"]["error_data"]["details"].is_string(), "{name}");
    }
    let mut misspelled = good();
    misspelled["templat"] = json!({});
    assert_eq!(graph(&simulator, NUMBER, &misspelled).await.code(), 100);
    assert_eq!(simulator.stats().accepted, 0);
}

#[tokio::test]
async fn approved_templates_are_matched_by_name_language_and_parameters() {
    let shape = |name: &str, body_parameters, named: &[&str]| TemplateShape {
        name: name.to_owned(),
        language: "en_US".to_owned(),
        body_parameters,
        named: named.iter().map(|n| (*n).to_owned()).collect(),
    };
    let templates = vec![shape("spring_sale", 1, &[]), shape("by_name", 0, &["first_name"])];
    let simulator = start(SimulatorConfig { templates, ..SimulatorConfig::default() }).await;
    let good = || template("16505551234");
    let parameters = "/template/components/0/parameters";
    let named = json!([{ "type": "text", "parameter_name": "first_name", "text": "Asha" }]);
    let by_name = with(with(good(), "/template/name", json!("by_name")), parameters, named.clone());
    assert_eq!(graph(&simulator, NUMBER, &good()).await.status, 200);
    assert_eq!(graph(&simulator, NUMBER, &by_name).await.status, 200);
    let other_language = with(good(), "/template/language/code", json!("en"));
    assert_eq!(graph(&simulator, NUMBER, &other_language).await.code(), 132_001);
    assert_eq!(graph(&simulator, NUMBER, &with(good(), parameters, json!([]))).await.code(), 132_000);
    assert_eq!(graph(&simulator, NUMBER, &with(good(), parameters, named)).await.code(), 132_012);
    assert_eq!(
        graph(&simulator, NUMBER, &with(good(), "/template/name", json!("by_name"))).await.code(),
        132_012
    );
}

#[tokio::test]
async fn tokens_are_needed_and_checked() {
    let config = SimulatorConfig { access_token: Some("right".to_owned()), ..SimulatorConfig::default() };
    let simulator = start(config).await;
    let body = text("42").to_string();
    let call = async |path: &str, headers: &[(&str, &str)]| {
        request(simulator.address(), "POST", path, headers, body.as_bytes()).await.unwrap().unwrap()
    };
    let none = call(PAGE, &[]).await;
    assert_eq!((none.status, none.code()), (403, 200));
    let wrong = call(PAGE, &[("authorization", "Bearer wrong")]).await;
    assert_eq!((wrong.status, wrong.code()), (401, 190));
    assert_eq!(call(PAGE, &[("authorization", "Bearer right")]).await.status, 200);
    assert_eq!(call(&format!("{PAGE}?access_token=right"), &[]).await.status, 200);
}

#[tokio::test]
async fn messenger_texts_follow_the_rules_of_the_send_api() {
    let simulator = start(SimulatorConfig::default()).await;
    let answer = graph(&simulator, PAGE, &text("4711")).await;
    assert_eq!(answer.body["recipient_id"], "4711");
    assert!(answer.body["message_id"].as_str().unwrap().starts_with("m_"));
    let tagged = |tag: &str| {
        let mut body = with(text("4712"), "/messaging_type", json!("MESSAGE_TAG"));
        body["tag"] = json!(tag);
        body
    };
    assert_eq!(graph(&simulator, PAGE, &tagged("HUMAN_AGENT")).await.status, 200);
    let long = |length| with(text("4713"), "/message/text", json!("ä".repeat(length)));
    assert_eq!(graph(&simulator, PAGE, &long(2_000)).await.status, 200);
    let refused = [
        without(text("1"), "recipient"),
        with(text("1"), "/recipient", json!({})),
        without(text("1"), "messaging_type"),
        without(text("1"), "message"),
        with(text("1"), "/messaging_type", json!("SHOUT")),
        with(text("1"), "/messaging_type", json!("MESSAGE_TAG")),
        with(text("1"), "/messaging_type", json!("UTILITY")),
        with(text("1"), "/message/text", json!("")),
        tagged("CONFIRMED_EVENT_UPDATE"),
        tagged("ACCOUNT_UPDATE"),
        tagged("POST_PURCHASE_UPDATE"),
        long(2_001),
    ];
    for body in refused {
        let answer = graph(&simulator, PAGE, &body).await;
        assert_eq!((answer.status, answer.code()), (400, 100), "{body}");
        assert!(answer.body["error"].get("error_data").is_none());
    }
}

#[tokio::test]
async fn an_instagram_page_is_known_by_its_id_and_counts_bytes() {
    let simulator = start(SimulatorConfig::default()).await;
    assert_eq!(graph(&simulator, INSTAGRAM, &text("99")).await.status, 200);
    assert!(simulator.stats().pages.contains_key("instagram/17841400000"));
    let long = with(text("99"), "/message/text", json!("ä".repeat(501)));
    assert_eq!(graph(&simulator, INSTAGRAM, &long).await.code(), 100);
    assert_eq!(graph(&simulator, INSTAGRAM, &without(text("98"), "messaging_type")).await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_and_counted() {
    let simulator = start(SimulatorConfig::default()).await;
    let headers = [("authorization", "Bearer x")];
    let answer =
        request(simulator.address(), "POST", PAGE, &headers, b"{\"recipient\":").await.unwrap().unwrap();
    assert_eq!((answer.status, answer.code()), (400, 100));
    assert_eq!(simulator.stats().pages["messenger/281372"].rejected, 1);
}
