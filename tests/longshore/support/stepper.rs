//! A worker driven by hand: each job is claimed, run and settled when the test says so, by the code the fleet uses.

use std::sync::Arc;

use longshore::{
    queue::{
        execute::{Claimed, execute},
        running::Switch,
        settle::Verdict,
    },
    store::{
        jobs::{self, Settled},
        processes::{self, Process},
    },
    workers::{
        ctx::{Ctx, Services},
        db,
        enqueue::{self, Options},
        ids::{JobId, TeamId},
        job::Job,
        registry::Registry,
    },
};
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::TestDb;

/// A worker driven by hand.
pub struct Stepper {
    /// Its place in the fleet.
    pub boot: Uuid,
    registry: Arc<Registry>,
    services: Arc<Services>,
    engine: PgPool,
}

impl Stepper {
    /// Enters the fleet with `registry`'s kinds. `services.pool` should be `db.pool("worker")`.
    pub async fn new(db: &TestDb, registry: Registry, services: Services) -> Self {
        let boot = Uuid::new_v4();
        let engine = db.pool("worker");
        let mut conn = engine.acquire().await.expect("a connection");
        jobs::register(&mut conn, &registry).await.expect("the kinds");
        let queues: Vec<String> = registry.queues().into_iter().map(str::to_owned).collect();
        let process = Process { boot, role: "worker", host: "test", pid: 1, build: "test", queues: &queues, slots: 10 };
        processes::enter(&mut conn, &process, std::time::Duration::from_secs(600)).await.expect("a place in the fleet");
        drop(conn);
        Self { boot, registry: Arc::new(registry), services: Arc::new(services), engine }
    }

    /// Enqueues a job for a team.
    pub async fn enqueue<J: Job>(&self, team: TeamId, job: &J) -> JobId {
        let mut tx = db::begin_as(&self.services.pool, team).await.expect("a transaction");
        let enqueued = enqueue::one(&mut tx, team, job, Options::default()).await.expect("an accepted job");
        tx.commit().await.expect("a commit");
        enqueued.job
    }

    /// Claims up to `slots` jobs of a queue, suspects too: as a worker and its quarantine together.
    pub async fn claim(&self, queue: &str, slots: i32) -> Vec<Claimed> {
        let mut claimed = self.claim_after(queue, slots, Uuid::nil()).await;
        while claimed.len() < slots as usize
            && let Some(suspect) = self.claim_suspect(queue).await
        {
            claimed.push(suspect);
        }
        claimed
    }

    /// Claims one job that is suspected of killing processes.
    pub async fn claim_suspect(&self, queue: &str) -> Option<Claimed> {
        let mut conn = self.engine.acquire().await.expect("a connection");
        let kinds = self.registry.names_in(queue);
        jobs::claim_suspect(&mut conn, self.boot, &[queue.to_owned()], &kinds).await.expect("a claim")
    }

    /// Claims, going on where the last claim ended.
    pub async fn claim_on(&self, queue: &str, slots: i32, hop: jobs::Hop) -> Vec<Claimed> {
        self.claim_from(queue, slots, hop, &[]).await.jobs
    }

    /// Claims, in lanes with a mark from there on only.
    pub async fn claim_from(&self, queue: &str, slots: i32, hop: jobs::Hop, marks: &[jobs::Mark]) -> jobs::Claims {
        let mut conn = self.engine.acquire().await.expect("a connection");
        self.claim_with(&mut conn, queue, slots, hop, marks).await
    }

    /// The same in somebody's transaction.
    pub async fn claim_with(
        &self,
        conn: &mut PgConnection,
        queue: &str,
        slots: i32,
        hop: jobs::Hop,
        marks: &[jobs::Mark],
    ) -> jobs::Claims {
        let kinds = self.registry.names_in(queue);
        jobs::claim(conn, self.boot, queue, slots, hop, &kinds, marks).await.expect("a claim")
    }

    /// Claims, starting behind a team.
    pub async fn claim_after(&self, queue: &str, slots: i32, after: Uuid) -> Vec<Claimed> {
        self.claim_on(queue, slots, jobs::Hop { after, streak: 0 }).await
    }

