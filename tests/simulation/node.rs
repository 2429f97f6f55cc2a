//! One process with every role, as `sluice run` starts it.

use crate::cluster::Cluster;
use crate::webhooks::PlainWebhooks;
use sluice_completion::{Completion, CompletionOptions, CompletionPorts};
use sluice_expander::{Expander, ExpanderOptions, ExpanderPorts};
use sluice_receipts::{
    ReceiptOptions, ReceiptPorts, ReceiptProcessor, WebhookOptions, WebhookPorts, WebhookProcessor,
};
use sluice_runtime::ShutdownTrigger;
use sluice_runtime::shutdown;
use sluice_sender::{Sender, SenderOptions, SenderPorts};
use sluice_simulation::ProcessId;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The limits of a process that tests change.
#[derive(Debug, Clone)]
pub(crate) struct NodeOptions {
    pub(crate) sender: SenderOptions,
    pub(crate) expander: ExpanderOptions,
}

impl NodeOptions {
    pub(crate) fn new(chunk_rows: u32) -> Self {
        Self {
            sender: SenderOptions {
                unresolved_after_ms: 60_000,
                carry_after: 20,
                ..SenderOptions::default()
            },
            expander: ExpanderOptions { chunk_rows_max: chunk_rows, ..ExpanderOptions::default() },
        }
    }
}

/// A running process. Dropping it drops its tasks where they stand; kill the process in the world first.
pub(crate) struct Node {
    pub(crate) process: ProcessId,
    tasks: JoinSet<(&'static str, Result<(), String>)>,
    shutdown: ShutdownTrigger,
}

impl Node {
    pub(crate) fn start(cluster: &Cluster, name: &str) -> Self {
        let world = &cluster.world;
        let process = world.start(name);
        let (trigger, shutdown) = shutdown::channel();
        let (log, store) = (cluster.log.handle(process), cluster.store.handle(process));
        let clock = world.clock(process);
        let mut tasks = JoinSet::new();
        let sender = Sender::new(
            SenderPorts {
                log: log.clone(),
                store: store.clone(),
                caller: cluster.provider.caller(process),
                messages: Arc::new(cluster.messages.clone()),
                clock: clock.clone(),
            },
            cluster.options.sender.clone(),
            format!("{name}-{process}"),
        )
        .with_quotas(&cluster.limits.quotas());
        cluster.limits.are_kept_by(sender.limits());
        let stop = shutdown.clone();
        tasks.spawn(async move { ("sender", sender.run(stop).await.map_err(|error| error.to_string())) });
        let expander = Expander::new(
            ExpanderPorts {
                log: log.clone(),
                store: store.clone(),
                audiences: Arc::new(cluster.audience.clone()),
                clock: clock.clone(),
            },
            cluster.options.expander.clone(),
        );
        let stop = shutdown.clone();
        tasks.spawn(async move { ("expander", expander.run(stop).await.map_err(|error| error.to_string())) });
        let receipts = ReceiptProcessor::new(
            ReceiptPorts { log: log.clone(), store: store.clone(), clock: clock.clone() },
            ReceiptOptions::default(),
        );
        let stop = shutdown.clone();
        tasks.spawn(async move { ("receipts", receipts.run(stop).await.map_err(|error| error.to_string())) });
        let webhooks = WebhookProcessor::new(
            WebhookPorts {
                log: log.clone(),
                store: store.clone(),
                clock: clock.clone(),
                parse: Arc::new(PlainWebhooks),
            },
            WebhookOptions::default(),
        );
        let stop = shutdown.clone();
        tasks.spawn(async move { ("webhooks", webhooks.run(stop).await.map_err(|error| error.to_string())) });
        let completion = Completion::new(CompletionPorts { log, store, clock }, CompletionOptions::default());
        tasks.spawn(async move {
            ("completion", completion.run(shutdown).await.map_err(|error| error.to_string()))
        });
        Self { process, tasks, shutdown: trigger }
    }

    /// Waits until a role ends by itself, which only a broken engine should make it do.
    pub(crate) async fn role_ended(&mut self) -> (&'static str, Result<(), String>) {
        match self.tasks.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(Err(_)) | None => std::future::pending().await,
        }
    }

    /// SIGTERM: every role ends in order.
    pub(crate) async fn stop(mut self) {
        self.shutdown.stop();
        while let Some(ended) = self.tasks.join_next().await {
            let (role, result) = ended.unwrap();
            assert_eq!(result, Ok(()), "{role}");
        }
    }
}
