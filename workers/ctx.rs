//! What a running job may reach: its team, the time, a transaction under its team's row-level security, the completion
//! inside that transaction, steps, progress, and the vendors.

use std::{future::Future, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    clock::{Clock, Random},
    datalake::object_store::ObjectStore,
    db::{self, Tx},
    enqueue::{self, Enqueued, Options},
    failpoint,
    ids::{BatchId, JobId, TeamId},
    job::{Done, Job, Outcome, Stop},
    messages::send_sms::Sends,
    secrets::Keyring,
    settings::{self, Lately, Settings},
    vendors::{Vendors, receiver::Receivers},
};

/// What every job of a process shares.
pub struct Services {
    /// Connections for handlers, apart from the engine's own.
    pub pool: PgPool,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// One client a vendor.
    pub vendors: Vendors,
    /// Where raw and curated files lie.
    pub objects: Arc<dyn ObjectStore>,
    /// What the configuration says to the job kinds.
    pub rules: crate::rules::Rules,
    /// What secrets are sealed with; empty where none is configured.
    pub keyring: Keyring,
    /// Settings and flags that were read a moment ago.
    pub lately: Lately,
    /// The way to customers' own servers.
    pub receivers: Receivers,
    /// What sends of one team do together.
    pub sends: Sends,
}

/// The lease under which a job runs: its fencing token and its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The process that claimed it.
    pub boot: Uuid,
    /// The fencing token: only ever grows.
    pub fence: i64,
}

/// A job as it was claimed, without its payload.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// Its team.
    pub team: TeamId,
    /// Its kind, as stored.
    pub kind: Arc<str>,
    /// This attempt, counted from 1.
    pub attempt: i16,
    /// Attempts in all.
    pub max_attempts: i16,
    /// What caused it, for logs.
    pub correlation: Option<String>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// Who may finish it.
    pub lease: Lease,
}

/// How long a handler waits inside its run for a place in a rate: shorter than that costs less than coming back.
const PERMIT_PATIENCE: Duration = Duration::from_secs(3);

/// What became of the jobs of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedBatch {
    /// The batch.
    pub batch: BatchId,
    /// Jobs that belonged to it.
    pub jobs: i64,
    /// Of those, done.
    pub done: i64,
    /// Dead; a dead letter that is replayed later does not change it.
    pub dead: i64,
    /// Cancelled.
    pub cancelled: i64,
}

/// Handed to [`Job::run`].
#[derive(Clone)]
pub struct Ctx {
    claim: Arc<Claim>,
    services: Arc<Services>,
    cancel: CancellationToken,
}

impl Ctx {
    /// For the engine and for tests.
    pub fn new(claim: Claim, services: Arc<Services>, cancel: CancellationToken) -> Self {
        Self { claim: Arc::new(claim), services, cancel }
    }

    /// The job's team: from the claimed row, which has it from a credential.
    pub fn team(&self) -> TeamId {
        self.claim.team
    }

    /// The job.
    pub fn job(&self) -> JobId {
        self.claim.job
    }

    /// All that was claimed.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// This attempt, counted from 1.
    pub fn attempt(&self) -> i16 {
        self.claim.attempt
    }

    /// No attempt follows this one.
    pub fn is_last_attempt(&self) -> bool {
        self.claim.attempt >= self.claim.max_attempts
    }

