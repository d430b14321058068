//! Workers of the first build work beside newer ones: its statements, kept as they were in `tests/fixtures/build-1/`, do on
//! today's functions what they did on theirs (docs/decisions/0006-functions-apart.md).

use longshore::workers::{db, ids::JobId};
use sqlx::{Row as _, postgres::types::PgInterval};
use uuid::Uuid;

use crate::support::{Fleet, Stepper, kinds, services};

macro_rules! first_build {
    ($statement:literal) => {
        sqlx::query(include_str!(concat!("../fixtures/build-1/", $statement, ".sql")))
    };
}

fn minutes(minutes: i64) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: minutes * 60_000_000 }
}

/// A worker of the first build.
struct Old<'a> {
    fleet: &'a Fleet,
    boot: Uuid,
    pool: sqlx::PgPool,
}

impl<'a> Old<'a> {
    async fn enter(fleet: &'a Fleet) -> Self {
        let (boot, pool) = (Uuid::new_v4(), fleet.db.pool("worker"));
        first_build!("enter")
            .bind(boot)
            .bind("worker")
            .bind("host")
            .bind(1_i32)
            .bind("0.1.0")
            .bind(["scripts".to_owned()].as_slice())
            .bind(10_i32)
            .bind(minutes(5))
            .fetch_one(&pool)
            .await
            .expect("a place in the fleet");
        Self { fleet, boot, pool }
    }

    async fn claim(&self, slots: i32) -> Vec<(i64, JobId, i16)> {
        let kinds = ["scripted".to_owned()];
        let claim = first_build!("claim").bind(self.boot).bind("scripts").bind(slots).bind(Uuid::nil()).bind(kinds.as_slice());
        let rows = claim.fetch_all(&self.pool).await.expect("a claim");
        rows.iter().map(|row| (row.get("fence!"), JobId(row.get("job_id!")), row.get("attempt!"))).collect()
    }

    async fn settle(&self, (fence, job, _): (i64, JobId, i16), verdict: &str) {
        let settled = first_build!("settle")
            .bind(self.boot)
            .bind([fence].as_slice())
            .bind([job.0].as_slice())
            .bind([verdict.to_owned()].as_slice())
            .bind([None::<PgInterval>].as_slice())
            .bind([Some("why".to_owned())].as_slice())
            .bind([None::<serde_json::Value>].as_slice())
            .fetch_all(&self.pool)
            .await
            .expect("a settlement");
        assert_eq!(settled.len(), 1, "{verdict}");
    }

    async fn finish(&self, claimed: &[(i64, JobId, i16)]) -> usize {
        let (fences, jobs): (Vec<i64>, Vec<i64>) = claimed.iter().map(|(fence, job, _)| (*fence, job.0)).unzip();
        first_build!("finish").bind(self.boot).bind(fences).bind(jobs).fetch_all(&self.pool).await.expect("an answer").len()
    }

    async fn promote(&self) {
        first_build!("promote").bind(100_i32).fetch_one(&self.pool).await.expect("a promotion");
    }

    async fn enqueue(&self) -> JobId {
        let mut tx = db::begin_as(&self.pool, self.fleet.team).await.expect("a transaction");
        let row = first_build!("enqueue")
            .bind(self.fleet.team.0)
            .bind("scripted")
            .bind(serde_json::json!({ "does": "nothing" }))
            .bind(None::<String>)
            .bind(None::<chrono::DateTime<chrono::Utc>>)
            .bind(None::<i16>)
            .bind(None::<String>)
            .bind(None::<i64>)
            .fetch_one(&mut *tx)
            .await
            .expect("a job");
        tx.commit().await.expect("a commit");
        JobId(row.get("job_id!"))
    }
}

#[tokio::test]
async fn a_worker_of_the_first_build_still_takes_a_job_through_its_life() {
    let fleet = Fleet::new().await;
    let old = Old::enter(&fleet).await;
    first_build!("beat").bind(old.boot).bind(minutes(5)).fetch_one(&old.pool).await.expect("a heartbeat");
    for _ in 0..5 {
        old.enqueue().await;
    }
    let claimed = old.claim(4).await;
    assert_eq!(claimed.len(), 4);
    assert_eq!(old.finish(&claimed[..1]).await, 1);
    old.settle(claimed[1], "retry").await;
    old.settle(claimed[2], "dead").await;
    let (fence, job, _) = claimed[3];
    let mut tx = db::begin_as(&old.pool, fleet.team).await.expect("a transaction");
    first_build!("hold").bind(old.boot).bind(fence).bind(job.0).fetch_one(&mut *tx).await.expect("its lease");
    first_build!("complete")
        .bind(old.boot)
        .bind(fence)
        .bind(job.0)
        .bind(None::<serde_json::Value>)
        .fetch_one(&mut *tx)
        .await
        .expect("its completion");
    tx.commit().await.expect("a commit");
    old.promote().await;
    assert_eq!(old.finish(&old.claim(10).await).await, 2, "the fifth, and the one that was tried again");
    first_build!("leave").bind(old.boot).fetch_one(&old.pool).await.expect("a leave");
    let census = fleet.census().await;
    assert_eq!((census.accepted, census.done, census.dead), (5, 4, 1));
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn what_a_newer_build_enqueues_an_older_one_ends_with_all_that_depends_on_it() {
    let fleet = Fleet::new().await;
    let new = Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await;
    let old = Old::enter(&fleet).await;
    // A chain behind the first, and a limit that the second waits for.
    let enqueue = "select (queue.enqueue($1, 'scripted', '{\"does\": \"nothing\"}', limit_key => 'k',
        chain => '[{\"kind\": \"scripted\", \"payload\": {\"does\": \"nothing\"}}]')).job_id";
    for _ in 0..2 {
        sqlx::query(enqueue).bind(fleet.team.0).execute(&fleet.db.admin).await.expect("a job");
    }
    let first = old.claim(10).await;
    assert_eq!((first.len(), old.claim(10).await.len()), (1, 0), "the other is blocked");
    assert_eq!(old.finish(&first).await, 1);
    let rest = new.drain("scripts").await;
    assert_eq!(rest.len(), 3, "the other, and the job behind each: {rest:?}");
    fleet.nothing_lost().await;
}
