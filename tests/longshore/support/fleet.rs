//! A fleet for a test: worker processes in this process or beside it, and the words to watch them by.

use std::{sync::Arc, time::Duration};

use longshore::{
    queue::{
        lease::Times,
        promoter,
        quarantine::Quarantine,
        reaper,
        worker::{Options, Worker},
    },
    store::jobs,
    workers::{
        clock::SystemRandom,
        db,
        enqueue::{self, Options as Enqueue},
        ids::{JobId, TeamId},
        job::Job,
        registry::Registry,
    },
};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    PATIENCE, TestDb, kinds,
    process::{WorkerProcess, worker_command},
    services,
};

/// A lease short enough to lose in a test, long enough for a busy machine to keep.
pub const TIMES: Times = Times { ttl: Duration::from_secs(3), beat: Duration::from_millis(500) };

/// How often a worker looks.
pub const POLL: Duration = Duration::from_millis(20);

/// A database with the scripts' tables, a team, and a pool for each of the roles a fleet needs.
pub struct Fleet {
    pub db: TestDb,
    pub team: TeamId,
    worker: PgPool,
}

impl Fleet {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        Self::over(db).await
    }

    /// Over a database that may lie in a cluster of the test's own.
    pub async fn over(db: TestDb) -> Self {
        sqlx::raw_sql(kinds::TABLES).execute(&db.admin).await.expect("the scripts' tables");
        let team = db.team("first").await;
        let worker = db.pool("worker");
        jobs::register(&mut worker.acquire().await.expect("a connection"), &kinds::registry()).await.expect("the kinds");
        Self { db, team, worker }
    }

    pub async fn enqueue<J: Job>(&self, job: &J) -> JobId {
        self.enqueue_with(self.team, job, Enqueue::default()).await
    }

    pub async fn enqueue_with<J: Job>(&self, team: TeamId, job: &J, options: Enqueue) -> JobId {
        let mut tx = db::begin_as(&self.worker, team).await.expect("a transaction");
        let enqueued = enqueue::one(&mut tx, team, job, options).await.expect("an accepted job");
        tx.commit().await.expect("a commit");
        enqueued.job
    }

    /// Enqueues the same job many times with one statement: in chunks, as a bulk producer's lie.
    pub async fn enqueue_many<J: Job + Clone>(&self, job: &J, times: usize) {
        let mut tx = db::begin_as(&self.worker, self.team).await.expect("a transaction");
        let jobs = vec![job.clone(); times];
        enqueue::many(&mut tx, self.team, &jobs, None, Enqueue::default()).await.expect("accepted jobs");
        tx.commit().await.expect("a commit");
    }

    /// Enqueues as a producer does that tries again until it is answered.
    pub async fn enqueue_retrying<J: Job>(&self, job: &J) -> JobId {
        self.enqueue_retrying_as(job, "retried").await
    }

    /// The same, under a key of its own.
    pub async fn enqueue_retrying_as<J: Job>(&self, job: &J, key: &str) -> JobId {
        loop {
            let accepted = async {
                let mut tx = db::begin_as(&self.worker, self.team).await.ok()?;
                let enqueued = enqueue::one(&mut tx, self.team, job, Enqueue::key(key)).await.ok()?;
                tx.commit().await.ok()?;
                Some(enqueued.job)
            };
            if let Some(job) = accepted.await {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Enqueues a job of a kind that the fleet's usual build does not know.
    pub async fn enqueue_other(&self) -> JobId {
        let announce = r#"[{"kind": "scripted_note", "queue": "scripts", "version": 1, "priority": 0, "max_attempts": 3, "timeout_seconds": 5,
            "price": 0, "required": [], "fields": {"text": ["string"]}, "schema": {}, "aliases": []}]"#;
        sqlx::query("select queue.register($1::jsonb)").bind(announce).execute(&self.db.admin).await.expect("a newer build");
        let enqueue = "select (queue.enqueue($1, 'scripted_note', '{\"text\": \"\"}')).job_id";
        JobId(sqlx::query_scalar(enqueue).bind(self.team.0).fetch_one(&self.db.admin).await.expect("a job"))
    }

    /// Starts a worker in this process.
    pub fn worker(&self) -> RunningWorker {
        self.worker_with(kinds::registry(), 20)
    }

    pub fn worker_with(&self, registry: Registry, slots: usize) -> RunningWorker {
        RunningWorker::start(&self.db, registry, slots, POLL)
    }

    /// Starts a worker that would find nothing by looking: only what it is told of.
    pub fn worker_that_hardly_looks(&self, slots: usize) -> RunningWorker {
        RunningWorker::start(&self.db, kinds::registry(), slots, Duration::from_secs(3600))
    }

    /// Asks the database one thing, past every policy.
    pub async fn ask<T>(&self, question: impl Into<String>) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let question = sqlx::AssertSqlSafe(question.into());
        sqlx::query_scalar(question).fetch_one(&self.db.admin).await.expect("an answer")
    }

    /// Does one thing in the database, past every policy.
    pub async fn tell(&self, order: impl Into<String>) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(order.into())).execute(&self.db.admin).await.expect("an order carried out");
    }

    /// The SQLSTATE with which the database refuses, and the field it names.
    pub async fn refused(&self, order: impl Into<String>) -> (String, String) {
        let refusal = sqlx::raw_sql(sqlx::AssertSqlSafe(order.into())).execute(&self.db.admin).await.expect_err("a refusal");
        let refusal = refusal.as_database_error().expect("a refusal").downcast_ref::<sqlx::postgres::PgDatabaseError>();
        (refusal.code().to_owned(), refusal.detail().unwrap_or_default().to_owned())
    }

    /// Jobs that run now, by the leases.
    pub async fn running(&self) -> i64 {
        self.ask("select coalesce(sum(cardinality(open)), 0)::bigint from queue.leases").await
    }

    /// Starts a worker in a process of its own: this very test binary, told to be a worker.
    pub fn worker_process(&self) -> WorkerProcess {
        self.worker_process_with(&[])
    }

    /// The same, with variables of its own environment.
    pub fn worker_process_with(&self, environment: &[(&str, &str)]) -> WorkerProcess {
        WorkerProcess::start(&self.db.url("worker"), environment)
    }

    /// Waits until a script came to a step.
    pub async fn reached(&self, job: JobId, step: &str) {
        self.until(&format!("job {job} at step {step}"), || async {
            let steps: i64 = sqlx::query_scalar("select count(*) from public.steps where job_id = $1 and step = $2")
                .bind(job.0)
                .bind(step)
                .fetch_one(&self.db.admin)
                .await
                .unwrap_or(0);
            steps == 1
        })
        .await;
    }

    /// Waits until every job has ended.
    pub async fn all_ended(&self) {
        self.until("every job to end", || async {
            let census = self.census().await;
            census.accepted == census.done + census.dead + census.cancelled
        })
        .await;
    }

    /// Waits until nothing is left to run: every job has ended, or waits for a person.
    pub async fn all_settled(&self) {
        self.until("every job to end or to wait for a person", || async {
            let census = self.census().await;
            census.accepted > 0 && census.accepted == census.done + census.dead + census.cancelled + census.parked
        })
        .await;
    }

    /// Waits until `condition` holds; fails with `what` when it does not come true in time.
    pub async fn until<F, Fut>(&self, what: &str, condition: F)
    where
        F: Fn() -> Fut,
        Fut: Future<Output = bool>,
    {
        let waiting = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("waited {PATIENCE:?} for {what}; the census says {:?}", self.census().await);
        }
    }

    pub async fn census(&self) -> Census {
        let census: Result<Census, _> = sqlx::query_as("select * from queue.census()").fetch_one(&self.db.admin).await;
        census.unwrap_or_default()
    }

    /// Effects of a job that count: committed ones.
    pub async fn effects(&self, job: JobId) -> i64 {
        let count = sqlx::query_scalar("select count(*) from public.effects where job_id = $1");
        count.bind(job.0).fetch_one(&self.db.admin).await.expect("a count")
    }

    /// Every recorded attempt of a job, as `attempt result`.
    pub async fn attempts(&self, job: JobId) -> Vec<String> {
        let attempts = sqlx::query_scalar(
            "select attempt || ' ' || result from queue.attempts where job_id = $1 order by ended_at, attempt",
        );
        attempts.bind(job.0).fetch_all(&self.db.admin).await.expect("the attempts")
    }

    /// Nothing is lost, nothing is in two places.
    pub async fn nothing_lost(&self) {
        let census = self.census().await;
        assert_eq!((census.lost, census.doubled), (0, 0), "{census:?}");
        let places = census.ready
            + census.blocked
            + census.scheduled
            + census.parked
            + census.running
            + census.done
            + census.dead
            + census.cancelled;
        assert_eq!(census.accepted, places, "{census:?}");
    }
}

