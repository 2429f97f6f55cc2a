//! Every command in every state, directly and by a process that dies on the way.

use crate::support::{Bench, FAILED_ONES, SIZE, UNKNOWN_TOO, chunk, id};
use sluice_completion::{
    Answer, CommandError, CompletionPorts, NewLimits, NewTimes, UNSCHEDULED, cancel, pause, reschedule,
    resume, retry_failed, set_limits, unschedule,
};
use sluice_core::CampaignState::{
    self, Cancelled, Cancelling, Completed, Failed, Paused, Running, Scheduled,
};
use sluice_core::chunk_state::entry;
use sluice_core::control::{Command, Decision, decide};
use sluice_runtime::ports::log::{Partition, Topic};
use sluice_schemas::{CampaignEventKind, Fact};
use sluice_simulation::Faults;
use std::collections::BTreeSet;
use std::time::Duration;

const STATES: [CampaignState; 7] = [Scheduled, Running, Paused, Cancelling, Completed, Cancelled, Failed];

/// What a person can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Pause,
    Resume,
    Cancel,
    Unschedule,
    RetryFailed,
    /// Also those of whom nobody knows.
    RetryUnknown,
    SetLimits,
    Reschedule,
}

const ASKED: [Asked; 8] = [
    Asked::Pause,
    Asked::Resume,
    Asked::Cancel,
    Asked::Unschedule,
    Asked::RetryFailed,
    Asked::RetryUnknown,
    Asked::SetLimits,
    Asked::Reschedule,
];

impl Asked {
    fn command(self) -> Command {
        match self {
            Asked::Pause => Command::Pause,
            Asked::Resume => Command::Resume,
            Asked::Cancel | Asked::Unschedule => Command::Cancel,
            Asked::RetryFailed | Asked::RetryUnknown => Command::RetryFailed,
            Asked::SetLimits | Asked::Reschedule => Command::ChangeTerms,
        }
    }

    /// What has to come of it.
    fn decided(self, state: CampaignState) -> Decision {
        match self {
            Asked::Unschedule if state != Scheduled => Decision::Refused("has started; pause or cancel it"),
            _ => decide(state, self.command()),
        }
    }

    async fn give(self, ports: &CompletionPorts) -> Result<Answer, CommandError> {
        match self {
            Asked::Pause => pause(ports, id(), None).await,
            Asked::Resume => resume(ports, id(), None).await,
            Asked::Cancel => cancel(ports, id(), None).await,
            Asked::Unschedule => unschedule(ports, id()).await,
            Asked::RetryFailed => retry_failed(ports, id(), &FAILED_ONES).await,
            Asked::RetryUnknown => retry_failed(ports, id(), &UNKNOWN_TOO).await,
            Asked::SetLimits => {
                let new = NewLimits { rate: Some(Some("5/s".to_owned())), ..NewLimits::default() };
                set_limits(ports, id(), &new).await
            }
            Asked::Reschedule => {
                let end_at = Some(Some("2030-01-01T00:00".to_owned()));
                reschedule(ports, id(), &NewTimes { end_at, ..NewTimes::default() }).await
            }
        }
    }
}

/// A world with a campaign in this state: of ten recipients three are sent, one failed, two are claimed, and of the
/// last nobody knows.
async fn bench_in(state: CampaignState) -> Bench {
    let bench = Bench::new(1, Faults::none());
    match state {
        Scheduled => {
            bench.scheduled().await;
            return bench;
        }
        _ => bench.campaign(1).await,
    }
    bench.seal(1, 0).await;
    let unknown = entry(Fact::Unresolved, 9, 9, 1, 5);
    let known = [entry(Fact::Accepted, 0, 2, 1, 5), entry(Fact::FailedForGood, 3, 3, 1, 5)];
    bench.receipt(0, known.into_iter().chain([unknown]).collect()).await;
    bench.claim(&[4, 5].into_iter().collect()).await;
    // The states are merged by a process that is gone afterwards.
    let merging = bench.start("merging");
    tokio::time::sleep(Duration::from_secs(5)).await;
    bench.crash(&merging);
    match state {
        Scheduled | Running => {}
        Paused | Cancelling | Completed | Failed => bench.step(state).await,
        Cancelled => {
            bench.step(Cancelling).await;
            bench.step(Cancelled).await;
        }
    }
    assert_eq!(bench.row().state, state);
    bench
}

