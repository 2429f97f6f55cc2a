//! A machine whose clock is far off is refused: its own, since that of a database can't be set by a test.

use crate::refusals::refused;
use sluice_tests::{Cluster, Place};
use std::process::Command;

const HOUR_S: i64 = 3_600;

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
