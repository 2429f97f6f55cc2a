//! Metrics of the process itself.

use super::Metrics;
use super::definition::{Definition, Kind, Labels, Stage};
use crate::Clock;
use std::sync::Arc;
use std::time::Duration;

/// What runs.
pub const BUILD_INFO: Definition = Definition {
    name: "sluice_build_info",
    kind: Kind::Gauge,
    unit: "1",
    stage: Stage::Process,
    labels: Labels::Told(&[
        ("version", "of the program"),
        ("log", "the kind of log: `embedded` or `kafka`"),
        ("store", "the kind of store: `embedded` or `cql`"),
    ]),
    help: "Always 1; the labels say what runs.",
    look: "Different versions for longer than a rolling upgrade takes; an engine that is not the one you meant.",
};

/// How long it runs.
pub const UPTIME: Definition = Definition {
    name: "sluice_process_uptime_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    stage: Stage::Process,
    labels: Labels::None,
    help: "Time since the process started, including time in which the machine was suspended.",
    look: "A process that starts again and again.",
};

/// When it started, under the name that every Prometheus client uses.
pub const START_TIME: Definition = Definition {
    name: "process_start_time_seconds",
    kind: Kind::Gauge,
    unit: "seconds since 1970",
    stage: Stage::Process,
    labels: Labels::None,
    help: "When the process started.",
    look: "Changes that nobody deployed: the process died.",
};

/// Memory, under the name that every Prometheus client uses.
pub const RESIDENT_MEMORY: Definition = Definition {
    name: "process_resident_memory_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    stage: Stage::Process,
    labels: Labels::None,
    help: "Memory of the process that is in RAM.",
    look: "Growth with an audience or a backlog: there should be none.",
};

/// Processor time, under the name that every Prometheus client uses.
pub const CPU: Definition = Definition {
    name: "process_cpu_seconds_total",
    kind: Kind::Counter,
    unit: "seconds",
    stage: Stage::Process,
    labels: Labels::None,
    help: "Processor time that the process has used, in user and system mode.",
    look: "A rate that stays at the number of cores: this process is the bottleneck.",
};

/// Whether the configuration file can't be taken.
pub const CONFIG_REJECTED: Definition = Definition {
    name: "sluice_config_rejected",
    kind: Kind::Gauge,
    unit: "0 or 1",
    stage: Stage::Process,
    labels: Labels::None,
    help: "1 while the configuration file has changed and can't be taken: the limits of before hold.",
    look: "1: the log says what is wrong. The process would not start again with this file.",
};

/// The metrics of this component.
pub const DEFINITIONS: &[&Definition] =
    &[&BUILD_INFO, &UPTIME, &START_TIME, &RESIDENT_MEMORY, &CPU, &CONFIG_REJECTED];

/// What runs, for [`BUILD_INFO`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// Of the program.
    pub version: &'static str,
    /// The kind of log: `embedded`, `kafka`.
    pub log: &'static str,
    /// The kind of store: `embedded`, `cql`.
    pub store: &'static str,
}

/// Registers what is known of the process and keeps it up to date.
pub(super) fn start(metrics: &Metrics, build: &Build, clock: Arc<dyn Clock>) {
    let info = BUILD_INFO.gauges();
    info.told(&[build.version, build.log, build.store]).set(1.0);
    let (uptime, started) = (UPTIME.gauges(), START_TIME.gauges());
    let (memory, cpu) = (RESIDENT_MEMORY.gauges(), CPU.seconds_counters());
    for gauges in [&info, &uptime, &started, &memory] {
        metrics.register(gauges);
    }
    metrics.register(&cpu);
    started.at([]).set(clock.wall_ms() as f64 / 1_000.0);
    let start = clock.monotonic();
    metrics.before_scrape(move || {
        uptime.at([]).set(clock.monotonic().saturating_sub(start).as_secs_f64());
        memory.at([]).set(resident_bytes().unwrap_or_default() as f64);
        let used = cpu_time().as_secs_f64() - cpu.at([]).get();
        cpu.at([]).inc_by(used.max(0.0));
    });
}

/// `VmRSS` of `/proc/self/status`, see proc(5).
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn cpu_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0))
}