/// Where every accepted job is.
#[derive(Debug, Default, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Census {
    pub accepted: i64,
    pub ready: i64,
    pub scheduled: i64,
    pub parked: i64,
    pub running: i64,
    pub done: i64,
    pub dead: i64,
    pub cancelled: i64,
    pub lost: i64,
    pub doubled: i64,
    pub blocked: i64,
}

/// A worker in this process, with the maintenance that a worker role runs.
pub struct RunningWorker {
    stop: CancellationToken,
    work: Option<JoinHandle<()>>,
}

impl RunningWorker {
    fn start(db: &TestDb, registry: Registry, slots: usize, poll: Duration) -> Self {
        let stop = CancellationToken::new();
        let work = tokio::spawn(work(db.url("worker"), services(db), registry, slots, poll, stop.clone()));
        Self { stop, work: Some(work) }
    }

    /// Asks it to stop and waits for its end.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(work) = self.work.take() {
            work.await.expect("a worker that ends in order");
        }
    }
}

impl Drop for RunningWorker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A worker with its upkeep, until it is told to stop.
pub(super) async fn work(
    url: String,
    services: longshore::workers::ctx::Services,
    registry: Registry,
    slots: usize,
    poll: Duration,
    stop: CancellationToken,
) {
    let engine = super::database::pool(&url, 8);
    let random = Arc::new(SystemRandom);
    let upkeep = stop.child_token();
    let queues: Vec<String> = registry.queues().into_iter().map(str::to_owned).collect();
    tokio::spawn(promoter::run(engine.clone(), Duration::from_millis(50), random.clone(), upkeep.clone()));
    tokio::spawn(reaper::run(engine.clone(), Duration::from_millis(200), random.clone(), upkeep.clone()));
    let address = url.clone();
    let quarantine = Quarantine {
        pool: engine.clone(),
        queues: queues.clone(),
        kinds: queues.iter().flat_map(|queue| registry.names_in(queue)).collect(),
        every: Duration::from_millis(100),
        random,
        cell: Arc::new(move |boot| worker_command(&address, Some(boot)).into()),
        grace: Duration::from_secs(2),
    };
    tokio::spawn(quarantine.run(upkeep));
    run(url, engine, services, registry, queues, slots, poll, None, stop).await;
}

/// A worker alone, until it is told to stop.
#[expect(clippy::too_many_arguments, reason = "all that a worker is made of")]
pub(super) async fn run(
    url: String,
    engine: PgPool,
    services: longshore::workers::ctx::Services,
    registry: Registry,
    queues: Vec<String>,
    slots: usize,
    poll: Duration,
    suspects: Option<(uuid::Uuid, Duration)>,
    stop: CancellationToken,
) {
    let options = Options {
        suspects,
        listen: true,
        queues,
        slots,
        times: TIMES,
        poll,
        grace: Duration::from_millis(500),
        build: "test".into(),
        host: "test".into(),
    };
    let heartbeat = url.parse().expect("an address");
    Worker { registry: Arc::new(registry), services: Arc::new(services), engine, heartbeat, options }.run(stop).await;
}
