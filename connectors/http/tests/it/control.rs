//! The control API: routes, token, errors.

use crate::fake_log::{FakeLog, gateway};
use crate::webhooks::{answer, json};
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use serde_json::{Value, json};
use sluice_http::{
    Action, ApiError, CampaignsQuery, Control, ErrorsQuery, EventsQuery, Gateway, LettersQuery,
    RecipientsQuery, Token, serve,
};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct OneCampaign;

#[async_trait]
impl Control for OneCampaign {
    async fn launch(&self, launch_json: &[u8]) -> Result<Value, ApiError> {
        let launch: Value = serde_json::from_slice(launch_json).map_err(|error| {
            ApiError::new(400, "invalid_launch", "not JSON").details(vec![error.to_string()])
        })?;
        Ok(json!({"campaign": launch["campaign"]}))
    }

    async fn preview(&self, asked_json: &[u8]) -> Result<Value, ApiError> {
        Ok(json!({"asked": String::from_utf8_lossy(asked_json)}))
    }

    async fn list(&self, query: &CampaignsQuery) -> Result<Value, ApiError> {
        Ok(json!([{"campaign": "spring-sale", "unfinished": query.unfinished}]))
    }

    async fn get(&self, tenant: &str, name: &str) -> Result<Value, ApiError> {
        Ok(json!({"tenant": tenant, "campaign": name}))
    }

    async fn explain(&self, tenant: &str, name: &str) -> Result<Value, ApiError> {
        Ok(json!({"tenant": tenant, "explained": name}))
    }

    async fn recipients(&self, tenant: &str, name: &str, query: &RecipientsQuery) -> Result<Value, ApiError> {
        Ok(json!([tenant, name, query.status, query.after, query.limit]))
    }

    async fn errors(&self, tenant: &str, name: &str, query: &ErrorsQuery) -> Result<Value, ApiError> {
        Ok(json!([tenant, name, query.samples, query.after]))
    }

    async fn events(&self, query: &EventsQuery) -> Result<Value, ApiError> {
        Ok(json!([query.campaign, query.after]))
    }

    async fn dead_letters(&self, query: &LettersQuery) -> Result<Value, ApiError> {
        Ok(json!([query.topic, query.limit]))
    }

    async fn dead_letter(&self, letter: &str) -> Result<Value, ApiError> {
        Ok(json!({"letter": letter}))
    }

    async fn replay(&self, letters_json: &[u8]) -> Result<Value, ApiError> {
        Ok(json!({"replayed": String::from_utf8_lossy(letters_json)}))
    }

    async fn suppress(&self, asked_json: &[u8]) -> Result<Value, ApiError> {
        Ok(json!({"suppressed": String::from_utf8_lossy(asked_json)}))
    }

    async fn suppressed(&self, asked_json: &[u8]) -> Result<Value, ApiError> {
        Ok(json!({"addresses": String::from_utf8_lossy(asked_json)}))
    }

    async fn page(&self, page: &str) -> Result<Value, ApiError> {
        Ok(json!({"page": page}))
    }

    async fn lift(&self, page: &str) -> Result<Value, ApiError> {
        Ok(json!({"page": page, "here": true}))
    }

    async fn queue(&self) -> Result<Value, ApiError> {
        Ok(json!({"campaigns": []}))
    }

    async fn act(&self, tenant: &str, name: &str, action: Action, details: &[u8]) -> Result<Value, ApiError> {
        let details = String::from_utf8_lossy(details);
        Ok(json!([tenant, name, action.as_str(), details]))
    }
}

