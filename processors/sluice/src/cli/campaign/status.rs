//! `sluice campaign status`.

use super::OneArgs;
use super::explain::explained;
use crate::campaign::explain::Explained;
use crate::cli::Common;
use crate::cli::look::Look;
use crate::error::{Exit, Outcome};
use crate::view::moment::at;
use crate::view::numbers::{duration, rate, thousands};
use crate::view::out;
use crate::view::table::Table;
use serde_json::json;
use std::time::Duration;

pub(super) async fn run(common: &Common, args: &OneArgs) -> Outcome {
    let look = Look::open(common, &args.source).await?;
    let explained = explained(&look, &args.name).await?;
    if common.json {
        out::line(json!(explained.status));
    } else {
        lines(&explained).iter().for_each(out::line);
    }
    Ok(Exit::Done)
}

fn lines(explained: &Explained) -> Vec<String> {
    let status = &explained.status;
    let mut lines = vec![explained.sentence()];
    let mut facts = Table::plain(2);
    let zone = status.coming.time_zone.as_deref();
    let mut fact = |name: &str, value: String| facts.row([format!("  {name}"), value]);
    fact("state", status.state.as_str().to_owned());
    if let Some(reason) = status.reason.clone().filter(|_| !status.state.is_ended()) {
        fact("reason", reason);
    }
    fact("launched", at(status.created_at_ms, zone));
    let took = duration(Duration::from_millis(status.took_ms));
    if let Some(at_ms) = status.coming.starts_at_ms.filter(|_| !status.state.is_ended()) {
        fact("starts", at(at_ms, zone));
    }
    if let Some(cron) = &status.coming.recurring {
        let comes = if status.state.is_ended() { "came back" } else { "comes back" };
        fact(comes, format!("{cron} in {}", status.coming.time_zone.as_deref().unwrap_or("UTC")));
    }
    if let Some(at_ms) = status.coming.ends_at_ms {
        fact("ends", at(at_ms, zone));
    }
    match status.ended_at_ms {
        None if status.coming.starts_at_ms.is_some() => {}
        Some(ended) if status.coming.starts_at_ms.is_some() => fact("ended", at(ended, zone)),
        Some(ended) => fact("ended", format!("{}, after {took}", at(ended, zone))),
        None => fact("running for", took),
    }
    if status.run > 1 {
        fact("run", status.run.to_string());
    }
    if let Some(per_s) = status.average_per_s() {
        fact("average", format!("{} sent while it ran", rate(per_s)));
    }
    for (name, count) in status.counters.named().into_iter().skip(1).filter(|(_, count)| *count > 0) {
        fact(name, thousands(count));
    }
    if let Some(finish) = &status.finish {
        fact("expected end", finish.sentence(status.coming.time_zone.as_deref()));
    }
    if let Some(audience) = &status.audience {
        fact("audience", audience.says(zone));
    }
    if let Some(stalled) = &status.stalled {
        fact("stalled", format!("{} since {}", stalled.reason, at(stalled.since_ms, zone)));
    }
    status.pages.iter().for_each(|page| fact("page", page.says()));
    lines.extend(facts.lines());
    if status.nobody_works {
        lines.push(
            "Nobody works on it: run `sluice send` with its launch again, or start `sluice run`.".to_owned(),
        );
    }
    lines
}
