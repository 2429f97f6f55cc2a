//! What a person does to a campaign: read from a request, carried out, answered.

use crate::campaign::{self, commanded::Commanded};
use crate::error::{Failure, Outcome};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sluice_completion::{
    CommandError, CompletionPorts, NewLimits, NewRun, NewTimes, cancel, pause, reschedule, resume,
    retry_failed, set_limits, unschedule,
};
use sluice_core::launch::{Details, SHAPE_BYTES_MAX};
use sluice_http::Action;

/// What may be said with a pause, a resumption, a cancel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReasonDetails {
    /// Why; downstream systems are told.
    pub reason: Option<String>,
}

/// A command with its details.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// Send nothing more for now.
    Pause(ReasonDetails),
    /// Go on.
    Resume(ReasonDetails),
    /// End it.
    Cancel(ReasonDetails),
    /// Another run for those who failed.
    RetryFailed(NewRun),
    /// Other limits.
    Limits(NewLimits),
    /// Other times.
    Reschedule(Box<NewTimes>),
    /// End it, but only if it has not started.
    Unschedule,
}

impl Given {
    /// Reads the details of an action; no bytes at all leave everything to the defaults.
    pub fn read(action: Action, details_json: &[u8]) -> Outcome<Self> {
        Ok(match action {
            Action::Pause => Self::Pause(details(Details::Reason, details_json)?),
            Action::Resume => Self::Resume(details(Details::Reason, details_json)?),
            Action::Unschedule => {
                details(Details::Nothing, details_json).map(|Nothing {}| Self::Unschedule)?
            }
            Action::Cancel => Self::Cancel(details(Details::Reason, details_json)?),
            Action::RetryFailed => Self::RetryFailed(details(Details::RetryFailed, details_json)?),
            Action::Limits => Self::Limits(details(Details::Limits, details_json)?),
            Action::Reschedule => Self::Reschedule(Box::new(details(Details::Times, details_json)?)),
        })
    }

    fn action(&self) -> Action {
        match self {
            Self::Pause(_) => Action::Pause,
            Self::Resume(_) => Action::Resume,
            Self::Cancel(_) => Action::Cancel,
            Self::RetryFailed(_) => Action::RetryFailed,
            Self::Limits(_) => Action::Limits,
            Self::Reschedule(_) => Action::Reschedule,
            Self::Unschedule => Action::Unschedule,
        }
    }

    /// Does it. When this returns, it holds; doing it again is fine.
    pub async fn carry_out(&self, ports: &CompletionPorts, tenant: &str, name: &str) -> Outcome<Commanded> {
        let id = campaign::find(ports.store.as_ref(), tenant, name).await?.id;
        let answer = match self {
            Self::Pause(details) => pause(ports, id, details.reason.clone()).await,
            Self::Resume(details) => resume(ports, id, details.reason.clone()).await,
            Self::Cancel(details) => cancel(ports, id, details.reason.clone()).await,
            Self::RetryFailed(new) => retry_failed(ports, id, new).await,
            Self::Limits(new) => set_limits(ports, id, new).await,
            Self::Reschedule(new) => reschedule(ports, id, new).await,
            Self::Unschedule => unschedule(ports, id).await,
        };
        let answer = answer.map_err(refused)?;
        Ok(Commanded::of(self.action().as_str(), &answer))
    }
}

/// No details at all.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn details<T: DeserializeOwned + Default>(of: Details, json: &[u8]) -> Outcome<T> {
    if json.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(json).map_err(|error| {
        let to_do = "docs/cli.md describes the commands and what they take";
        let failure = Failure::usage("details_invalid", "the details of the command can't be read", to_do);
        if json.len() > SHAPE_BYTES_MAX {
            return failure.with(error.to_string());
        }
        match serde_json::from_slice(json).map(|document| of.mistakes(document)) {
            Ok(mistakes) if !mistakes.is_empty() => {
                mistakes.iter().fold(failure, |failure, mistake| failure.with(mistake.to_string()))
            }
            _ => failure.with(error.to_string()),
        }
    })
}