    /// The present moment, by the injected clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.services.clock.now()
    }

    /// Vendors, objects, rules.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Cancelled when somebody cancels the job, its time is up, its lease is lost or its process stops.
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Ends the run when the job should stop: call it between pieces of work.
    pub fn check_cancelled(&self) -> Result<(), Stop> {
        if self.cancel.is_cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// A transaction under the team's row-level security.
    pub async fn tx(&self) -> Result<Tx, Stop> {
        Ok(db::begin_as(&self.services.pool, self.team()).await?)
    }

    /// A transaction as [`Ctx::tx`] gives it, in which the lease is checked and kept: what it writes is fenced.
    pub async fn fenced_tx(&self) -> Result<Tx, Stop> {
        let mut tx = self.tx().await?;
        self.keep_lease(&mut tx).await?;
        Ok(tx)
    }

    /// Checks the lease in a transaction of [`Ctx::tx`], and keeps it until that ends. For transactions that take hotter
    /// locks (a team's credits): the lease row comes last in the order of locks, because the completion takes it last.
    pub async fn keep_lease(&self, conn: &mut PgConnection) -> Result<(), Stop> {
        let Lease { boot, fence } = self.claim.lease;
        sqlx::query_file!("queue/hold.sql", boot, fence, self.job().0).fetch_one(conn).await?;
        Ok(())
    }

    /// Completes the job inside `tx` and commits: its effects and its end happen together, or not at all.
    pub async fn complete(&self, mut tx: Tx, output: impl Serialize) -> Outcome {
        let output = match serde_json::to_value(output)? {
            serde_json::Value::Null => None,
            value => Some(value),
        };
        self.completes(&mut tx, output).await?;
        self.completed(tx).await
    }

    /// Completes the job inside a transaction whose end is somebody else's: one that completes several.
    pub(crate) async fn completes(&self, conn: &mut PgConnection, output: Option<serde_json::Value>) -> Result<(), Stop> {
        let Lease { boot, fence } = self.claim.lease;
        sqlx::query_file!("queue/complete.sql", boot, fence, self.job().0, output).fetch_one(conn).await?;
        Ok(())
    }

    /// Commits a transaction in which a statement of the kind's own has completed the job (`queue.complete`): for kinds of which
    /// there are so many that a round trip counts.
    pub async fn completed(&self, tx: Tx) -> Outcome {
        failpoint!(BeforeCommit);
        tx.commit().await?;
        failpoint!(AfterCommit);
        Ok(Done { output: None, settled: true })
    }

    /// Enqueues another job of the same team, in the caller's transaction.
    pub async fn enqueue<J: Job>(&self, conn: &mut PgConnection, job: &J, options: Options) -> Result<Enqueued, Stop> {
        Ok(enqueue::one(conn, self.team(), job, self.inherit(options)).await?)
    }

    /// Opens a batch of the same team, in the caller's transaction; see [`enqueue::open_batch`].
    pub async fn open_batch<J: Job>(&self, conn: &mut PgConnection, then: Option<&J>) -> Result<BatchId, Stop> {
        Ok(enqueue::open_batch(conn, self.team(), then, self.claim.correlation.as_deref()).await?)
    }

    /// The batch at whose end this job was enqueued; `None` for every other job.
    pub async fn ended_batch(&self) -> Result<Option<EndedBatch>, Stop> {
        let mut tx = self.tx().await?;
        let batch = sqlx::query_file_as!(EndedBatch, "queue/ended_batch.sql", self.team().0, self.job().0)
            .fetch_optional(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(batch)
    }

    /// Enqueues many jobs of one kind with one statement; `key` gives each its idempotency key. All or none: a refused
    /// row is an error.
    pub async fn enqueue_many<J: Job>(
        &self,
        conn: &mut PgConnection,
        jobs: &[J],
        keys: Option<Vec<String>>,
    ) -> Result<Vec<Enqueued>, Stop> {
        Ok(enqueue::many(conn, self.team(), jobs, keys, self.inherit(Options::default())).await?)
    }

    fn inherit(&self, options: Options) -> Options {
        Options {
            correlation: options.correlation.or_else(|| self.claim.correlation.clone()),
            parent: Some(self.job()),
            ..options
        }
    }

    /// Runs a named step once: its result is recorded, and a later attempt gets the record instead of running it again.
    /// The step itself must bear being cut off before it is recorded (an effect on a vendor writes its intent first).
    pub async fn step<T, F>(&self, name: &str, work: F) -> Result<T, Stop>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, Stop>>,
    {
        let mut tx = self.tx().await?;
        let known =
            sqlx::query_file_scalar!("queue/find_step.sql", self.team().0, self.job().0, name).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        if let Some(result) = known {
            return Ok(serde_json::from_value(result)?);
        }
        let result = work.await?;
        let mut tx = self.fenced_tx().await?;
        sqlx::query_file!("queue/record_step.sql", self.team().0, self.job().0, name, serde_json::to_value(&result)?)
            .execute(&mut *tx)
            .await?;
        failpoint!(BeforeCommit);
        tx.commit().await?;
        failpoint!(AfterCommit);
        Ok(result)
    }

    /// Reports how far the job is, inside the transaction that did the work, with the point to resume from.
    pub async fn checkpoint(
        &self,
        conn: &mut PgConnection,
        done: i64,
        total: Option<i64>,
        point: impl Serialize,
    ) -> Result<(), Stop> {
        sqlx::query_file!("queue/checkpoint.sql", self.team().0, self.job().0, done, total, serde_json::to_value(point)?)
            .execute(conn)
            .await?;
        Ok(())
    }

    /// The last checkpoint that an earlier attempt committed.
    pub async fn last_checkpoint<T: DeserializeOwned>(&self) -> Result<Option<T>, Stop> {
        let mut tx = self.tx().await?;
        let point =
            sqlx::query_file_scalar!("queue/find_checkpoint.sql", self.team().0, self.job().0).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        Ok(point.flatten().map(serde_json::from_value).transpose()?)
    }

    /// Reports how far the job is, outside any transaction of its own: for whoever looks at it. Fenced like every write.
    pub async fn progress(&self, done: i64, total: Option<i64>) -> Result<(), Stop> {
        let mut tx = self.fenced_tx().await?;
        sqlx::query_file!("queue/progress.sql", self.team().0, self.job().0, done, total).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes `n` out of a named rate that all processes share (`longshore buckets`), for a call that somebody else counts:
    /// `ctx.permit("twilio:+1555…", 1).await?`. Waits for its place up to a few seconds; where that is longer, the job comes
    /// back later and burns no attempt. A name that nobody has set a rate for is granted at once.
    pub async fn permit(&self, name: &str, n: u32) -> Result<(), Stop> {
        let mut tx = self.tx().await?;
        let n = i32::try_from(n).unwrap_or(i32::MAX);
        let answer = sqlx::query_file!("queue/permit.sql", self.team().0, name, n, PERMIT_PATIENCE.as_secs_f64())
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        let wait = Duration::from_secs_f64(answer.wait_seconds.max(0.0));
        if answer.granted {
            return self.sleep(wait).await;
        }
        Err(Stop::snooze(wait, format!("the rate {name} is used up")))
    }

    /// What the team has set, as this transaction sees it.
    pub async fn settings(&self, conn: &mut PgConnection) -> Result<Settings, Stop> {
        Ok(Settings::load(conn, self.team()).await?)
    }

    /// What the team had set at most three seconds ago: for jobs of which there are thousands a second.
    pub async fn settings_lately(&self, conn: &mut PgConnection) -> Result<Arc<Settings>, Stop> {
        Ok(self.services.lately.settings(conn, self.team(), self.now()).await?)
    }

    /// A secret that the team has set, opened: `ctx.secret(&mut tx, catalogue::INTEGRATION_TOKEN)`. `None` where it has not.
    pub async fn secret(&self, conn: &mut PgConnection, name: &str) -> Result<Option<SecretString>, Stop> {
        Ok(settings::secret(conn, &self.services.keyring, self.team(), name).await?)
    }

    /// Whether a flag is on for the team (`longshore flags`), as of the last three seconds. One that nobody has defined is off.
    pub async fn flag(&self, name: &str) -> Result<bool, Stop> {
        let now = self.now();
        if let Some(known) = self.services.lately.flag(self.team(), name, now) {
            return Ok(known);
        }
        let mut tx = self.tx().await?;
        let on = settings::flag(&mut tx, self.team(), name).await?;
        tx.commit().await?;
        self.services.lately.keep_flag(self.team(), name, on, now);
        Ok(on)
    }

    /// Waits, unless the job should stop first.
    pub async fn sleep(&self, how_long: Duration) -> Result<(), Stop> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(Stop::Cancelled),
            () = tokio::time::sleep(how_long) => Ok(()),
        }
    }
}
