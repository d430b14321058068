//! The seam to apalis, and the only file that names it: a queue's claimed jobs as an apalis backend.
//!
//! apalis drives the workers: it pulls jobs, runs them side by side, isolates panics, and drains at the end. What is
//! durable (claim, lease, retry, record) is ours; a database fault never reaches apalis, which would end the worker.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use apalis::prelude::WorkerBuilderExt as _;
use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    error::WorkerError,
    task::{
        Task,
        builder::TaskBuilder,
        data::Data,
        task_id::{RandomId, TaskId},
    },
    worker::{builder::WorkerBuilder, context::WorkerContext},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::sync::mpsc;
use tower::layer::util::Identity;

use super::{claim::Ticket, worker::Runner};

/// The claimed jobs of one queue, a task for each claim: what apalis does for a task costs as much as a small job. It ends
/// when the claimer ends.
struct QueueBackend {
    claimed: mpsc::Receiver<Vec<Ticket>>,
}

impl Backend for QueueBackend {
    type Task = Task<Vec<Ticket>>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.claimed.poll_recv(cx).map(|tickets| {
            if tickets.is_none() {
                // apalis ends a worker when it is told to and its tasks are through, not when its jobs end.
                let _ = worker.stop();
            }
            tickets.map(|tickets| {
                let id = TaskId::from_string(RandomId::default());
                Ok(TaskBuilder::new(tickets).task_id(id).build())
            })
        })
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for QueueBackend {
    type Args = Vec<Ticket>;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

/// Runs the claimed jobs of a queue until the claimer ends and the last of them is through.
pub fn run(
    queue: &str,
    slots: usize,
    claimed: mpsc::Receiver<Vec<Ticket>>,
    runner: Arc<Runner>,
) -> BoxFuture<'static, Result<(), WorkerError>> {
    // Panics are caught where the handler runs, with its job's name at hand.
    let worker =
        WorkerBuilder::new(queue.to_owned()).backend(QueueBackend { claimed }).concurrency(slots).data(runner).build(work);
    worker.run().boxed()
}

async fn work(tickets: Vec<Ticket>, runner: Data<Arc<Runner>>) {
    Runner::run(&runner, tickets).await;
}
