//! `sluice dead-letters`: records that no step could use.

use super::Common;
use super::campaign::source::{SourceArgs, read};
use super::look::Look;
use super::remote::escaped;
use crate::dead_letters::{self, LetterId, Letters, Origin, Replayed, Shown};
use crate::error::{Exit, Outcome};
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
    #[command(after_help = "Example:  sluice dead-letters show 0/17")]
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
    #[arg(long, value_parser = dead_letters::topic)]
    pub topic: Option<Topic>,
    /// As many at most
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
    /// Where to look.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Which one.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// As `list` names it, for example 0/17
    pub letter: LetterId,
    /// Where to look.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Which ones.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// As `list` names them, for example 0/17
    #[arg(required = true)]
    pub letters: Vec<LetterId>,
    /// Where they are.
    #[command(flatten)]
    pub source: SourceArgs,
}

impl DeadLettersCommand {
    fn source(&self) -> &SourceArgs {
        match self {
            Self::List(args) => &args.source,
            Self::Show(args) => &args.source,
            Self::Replay(args) => &args.source,
        }
    }
}

pub(super) async fn run(common: Common, command: DeadLettersCommand) -> Outcome {
    let look = Look::open(&common, command.source()).await?;
    let done = act(&common, &look, command).await;
    look.close().await;
    done
}

async fn act(common: &Common, look: &Look, command: DeadLettersCommand) -> Outcome {
    match command {
        DeadLettersCommand::List(ListArgs { topic, limit, .. }) => {
            let letters: Letters = match look {
                Look::Service(remote) => {
                    let topic = topic.map(|topic| format!("&topic={}", escaped(topic.name())));
                    let path = format!("/v1/dead-letters?limit={limit}{}", topic.unwrap_or_default());
                    read(remote.get(&path).await?)?
                }
                Look::Engines(engines, _) => {
                    dead_letters::shown(engines.log().as_ref(), topic, limit).await?
                }
            };
            list(common, &letters.letters);
        }
        DeadLettersCommand::Show(args) => {
            let shown: Shown = match look {
                Look::Service(remote) => {
                    read(remote.get(&format!("/v1/dead-letters/{}", args.letter)).await?)?
                }
                Look::Engines(engines, _) => {
                    Shown::of(&dead_letters::one(engines.log().as_ref(), args.letter).await?, true)
                }
            };
            show(common, &shown);
        }
        DeadLettersCommand::Replay(args) => {
            let Replayed { replayed } = match look {
                Look::Service(remote) => {
                    let letters: Vec<String> = args.letters.iter().map(LetterId::to_string).collect();
                    let body = json!({ "letters": letters }).to_string().into_bytes();
                    read(remote.post("/v1/dead-letters/replay", body).await?)?
                }
                Look::Engines(engines, _) => {
                    dead_letters::replay_all(engines.log().as_ref(), &args.letters).await?
                }
            };
            match common.json {
                true => out::line(json!({ "replayed": replayed })),
                false => out::line(format_args!("{} replayed", counted(replayed, "record", "records"))),
            }
        }
    }
    Ok(Exit::Done)
}

fn list(common: &Common, letters: &[Shown]) {
    if common.json {
        letters.iter().for_each(|shown| out::line(json!(shown)));
        return;
    }
    if letters.is_empty() {
        out::line("There is no dead letter.");
        return;
    }
    let mut table = Table::new(5, ["letter", "from", "at", "when", "reason"]);
    for Shown { id, reason, from, .. } in letters {
        let unknown = || "?".to_owned();
        table.row(match from {
            Some(from) => {
                [id.clone(), from.topic.clone(), place(from), at_second(from.at_ms, None), reason.clone()]
            }
            None => [id.clone(), unknown(), unknown(), unknown(), reason.clone()],
        });
    }
    table.lines().iter().for_each(out::line);
}

fn place(from: &Origin) -> String {
    if from.partition < 0 { "-".to_owned() } else { format!("{}/{}", from.partition, from.offset) }
}

fn show(common: &Common, shown: &Shown) {
    let (from, content) = match (&shown.from, &shown.content) {
        (Some(from), Some(content)) if !common.json => (from, content),
        _ => return out::line(json!(shown)),
    };
    let mut facts = Table::plain(2);
    let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
    fact("letter", shown.id.clone());
    fact("from", format!("{} {}", from.topic, place(from)));
    fact("when", at_second(from.at_ms, None));
    fact("reason", shown.reason.clone());
    fact("bytes", thousands(from.bytes as u64));
    fact("key", content.key.clone());
    facts.lines().iter().for_each(out::line);
    match &content.value {
        serde_json::Value::String(text) => out::line(text),
        fields => out::line(format_args!("{fields:#}")),
    }
}