fn refused(error: CommandError) -> Failure {
    let message = error.to_string();
    match error {
        CommandError::NoCampaign(_) => Failure::refused("no_such_campaign", message, "launch it first"),
        CommandError::WrongState { state, run, .. } => {
            let to_do = "`sluice campaign status` shows where it is";
            Failure::refused("wrong_state", message, to_do)
                .with(format!("It is {}, in run {run}. Nothing was changed.", state.as_str()))
        }
        CommandError::NothingFailed { unknown: 0, .. } => {
            Failure::refused("nothing_failed", message, "nothing: everybody else is in a final state")
        }
        CommandError::NothingFailed { unknown, .. } => {
            let to_do =
                "try them again with --include-unknown (include_unknown), if twice is better than never";
            Failure::refused("nothing_failed", message, to_do)
                .with(format!("{unknown} are unknown: nobody can tell whether they got the message."))
        }
        CommandError::NoTime { .. } => {
            let to_do =
                "give the run another end with --end-at (end_at), or launch the failed as a new campaign";
            Failure::refused("no_time_left", message, to_do).with("Nothing was changed.")
        }
        CommandError::Terms { problems, .. } => {
            let to_do = "correct it; docs/launch.md describes every field";
            let failure = Failure::refused("terms_refused", message, to_do);
            problems.iter().fold(failure, |failure, problem| failure.with(problem.to_string()))
        }
        CommandError::Log(error) => error.into(),
        CommandError::Store(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
    use crate::node::control::api_error;

    #[test]
    fn f3_details_may_be_left_out_and_unknown_words_are_errors() {
        for action in Action::ALL {
            let given = Given::read(action, b"").unwrap();
            assert_eq!(given.action(), action);
            assert_eq!(Given::read(action, b"{}").unwrap(), given);
            let refused = Given::read(action, br#"{"inclde_unknown": true}"#).unwrap_err();
            assert_eq!((refused.exit, refused.code.as_str()), (Exit::Usage, "details_invalid"));
        }
        let retry = Given::read(Action::RetryFailed, br#"{"include_unknown": true}"#).unwrap();
        assert_eq!(retry, Given::RetryFailed(NewRun { include_unknown: true, end_at: None }));
    }

    #[test]
    fn c6_b5_a_run_that_has_no_time_is_a_conflict_and_says_what_to_do() {
        let why = "`2026-12-24T21:00` is over: it is 2026-12-25 09:00 UTC now".to_owned();
        let failure = refused(CommandError::NoTime { name: "spring".to_owned(), why });
        let expected = "spring can't try anybody again before its end: `2026-12-24T21:00` is over: it is \
                        2026-12-25 09:00 UTC now";
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Refused, expected));
        assert!(failure.actionable.contains("--end-at (end_at)"), "{}", failure.actionable);
        assert_eq!(api_error(failure).status, 409);
    }

    #[test]
    fn f3_every_mistake_in_details_is_told_with_its_place() {
        let told = |action, json: &str| Given::read(action, json.as_bytes()).unwrap_err().details;
        let limits = r#"{"rates": "5/s", "priority": "xyz", "daily_send_limit": "5"}"#;
        assert_eq!(
            told(Action::Limits, limits),
            [
                "rates: there is no such field; perhaps `rate` is meant",
                "priority: `xyz` is none of the known words; known are: urgent, normal, bulk",
                "daily_send_limit: `5` is no whole number; write digits, without quotes",
            ]
        );
        let times = r#"{"window": {"open": [{"days": ["mo"], "from": 9}], "clock": "utc"}, "recurring": {}}"#;
        assert_eq!(
            told(Action::Reschedule, times),
            [
                "window.open[0].days[0]: `mo` is none of the known words; perhaps `mon` is meant",
                "window.open[0].from: `9` is no text; write it in double quotes",
                "window.open[0].to: it is missing; add `to`; docs/launch.md describes it",
                "window.clock: `utc` is none of the known words; known are: campaign, recipient",
                "recurring.cron: it is missing; add `cron`; docs/launch.md describes it",
            ]
        );
        let unknown = r#"{"include_unknown": "yes"}"#;
        assert!(
            told(Action::RetryFailed, unknown)[0]
                .starts_with("include_unknown: `yes` is neither true nor false")
        );
        assert_eq!(
            told(Action::Unschedule, r#"{"reason": "x"}"#),
            ["reason: there is no such field; leave it out"]
        );
        assert!(told(Action::Cancel, "{")[0].contains("line 1"), "it is no JSON");
    }

    #[test]
    fn f3_what_details_may_say_is_what_their_types_take() {
        let whole = [
            (Action::Pause, r#"{"reason": "r"}"#),
            (Action::Resume, r#"{"reason": "r"}"#),
            (Action::Cancel, r#"{"reason": "r"}"#),
            (Action::RetryFailed, r#"{"include_unknown": true, "end_at": null}"#),
            (
                Action::Limits,
                r#"{"rate": null, "priority": "bulk", "daily_send_limit": null, "pair_rate": "1/s"}"#,
            ),
            (
                Action::Reschedule,
                r#"{"start_at": "t", "end_at": null, "recurring": {"cron": "c"},
                    "window": {"open": [], "clock": "campaign", "closed_on": ["d"]}}"#,
            ),
            (
                Action::Reschedule,
                r#"{"start_at": "t", "end_at": null, "recurring": {"cron": "c"}, "window": {"closed_on": null}}"#,
            ),
        ];
        for (action, json) in whole {
            assert!(Given::read(action, json.as_bytes()).is_ok(), "{json}");
            let of = match action {
                Action::Pause | Action::Resume | Action::Cancel => Details::Reason,
                Action::RetryFailed => Details::RetryFailed,
                Action::Limits => Details::Limits,
                _ => Details::Times,
            };
            assert_eq!(of.mistakes(serde_json::from_str(json).unwrap()), [], "{json}");
            // Every field that the types know is among them.
            let error = Given::read(action, br#"{"zzz": 1}"#).unwrap_err().details[0].clone();
            let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
            assert!(fields.keys().all(|field| error.contains(field.as_str())), "{error}");
        }
    }
}
