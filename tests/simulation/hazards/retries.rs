//! Hazards 13, 14: a second call beside one whose outcome nobody knows. And how long a refused person is left alone.

use super::run::{Run, for_each, ms};
use crate::cluster::Scenario;
use sluice_completion::{NewRun, cancel, retry_failed};
use sluice_core::CampaignState;
use sluice_core::facts::Status;
use sluice_schemas::OnUnknown;
use sluice_simulation::truth::recipients_reached;
use sluice_simulation::{ErrorAnswer, Faults, ProviderFaults};
use std::collections::BTreeMap;
use std::time::Duration;

/// The message arrives, nobody hears of it.
fn silent() -> ProviderFaults {
    ProviderFaults { lost_answer_ppm: 1_000_000, webhook_missing_ppm: 1_000_000, ..ProviderFaults::none() }
}

#[test]
fn hazard_13_a_first_message_that_arrived_unheard_is_not_hidden_by_a_failed_second_one() {
    for_each("seed", 0..8, |seed| async move {
        let scenario = Scenario {
            faults: Faults::latency(),
            provider: silent(),
            settles_by_webhook: false,
            on_unknown: OnUnknown::Resend,
            ..Scenario::default()
        };
        let mut run = Run::started(seed, &scenario).await;
        let sendable = run.cluster.audience.sendable();
        run.until("everybody's first message", |cluster| cluster.calls().len() as u64 == sendable).await;
        run.cluster
            .provider
            .set_faults(ProviderFaults { permanent_ppm: 1_000_000, ..ProviderFaults::none() });
        run.reaches(CampaignState::Completed).await;
        assert_eq!(run.cluster.calls().len() as u64, 2 * sendable, "second attempts were made and refused");
        assert_eq!(run.cluster.count(Status::Unknown), sendable, "{:?}", run.cluster.statuses());

        // Only those whose message could not be rendered have failed.
        run.cluster.provider.set_faults(ProviderFaults::none());
        retry_failed(&run.cluster.commands(), run.cluster.id(), &NewRun::default()).await.unwrap();
        run.reaches(CampaignState::Completed).await;
        let truth = run.cluster.provider.truth();
        assert_eq!(truth.calls.len() as u64, 2 * sendable);
        assert!(recipients_reached(&truth).values().all(|&messages| messages == 1));
        run.ends().await;
    });
}

#[test]
fn g2_a_cancel_between_a_late_failure_and_the_resend_does_not_count_people_as_never_called() {
    for_each("cancelled after s", (0..60).step_by(20), |after| async move {
        let scenario = Scenario {
            faults: Faults::latency(),
            // Everybody's message goes out, nobody hears so, and later a webhook tells that it failed.
            provider: ProviderFaults {
                lost_answer_ppm: 1_000_000,
                failed_later_ppm: 1_000_000,
                webhook_ms_max: 40_000,
                ..ProviderFaults::none()
            },
            settles_by_webhook: false,
            on_unknown: OnUnknown::Resend,
            ..Scenario::default()
        };
        let mut run = Run::started(after, &scenario).await;
        let sendable = run.cluster.audience.sendable();
        run.until("everybody's call", |cluster| cluster.calls().len() as u64 == sendable).await;
        tokio::time::sleep(Duration::from_secs(after)).await;
        assert_eq!(
            run.cluster.calls().len() as u64,
            sendable,
            "nobody is sent to again before a minute is over"
        );
        cancel(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
        run.reaches(CampaignState::Cancelled).await;
        // Failures that were not heard of before come now.
        tokio::time::sleep(Duration::from_secs(45)).await;
        let statuses = run.cluster.statuses();
        assert!(statuses.values().all(|status| *status != Status::Cancelled), "{statuses:?}");
        run.ends().await;
    });
}

#[test]
fn hazard_14_a_resend_waits_until_the_old_call_is_surely_over() {
    for_each("killed after calls", [1, 4, 9, 16, 25], |calls| async move {
        let scenario = Scenario {
            faults: Faults::latency(),
            provider: ProviderFaults { latency_ms_max: 900, ..silent() },
            nodes: 2,
            // Nothing but the rule makes it wait.
            settles_by_webhook: false,
            on_unknown: OnUnknown::Resend,
            page_rate: Some("20/s"),
            ..Scenario::default()
        };
        let mut run = Run::started(calls, &scenario).await;
        run.until("calls", |cluster| cluster.calls().len() >= calls as usize).await;
        if let Some(owner) = run.owner() {
            run.kill(owner);
            run.start("node-3");
        }
        tokio::time::sleep(Duration::from_secs(25)).await;
        run.cluster.provider.set_faults(ProviderFaults::none());
        run.reaches(CampaignState::Completed).await;
        let mut last: BTreeMap<_, (u8, Duration)> = BTreeMap::new();
        let mut resent = 0;
        for call in run.cluster.calls() {
            if let Some((attempt, at)) = last.insert(call.send, (call.attempt, call.at)) {
                assert_eq!(call.attempt, attempt + 1, "{call:?}");
                // A grant's life, a call's deadline, what a network may hold.
                assert!(
                    call.at - at > ms(2_000 + 30_000 + 30_000),
                    "again after {:?}: {call:?}",
                    call.at - at
                );
                resent += 1;
            }
        }
        assert!(resent > 10, "only {resent} were sent again");
        run.ends().await;
    });
}

#[test]
fn b6_c2_a_person_whose_pair_is_refused_again_and_again_is_left_alone_longer_each_time() {
    const PAIR: &str = r#"{"error":{"message":"refused","type":"OAuthException","code":131056}}"#;
    for_each("seed", 0..2, |seed| async move {
        let error = Some(ErrorAnswer { ppm: 1_000_000, status: 400, body: PAIR });
        let provider = ProviderFaults { error, ..ProviderFaults::none() };
        let mut run = Run::started(seed, &Scenario { provider, ..Scenario::default() }).await;
        run.reaches(CampaignState::Completed).await;
        let mut times: BTreeMap<_, Vec<Duration>> = BTreeMap::new();
        for call in run.cluster.calls() {
            times.entry(call.send).or_default().push(call.at);
        }
        assert_eq!(times.len() as u64, run.cluster.audience.sendable());
        for times in times.values() {
            let waits: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            // 4^n s, as WhatsApp documents, and what a retry takes on its way.
            let documented = [4_000, 16_000, 64_000].map(|from| ms(from)..ms(from + 3_000));
            let keeps = waits.iter().zip(&documented).all(|(wait, documented)| documented.contains(wait));
            assert!(waits.len() == documented.len() && keeps, "{waits:?}");
        }
        run.ends().await;
    });
}
