//! Addresses and names of people leave this machine only for those who know the control token. Where none is configured,
//! they are told on this machine alone: a gateway that takes webhooks from outside is no list of customers.

use crate::ApiError;
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};

/// Headers by which a proxy says for whom it asks.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Lets through what may hear of people. `is_token_asked`: then the token was right.
pub(crate) async fn only(is_token_asked: bool, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    match is_token_asked || is_here(peer, request.headers()) {
        true => next.run(request).await,
        false => ApiError::new(
            403,
            "token_needed",
            "recipients are told to other machines only with a token",
        )
        .actionable(
            "set SLUICE_GATEWAY_TOKEN, or gateway.control_token in sluice.toml, at the service and here",
        )
        .into_response(),
    }
}

/// Whether somebody on this machine asks, and no proxy for somebody else that says so, nor a page in a browser whose name
/// was made to lead here (DNS rebinding): both ask for another host.
fn is_here(peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
    let is_passed_on = FORWARDED.iter().any(|name| headers.contains_key(*name));
    let asks_here = headers.get(HOST).and_then(|host| host.to_str().ok()).is_some_and(is_this_machine);
    peer.is_some_and(|peer| peer.to_canonical().is_loopback()) && !is_passed_on && asks_here
}

/// `localhost`, or an address of this machine alone, with or without a port.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_this_machine_itself_is_here() {
        let asking = |host| HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
        let (plain, mut passed_on) = (asking("127.0.0.1:8080"), asking("127.0.0.1:8080"));
        passed_on.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
        for (peer, here) in
            [("127.0.0.1", true), ("::1", true), ("::ffff:127.0.0.1", true), ("10.0.0.7", false)]
        {
            let peer = Some(peer.parse().unwrap());
            assert_eq!((is_here(peer, &plain), is_here(peer, &passed_on)), (here, false), "{peer:?}");
        }
        assert!(!is_here(None, &plain));
        let loopback = Some(IpAddr::from([127, 0, 0, 1]));
        for (host, here) in [
            ("localhost", true),
            ("LOCALHOST:9", true),
            ("[::1]:8080", true),
            ("127.0.0.2", true),
            ("sluice.example.com:8080", false),
            ("localhost.example.com", false),
            ("10.0.0.7", false),
            ("", false),
        ] {
            assert_eq!(is_here(loopback, &asking(host)), here, "{host}");
        }
        assert!(!is_here(loopback, &HeaderMap::new()));
    }
}
