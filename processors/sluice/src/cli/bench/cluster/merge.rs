//! Receipts become chunk states, beside bare writes of such states: one a receipt.

use super::super::BenchArgs;
use super::super::child::Process;
use super::super::ground::Ground;
use super::super::median;
use super::super::report::{Beside, Report, Row};
use super::super::scratch::Scratch;
use super::super::worker::{Job, MergedReceipts};
use crate::cli::Common;
use crate::error::Outcome;
use crate::view::numbers::thousands;
use serde_json::json;

/// One outcome a receipt, as a slow page's sender makes them.
const SINGLE: Shape = Shape { name: "merge", chunks: 100, per_chunk: 1_000, outcomes: 1, aim: "0.50" };
/// 512 outcomes a receipt, as a fast page's sender makes them: 16 receipts a chunk of 8,192, each merged at once.
const GATHERED: Shape =
    Shape { name: "merge_gathered", chunks: 1_000, per_chunk: 16, outcomes: 512, aim: "" };
/// Every receipt is about another chunk, whose state has to be read and written for it: more chunks at a time than
/// are held in memory.
const SCATTERED: Shape =
    Shape { name: "merge_scattered", chunks: 16_000, per_chunk: 1, outcomes: 1, aim: "" };

struct Shape {
    name: &'static str,
    chunks: u32,
    per_chunk: u32,
    outcomes: u16,
    aim: &'static str,
}

pub(in crate::cli::bench) async fn measure(
    common: &Common,
    args: &BenchArgs,
    ground: &Ground,
    report: &mut Report,
) -> Outcome<()> {
    for shape in [SINGLE, GATHERED, SCATTERED] {
        of_shape(common, args, ground, report, &shape).await?;
    }
    Ok(())
}

async fn of_shape(
    common: &Common,
    args: &BenchArgs,
    ground: &Ground,
    report: &mut Report,
    shape: &Shape,
) -> Outcome<()> {
    let scratch = Scratch::new()?;
    let receipts = shape.chunks * shape.per_chunk;
    let (mut rates, mut bare, mut ratios, mut saves) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut cpu_us, mut rss_mb, mut bytes) = (Vec::new(), 0.0_f64, 0);
    for round in 0..=args.rounds {
        let place = ground.fresh().await?;
        let Shape { chunks, per_chunk, outcomes, .. } = *shape;
        let job = Job::Merge { data_dir: scratch.data()?, chunks, per_chunk, outcomes };
        let took: MergedReceipts = Process::worker(common, &place, &job)?.read().await?;
        ground.remove(place).await?;
        let (ours, raw) = (f64::from(receipts) / took.seconds, f64::from(receipts) / took.raw_seconds);
        report.say(format_args!(
            "round {round}: {} receipts/s with {} states stored; bare: {} states/s: {:.2}{}",
            thousands(ours as u64),
            thousands(took.saves),
            thousands(raw as u64),
            ours / raw,
            if round == 0 { " (warming up)" } else { "" },
        ));
        if round == 0 {
            continue;
        }
        rates.push(ours);
        bare.push(raw);
        ratios.push(ours / raw);
        saves.push(took.saves as f64);
        cpu_us.push(took.cpu_seconds * 1e6 / f64::from(receipts));
        rss_mb = rss_mb.max(took.peak_rss_mb);
        bytes = took.state_bytes;
    }
    let details = json!({
        "receipts": receipts, "outcomes_per_receipt": shape.outcomes, "chunks": shape.chunks, "ratios": ratios, "states_stored": median(saves),
        "state_bytes": bytes, "cpu_us_per_receipt": median(cpu_us), "peak_rss_mb": rss_mb,
    });
    report.row(Row {
        name: shape.name,
        value: median(rates),
        unit: "receipts/s",
        ratio: Some(median(ratios)),
        beside: Some(Beside { name: "bare states", value: median(bare), unit: "writes/s" }),
        aim: shape.aim,
        details: details.as_object().cloned().unwrap_or_default(),
    });
    Ok(())
}
