//! The campaigns of a node behind its HTTP API.

use super::live::LiveConfig;
use super::{Engines, NodeOptions, Work, commands, launching};
use crate::campaign::beside::preview_beside;
use crate::campaign::explain::explain;
use crate::campaign::known_chunks::KnownChunks;
use crate::campaign::launched::Launched;
use crate::campaign::place::Place;
use crate::campaign::preview::{Answered, Asked, check_counts};
use crate::campaign::{self, failures, recipients};
use crate::config::pages::unnamed;
use crate::dead_letters::{self, LetterId, Shown};
use crate::error::{Exit, Failure};
use crate::events;
use crate::page::lift::lift;
use crate::page::queue::queue;
use crate::page::report::report;
use crate::page::sight::Sight;
use crate::suppressions::{self, Asked as Suppressions};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_completion::{CompletionPorts, StalledCampaigns};
use sluice_core::launch::ValidLaunch;
use sluice_core::schedule::starts_ms;
use sluice_core::{CampaignRow, ChunkRow, PageId};
use sluice_http::{
    Action, ApiError, CampaignsQuery, Control, ErrorsQuery, EventsQuery, LettersQuery, RecipientsQuery,
};
use sluice_runtime::Clock;
use sluice_sender::Board;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::task::JoinError;

/// A question that only reads is answered or refused by then.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A command, whose pages may be thousands, and a list of all campaigns: before the command line waits no longer.
const DONE_WITHIN: Duration = Duration::from_secs(25);

/// Campaigns that are read at a time for a list.
const CAMPAIGNS_AT_ONCE: usize = 16;

/// Recipients that are named for each reason at most, in an answer.
const SAMPLES_MAX: usize = 1_000;

/// Dead letters of an answer at most.
const LETTERS_MAX: usize = 10_000;

/// Answers from the store and the board.
pub struct NodeControl {
    engines: Engines,
    options: NodeOptions,
    config: LiveConfig,
    known: Arc<KnownChunks>,
    board: Board,
    stalled: StalledCampaigns,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for NodeControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeControl").field("engines", &self.engines).finish_non_exhaustive()
    }
}

impl NodeControl {
    /// Over open engines.
    pub fn new(
        engines: Engines,
        options: NodeOptions,
        config: LiveConfig,
        board: Board,
        stalled: StalledCampaigns,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { engines, options, config, known: Arc::default(), board, stalled, clock }
    }

    fn sight(&self) -> Sight {
        let config = self.config.now();
        Sight {
            store: self.engines.store(),
            log: self.engines.log(),
            messages: Arc::new(self.config.messages()),
            shares: config.sender.shares,
            quotas: config.quotas.clone(),
            known: self.known.clone(),
            board: self.board.clone(),
            working: OnceCell::new(),
            stalled: self.stalled.clone(),
            trouble: self.engines.trouble(),
            now_ms: self.clock.wall_ms(),
            monotonic: self.clock.monotonic(),
        }
    }

    /// An answer that is there soon, or a refusal that says what keeps it away: who asks while an engine is away
    /// wants to hear that, and not wait as long as the engine is waited for.
    async fn soon<T>(&self, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, ApiError> {
        self.within(ANSWERS_WITHIN, answer).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, ApiError> {
        let failed = match tokio::time::timeout(limit, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) if failure.exit != Exit::TryAgain => return Err(api_error(failure)),
            Ok(Err(failure)) => api_error(failure),
            Err(_) => ApiError::new(
                503,
                "engine_away",
                format!("the store has not answered all within {} s", limit.as_secs()),
            ),
        };
        match self.engines.trouble() {
            Some(trouble) => Err(ApiError::new(503, "engine_away", trouble)
                .actionable("nothing is lost: everything goes on by itself when it is back; ask again then")),
            None => Err(failed.actionable("ask again in a moment")),
        }
    }

    /// An audience is looked at where and when it will be read: here only if this process expands, and not for a
    /// launch for later.
    async fn check(&self, valid: &ValidLaunch, known: Option<&CampaignRow>) -> Result<(), Failure> {
        let config = &self.config.now();
        let is_read_now = starts_ms(&valid.rules, self.clock.wall_ms()).is_none();
        match is_read_now && self.options.work.has(Work::Expander) {
            true => launching::check_sendable(valid, config, self.engines.temporary(), known).await,
            false => launching::check_pages(&valid.launch, config),
        }
    }

    async fn find(&self, tenant: &str, name: &str) -> Result<CampaignRow, Failure> {
        campaign::find(self.engines.store().as_ref(), tenant, name).await
    }

    async fn chunks(&self, tenant: &str, name: &str) -> Result<Arc<[ChunkRow]>, Failure> {
        self.known.of(self.engines.store().as_ref(), &self.find(tenant, name).await?).await
    }
}

#[async_trait]
impl Control for NodeControl {
    async fn launch(&self, launch_json: &[u8]) -> Result<Value, ApiError> {
        let text = std::str::from_utf8(launch_json).map_err(|_| {
            ApiError::new(400, "launch_invalid", "the launch is not UTF-8").actionable("send JSON in UTF-8")
        })?;
        let launch = launching::parse(text, "the launch").map_err(api_error)?;
        let known = launching::existing(&self.engines, &launch).await.map_err(api_error)?;
        let valid = match &known {
            Some(_) => launching::checked(&launch, "the launch"),
            None => launching::checked_at(&launch, "the launch", self.clock.wall_ms()),
        };
        let valid = valid.map_err(api_error)?;
        if known.as_ref().is_none_or(|row| !row.state.is_ended()) {
            self.check(&valid, known.as_ref()).await.map_err(api_error)?;
        }
        let row = launching::launch(&self.engines, &launch).await.map_err(api_error)?;
        let sight = self.sight();
        let status = sight.status(&sight.read(&row).await.map_err(api_error)?);
        let mut answer = json!(Launched { status, already: known.is_some() });
        let warnings = unnamed(&self.options.config, &launch);
        for warning in &warnings {
            tracing::warn!(campaign = %launch.campaign, "{warning}");
        }
        answer["warnings"] = json!(warnings);
        Ok(answer)
    }

