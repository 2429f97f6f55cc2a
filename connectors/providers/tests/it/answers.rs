//! Answers that are no error rows: successes, proxies' pages, generic endpoints.

use serde_json::json;
use sluice_core::throttle::HoldReason;
use sluice_providers::http::response::HttpAnswers;
use sluice_providers::messenger::response::MessengerAnswers;
use sluice_providers::whatsapp::response::WhatsappAnswers;
use sluice_runtime::ports::caller::{Answer, AnswerRules, CallResult, Concerns};
use std::time::Duration;

fn classify(rules: &dyn AnswerRules, status: u16, headers: &[(&str, &str)], body: &str) -> CallResult {
    rules.classify(&Answer { status, headers, body: body.as_bytes() })
}

fn accepted(id: &str) -> CallResult {
    CallResult::Accepted { message_id: Some(id.to_owned()) }
}

const NO_ID: CallResult = CallResult::Accepted { message_id: None };

fn whatsapp(status: Option<&str>) -> String {
    let mut message = json!({"id": "wamid.A=="});
    if let Some(status) = status {
        message["message_status"] = json!(status);
    }
    json!({"messaging_product": "whatsapp", "contacts": [{"input": "+1", "wa_id": "1"}], "messages": [message]})
        .to_string()
}

#[test]
fn whatsapp_accepts_also_what_it_holds_for_assessment() {
    for status in [None, Some("accepted"), Some("held_for_quality_assessment"), Some("something_new")] {
        assert_eq!(classify(&WhatsappAnswers, 200, &[], &whatsapp(status)), accepted("wamid.A=="));
    }
}

#[test]
fn b6_a_message_that_a_paused_template_swallowed_is_not_repeated_and_the_others_wait() {
    let CallResult::Failed(failure) = classify(&WhatsappAnswers, 200, &[], &whatsapp(Some("paused"))) else {
        panic!()
    };
    // It has an id: nobody can exclude that it leaves later (G1).
    assert_eq!((failure.transient, failure.code.as_str()), (false, "132015"));
    assert_eq!(failure.concerns, Concerns::Template);
}

#[test]
fn g1_a_200_that_can_not_be_read_was_accepted_all_the_same() {
    for body in ["", "<html>", "{\"messages\":[{\"id\":\"wamid", "[]", "{}"] {
        assert_eq!(classify(&WhatsappAnswers, 200, &[], body), NO_ID, "{body}");
        assert_eq!(classify(&MessengerAnswers, 200, &[], body), NO_ID, "{body}");
    }
    assert_eq!(
        classify(&MessengerAnswers, 200, &[], r#"{"recipient_id":"1","message_id":"m_1"}"#),
        accepted("m_1")
    );
}

#[test]
fn a_200_with_an_error_inside_is_that_error() {
    let body = r#"{"error":{"message":"no","code":131026}}"#;
    assert!(
        matches!(classify(&WhatsappAnswers, 200, &[], body), CallResult::Failed(failure) if !failure.transient)
    );
}

#[test]
fn c4_throttles_wait_as_long_as_the_headers_ask_for() {
    let body = r#"{"error":{"message":"slow","code":80006}}"#;
    let usage = r#"{"1":[{"type":"messenger","estimated_time_to_regain_access":2}]}"#;
    let headers = [("retry-after", "30"), ("x-business-use-case-usage", usage)];
    let CallResult::Refused { retry_after, .. } = classify(&MessengerAnswers, 400, &headers, body) else {
        panic!()
    };
    assert_eq!(retry_after, Some(Duration::from_secs(120)));
}

#[test]
fn answers_of_proxies_go_by_their_status() {
    let answer = |status| classify(&WhatsappAnswers, status, &[("retry-after", "3")], "<html>busy</html>");
    assert!(matches!(answer(401), CallResult::Refused { reason: HoldReason::Account(_), .. }));
    let three = Some(Duration::from_secs(3));
    assert!(
        matches!(answer(429), CallResult::Refused { reason: HoldReason::Throttled(_), retry_after } if retry_after == three)
    );
    for status in [408, 500, 502, 503] {
        let CallResult::Failed(failure) = answer(status) else { panic!("{status}") };
        assert!(failure.transient, "{status}");
        assert_eq!(failure.retry_after, three);
    }
    assert!(
        matches!(answer(404), CallResult::Failed(failure) if !failure.transient && failure.code == "http_404")
    );
}

#[test]
fn g1_a_gateway_that_timed_out_can_not_tell_whether_the_message_left() {
    assert!(matches!(classify(&WhatsappAnswers, 504, &[], ""), CallResult::Unknown { .. }));
}

#[test]
fn tokens_in_error_messages_are_not_repeated() {
    let token = "EAAB".repeat(30);
    let body =
        json!({"error": {"message": format!("Malformed access token {token}"), "code": 190}}).to_string();
    let shown = format!("{:?}", classify(&WhatsappAnswers, 401, &[], &body));
    assert!(shown.contains("Malformed access token ***") && !shown.contains(&token), "{shown}");
}

#[test]
fn a_generic_endpoint_accepts_with_any_2xx_and_its_id_where_the_launch_says() {
    let plain = HttpAnswers::default();
    for status in [200, 201, 202, 204] {
        assert_eq!(classify(&plain, status, &[], r#"{"id":"7"}"#), NO_ID);
    }
    let with_id = HttpAnswers::new(Some("/messages/0/id"));
    assert_eq!(classify(&with_id, 201, &[], r#"{"messages":[{"id":"m-1"}]}"#), accepted("m-1"));
    assert_eq!(classify(&with_id, 201, &[], r#"{"messages":[{"id":42}]}"#), accepted("42"));
    for body in ["", "{}", r#"{"messages":[{"id":null}]}"#, "not json"] {
        assert_eq!(classify(&with_id, 200, &[], body), NO_ID, "{body}");
    }
}

#[test]
fn a_generic_endpoint_refuses_by_status() {
    let answer = |status| classify(&HttpAnswers::default(), status, &[("retry-after", "9")], "text");
    let nine = Some(Duration::from_secs(9));
    for status in [408, 425, 500, 503, 504, 599] {
        let CallResult::Failed(failure) = answer(status) else { panic!("{status}") };
        assert_eq!((failure.transient, failure.retry_after), (true, nine), "{status}");
    }
    for status in [301, 400, 404, 405, 410, 413, 422] {
        let CallResult::Failed(failure) = answer(status) else { panic!("{status}") };
        assert_eq!((failure.transient, failure.retry_after), (false, None), "{status}");
        assert_eq!(failure.code, format!("http_{status}"));
        assert!(failure.message.contains("text"));
    }
    assert!(matches!(
        answer(429), CallResult::Refused { reason: HoldReason::Throttled(_), retry_after } if retry_after == nine
    ));
    for status in [401, 403] {
        assert!(matches!(answer(status), CallResult::Refused { reason: HoldReason::Account(_), .. }));
    }
}
