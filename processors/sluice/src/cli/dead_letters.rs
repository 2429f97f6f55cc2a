//! `sluice dead-letters`: records that no step could use.

use super::Common;
use crate::dead_letters::{self, Found, LetterId};
use crate::error::{Exit, Failure, Outcome};
use crate::node::Engines;
use crate::view::moment::at_second;
use crate::view::numbers::{counted, thousands};
use crate::view::out;
use crate::view::table::Table;
use clap::{Args, Subcommand};
use serde_json::json;
use sluice_runtime::ports::log::Topic;

/// Looks at records that no step could use, and gives them to it again.
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// The newest ones with their reasons
    #[command(after_help = "Example:  sluice dead-letters list --topic campaign.launches")]
    List(ListArgs),
    /// One with its whole content
    Show(ShowArgs),
    /// Put the record back where it came from, once what refused it is mended
    #[command(after_help = "Example:  sluice dead-letters replay 0/17 0/18
A record that was worked off meanwhile counts once: replaying is safe.")]
    Replay(ReplayArgs),
}

/// Which ones.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only those that came from this topic
    #[arg(long, value_parser = topic)]
    pub topic: Option<Topic>,
    /// As many at most
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
}

/// Which one.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// As `list` names it, for example 0/17
    pub letter: LetterId,
}

/// Which ones.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// As `list` names them, for example 0/17
    #[arg(required = true)]
    pub letters: Vec<LetterId>,
}

fn topic(text: &str) -> Result<Topic, String> {
    let names = || Topic::ALL.map(Topic::name).join(", ");
    let found = Topic::ALL.into_iter().find(|topic| topic.name() == text);
    found.ok_or_else(|| format!("there are {}", names()))
}

pub(super) async fn run(common: Common, command: DeadLettersCommand) -> Outcome {
    let config = common.load(&[], "warn")?.config;
    let engines = Engines::open(&config).await?;
    let done = act(&common, &engines, command).await;
    engines.close().await;
    done
}

async fn act(common: &Common, engines: &Engines, command: DeadLettersCommand) -> Outcome {
    let log = engines.log();
    match command {
        DeadLettersCommand::List(args) => {
            let letters = dead_letters::list(log.as_ref(), args.topic, args.limit).await?;
            list(common, &letters);
        }
        DeadLettersCommand::Show(args) => {
            let found = dead_letters::one(log.as_ref(), args.letter).await?;
            show(common, &found);
        }
        DeadLettersCommand::Replay(args) => {
            // All are looked at before the first is replayed.
            let mut letters = Vec::with_capacity(args.letters.len());
            for id in args.letters {
                let letter = dead_letters::one(log.as_ref(), id).await?.letter.map_err(|unreadable| {
                    let message = format!("dead letter {id} can't be read");
                    Failure::refused("not_replayable", message, "leave it out").with(unreadable)
                })?;
                letters.push((id, letter));
            }
            for (id, letter) in &letters {
                dead_letters::replay(log.as_ref(), *id, letter).await?;
            }
            let count = letters.len() as u64;
            match common.json {
                true => out::line(json!({ "replayed": count })),
                false => out::line(format_args!("{} replayed", counted(count, "record", "records"))),
            }
        }
    }
    Ok(Exit::Done)
}

fn list(common: &Common, letters: &[Found]) {
    if common.json {
        letters.iter().for_each(|found| out::line(dead_letters::json(found, false)));
        return;
    }
    if letters.is_empty() {
        out::line("There is no dead letter.");
        return;
    }
    let mut table = Table::new(5, ["letter", "from", "at", "when", "reason"]);
    for found in letters {
        table.row(match &found.letter {
            Ok(letter) => [
                found.id.to_string(),
                letter.topic.clone(),
                place(letter.partition, letter.offset),
                at_second(letter.at_ms, None),
                letter.reason.clone(),
            ],
            Err(unreadable) => {
                let unknown = || "?".to_owned();
                [found.id.to_string(), unknown(), unknown(), unknown(), unreadable.clone()]
            }
        });
    }
    table.lines().iter().for_each(out::line);
}

fn place(partition: i32, offset: i64) -> String {
    if partition < 0 { "-".to_owned() } else { format!("{partition}/{offset}") }
}

fn show(common: &Common, found: &Found) {
    let object = dead_letters::json(found, true);
    let letter = match &found.letter {
        Ok(letter) if !common.json => letter,
        _ => return out::line(object),
    };
    let mut facts = Table::plain(2);
    let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
    fact("letter", found.id.to_string());
    fact("from", format!("{} {}", letter.topic, place(letter.partition, letter.offset)));
    fact("when", at_second(letter.at_ms, None));
    fact("reason", letter.reason.clone());
    fact("bytes", thousands(letter.value.len() as u64));
    fact("key", object["key"].as_str().unwrap_or_default().to_owned());
    facts.lines().iter().for_each(out::line);
    match dead_letters::content(letter) {
        serde_json::Value::String(text) => out::line(text),
        fields => out::line(format_args!("{fields:#}")),
    }
}
