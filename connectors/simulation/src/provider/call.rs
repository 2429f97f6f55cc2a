//! One call, from the process to the provider and back.

use super::SimProvider;
use crate::faults::{ErrorAnswer, ProviderFaults};
use crate::random::Random;
use crate::truth::{TruthCall, Verdict};
use crate::world::ProcessId;
use sluice_core::throttle::HoldReason;
use sluice_runtime::Clock;
use sluice_runtime::ports::caller::{Answer, Call, CallOutcome, CallResult, Caller, Failure};
use std::time::Duration;

pub(super) struct ProcessCaller {
    pub(super) provider: SimProvider,
    pub(super) process: ProcessId,
}

impl Caller for ProcessCaller {
    fn call(&self, calls: Vec<Call>) {
        // A task of the world, not of the process: what is on the wire stays there when the process dies.
        for call in calls {
            tokio::spawn(run(self.provider.clone(), self.process, call));
        }
    }
}

/// What becomes of a call, decided when it leaves.
#[derive(Clone, Copy)]
enum Course {
    Accepted,
    AcceptedAnswerLost,
    NeverArrives,
    Transient,
    Permanent,
    Throttled,
    Account,
    Error(ErrorAnswer),
    TemplatePaused,
    Unreachable,
}

fn course(random: &mut Random, faults: &ProviderFaults) -> Course {
    let choices = [
        (faults.transient_ppm, Course::Transient),
        (faults.permanent_ppm, Course::Permanent),
        (faults.lost_answer_ppm, Course::AcceptedAnswerLost),
        (faults.never_arrived_ppm, Course::NeverArrives),
        (faults.unreachable_ppm, Course::Unreachable),
        (faults.throttled_ppm, Course::Throttled),
        (faults.account_ppm, Course::Account),
    ];
    let error = faults.error.map(|error| (error.ppm, Course::Error(error)));
    let mut point = random.below(u64::from(crate::random::MILLION));
    for (ppm, course) in choices.into_iter().chain(error) {
        if point < u64::from(ppm) {
            return course;
        }
        point -= u64::from(ppm);
    }
    Course::Accepted
}

async fn run(provider: SimProvider, process: ProcessId, call: Call) {
    let world = provider.world.clone();
    let clock = world.clock(process);
    // A connection is made before the call's time; it may take longer.
    world.effect(process, "call starts").await;
    world.sleep_until(call.not_before).await;
    let stalled_until = provider.state().stalled_until;
    world.sleep_until(stalled_until).await;
    world.pass(process).await;
    // Nothing may come between this look at the clock and the call (hazard 5, G4).
    if clock.monotonic() >= call.latest_start() {
        world.note(process, format!("call {:?}/{} comes too late", call.send, call.attempt));
        return finish(&provider, process, call, CallResult::NotCalled { reason: None }).await;
    }
    let faults = provider.state().faults.clone();
    let timeout_ms = call.request.endpoint.timeout_ms.max(2);
    let way_ms_max = faults.latency_ms_max.min(timeout_ms / 2);
    let (course, there_ms, back_ms) = world.draw(|random| {
        (course(random, &faults), random.between(0, way_ms_max), random.between(0, way_ms_max))
    });
    let campaign = call.send.chunk.campaign();
    let course = if provider.state().paused.contains(&campaign) { Course::TemplatePaused } else { course };
    if let Course::Unreachable = course {
        let reason = Some(HoldReason::Unreachable("simulated: connection refused".to_owned()));
        return finish(&provider, process, call, CallResult::NotCalled { reason }).await;
    }
    call.outcomes.tell_begun(true);
    tokio::time::sleep(Duration::from_millis(there_ms)).await;
    if let Course::NeverArrives = course {
        tokio::time::sleep(Duration::from_millis(timeout_ms - there_ms)).await;
        let detail = "simulated: timed out".to_owned();
        return finish(&provider, process, call, CallResult::Unknown { detail }).await;
    }
    let verdict = arrive(&provider, process, &call, course);
    let back_ms = match course {
        Course::AcceptedAnswerLost => timeout_ms - there_ms,
        _ => back_ms,
    };
    tokio::time::sleep(Duration::from_millis(back_ms)).await;
    let result = match course {
        Course::Error(ErrorAnswer { status, body, .. }) => {
            let answer = Answer { status, headers: &[], body: body.as_bytes() };
            call.request.endpoint.answers.classify(&answer)
        }
        _ => result(course, verdict),
    };
    finish(&provider, process, call, result).await;
}

