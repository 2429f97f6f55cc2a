//! The processors as tasks: each is stopped by itself, so that they end in the right order.

use crate::error::Failure;
use sluice_runtime::Shutdown;
use sluice_runtime::shutdown::{self, ShutdownTrigger};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What runs in a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Role {
    Configuration,
    Gateway,
    Expander,
    Sender,
    Webhooks,
    Receipts,
    Completion,
    Lag,
    Quotas,
    Metrics,
}

impl Role {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Role::Configuration => "watch of the configuration",
            Role::Gateway => "webhook gateway",
            Role::Expander => "expander",
            Role::Sender => "sender",
            Role::Webhooks => "webhook processor",
            Role::Receipts => "receipt processor",
            Role::Completion => "completion processor",
            Role::Lag => "lag sampler",
            Role::Quotas => "quota sampler",
            Role::Metrics => "metrics port",
        }
    }
}

/// How a node ended.
#[derive(Debug, Default)]
pub struct Stopped {
    /// Calls that were under way when there was no more patience: their outcome is not known.
    pub cut_calls: usize,
    /// Why a processor did not end well.
    pub failure: Option<Failure>,
}

/// How one processor ended.
#[derive(Debug, Default)]
pub struct RoleEnded {
    /// It was not waited for.
    pub cut: bool,
    /// It did not end well.
    pub failure: Option<Failure>,
}

#[derive(Debug)]
struct Running {
    trigger: ShutdownTrigger,
    task: JoinHandle<Result<(), String>>,
}

/// All processors of a node.
#[derive(Debug)]
pub struct Roles {
    running: BTreeMap<Role, Running>,
    ended: mpsc::UnboundedReceiver<(Role, String)>,
    ends: mpsc::UnboundedSender<(Role, String)>,
}

impl Default for Roles {
    fn default() -> Self {
        Self::new()
    }
}

impl Roles {
    /// None yet.
    pub fn new() -> Self {
        let (ends, ended) = mpsc::unbounded_channel();
        Self { running: BTreeMap::new(), ended, ends }
    }

    /// Starts one on the present runtime.
    pub fn start<F, E>(&mut self, role: Role, run: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send,
    {
        let (trigger, shutdown) = shutdown::channel();
        let (work, ends, asked) = (run(shutdown.clone()), self.ends.clone(), shutdown);
        let work = async move { work.await.map_err(|error| error.to_string()) };
        let inner = tokio::spawn(work);
        // A second task, so that a panic is told as well.
        let abort = AbortOnDrop(inner.abort_handle());
        let task = tokio::spawn(async move {
            let _abort = abort;
            let result = inner.await.unwrap_or_else(|error| Err(format!("it ended unexpectedly: {error}")));
            if !asked.is_stopping() {
                let reason =
                    result.clone().err().unwrap_or_else(|| "it ended without being asked".to_owned());
                // Nobody listens any more while the node stops.
                drop(ends.send((role, reason)));
            }
            result
        });
        self.running.insert(role, Running { trigger, task });
    }

    /// Resolves when one ended by itself.
    pub async fn ended(&mut self) -> (Role, String) {
        match self.ended.recv().await {
            Some(ended) => ended,
            // Not possible while `ends` lives here.
            None => std::future::pending().await,
        }
    }

    /// Stops one and waits for it, until `hurry`.
    pub async fn stop(&mut self, role: Role, mut hurry: Shutdown) -> RoleEnded {
        let Some(Running { trigger, mut task }) = self.running.remove(&role) else {
            return RoleEnded::default();
        };
        trigger.stop();
        let ended = tokio::select! {
            ended = &mut task => ended,
            () = hurry.stopping() => {
                // What it has made durable stays; the next start goes on from there.
                task.abort();
                drop(task.await);
                return RoleEnded { cut: true, failure: None };
            }
        };
        let failure = match ended {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => {
                Some(crate::error::storage(reason).with(format!("while the {} stopped", role.name())))
            }
            Err(error) => Some(crate::error::storage(error)),
        };
        RoleEnded { cut: false, failure }
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        self.running.values().for_each(|running| running.task.abort());
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
