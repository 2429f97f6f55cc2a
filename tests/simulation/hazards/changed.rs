//! Other hours and limits that were acknowledged hold, although everybody dies right after the answer (G7).

use super::run::{Run, for_each, ms};
use crate::cluster::Scenario;
use crate::gates::history::Change;
use crate::gates::judge::{Limit, Rulebook, Scope, breaches};
use crate::gates::seeded::Ruled;
use sluice_completion::{NewLimits, NewTimes, NewWindow, reschedule, set_limits};
use sluice_core::CampaignState;
use sluice_schemas::OpenHours;
use sluice_simulation::{Faults, ProcessId};
use std::time::Duration;

/// Longest way of a call from its start to the provider's list.
const WAY: Duration = ms(25);

/// kill -9 for everybody, and others in their place.
fn replace_all(run: &mut Run) {
    let processes: Vec<ProcessId> = run.nodes.iter().map(|node| node.process).collect();
    processes.into_iter().for_each(|process| run.kill(process));
    run.start_all();
}

#[test]
fn g5_g7_other_hours_of_a_running_campaign_hold_from_the_answer_on() {
    for_each("rescheduled after ms", (0..2_000).step_by(500), |after| async move {
        let faults = Faults { latency_ms_max: 30, ..Faults::none() };
        let scenario =
            Scenario { faults, rows: 600, pages: 1, page_rate: Some("2/s"), ..Scenario::default() };
        let mut run = Run::started(after, &scenario).await;
        run.until("a call", |cluster| !cluster.calls().is_empty()).await;
        tokio::time::sleep(ms(after)).await;
        // Worlds begin at 09:00.
        let hours =
            |from: &str, to: &str| OpenHours { days: Vec::new(), from: from.to_owned(), to: to.to_owned() };
        let open = vec![hours("09:10", "09:12"), hours("09:30", "09:50")];
        let window = Some(Some(NewWindow { open: Some(open), ..NewWindow::default() }));
        let new = NewTimes { window, ..NewTimes::default() };
        reschedule(&run.cluster.commands(), run.cluster.id(), &new).await.unwrap();
        let changed = run.cluster.world.now();
        replace_all(&mut run);
        run.reaches(CampaignState::Completed).await;
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let calls = run.cluster.calls();
        let since = calls.iter().map(|call| call.at).filter(|at| *at > changed + ms(2_000) + WAY);
        let (first, second): (Vec<_>, Vec<_>) = since.partition(|at| *at < minutes(20));
        let inside = |calls: &[Duration], from: u64, to: u64| {
            assert!(calls.iter().all(|at| *at >= minutes(from) && *at < minutes(to) + WAY), "{calls:?}");
            assert!(calls[0] < minutes(from) + ms(2_000), "it opened, and nobody was called: {:?}", calls[0]);
        };
        inside(&first, 10, 12);
        inside(&second, 30, 50);
        run.ends().await;
    });
}

#[test]
fn g4_g7_another_limit_of_a_running_campaign_is_kept_from_the_answer_on() {
    for_each("changed after ms", (0..2_000).step_by(500), |after| async move {
        let faults = Faults { latency_ms_max: 30, ..Faults::none() };
        let ruled = Ruled { rate: Some("300/min"), ..Ruled::default() };
        let scenario = Scenario { faults, rows: 120, ruled, ..Scenario::default() };
        let mut run = Run::started(after, &scenario).await;
        run.until("a call", |cluster| !cluster.calls().is_empty()).await;
        tokio::time::sleep(ms(after)).await;
        let asked = run.cluster.world.now();
        let new = NewLimits { rate: Some(Some("30/min".to_owned())), ..NewLimits::default() };
        set_limits(&run.cluster.commands(), run.cluster.id(), &new).await.unwrap();
        let acknowledged = Some(run.cluster.world.now());
        replace_all(&mut run);
        run.reaches(CampaignState::Completed).await;
        let history = vec![Change::launched(Some(300)), Change { asked, acknowledged, to: Some(30) }];
        let limit = Limit { scope: Scope::Campaign, per: Duration::from_secs(60), history };
        let rules = Rulebook { way: WAY, limits: vec![limit], ..Rulebook::default() };
        let found = breaches(&run.cluster.calls(), &rules);
        assert!(found.is_empty(), "{found:#?}");
        let calls = run.cluster.calls();
        let slow = calls.iter().filter(|call| call.at > asked + Duration::from_secs(60)).count();
        assert!(slow >= 20, "most are called under the new limit: {slow} of {}", calls.len());
        run.ends().await;
    });
}
