//! The simulator's own endpoints: `/healthz`, `/_sim/stats`, `/_sim/faults`.

use std::sync::Arc;

use hyper::Method;
use serde_json::Value;

use crate::answer::{self, Answer};
use crate::faults::Faults;
use crate::state::State;

/// Answers if the path is one of the simulator's own.
pub(crate) async fn answer(state: &Arc<State>, method: &Method, path: &str, body: &[u8]) -> Option<Answer> {
    match (method, path) {
        (&Method::GET, "/healthz") => Some(answer::json(200, &b"{\"ok\":true}"[..])),
        (&Method::GET, "/_sim/stats") => Some(answer::of(200, &state.stats())),
        (&Method::GET, "/_sim/faults") => Some(answer::of(200, &*state.faults())),
        (&Method::POST, "/_sim/faults") => Some(change(state, body).await),
        (_, "/healthz") => Some(answer::plain_error(405, "use GET")),
        (_, path) if path.starts_with("/_sim/") => Some(answer::plain_error(404, "no such endpoint")),
        _ => None,
    }
}

/// Members that are given replace the current ones; the others stay.
async fn change(state: &Arc<State>, body: &[u8]) -> Answer {
    match merged(&state.faults(), body) {
        Err(error) => answer::plain_error(400, &error.to_string()),
        Ok(faults) => match state.set_faults(faults).await {
            Ok(()) => answer::of(200, &*state.faults()),
            Err(error) => answer::plain_error(400, &error.to_string()),
        },
    }
}

fn merged(current: &Faults, body: &[u8]) -> Result<Faults, serde_json::Error> {
    let mut all = serde_json::to_value(current)?;
    let change: serde_json::Map<String, Value> = serde_json::from_slice(body)?;
    if let Value::Object(members) = &mut all {
        members.extend(change);
    }
    serde_json::from_value(all)
}