fn controlled(token: &str) -> Gateway {
    let mut gateway = gateway(&Arc::new(FakeLog::default()));
    Arc::make_mut(&mut gateway.options).control_token = Token::new(token);
    gateway.control = Some(Arc::new(OneCampaign));
    gateway
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn campaigns_are_launched_listed_and_shown() {
    let gateway = controlled("");
    let launch = Request::post("/v1/campaigns").body(Body::from(r#"{"campaign":"a"}"#)).unwrap();
    assert_eq!(json(answer(&gateway, launch).await).await, json!({"campaign": "a"}));
    for (query, unfinished) in [("", false), ("?unfinished=true", true)] {
        let listed = json(answer(&gateway, get(&format!("/v1/campaigns{query}"))).await).await;
        assert_eq!(listed, json!([{"campaign": "spring-sale", "unfinished": unfinished}]));
    }
    assert_eq!(answer(&gateway, get("/v1/campaigns?unfinished=perhaps")).await.status(), 400);
    let shown = json(answer(&gateway, get("/v1/campaigns/spring-sale?tenant=shop")).await).await;
    assert_eq!(shown, json!({"tenant": "shop", "campaign": "spring-sale"}));
    assert_eq!(json(answer(&gateway, get("/v1/campaigns/x")).await).await["tenant"], "default");
    for (path, shown) in [
        ("/v1/campaigns/x/explain?tenant=shop", json!({"tenant": "shop", "explained": "x"})),
        ("/v1/pages/106", json!({"page": "106"})),
        ("/v1/queue", json!({"campaigns": []})),
    ] {
        assert_eq!(json(answer(&gateway, get(path)).await).await, shown);
    }
    let lift = Request::post("/v1/pages/106/lift").body(Body::empty()).unwrap();
    assert_eq!(json(answer(&gateway, lift).await).await, json!({"page": "106", "here": true}));
    let preview = Request::post("/v1/preview").body(Body::from("{}")).unwrap();
    assert_eq!(json(answer(&gateway, preview).await).await, json!({"asked": "{}"}));
}

#[tokio::test]
async fn a_refused_launch_says_why() {
    let gateway = controlled("");
    let launch = |body: String| Request::post("/v1/campaigns").body(Body::from(body)).unwrap();
    let response = answer(&gateway, launch("{".to_owned())).await;
    assert_eq!(response.status(), 400);
    let error = json(response).await;
    assert_eq!((&error["code"], &error["message"]), (&json!("invalid_launch"), &json!("not JSON")));
    assert_eq!(answer(&gateway, launch("x".repeat(1_001))).await.status(), 413);
}

#[tokio::test]
async fn f3_every_action_has_a_path_and_another_word_says_which_are_known() {
    let gateway = controlled("");
    let post = |path: &str, body: &'static str| Request::post(path).body(Body::from(body)).unwrap();
    for action in Action::ALL.map(Action::as_str) {
        let path = format!("/v1/campaigns/spring-sale/{action}?tenant=shop");
        let acted = json(answer(&gateway, post(&path, r#"{"a":1}"#)).await).await;
        assert_eq!(acted, json!(["shop", "spring-sale", action, r#"{"a":1}"#]));
    }
    let unknown = answer(&gateway, post("/v1/campaigns/spring-sale/halt", "")).await;
    assert_eq!(unknown.status(), 404);
    let error = json(unknown).await;
    assert_eq!(error["code"], "no_such_action");
    assert!(error["actionable"].as_str().unwrap().contains("retry-failed"), "{error}");
    assert_eq!(answer(&gateway, get("/v1/campaigns/spring-sale/pause")).await.status(), 405);
    assert_eq!(answer(&controlled("t0ken"), post("/v1/campaigns/a/pause", "")).await.status(), 401);
}

#[tokio::test]
async fn a_configured_token_is_asked_for() {
    let gateway = controlled("t0ken");
    let with = |value: &str| {
        Request::get("/v1/campaigns").header("authorization", value).body(Body::empty()).unwrap()
    };
    assert_eq!(answer(&gateway, get("/v1/campaigns")).await.status(), 401);
    assert_eq!(answer(&gateway, with("Bearer t0ke")).await.status(), 401);
    assert_eq!(answer(&gateway, with("Bearer t0ken")).await.status(), 200);
    assert_eq!(answer(&gateway, get("/healthz")).await.status(), 200);
}

/// Of a program that asks for this machine.
fn from(peer: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let plain = Request::get(path).header("host", "localhost:8080");
    let request = headers.iter().fold(plain, |request, (name, value)| request.header(*name, *value));
    let peer: SocketAddr = peer.parse().unwrap();
    request.extension(ConnectInfo(peer)).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn d2_recipients_errors_and_events_are_asked_for_in_parts() {
    let gateway = controlled("");
    for (path, shown) in [
        ("/v1/campaigns/x/recipients", json!(["default", "x", null, null, 1_000])),
        (
            "/v1/campaigns/x/recipients?tenant=shop&status=failed&after=3.7&limit=5",
            json!(["shop", "x", "failed", "3.7", 5]),
        ),
        ("/v1/campaigns/x/errors", json!(["default", "x", 3, null])),
        ("/v1/campaigns/x/errors?tenant=shop&samples=9&after=0.1", json!(["shop", "x", 9, "0.1"])),
        ("/v1/events?campaign=x&after=1,2", json!(["x", "1,2"])),
        ("/v1/dead-letters", json!([null, 50])),
        ("/v1/dead-letters?topic=receipts&limit=7", json!(["receipts", 7])),
        ("/v1/dead-letters/0/17", json!({"letter": "0/17"})),
    ] {
        assert_eq!(json(answer(&gateway, from("127.0.0.1:4711", path, &[])).await).await, shown);
    }
    let wrong = answer(&gateway, from("[::1]:4711", "/v1/campaigns/x/recipients?limit=many", &[])).await;
    assert_eq!(wrong.status(), 400);
    assert_eq!(json(wrong).await["code"], "query_invalid");
}

#[tokio::test]
async fn people_are_named_to_other_machines_only_with_the_token() {
    let (open, closed) = (controlled(""), controlled("t0ken"));
    for path in ["/v1/campaigns/x/recipients", "/v1/campaigns/x/errors", "/v1/dead-letters/0/17"] {
        let elsewhere = answer(&open, from("203.0.113.7:4711", path, &[])).await;
        assert_eq!(elsewhere.status(), 403);
        assert_eq!(json(elsewhere).await["code"], "token_needed");
        let proxied = from("127.0.0.1:4711", path, &[("x-forwarded-for", "203.0.113.7")]);
        assert_eq!(answer(&open, proxied).await.status(), 403);
        let rebound = Request::get(path).header("host", "evil.example.com");
        let peer: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        let rebound = rebound.extension(ConnectInfo(peer)).body(Body::empty()).unwrap();
        assert_eq!(answer(&open, rebound).await.status(), 403);
        let known = from("203.0.113.7:4711", path, &[("authorization", "Bearer t0ken")]);
        assert_eq!(answer(&closed, known).await.status(), 200);
        assert_eq!(answer(&closed, from("127.0.0.1:4711", path, &[])).await.status(), 401);
    }
    assert_eq!(answer(&open, from("203.0.113.7:4711", "/v1/campaigns", &[])).await.status(), 200);
}

#[tokio::test]
async fn serving_ends_when_it_is_asked_to() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = sluice_runtime::shutdown::channel();
    let server = tokio::spawn(serve(listener, controlled(""), shutdown));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
    trigger.stop();
    server.await.unwrap().unwrap();
}
