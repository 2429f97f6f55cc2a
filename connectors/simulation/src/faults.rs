//! What may go wrong, and how often. Chances are parts per million (`_ppm`) of each occasion.

/// The faults of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// Each effect takes 0 to this.
    pub latency_ms_max: u64,
    /// An effect takes up to [`Faults::slow_ms_max`] instead.
    pub slow_ppm: u32,
    /// The longest slow effect.
    pub slow_ms_max: u64,
    /// A process dies at an effect.
    pub crash_ppm: u32,
    /// The process that has this effect (counted from 1 over all processes) dies there.
    pub crash_at: Option<u64>,
    /// Seeded crashes in all; afterwards nobody dies, so that a run can end.
    pub crashes_max: u32,
    /// A process freezes at an effect.
    pub freeze_ppm: u32,
    /// The shortest freeze.
    pub freeze_ms_min: u64,
    /// The longest freeze. Beyond the log's session timeout the process loses its partitions.
    pub freeze_ms_max: u64,
    /// Seeded freezes in all.
    pub freezes_max: u32,
    /// Wall clocks of processes are off by up to this, to either side.
    pub skew_ms_max: u64,
    /// Faults of the log.
    pub log: LogFaults,
    /// Faults of the store.
    pub store: StoreFaults,
}

/// Faults of the simulated log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFaults {
    /// A batch becomes durable in two steps; a crash or another producer's records may come between.
    pub split_ppm: u32,
    /// A member is thrown out of its group at a poll, although it is well.
    pub expire_ppm: u32,
}

/// Faults of the simulated store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFaults {
    /// Each operation takes so much longer, as on replicas that are far apart.
    pub distance_ms: u64,
    /// A compare-and-set ends without an answer: applied, not applied, or applied later (hazard 3).
    pub ambiguous_ppm: u32,
    /// How much later, at most.
    pub late_ms_max: u64,
    /// A plain write does not reach a majority of replicas, or nobody knows whether it did.
    pub minority_ppm: u32,
    /// A replica that is not needed for the answer gets its copy late.
    pub straggler_ppm: u32,
    /// A read is not answered; also: after an unanswered write the store gives up and says so.
    pub unavailable_ppm: u32,
}

impl Faults {
    /// Everything works, and at once.
    pub fn none() -> Self {
        Self {
            latency_ms_max: 0,
            slow_ppm: 0,
            slow_ms_max: 0,
            crash_ppm: 0,
            crash_at: None,
            crashes_max: 0,
            freeze_ppm: 0,
            freeze_ms_min: 0,
            freeze_ms_max: 0,
            freezes_max: 0,
            skew_ms_max: 0,
            log: LogFaults { split_ppm: 0, expire_ppm: 0 },
            store: StoreFaults {
                distance_ms: 0,
                ambiguous_ppm: 0,
                late_ms_max: 0,
                minority_ppm: 0,
                straggler_ppm: 0,
                unavailable_ppm: 0,
            },
        }
    }

    /// Everything works and takes its time.
    pub fn latency() -> Self {
        Self { latency_ms_max: 50, slow_ppm: 5_000, slow_ms_max: 3_000, ..Self::none() }
    }

    /// Nobody dies, but the log and the store answer badly.
    pub fn ambiguous() -> Self {
        Self {
            skew_ms_max: 6_000,
            log: LogFaults { split_ppm: 100_000, expire_ppm: 0 },
            store: StoreFaults {
                distance_ms: 0,
                ambiguous_ppm: 200_000,
                late_ms_max: 40_000,
                minority_ppm: 200_000,
                straggler_ppm: 300_000,
                unavailable_ppm: 50_000,
            },
            ..Self::latency()
        }
    }

    /// All of it, for runs over many seeds: a few crashes and freezes each.
    pub fn hostile() -> Self {
        Self {
            crash_ppm: 2_000,
            crashes_max: 4,
            freeze_ppm: 1_000,
            freeze_ms_min: 500,
            freeze_ms_max: 60_000,
            freezes_max: 3,
            log: LogFaults { split_ppm: 50_000, expire_ppm: 2_000 },
            store: StoreFaults {
                distance_ms: 0,
                ambiguous_ppm: 30_000,
                late_ms_max: 40_000,
                minority_ppm: 30_000,
                straggler_ppm: 100_000,
                unavailable_ppm: 10_000,
            },
            ..Self::ambiguous()
        }
    }

