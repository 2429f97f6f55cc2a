//! `sluice verify`: recounts a campaign.

use super::Common;
use crate::campaign;
use crate::error::{Exit, Outcome};
use crate::node::engines::Rows;
use crate::verify::{Recount, gather};
use crate::view::numbers::{counted, thousands};
use crate::view::out;
use clap::Args;
use serde_json::json;
use sluice_core::CampaignRow;

/// Which campaign.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice verify spring-sale --data-dir ./mine
Exit codes: 0 everything agrees, 1 something does not: each line says which chunk, which index, what each side holds.")]
pub struct VerifyArgs {
    /// Its name
    pub campaign: String,
    /// Whose it is
    #[arg(long, default_value = "default")]
    pub tenant: String,
}

pub(super) async fn run(common: Common, args: VerifyArgs) -> Outcome {
    let config = common.load(&[], "warn")?.config;
    let stored = Rows::open(&config).await?;
    let store = stored.store();
    let row = campaign::find(store.as_ref(), &args.tenant, &args.campaign).await?;
    let recount = gather::recount(store.as_ref(), &row, stored.temporary(), |_| {}).await?;
    if common.json {
        let mut object = json!(recount);
        if let Some(object) = object.as_object_mut() {
            object.insert("campaign".to_owned(), json!(row.launch.campaign));
            object.insert("state".to_owned(), json!(row.state));
            object.insert("agrees".to_owned(), json!(recount.agrees()));
        }
        out::line(object);
    } else {
        lines(&row, &recount).iter().for_each(out::line);
    }
    Ok(if recount.agrees() { Exit::Done } else { Exit::FoundWrong })
}

/// `spring-sale: 50,000 recipients in 7 chunks. Counters = recount = ledger. 0 without a state, 0 with two
/// attempts in flight.`
pub(super) fn lines(row: &CampaignRow, recount: &Recount) -> Vec<String> {
    let people = counted(recount.recipients, "recipient", "recipients");
    let chunks = counted(u64::from(recount.chunks), "chunk", "chunks");
    let head = format!("{}: {people} in {chunks}.", row.launch.campaign);
    let open = format!(
        "{} without a state, {} with two attempts in flight.",
        thousands(recount.without_state),
        thousands(recount.claimed_twice)
    );
    if recount.agrees() {
        let mut line = format!("{head} Counters = recount = ledger. {open}");
        if recount.in_flight > 0 {
            line.push_str(&format!(" {} in flight.", thousands(recount.in_flight)));
        }
        if recount.counters.unknown > 0 {
            line.push_str(&format!(" {} unknown.", thousands(recount.counters.unknown)));
        }
        return vec![line];
    }
    let mut lines =
        vec![format!("{head} {} found, {open}", counted(recount.different, "difference", "differences"))];
    lines.extend(recount.differences.iter().map(|difference| format!("  {difference}")));
    let more = recount.different - recount.differences.len() as u64;
    if more > 0 {
        lines.push(format!("  and {} more", thousands(more)));
    }
    lines
}