fn wake_ups(bench: &Bench) -> usize {
    (0..4).map(|partition| bench.log.inspect(Topic::Control, Partition(partition)).len()).sum()
}

#[tokio::test(start_paused = true)]
async fn c5_every_command_does_in_every_state_what_the_table_says() {
    for state in STATES {
        for asked in ASKED {
            let bench = bench_in(state).await;
            let (before, control, woken) = (bench.row(), bench.control().await, wake_ups(&bench));
            let answered = asked.give(&bench.hand_ports()).await;
            // A wake-up that nobody waits for is on its way.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let case = format!("{asked:?} of a {} one: {answered:?}", state.as_str());
            match asked.decided(state) {
                Decision::Refused(why) => {
                    let Err(CommandError::WrongState { why: said, state: found, .. }) = &answered else {
                        panic!("{case}");
                    };
                    assert_eq!((*said, *found), (why, state), "{case}");
                    assert_eq!((bench.row(), bench.control().await), (before, control), "{case}");
                    continue;
                }
                Decision::Already => {
                    let answer = answered.as_ref().unwrap();
                    assert!(answer.already && bench.row().steps == before.steps, "{case}");
                }
                Decision::Step(to) => {
                    let answer = answered.as_ref().unwrap();
                    assert!(!answer.already, "{case}");
                    assert_eq!((bench.row().state, bench.row().steps), (to, before.steps + 1), "{case}");
                    // Another run notes there whom it tries again.
                    let notes = matches!(asked.command(), Command::ChangeTerms | Command::RetryFailed);
                    assert_eq!(bench.row().terms_version > 0, notes, "{case}");
                }
            }
            // Also for what was so already: whoever made it so may have died before.
            assert_eq!((bench.control().await, wake_ups(&bench)), (control + 1, woken + 1), "{case}");
            let out = answered.unwrap().out;
            if state != Scheduled {
                let counted = (out.counters.sent, out.counters.failed, out.in_flight, out.remaining);
                assert_eq!((counted, out.counters.unknown), ((3, 1, 2, 3), 1), "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g7_a_command_whose_process_dies_anywhere_holds_when_it_is_given_again() {
    for state in STATES {
        for asked in ASKED {
            if matches!(asked.decided(state), Decision::Refused(_)) {
                continue;
            }
            for effect in 1.. {
                let bench = bench_in(state).await;
                let control = bench.control().await;
                bench.world.set_faults(Faults::crash_at(bench.world.effects_seen() + effect));
                let asker = bench.world.start("asker");
                let ports = bench.ports(asker);
                let command = tokio::spawn(async move { asked.give(&ports).await.map(|_| ()) });
                let died = tokio::select! {
                    biased;
                    _ = bench.world.crashed() => true,
                    // What it leaves to others is not waited for.
                    () = tokio::time::sleep(Duration::from_secs(60)) => false,
                };
                let case = format!("{asked:?} of a {} one, effect {effect}", state.as_str());
                if !died {
                    assert!(effect > 3, "{case}");
                    command.await.unwrap().unwrap();
                    break;
                }
                command.abort();
                bench.world.set_faults(Faults::none());
                let Decision::Step(to) = asked.decided(state) else {
                    asked.give(&bench.hand_ports()).await.unwrap();
                    assert!(bench.control().await > control, "{case}");
                    continue;
                };
                let made = bench.row().steps;
                if let Err(error) = asked.give(&bench.hand_ports()).await {
                    panic!("{case}: {error}");
                }
                assert!(bench.control().await > control, "{case}");
                assert_eq!(bench.row().state, to, "{case}");
                assert!(made == 0 || bench.row().steps <= made.max(1) + 1, "{case}: one step");
                let kinds = [CampaignEventKind::Paused, CampaignEventKind::Resumed];
                let told: Vec<_> =
                    bench.events().into_iter().filter(|event| kinds.contains(&event.kind)).collect();
                if matches!(asked, Asked::Pause | Asked::Resume) {
                    assert!(!told.is_empty(), "{case}: it is told");
                    assert!(told.iter().all(|event| event.id == bench.row().event_id()), "{case}: one id");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g7_g8_what_was_acknowledged_comes_about_although_everybody_dies_right_after_it() {
    for state in STATES {
        for asked in ASKED {
            let decision = asked.decided(state);
            if matches!(decision, Decision::Refused(_)) {
                continue;
            }
            let bench = bench_in(state).await;
            let asker = bench.world.start("asker");
            let answer = asked.give(&bench.ports(asker)).await.unwrap();
            bench.world.kill(asker);
            let _running = bench.start("after");
            if state != Scheduled {
                // Whom the sender had claimed were called.
                bench.receipt(0, vec![entry(Fact::Accepted, 4, 5, 1, 5)]).await;
            }
            tokio::time::sleep(Duration::from_secs(120)).await;
            let row = bench.row();
            let case = format!("{asked:?} of a {} one: {row:?}", state.as_str());
            match asked {
                Asked::Pause | Asked::Resume => {
                    assert_eq!(row.state, answer.row.state, "{case}");
                    let is_told = row.announced == Some(row.event_id());
                    assert!(is_told || decision == Decision::Already, "{case}");
                }
                // Who is left of one that has not started is counted by its expansion.
                Asked::Unschedule => {
                    assert_eq!((row.state, row.reason.as_deref()), (Cancelling, Some(UNSCHEDULED)), "{case}");
                }
                Asked::Cancel if state == Scheduled => assert_eq!(row.state, Cancelling, "{case}"),
                Asked::Cancel => {
                    assert_eq!(row.state, Cancelled, "{case}");
                    let of_all = if state == Cancelled { 0 } else { bench.counters().cancelled };
                    assert!(state == Cancelled || of_all == 3, "{case}");
                }
                Asked::RetryFailed | Asked::RetryUnknown => {
                    // Nobody sends here, so each is asked for more than once: always the one next attempt.
                    let again: BTreeSet<(i32, i32)> = bench
                        .retries()
                        .iter()
                        .flat_map(|retry| retry.indexes.iter().map(|range| (retry.attempt, range)))
                        .flat_map(|(attempt, range)| (range.first..=range.last).map(move |of| (attempt, of)))
                        .collect();
                    let mut expected = BTreeSet::from([(2, 3)]);
                    expected.extend((asked == Asked::RetryUnknown).then_some((2, 9)));
                    assert_eq!((row.run, again), (2, expected), "{case}");
                }
                Asked::SetLimits => assert_eq!(row.rate(), Some("5/s"), "{case}"),
                Asked::Reschedule => assert_eq!(row.rules().end_at.as_deref(), Some("2030-01-01T00:00")),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn d9_pauses_and_resumptions_are_told_in_order_each_under_an_id_of_its_own() {
    let bench = bench_in(Running).await;
    let ports = bench.hand_ports();
    for _ in 0..2 {
        pause(&ports, id(), Some("a look first".to_owned())).await.unwrap();
        pause(&ports, id(), None).await.unwrap();
        resume(&ports, id(), None).await.unwrap();
    }
    let told: Vec<_> =
        bench.events().into_iter().map(|event| (event.kind, event.counters.get("sent").copied())).collect();
    use CampaignEventKind::{Paused, Resumed};
    assert_eq!(told, [Paused, Resumed, Paused, Resumed].map(|kind| (kind, Some(3))));
    assert_eq!(bench.event_ids().len(), 4);
    let reasons: Vec<_> = bench.events().into_iter().map(|event| event.reason).collect();
    let why = Some("a look first".to_owned());
    assert_eq!(reasons, [why.clone(), None, why, None], "it is not why it goes on");
}

#[tokio::test(start_paused = true)]
async fn a1_d9_a_start_that_nobody_came_to_tell_is_told_before_whatever_follows_it() {
    use CampaignEventKind as Kind;
    for kind in [Kind::Paused, Kind::Cancelled, Kind::Completed] {
        let bench = Bench::new(1, Faults::none());
        bench.untold_campaign(0).await;
        let ports = bench.hand_ports();
        match kind {
            Kind::Paused => drop(pause(&ports, id(), None).await.unwrap()),
            Kind::Cancelled => drop(cancel(&ports, id(), None).await.unwrap()),
            _ => {}
        }
        bench.seal(0, 0).await;
        let _running = bench.start("a");
        tokio::time::sleep(Duration::from_secs(20)).await;
        let told: Vec<_> = bench.events().into_iter().map(|event| (event.kind, event.id)).collect();
        assert_eq!((told[0].0, &told[0].1, told[1].0), (Kind::Started, &bench.row().start_event_id(), kind));
        // Nobody is left to be called: the paused one has ended as well.
        assert_eq!(told.len(), 2 + usize::from(kind == Kind::Paused));
    }
    let bench = bench_in(Scheduled).await;
    cancel(&bench.hand_ports(), id(), None).await.unwrap();
    bench.hand_store().lease_expansion(id()).await.unwrap();
    bench.seal(0, 0).await;
    let _running = bench.start("a");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let told: Vec<_> = bench.events().into_iter().map(|event| event.kind).collect();
    assert_eq!(told, [Kind::Cancelled], "it never started");
}

#[tokio::test(start_paused = true)]
async fn hazard_22_a_pause_whose_process_died_is_told_by_whoever_looks() {
    let bench = bench_in(Running).await;
    bench.step(Paused).await;
    let _running = bench.start("a");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(bench.row().announced, Some(bench.row().event_id()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let told = bench.events().into_iter().filter(|event| event.kind == CampaignEventKind::Paused);
    assert_eq!(told.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn g8_a_paused_campaign_ends_when_what_was_out_is_all_there_was() {
    let bench = bench_in(Running).await;
    pause(&bench.hand_ports(), id(), Some("a look first".to_owned())).await.unwrap();
    let _running = bench.start("a");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.row().state, Paused);
    bench.receipt(0, vec![entry(Fact::Accepted, 4, SIZE - 1, 1, 5)]).await;
    bench.reaches(Completed, 1).await;
    assert_eq!(bench.events().pop().unwrap().reason, None, "it did not end because of the pause");
}

#[tokio::test(start_paused = true)]
async fn g2_a_failure_that_is_merged_while_a_campaign_is_paused_is_tried_again() {
    let bench = bench_in(Paused).await;
    let _running = bench.start("a");
    bench.receipt(0, vec![entry(Fact::Failed, 4, 4, 1, 5)]).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let retries = bench.retries();
    assert_eq!(
        retries.iter().map(|retry| (retry.attempt, retry.indexes[0].first)).collect::<Vec<_>>(),
        [(2, 4)]
    );
    assert_eq!(*retries[0].chunk, chunk(0).0);
}

#[tokio::test(start_paused = true)]
async fn g7_a_command_counts_while_the_log_is_away() {
    let bench = bench_in(Running).await;
    let control = bench.control().await;
    let mut ports = bench.hand_ports();
    // The calls of a dead process never return.
    let away = bench.world.start("away");
    bench.world.kill(away);
    ports.log = bench.log.handle(away);
    let asked = tokio::time::Instant::now();
    let answer = pause(&ports, id(), None).await.unwrap();
    assert_eq!((answer.row.state, bench.control().await), (Paused, control + 1));
    assert!(asked.elapsed() < Duration::from_secs(2));
}
