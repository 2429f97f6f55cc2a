//! What an answer of the registry means: a function of status and body.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What people are shown of a foreign text at most, in characters.
const SHOWN_MAX: usize = 300;

/// Why an answer holds no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It can't answer at present.
    Away(String),
    /// 401, 403.
    Unauthorized(u16),
    /// No such subject, version or schema: the registry itself says so.
    NoSuch,
    /// The subject's compatibility rule.
    Incompatible(String),
    /// It understood and refuses.
    Refused(String),
    /// No registry speaks like that.
    NotARegistry(String),
}

/// The registry's own words about an error. The codes are those of
/// <https://docs.confluent.io/platform/current/schema-registry/develop/api.html#errors>: the status, then two digits.
#[derive(Deserialize)]
struct Problem {
    error_code: u32,
    #[serde(default)]
    message: String,
}

/// Reads an answer as `T`.
pub(crate) fn read<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, Refusal> {
    if status == 200 {
        return serde_json::from_slice(body).map_err(|error| {
            Refusal::NotARegistry(format!("HTTP 200 with a body that does not fit: {error}"))
        });
    }
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let said = || match &problem {
        Some(problem) => shown(&problem.message),
        None => format!("HTTP {status}"),
    };
    Err(match status {
        401 | 403 => Refusal::Unauthorized(status),
        408 | 429 | 500.. => Refusal::Away(match said() {
            words if problem.is_some() => format!("HTTP {status}: {words}"),
            words => words,
        }),
        404 if problem.as_ref().is_some_and(|problem| matches!(problem.error_code, 40_401..=40_403)) => {
            Refusal::NoSuch
        }
        409 => Refusal::Incompatible(said()),
        400 | 405 | 422 if problem.is_some() => Refusal::Refused(said()),
        _ => Refusal::NotARegistry(format!("HTTP {status}")),
    })
}

/// As much of a foreign text as a message needs, without control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Id {
        id: u32,
    }

    fn answer(status: u16, body: &str) -> Result<Id, Refusal> {
        read(status, body.as_bytes())
    }

    #[test]
    fn a_registry_that_does_not_know_something_is_told_from_a_server_that_is_no_registry() {
        assert_eq!(answer(200, r#"{"id":7}"#), Ok(Id { id: 7 }));
        assert_eq!(answer(404, r#"{"message":"Schema not found","error_code":40403}"#), Err(Refusal::NoSuch));
        for body in ["", "<html>", r#"{"title":"RESTEASY003210","status":404}"#, r#"{"error_code":404}"#] {
            assert!(matches!(answer(404, body), Err(Refusal::NotARegistry(_))), "{body}");
        }
        assert!(matches!(answer(200, "<html>"), Err(Refusal::NotARegistry(_))));
        assert!(matches!(answer(302, ""), Err(Refusal::NotARegistry(_))));
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(answer(status, "busy"), Err(Refusal::Away(_))));
        }
        assert_eq!(answer(401, ""), Err(Refusal::Unauthorized(401)));
        assert_eq!(answer(403, ""), Err(Refusal::Unauthorized(403)));
        let said = r#"{"message":"line\none","error_code":409}"#;
        assert_eq!(answer(409, said), Err(Refusal::Incompatible("line one".to_owned())));
        let said = r#"{"message":"read-only","error_code":42205}"#;
        assert_eq!(answer(422, said), Err(Refusal::Refused("read-only".to_owned())));
    }
}