    async fn preview(&self, asked_json: &[u8]) -> Result<Value, ApiError> {
        let invalid = |detail: String| {
            ApiError::new(400, "preview_invalid", "the question is not a launch with counted recipients")
                .details(vec![detail])
                .actionable("send {\"launch\": LAUNCH.json, \"recipients\": [{\"page\", \"zone\", \"day\", \"count\"}]}")
        };
        let Asked { launch, recipients } =
            serde_json::from_slice(asked_json).map_err(|error| invalid(error.to_string()))?;
        let launch = launching::parse(&launch.to_string(), "the launch").map_err(api_error)?;
        let valid = launching::checked(&launch, "the launch").map_err(api_error)?;
        check_counts(&valid, &recipients).map_err(invalid)?;
        let sight = self.sight();
        let answer = async {
            let taken = launching::taken(&self.engines, &launch).await?;
            Ok(Answered { preview: preview_beside(&sight, &valid, &recipients).await?, taken })
        };
        Ok(json!(self.soon(answer).await?))
    }

    async fn list(&self, query: &CampaignsQuery) -> Result<Value, ApiError> {
        let listed = async {
            let rows = match query.unfinished {
                true => self.engines.store().unfinished().await?,
                false => self.engines.store().campaigns().await?,
            };
            let sight = &self.sight();
            sight.look_who_works().await;
            let reads: Vec<_> = rows.iter().map(|row| sight.read(row)).collect();
            let mut reads = stream::iter(reads).buffered(CAMPAIGNS_AT_ONCE);
            let mut campaigns = Vec::with_capacity(rows.len());
            while let Some(stored) = reads.try_next().await? {
                campaigns.push(sight.status(&stored));
            }
            Ok(json!({ "campaigns": campaigns }))
        };
        self.within(DONE_WITHIN, listed).await
    }

    async fn get(&self, tenant: &str, name: &str) -> Result<Value, ApiError> {
        let found = async {
            let (sight, row) = (self.sight(), self.find(tenant, name).await?);
            sight.look_who_works().await;
            Ok(sight.status(&sight.read(&row).await?))
        };
        Ok(json!(self.soon(found).await?))
    }

    async fn explain(&self, tenant: &str, name: &str) -> Result<Value, ApiError> {
        let found = async { explain(&self.sight(), &self.find(tenant, name).await?).await };
        Ok(json!(self.soon(found).await?))
    }

    async fn recipients(&self, tenant: &str, name: &str, query: &RecipientsQuery) -> Result<Value, ApiError> {
        let RecipientsQuery { status, after, limit } = query;
        let part = async {
            let wanted = recipients::Wanted::read(status.as_deref(), after.as_deref(), *limit)?;
            let chunks = self.chunks(tenant, name).await?;
            recipients::part(self.engines.store().as_ref(), &chunks, &wanted).await
        };
        Ok(json!(self.soon(part).await?))
    }

    async fn errors(&self, tenant: &str, name: &str, query: &ErrorsQuery) -> Result<Value, ApiError> {
        let samples = query.samples.min(SAMPLES_MAX);
        let part = async {
            let after = query.after.as_deref().map(Place::parse).transpose()?;
            let chunks = self.chunks(tenant, name).await?;
            failures::part(self.engines.store().as_ref(), &chunks, samples, after).await
        };
        Ok(json!(self.soon(part).await?))
    }

    async fn events(&self, query: &EventsQuery) -> Result<Value, ApiError> {
        let log = self.engines.log();
        let part = events::part(log.as_ref(), query.after.as_deref(), query.campaign.as_deref());
        Ok(json!(self.soon(part).await?))
    }

