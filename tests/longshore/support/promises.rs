//! What must hold once a fleet is idle again, whatever it went through.

use longshore::workers::{enqueue::Options, ids::TeamId, job::Limit};
use uuid::Uuid;

use super::{Fleet, PATIENCE, kinds::Scripted};

/// How the database shows that a promise was broken: each question counts the offenders.
const BROKEN: &[(&str, &str)] = &[
    ("jobs that ended twice", "select count(*) from (select from queue.outcomes group by job_id having count(*) > 1) twice"),
    (
        "jobs done under a fence that was stale",
        "select count(*) from queue.outcomes o join queue.attempts a using (job_id) where o.outcome = 1 and a.fence >= o.fence",
    ),
    (
        "effects that were committed without their job's end, or under another fence",
        "select count(*) from public.effects e
         where not exists (select from queue.outcomes o where o.job_id = e.job_id and o.outcome = 1 and o.fence = e.fence)
           and not exists (select from queue.steps s where s.job_id = e.job_id)",
    ),
    (
        "jobs with more than one effect",
        "select count(*) from (select from public.effects group by job_id having count(*) > 1) twice",
    ),
    (
        "jobs that are done without their effect",
        "select count(*) from queue.jobs j join queue.outcomes o on o.job_id = j.id and o.outcome = 1
         where j.kind = 'scripted' and j.payload ->> 'does' in ('effect', 'stubborn')
           and not exists (select from public.effects e where e.job_id = j.id)",
    ),
    ("slots that leaked", "select count(*) from queue.leases"),
    ("jobs that wait for a slot which nobody holds", "select count(*) from queue.blocked"),
    (
        "dead letters without their job's end",
        "select count(*) from queue.dead d
         where not exists (select from queue.outcomes o where o.job_id = d.job_id and o.outcome = 2)",
    ),
];

impl Fleet {
    /// Every promise of the queue, checked while some worker still runs and all of its jobs have settled: nothing is lost,
    /// nothing ended twice or by a stale fence, and no slot leaked, so that the next job of each lane and key is admitted.
    pub async fn promises_hold(&self) {
        self.all_settled().await;
        // The last records of a worker are its own to write; what it holds a moment longer is no leak.
        self.until("the last leases to end", || async { self.running().await == 0 }).await;
        self.nothing_lost().await;
        for (what, question) in BROKEN {
            assert_eq!(self.ask::<i64>(*question).await, 0, "{what}");
        }
        let limits = "select distinct team_id, limit_key from queue.jobs where limit_key is not null";
        let mut next: Vec<(Uuid, Option<String>)> = sqlx::query_as(limits).fetch_all(&self.db.admin).await.expect("the limits");
        next.push((self.team.0, None));
        for (team, key) in next {
            let limit = key.as_ref().map(|key| Limit::new(key, 1));
            let job = self.enqueue_with(TeamId(team), &Scripted::new("effect"), Options { limit, ..Options::default() }).await;
            self.until(&format!("a job to be admitted behind {key:?}"), || async { self.effects(job).await == 1 }).await;
        }
        // Whoever held a key at the end of time: nothing follows that is not asked for.
        tokio::time::timeout(PATIENCE, self.all_settled()).await.expect("an idle fleet");
        self.nothing_lost().await;
    }
}