    /// Latency alone, and a crash at exactly this effect: for trying every effect of a run in turn.
    pub fn crash_at(effect: u64) -> Self {
        Self { crash_at: Some(effect), ..Self::latency() }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::latency()
    }
}

/// How the simulated provider answers. What is not one of these is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderFaults {
    /// A refusal that another attempt may get past.
    pub transient_ppm: u32,
    /// A refusal for good.
    pub permanent_ppm: u32,
    /// Accepted, but the answer is lost: unknown.
    pub lost_answer_ppm: u32,
    /// The request is lost: unknown.
    pub never_arrived_ppm: u32,
    /// No connection: certainly not called.
    pub unreachable_ppm: u32,
    /// The page is asked to slow down: certainly no message.
    pub throttled_ppm: u32,
    /// The account is refused: certainly no message, and a person has to act.
    pub account_ppm: u32,
    /// Answers with an error of its own: certainly no message.
    pub error: Option<ErrorAnswer>,
    /// Calls of one page that it takes in any second; of those beyond it says the same. 0: as many as come.
    pub per_second_max: u32,
    /// What answers say of the limit that is used.
    pub used_percent: Option<u32>,
    /// The longest way to the provider and the longest way back, in ms; each below the call's timeout.
    pub latency_ms_max: u64,
    /// An accepted message is delivered. Its webhook may still get lost.
    pub delivered_ppm: u32,
    /// A delivered message is read.
    pub read_ppm: u32,
    /// An accepted message fails later, instead of being delivered (hazard 24).
    pub failed_later_ppm: u32,
    /// A webhook never comes.
    pub webhook_missing_ppm: u32,
    /// A webhook comes once more.
    pub webhook_twice_ppm: u32,
    /// A webhook leaves before the provider's answer does (hazard 19).
    pub webhook_early_ppm: u32,
    /// A webhook takes up to [`ProviderFaults::webhook_late_ms_max`].
    pub webhook_late_ppm: u32,
    /// The usual longest way of a webhook. Each draws its own, so they overtake each other.
    pub webhook_ms_max: u64,
    /// The longest way of a late one.
    pub webhook_late_ms_max: u64,
}

/// An error as a real provider writes it: the endpoint's own rules decide what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// How often.
    pub ppm: u32,
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'static str,
}

impl ProviderFaults {
    /// Accepts everything in up to 20 ms; every message is delivered and read, each told once, in order.
    pub fn none() -> Self {
        Self {
            transient_ppm: 0,
            permanent_ppm: 0,
            lost_answer_ppm: 0,
            never_arrived_ppm: 0,
            unreachable_ppm: 0,
            throttled_ppm: 0,
            account_ppm: 0,
            error: None,
            per_second_max: 0,
            used_percent: None,
            latency_ms_max: 20,
            delivered_ppm: 1_000_000,
            read_ppm: 1_000_000,
            failed_later_ppm: 0,
            webhook_missing_ppm: 0,
            webhook_twice_ppm: 0,
            webhook_early_ppm: 0,
            webhook_late_ppm: 0,
            webhook_ms_max: 500,
            webhook_late_ms_max: 0,
        }
    }

    /// Everything that providers do, often.
    pub fn hostile() -> Self {
        Self {
            transient_ppm: 80_000,
            permanent_ppm: 30_000,
            lost_answer_ppm: 30_000,
            never_arrived_ppm: 30_000,
            unreachable_ppm: 20_000,
            throttled_ppm: 20_000,
            account_ppm: 0,
            error: None,
            per_second_max: 0,
            used_percent: None,
            latency_ms_max: 400,
            delivered_ppm: 900_000,
            read_ppm: 600_000,
            failed_later_ppm: 30_000,
            webhook_missing_ppm: 50_000,
            webhook_twice_ppm: 150_000,
            webhook_early_ppm: 150_000,
            webhook_late_ppm: 20_000,
            webhook_ms_max: 5_000,
            webhook_late_ms_max: 600_000,
        }
    }
}

impl Default for ProviderFaults {
    fn default() -> Self {
        Self::none()
    }
}