    async fn dead_letters(&self, query: &LettersQuery) -> Result<Value, ApiError> {
        let topic = query.topic.as_deref().map(dead_letters::topic).transpose().map_err(|which| {
            ApiError::new(400, "query_invalid", "the topic is none of Sluice's").details(vec![which])
        })?;
        let log = self.engines.log();
        Ok(json!(self.soon(dead_letters::shown(log.as_ref(), topic, query.limit.min(LETTERS_MAX))).await?))
    }

    async fn dead_letter(&self, letter: &str) -> Result<Value, ApiError> {
        let id = letter_id(letter)?;
        let log = self.engines.log();
        let shown = async { Ok(Shown::of(&dead_letters::one(log.as_ref(), id).await?, true)) };
        Ok(json!(self.soon(shown).await?))
    }

    async fn replay(&self, letters_json: &[u8]) -> Result<Value, ApiError> {
        let Replay { letters } = serde_json::from_slice(letters_json).map_err(|error| {
            ApiError::new(400, "replay_invalid", "the body does not name dead letters")
                .details(vec![error.to_string()])
                .actionable("send {\"letters\": [\"0/17\"]}")
        })?;
        let letters = letters.iter().map(|letter| letter_id(letter)).collect::<Result<Vec<_>, _>>()?;
        let log = self.engines.log();
        Ok(json!(self.soon(dead_letters::replay_all(log.as_ref(), &letters)).await?))
    }

    async fn suppress(&self, asked_json: &[u8]) -> Result<Value, ApiError> {
        let (asked, store) = (suppressions_of(asked_json)?, self.engines.store());
        Ok(json!(self.soon(suppressions::add(store.as_ref(), &asked)).await?))
    }

    async fn suppressed(&self, asked_json: &[u8]) -> Result<Value, ApiError> {
        let (asked, store) = (suppressions_of(asked_json)?, self.engines.store());
        Ok(json!(self.soon(suppressions::check(store.as_ref(), &asked)).await?))
    }

    async fn page(&self, page: &str) -> Result<Value, ApiError> {
        let sight = self.sight();
        Ok(json!(self.soon(report(&sight, &PageId::from(page))).await?))
    }

    async fn lift(&self, page: &str) -> Result<Value, ApiError> {
        let (store, page, now) = (self.engines.store(), PageId::from(page), self.clock.monotonic());
        Ok(json!(self.soon(lift(store.as_ref(), &self.board, &page, now)).await?))
    }

    async fn queue(&self) -> Result<Value, ApiError> {
        let sight = self.sight();
        Ok(json!(self.soon(queue(&sight)).await?))
    }

    async fn act(
        &self,
        tenant: &str,
        name: &str,
        action: Action,
        details_json: &[u8],
    ) -> Result<Value, ApiError> {
        let given = commands::Given::read(action, details_json).map_err(api_error)?;
        let ports = CompletionPorts {
            log: self.engines.log(),
            store: self.engines.store(),
            clock: self.clock.clone(),
        };
        // Who has no patience any more, or is gone, leaves no command half done.
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        let done = tokio::spawn(async move { given.carry_out(&ports, &tenant, &name).await });
        Ok(json!(self.within(DONE_WITHIN, async { done.await.map_err(ended)? }).await?))
    }
}

fn ended(error: JoinError) -> Failure {
    let to_do = "give it again: a command that holds already changes nothing";
    Failure::new(Exit::TryAgain, "command_ended", "the command ended before its answer", to_do)
        .with(error.to_string())
}

/// Which dead letters are to be replayed.
#[derive(Deserialize)]
struct Replay {
    letters: Vec<String>,
}

fn suppressions_of(asked_json: &[u8]) -> Result<Suppressions, ApiError> {
    serde_json::from_slice(asked_json).map_err(|error| {
        ApiError::new(400, "suppressions_invalid", "the body does not name addresses of a channel")
            .details(vec![error.to_string()])
            .actionable("send {\"channel\": \"whatsapp\", \"addresses\": [\"+5511987654321\"]}")
    })
}

fn letter_id(letter: &str) -> Result<LetterId, ApiError> {
    letter.parse().map_err(|problem: String| ApiError::new(400, "letter_invalid", problem))
}

/// The same failure in the API's words.
pub(super) fn api_error(failure: Failure) -> ApiError {
    let status = match failure.exit {
        Exit::Usage => 400,
        Exit::Refused => match failure.code.as_str() {
            "no_such_campaign" | "no_such_page" | "no_such_dead_letter" => 404,
            "launched_differently" | "wrong_state" | "nothing_failed" | "no_time_left" => 409,
            _ => 422,
        },
        _ => 503,
    };
    ApiError::new(status, &failure.code, failure.message)
        .details(failure.details)
        .actionable(failure.actionable)
}