    /// Hands back what is held under fences other than `known`.
    pub async fn disown(&self, known: &[i64]) -> i32 {
        let mut conn = self.engine.acquire().await.expect("a connection");
        jobs::disown(&mut conn, self.boot, known).await.expect("a look")
    }

    /// Finishes a job the fast way; false when it was fenced.
    pub async fn finish(&self, job: &Claimed) -> bool {
        let mut conn = self.engine.acquire().await.expect("a connection");
        let settled = [Settled {
            job: job.claim.job,
            queue: "",
            fence: job.claim.lease.fence,
            special: job.special,
            verdict: Verdict::Done { output: None },
        }];
        !jobs::finish(&mut conn, self.boot, settled.iter().map(|one| (one.fence, one.job.0)).collect())
            .await
            .expect("an answer")
            .is_empty()
    }

    /// Finishes many jobs the fast way.
    pub async fn finish_all(&self, claimed: &[Claimed]) {
        let mut conn = self.engine.acquire().await.expect("a connection");
        let pairs = claimed.iter().map(|job| (job.claim.lease.fence, job.claim.job.0)).collect();
        jobs::finish(&mut conn, self.boot, pairs).await.expect("an answer");
    }

    /// Stops renewing, as a killed process does: its lease is over.
    pub async fn die(&self, db: &TestDb) {
        let expire = "update queue.processes set expires_at = now() where boot_id = $1";
        sqlx::query(expire).bind(self.boot).execute(&db.admin).await.expect("an update");
    }

    /// Hands back the jobs of processes that are gone.
    pub async fn reap(&self) {
        let mut conn = self.engine.acquire().await.expect("a connection");
        jobs::reap(&mut conn, 1000).await.expect("a reaping");
    }

    /// What the handler of a claimed job would be handed.
    pub fn ctx(&self, job: &Claimed) -> Ctx {
        Ctx::new(job.claim.clone(), self.services.clone(), CancellationToken::new())
    }

    /// Runs a claimed job to its verdict, without recording it.
    pub async fn run(&self, job: Claimed) -> Verdict {
        let kind = self.registry.get(&job.claim.kind).expect("a known kind");
        execute(kind, job, self.services.clone(), &Switch::default()).await
    }

    /// Records a verdict; false when it was fenced.
    pub async fn settle(&self, job: &Claimed, verdict: Verdict) -> bool {
        if verdict == Verdict::Nothing {
            return true;
        }
        let mut conn = self.engine.acquire().await.expect("a connection");
        let settled = [Settled { job: job.claim.job, queue: "", fence: job.claim.lease.fence, special: job.special, verdict }];
        !jobs::settle(&mut conn, self.boot, &settled).await.expect("a settlement").is_empty()
    }

    /// Claims and runs the next job of a queue to its end, and says what became of it; `None` when nothing is ready.
    pub async fn next(&self, queue: &str) -> Option<(JobId, Verdict)> {
        let job = self.claim(queue, 1).await.pop()?;
        let verdict = self.run(job.clone()).await;
        self.settle(&job, verdict.clone()).await;
        Some((job.claim.job, verdict))
    }

    /// Runs a queue until nothing is ready, scheduled jobs that are due included. Returns what became of each run.
    pub async fn drain(&self, queue: &str) -> Vec<(JobId, Verdict)> {
        let mut all = Vec::new();
        loop {
            self.promote().await;
            let Some(one) = self.next(queue).await else { return all };
            all.push(one);
        }
    }

    /// Adds up what moved in batches; returns how many have ended.
    pub async fn fold_batches(&self) -> i32 {
        let mut conn = self.engine.acquire().await.expect("a connection");
        jobs::fold_batches(&mut conn).await.expect("a fold")
    }

    /// Makes due scheduled jobs ready.
    pub async fn promote(&self) -> i32 {
        let mut conn = self.engine.acquire().await.expect("a connection");
        jobs::promote(&mut conn, 10_000).await.expect("a promotion")
    }

    /// Makes every scheduled job due now, as if its time had come.
    pub async fn let_time_pass(&self, db: &TestDb) {
        sqlx::query("update queue.scheduled set run_at = now() where run_at < 'infinity'")
            .execute(&db.admin)
            .await
            .expect("an update");
    }
}
