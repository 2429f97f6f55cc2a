//! A machine whose clock is far off is refused: its own, since that of a database can't be set by a test. Where it is
//! let in nevertheless, what it writes shadows nothing (hazard 18).

use crate::launches;
use crate::refusals::refused;
use sluice_tests::cluster::Node;
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Place, Sink, wait_for};
use std::process::Command;
use std::time::Duration;

const HOUR_S: i64 = 3_600;
const WITHIN: Duration = Duration::from_secs(90);
const PEOPLE: usize = 1_000;

/// Stands before the C library's function; only the time of day is another one.
const SHIFTED: &str = "
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, id, now);
    if (!failed && id == CLOCK_REALTIME) now->tv_sec += OFF_S;
    return failed;
}
";

/// A library that shifts the clock of the program into which it is loaded.
fn shift(place: &Place, off_s: i64) -> String {
    let (source, library) = (place.write("clock.c", SHIFTED), place.path("clock.so"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", &format!("-DOFF_S={off_s}"), "-o"]).arg(&library).arg(source);
    assert!(cc.status().unwrap().success(), "the C compiler that builds Sluice builds this too");
    library.display().to_string()
}

#[test]
fn a_clock_that_is_far_off_is_refused_with_how_far_it_is() {
    let mut cluster = Cluster::new();
    for (off_s, word) in [(HOUR_S, "behind"), (-HOUR_S, "ahead of")] {
        let library = shift(cluster.place(), off_s);
        cluster.place_mut().set_variable("LD_PRELOAD", &library);
        refused(&cluster).says(&["the clock of database node", word, "NTP", "cql.clock_skew_ms_max"]);
        let checked = cluster.place().run(&["store", "check"]).expect(1);
        assert!(checked.stdout.contains(word), "{}", checked.stdout);
    }
    cluster.place_mut().set_variable("LD_PRELOAD", "");
    drop(cluster.start());
}

/// A process with a clock that is so far off.
fn start(cluster: &mut Cluster, off_s: i64) -> Node {
    let library = shift(cluster.place(), off_s);
    cluster.place_mut().set_variable("LD_PRELOAD", &library);
    let node = cluster.start();
    cluster.place_mut().set_variable("LD_PRELOAD", "");
    node
}

#[test]
fn hazard_18_g3_facts_of_a_clock_that_was_ahead_shadow_none_of_one_that_is_behind() {
    let mut cluster = Cluster::new();
    let sink = Sink::start(cluster.place());
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &sink.url());
    cluster.place_mut().set_variable("SLUICE_CQL_CLOCK_SKEW_MS_MAX", "7200000");
    let launch = launches::over_pages(cluster.place(), "clocks", PEOPLE, 2, "100/s");
    let launch = cluster.place().launch("launch.json", &launch);
    let ahead = start(&mut cluster, HOUR_S);
    cluster.launch(&ahead, &launch).expect(0);
    wait_for("calls", WITHIN, || (sink.calls() > PEOPLE as u64 / 4).then_some(()));
    ahead.process.stop(Signal::TERM, WITHIN).expect(0);
    let called = sink.calls();
    assert!(called < PEOPLE as u64, "somebody is left");

    // Of the same chunks it reports the rest, and by its clock before all that was reported.
    let behind = start(&mut cluster, -HOUR_S);
    let ended = || (cluster.status("clocks")["state"] == "completed").then_some(());
    wait_for("the end of the campaign", WITHIN, ended);
    behind.process.stop(Signal::TERM, WITHIN).expect(0);
    assert_eq!(cluster.place().verify("clocks")["counters"]["sent"], PEOPLE);
    assert_eq!(judge(&cluster.place().people("clocks"), &sink.stop()), 0);
    assert_eq!(cluster.ends("clocks").len(), 1);
}