/// The provider has it: the truth.
fn arrive(provider: &SimProvider, process: ProcessId, call: &Call, course: Course) -> Verdict {
    let accepted = matches!(course, Course::Accepted | Course::AcceptedAnswerLost);
    let mut state = provider.state();
    let page = &call.request.endpoint.page;
    let per_second_max = state.faults.per_second_max;
    let verdict = if accepted && state.taken.takes(page, provider.world.now(), per_second_max) {
        state.messages += 1;
        Verdict::Accepted { message_id: format!("m{}", state.messages) }
    } else if accepted || matches!(course, Course::Throttled | Course::Account | Course::TemplatePaused) {
        Verdict::Deferred
    } else {
        Verdict::Refused
    };
    state.truth.calls.push(TruthCall {
        at: provider.world.now(),
        process,
        page: call.request.endpoint.page.clone(),
        send: call.send,
        attempt: call.attempt,
        address: address(&call.request.body),
        verdict: verdict.clone(),
    });
    drop(state);
    provider.world.note(process, format!("provider: {}/{} {verdict:?}", call.send.index, call.attempt));
    if let Verdict::Accepted { message_id } = &verdict {
        provider.tell(call.send, call.attempt, message_id);
    }
    verdict
}

fn address(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(json.get("to")?.as_str()?.to_owned())
}

fn result(course: Course, verdict: Verdict) -> CallResult {
    match (course, verdict) {
        (Course::Accepted, Verdict::Accepted { message_id }) => {
            CallResult::Accepted { message_id: Some(message_id) }
        }
        (Course::Transient, _) => CallResult::Failed(failure(true, "503", "simulated: try again")),
        (Course::Permanent, _) => CallResult::Failed(failure(false, "400", "simulated: no such recipient")),
        (Course::Throttled | Course::Accepted, _) => CallResult::Refused {
            reason: HoldReason::Throttled("simulated: 429".to_owned()),
            retry_after: Some(Duration::from_secs(1)),
        },
        (Course::Account, _) => CallResult::Refused {
            reason: HoldReason::Account("simulated: the token is refused".to_owned()),
            retry_after: None,
        },
        (Course::TemplatePaused, _) => CallResult::Refused {
            reason: HoldReason::Template("simulated: the template is paused".to_owned()),
            retry_after: None,
        },
        _ => CallResult::Unknown { detail: "simulated: no answer".to_owned() },
    }
}

fn failure(transient: bool, code: &str, message: &str) -> Failure {
    Failure {
        transient,
        attempts_max: 0,
        opted_out: false,
        holds_template: false,
        slows_page: false,
        code: code.to_owned(),
        message: message.to_owned(),
        retry_after: None,
        growing_wait: None,
    }
}

/// The process hears of it: later if it is frozen, never if it is dead.
async fn finish(provider: &SimProvider, process: ProcessId, call: Call, result: CallResult) {
    provider.world.effect(process, "call ends").await;
    let at_ms = provider.world.clock(process).wall_ms();
    let said = provider.state().faults.used_percent;
    let used_percent =
        said.filter(|_| !matches!(result, CallResult::NotCalled { .. } | CallResult::Unknown { .. }));
    let outcome = CallOutcome { send: call.send, attempt: call.attempt, result, used_percent, at_ms };
    if !call.outcomes.send(outcome) {
        provider.world.note(process, "nobody waits for the outcome".to_owned());
    }
}
