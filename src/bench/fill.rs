//! Puts jobs in: as producers do, and in masses as nobody does.

use longshore_workers::{db, enqueue, ids::TeamId};
use sqlx::{Connection as _, PgConnection};

use super::{
    kind::{Noop, QUEUE},
    place::Database,
};

/// Jobs in one statement of a bulk producer.
const STATEMENT: u64 = 1000;

/// Enqueues as a bulk producer does, through the Rust library: transactions of 1000 jobs each.
pub async fn bulk(conn: &mut PgConnection, team: TeamId, n: u64, payload: usize) -> anyhow::Result<()> {
    let mut left = n;
    while left > 0 {
        let now = left.min(STATEMENT);
        let jobs = vec![Noop::of(payload); usize::try_from(now)?];
        let mut tx = conn.begin().await?;
        db::act_as(&mut tx, team).await?;
        enqueue::many(&mut tx, team, &jobs, None, enqueue::Options::default()).await?;
        tx.commit().await?;
        left -= now;
    }
    Ok(())
}

/// Enqueues one job with a statement and a transaction of its own; answers its id.
pub async fn single(conn: &mut PgConnection, team: TeamId, payload: &serde_json::Value) -> Result<i64, sqlx::Error> {
    let enqueue = sqlx::query_scalar("select (queue.enqueue($1, 'bench_noop', $2)).job_id");
    enqueue.bind(team.0).bind(payload).fetch_one(conn).await
}

/// The payload of [`single`].
pub fn payload(bytes: usize) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::to_value(Noop::of(bytes))?)
}

/// Fills a team's queue with `n` ready jobs without their payloads leaving the server: for backlogs.
pub async fn backlog(db: &mut Database, team: TeamId, n: u64, payload_bytes: usize) -> anyhow::Result<()> {
    let fill = "select count(*) from queue.enqueue_many($1, 'bench_noop', array_fill($2::jsonb, array[$3::integer]))";
    masses(db, fill, team, n, payload_bytes).await
}

/// The same, each job a statement's worth of its own in `queue.ready`.
pub async fn backlog_of_singles(db: &mut Database, team: TeamId, n: u64, payload_bytes: usize) -> anyhow::Result<()> {
    let fill = "select count(distinct (queue.enqueue($1, 'bench_noop', $2::jsonb)).job_id) from generate_series(1, $3::integer)";
    masses(db, fill, team, n, payload_bytes).await
}

/// The same, for later: none comes due within a day.
pub async fn scheduled(db: &mut Database, team: TeamId, n: u64, payload_bytes: usize) -> anyhow::Result<()> {
    let fill = "select count(*) from queue.enqueue_many($1, 'bench_noop', array_fill($2::jsonb, array[$3::integer]), \
        run_ats => array(select now() + interval '1 day' + random() * interval '100 days' from generate_series(1, $3::integer)))";
    masses(db, fill, team, n, payload_bytes).await
}

async fn masses(db: &mut Database, fill: &'static str, team: TeamId, n: u64, payload_bytes: usize) -> anyhow::Result<()> {
    let payload = payload(payload_bytes)?;
    // Many jobs need more partitions than a fresh database has.
    let ahead = i64::try_from(n)?.saturating_add(30_000_000);
    sqlx::query("select queue.ensure_partitions($1)").bind(ahead).fetch_one(&mut db.admin).await?;
    let mut left = n;
    while left > 0 {
        let now = left.min(10_000);
        let taken: i64 =
            sqlx::query_scalar(fill).bind(team.0).bind(&payload).bind(i32::try_from(now)?).fetch_one(&mut db.admin).await?;
        anyhow::ensure!(taken == i64::try_from(now)?, "only {taken} of {now} jobs were accepted");
        left -= now;
    }
    Ok(())
}

/// Holds back the queue's jobs until [`resume`], so that a timed drain starts with all of them.
pub async fn pause(db: &mut Database) -> Result<(), sqlx::Error> {
    sqlx::query("select queue.pause($1, 'bench', 'filling')").bind(QUEUE).fetch_one(&mut db.admin).await.map(drop)
}

/// Lets them go.
pub async fn resume(db: &mut Database) -> Result<(), sqlx::Error> {
    sqlx::query("select queue.resume($1)").bind(QUEUE).fetch_one(&mut db.admin).await.map(drop)
}

/// Plain inserts into the same tables, past every check and function: what any producer is compared with.
pub mod plain {
    use super::{PgConnection, TeamId};

    /// What the rows name.
    #[derive(Debug, Clone, Copy)]
    pub struct Names {
        queue: i16,
    }

    impl Names {
        /// Looks them up.
        pub async fn find(conn: &mut PgConnection) -> Result<Self, sqlx::Error> {
            let queue = sqlx::query_scalar("select id from queue.queues where name = 'bench'").fetch_one(conn).await?;
            Ok(Self { queue })
        }
    }

    /// One job and its ready row.
    pub async fn single(
        conn: &mut PgConnection,
        names: Names,
        team: TeamId,
        payload: &serde_json::Value,
    ) -> Result<(), sqlx::Error> {
        let insert = "with j as (
              insert into queue.jobs (team_id, keep, queue_id, kind, version, priority, max_attempts, payload)
              values ($1, 30, $2, 'bench_noop', 1, 5, 10, $3) returning id
            )
            insert into queue.ready (queue_id, team_id, priority, first_job, jobs, keep, kind)
            select $2, $1, 5, id, array[id], 30, 'bench_noop' from j";
        sqlx::query(insert).bind(team.0).bind(names.queue).bind(payload).execute(conn).await.map(drop)
    }

    /// The same, and wakes who listens on `bench`.
    pub async fn single_told(
        conn: &mut PgConnection,
        names: Names,
        team: TeamId,
        payload: &serde_json::Value,
    ) -> Result<(), sqlx::Error> {
        let insert = "with j as (
              insert into queue.jobs (team_id, keep, queue_id, kind, version, priority, max_attempts, payload)
              values ($1, 30, $2, 'bench_noop', 1, 5, 10, $3) returning id
            ), r as (
              insert into queue.ready (queue_id, team_id, priority, first_job, jobs, keep, kind)
              select $2, $1, 5, id, array[id], 30, 'bench_noop' from j
            )
            select pg_notify('bench', '')";
        sqlx::query(insert).bind(team.0).bind(names.queue).bind(payload).execute(conn).await.map(drop)
    }

    /// Many jobs, a ready row for each 200.
    pub async fn bulk(
        conn: &mut PgConnection,
        names: Names,
        team: TeamId,
        payloads: &[serde_json::Value],
    ) -> Result<(), sqlx::Error> {
        let insert = "with j as (
              insert into queue.jobs (team_id, keep, queue_id, kind, version, priority, max_attempts, payload)
              select $1, 30, $2, 'bench_noop', 1, 5, 10, p from unnest($3::jsonb[]) p returning id
            ), c as (select id, (row_number() over (order by id) - 1) / 200 as chunk from j)
            insert into queue.ready (queue_id, team_id, priority, first_job, jobs, keep, kind)
            select $2, $1, 5, min(id), array_agg(id order by id), 30, 'bench_noop' from c group by chunk";
        sqlx::query(insert).bind(team.0).bind(names.queue).bind(payloads).execute(conn).await.map(drop)
    }
}
