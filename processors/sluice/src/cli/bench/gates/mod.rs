//! Limits, pauses and priorities, judged by the side that answers the calls.
//!
//! One process expands the campaigns, another one sends them, and this one answers: what it saw is measured. Every
//! campaign names itself in its calls.
//!
//! - `neighbours`: pages beside one with a backlog that may not or cannot go on.
//! - `rate_use`: how much of its rate a page uses; and very many pages.
//! - `pause`: from the acknowledgement of a pause to the last call.
//! - `urgent`: an urgent campaign on a page with a backlog.
//! - `answering`, `serving`, `windows`: the answers, the process that sends, calls in sliding windows.

mod answering;
mod neighbours;
mod pause;
mod rate_use;
mod serving;
mod urgent;
mod windows;

use super::ground::Ground;
use super::report::Report;
use super::scratch::Scratch;
use super::{BenchArgs, Which};
use crate::cli::Common;
use crate::error::Outcome;
use answering::Answering;

const RECIPIENTS: u64 = 1_000_000;

/// What all parts need.
struct Bench<'a> {
    common: &'a Common,
    args: &'a BenchArgs,
    ground: &'a Ground,
    /// Of the backlog; everything else is scaled by it.
    recipients: u64,
    scratch: Scratch,
    answering: Answering,
}

/// Whether it is all of them, or one.
pub(super) fn is_part(which: Which) -> bool {
    let parts = [Which::Neighbours, Which::RateUse, Which::Pause, Which::Urgent];
    which == Which::Gates || parts.contains(&which)
}

pub(super) async fn measure(
    common: &Common,
    args: &BenchArgs,
    ground: &Ground,
    report: &mut Report,
) -> Outcome<()> {
    let recipients = args.recipients.unwrap_or(RECIPIENTS);
    let (scratch, answering) = (Scratch::new()?, Answering::start().await?);
    let bench = Bench { common, args, ground, recipients, scratch, answering };
    let wants = |which| [which, Which::Gates].contains(&args.which);
    if wants(Which::Neighbours) {
        neighbours::measure(&bench, report).await?;
    }
    if wants(Which::RateUse) {
        rate_use::measure(&bench, report).await?;
    }
    if wants(Which::Pause) {
        pause::measure(&bench, report).await?;
    }
    if wants(Which::Urgent) {
        urgent::measure(&bench, report).await?;
    }
    Ok(())
}
