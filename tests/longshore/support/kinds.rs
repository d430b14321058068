//! Kinds that do what a test tells them.

use std::time::Duration;

use longshore::workers::{
    clock::{Clock as _, SystemClock},
    ctx::Ctx,
    job::{Done, Job, Limit, Outcome, RetryPolicy, Stop},
    registry::Registry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Does what `does` says; its effect is a row in the table `effects`, and `steps` tells how far it came.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scripted {
    pub does: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Scripted {
    pub fn new(does: &str) -> Self {
        Self { does: does.into(), note: None }
    }

    pub fn noted(does: &str, note: &str) -> Self {
        Self { does: does.into(), note: Some(note.into()) }
    }
}

impl Job for Scripted {
    const KIND: &'static str = "scripted";
    const QUEUE: &'static str = "scripts";
    const RETRY: RetryPolicy =
        RetryPolicy { attempts: 3, first_delay: Duration::from_millis(20), max_delay: Duration::from_millis(100) };
    const TIMEOUT: Duration = Duration::from_secs(20);

    async fn run(&self, ctx: &Ctx) -> Outcome {
        match self.does.as_str() {
            "nothing" => Ok(Done::NOTHING),
            "output" => Done::with(serde_json::json!({ "answer": 42 })),
            "output_nul" => Done::with("a\0b"),
            "fail" => Err(Stop::retry(anyhow::anyhow!("it failed in attempt {}", ctx.attempt()))),
            "fail_once" if ctx.attempt() == 1 => Err(Stop::retry(anyhow::anyhow!("only once"))),
            "fail_once" => Ok(Done::NOTHING),
            "die" => Err(Stop::dead(anyhow::anyhow!("no use"))),
            // Only ever in a worker process: it takes whoever runs it along.
            "abort" => std::process::abort(),
            "nap" => {
                ctx.sleep(Duration::from_millis(100)).await?;
                Ok(Done::NOTHING)
            }
            "permit" => {
                ctx.permit("vendor", 1).await?;
                let mut tx = ctx.tx().await?;
                effect(&mut tx, ctx).await?;
                ctx.complete(tx, ()).await
            }
            "count" => {
                let ended = ctx.ended_batch().await?;
                Done::with(ended.map(|ended| [ended.jobs, ended.done, ended.dead, ended.cancelled]))
            }
            "panic" => panic!("a handler's mistake"),
            "snooze" => match ctx.last_checkpoint::<bool>().await? {
                Some(true) => Ok(Done::NOTHING),
                _ => {
                    let mut tx = ctx.tx().await?;
                    ctx.checkpoint(&mut tx, 1, None, true).await?;
                    tx.commit().await?;
                    Err(Stop::snooze(Duration::from_millis(10), "not yet"))
                }
            },
            "park" => Err(Stop::park("waiting_for_test: a nod")),
            "wait" => {
                mark(ctx, "waiting").await?;
                ctx.cancel().cancelled().await;
                Err(Stop::Cancelled)
            }
            "block" => {
                mark(ctx, "blocking").await?;
                std::future::pending().await
            }
            "effect" => {
                let mut tx = ctx.tx().await?;
                effect(&mut tx, ctx).await?;
                ctx.complete(tx, ()).await
            }
            // Each stands still at its step, the first time it gets there, for somebody to kill the process.
            "stall_before_effect" => {
                stall(ctx, "before_effect").await?;
                let mut tx = ctx.tx().await?;
                effect(&mut tx, ctx).await?;
                ctx.complete(tx, ()).await
            }
            "stall_in_transaction" => {
                let mut tx = ctx.tx().await?;
                effect(&mut tx, ctx).await?;
                stall(ctx, "in_transaction").await?;
                ctx.complete(tx, ()).await
            }
            "stall_after_commit" => {
                let mut tx = ctx.tx().await?;
                effect(&mut tx, ctx).await?;
                let done = ctx.complete(tx, ()).await?;
                stall(ctx, "after_commit").await?;
                Ok(done)
            }
            // An effect outside the completion's transaction, under the fence of its own.
            "stall_between_steps" => {
                let first: i64 = ctx
                    .step("first", async {
                        let mut tx = ctx.tx().await?;
                        effect(&mut tx, ctx).await?;
                        tx.commit().await?;
                        Ok(7)
                    })
                    .await?;
                stall(ctx, "between_steps").await?;
                Done::with(first)
            }
            // Goes on in its first run whatever it is told, and says how its completion was answered.
            "stubborn" if ctx.attempt() == 1 => {
                let ctx = ctx.clone();
                let _ = tokio::spawn(async move {
                    let mut tx = ctx.tx().await?;
                    effect(&mut tx, &ctx).await?;
                    mark(&ctx, "in_transaction").await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let answer = ctx.complete(tx, ()).await;
                    mark(&ctx, if matches!(answer, Err(Stop::Fenced)) { "refused" } else { "taken" }).await?;
                    answer
                })
                .await;
                Err(Stop::retry(anyhow::anyhow!("nobody listens any more")))
            }
            "stubborn" => {
                wait_for_go(ctx).await?;
                let mut tx = ctx.tx().await?;
                effect(&mut tx, ctx).await?;
                ctx.complete(tx, ()).await
            }
            // Is through at once, and when it is run again, not before it is told.
            "hand_in" if ctx.attempt() == 1 => {
                mark(ctx, "through").await?;
                Ok(Done::NOTHING)
            }
            "hand_in" => {
                wait_for_go(ctx).await?;
                Ok(Done::NOTHING)
            }
            // Stands still with its lease held by an open transaction.
            "stall_fenced" => {
                let mut tx = ctx.fenced_tx().await?;
                effect(&mut tx, ctx).await?;
                stall(ctx, "fenced").await?;
                ctx.complete(tx, ()).await
            }
            "what_time" => Done::with(SystemClock.now()),
            other => Err(Stop::dead(anyhow::anyhow!("no script {other}"))),
        }
    }
}

/// Another kind of the same queue, which declares its own limit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limited {
    pub to: String,
}

impl Job for Limited {
    const KIND: &'static str = "limited";
    const QUEUE: &'static str = "scripts";

    fn limit(&self) -> Option<Limit> {
        (!self.to.is_empty()).then(|| Limit::new(&self.to, 2))
    }

    async fn run(&self, _: &Ctx) -> Outcome {
        Ok(Done::NOTHING)
    }
}

async fn effect(tx: &mut sqlx::PgConnection, ctx: &Ctx) -> Result<(), Stop> {
    sqlx::query("insert into public.effects (job_id, fence) values ($1, $2)")
        .bind(ctx.job().0)
        .bind(ctx.claim().lease.fence)
        .execute(tx)
        .await?;
    Ok(())
}

/// Records that the job came this far, past its own transaction; true the first time.
async fn mark(ctx: &Ctx, step: &str) -> Result<bool, Stop> {
    let mut tx = ctx.tx().await?;
    let marked = sqlx::query("insert into public.steps (job_id, step) values ($1, $2) on conflict do nothing")
        .bind(ctx.job().0)
        .bind(step)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(marked.rows_affected() == 1)
}

async fn stall(ctx: &Ctx, step: &str) -> Result<(), Stop> {
    if mark(ctx, step).await? {
        ctx.sleep(Duration::from_secs(600)).await?;
    }
    Ok(())
}

/// Says that it runs here now, and waits for the step `go`, which a test takes.
async fn wait_for_go(ctx: &Ctx) -> Result<(), Stop> {
    mark(ctx, "taken_over").await?;
    let go = "select exists (select from public.steps where job_id = $1 and step = 'go')";
    while !sqlx::query_scalar::<_, bool>(go).bind(ctx.job().0).fetch_one(&ctx.services().pool).await? {
        ctx.sleep(Duration::from_millis(20)).await?;
    }
    Ok(())
}

/// The registry of the scripted kind.
pub fn registry() -> Registry {
    Registry::new().add::<Scripted>()
}

/// The tables that scripts write to.
pub const TABLES: &str = "
    create table public.effects (job_id bigint, fence bigint, at timestamptz default clock_timestamp());
    create table public.steps (job_id bigint, step text, primary key (job_id, step));
    grant all on public.effects, public.steps to longshore_worker;
";
