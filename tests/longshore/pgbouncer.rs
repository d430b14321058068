//! Everything works through PgBouncer in transaction mode, Debian's own, which knows nothing of prepared statements.

use std::{path::Path, time::Duration};

use futures_util::future::try_join_all;
use longshore::{
    dev::child::Child,
    store::jobs,
    tenancy::keys::Scope,
    workers::{
        db::{self, PoolSize},
        enqueue,
        ids::TeamId,
        jobs::RefreshTags,
        registry,
    },
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sqlx::{PgPool, postgres::PgConnectOptions};

use crate::{
    api::door,
    cli::fleet,
    support::{TestDb, http, pgbouncer::PgBouncer, role},
};

fn pooled(pooler: &PgBouncer, db: &TestDb, role: &str) -> PgPool {
    let options: PgConnectOptions = pooler.url(db, role).parse().expect("an address");
    let size = PoolSize { connections: 20, acquire_timeout: Duration::from_secs(20) };
    db::guarded_pool(db::through_a_pooler(options.application_name("a test")), size)
}

#[tokio::test]
async fn many_clients_share_few_connections_and_find_their_own_statements() {
    let db = TestDb::new().await;
    let Some(pooler) = PgBouncer::before(&db).await else { return };
    let team = db.team("first").await;
    let pool = pooled(&pooler, &db, "worker");
    let mut work = db::work(&pool).await.expect("a connection");
    jobs::register(&mut work, &registry()).await.expect("the kinds");
    work.done().await.expect("a commit");
    let clients = (0..40).map(|_| async {
        for _ in 0..5 {
            let mut tx = db::begin_as(&pool, team).await?;
            longshore::enqueue(&mut tx, RefreshTags {}).await.map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
            tx.commit().await?;
            let mut work = db::work(&pool).await?;
            jobs::promote(&mut work, 10).await?;
            work.done().await?;
        }
        Ok::<_, sqlx::Error>(())
    });
    try_join_all(clients).await.unwrap_or_else(|error| panic!("{error}\n{}", pooler.log()));
    let jobs: i64 = sqlx::query_scalar("select count(*) from queue.jobs").fetch_one(&db.admin).await.expect("a count");
    assert_eq!(jobs, 200);
}

#[tokio::test]
async fn what_is_not_said_to_be_done_is_rolled_back_and_a_dropped_begin_spoils_nothing() {
    let db = TestDb::new().await;
    let Some(pooler) = PgBouncer::before(&db).await else { return };
    let pool = pooled(&pooler, &db, "worker");
    let mut work = db::work(&pool).await.expect("a connection");
    jobs::register(&mut work, &registry()).await.expect("the kinds");
    drop(work);
    let kinds = "select count(*) from queue.kinds";
    assert_eq!(sqlx::query_scalar::<_, i64>(kinds).fetch_one(&db.admin).await.expect("a count"), 0);
    for _ in 0..30 {
        let _ = tokio::time::timeout(Duration::from_micros(300), db::begin(&pool)).await;
    }
    let mut work = db::work(&pool).await.expect("a connection");
    jobs::register(&mut work, &registry()).await.expect("the kinds");
    work.done().await.expect("a commit");
    assert!(sqlx::query_scalar::<_, i64>(kinds).fetch_one(&db.admin).await.expect("a count") > 0);
}

#[tokio::test]
async fn a_teams_transaction_leaves_no_trace_for_the_next_on_that_connection() {
    let db = TestDb::new().await;
    let Some(pooler) = PgBouncer::before(&db).await else { return };
    let teams = [db.team("first").await, db.team("second").await];
    let pool = pooled(&pooler, &db, "worker");
    let mut work = db::work(&pool).await.expect("a connection");
    jobs::register(&mut work, &registry()).await.expect("the kinds");
    work.done().await.expect("a commit");
    let seen = |team: Option<TeamId>| {
        let pool = pool.clone();
        async move {
            let mut tx = match team {
                Some(team) => db::begin_as(&pool, team).await?,
                None => db::begin(&pool).await?,
            };
            if let Some(team) = team {
                enqueue::one(&mut tx, team, &RefreshTags {}, enqueue::Options::default()).await.expect("an accepted job");
            }
            let others = "select coalesce(longshore.current_team()::text, '') || ' ' ||
                (select count(*) from queue.jobs where team_id is distinct from longshore.current_team())";
            let seen: String = sqlx::query_scalar(others).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            assert_eq!(seen, format!("{} 0", team.map(|team| team.to_string()).unwrap_or_default()));
            Ok::<_, sqlx::Error>(())
        }
    };
    let asked = (0..60).map(|n| seen([Some(teams[0]), Some(teams[1]), None][n % 3]));
    try_join_all(asked).await.unwrap_or_else(|error| panic!("{error}\n{}", pooler.log()));
}

/// The real binary's roles, each through the pooler, and a key of each of two teams.
struct House {
    db: TestDb,
    pooler: PgBouncer,
    teams: [TeamId; 2],
    keys: [String; 2],
    api: Child,
    worker: Child,
    _scheduler: Child,
    client: Client,
    folder: tempfile::TempDir,
}

/// A role that goes through the pooler, and knows it.
async fn pooled_role(word: &str, name: &str, url: String, more: &[(&str, &str)], folder: &Path) -> Child {
    let mut environment = vec![("LONGSHORE_DATABASE__PGBOUNCER", "true")];
    environment.extend(more);
    role::start(word, name, url, &environment, folder).await
}

impl House {
    async fn open() -> Option<Self> {
        let db = TestDb::new().await;
        let pooler = PgBouncer::before(&db).await?;
        let teams = [db.team("first").await, db.team("second").await];
        let scopes = [Scope::Enqueue, Scope::Read, Scope::Cancel, Scope::Dead, Scope::Schedules];
        let keys = [door::key(&db, teams[0], &scopes, None).await.0, door::key(&db, teams[1], &scopes, None).await.0];
        let folder = tempfile::tempdir().expect("a folder");
        let start = async |word: &str| pooled_role(word, word, pooler.url(&db, word), &[], folder.path()).await;
        let (api, worker, scheduler) = (start("api").await, start("worker").await, start("scheduler").await);
        Some(Self { db, pooler, teams, keys, api, worker, _scheduler: scheduler, client: door::client(), folder })
    }

    async fn ask(&self, team: usize, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("http://{}{path}", self.api.ready.api.as_deref().expect("an address"));
        let mut request = self.client.request(method, url).bearer_auth(&self.keys[team]);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn enqueue(&self, team: usize, body: Value) -> String {
        let (status, job) = self.ask(team, Method::POST, "/v1/jobs", Some(body)).await;
        assert_eq!(status, 202, "{job}\n{}", self.pooler.log());
        job["id"].as_str().expect("an id").to_owned()
    }

    async fn ended(&self, team: usize, job: &str) -> Value {
        let mut last = Value::Null;
        for _ in 0..600 {
            last = self.ask(team, Method::GET, &format!("/v1/jobs/{job}"), None).await.1;
            if ["done", "dead", "cancelled"].contains(&last["state"].as_str().unwrap_or_default()) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it never ended: {last}\n{}", self.pooler.log());
    }

    async fn tell(&self, order: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(order)).execute(&self.db.admin).await.expect("an order carried out");
    }
}

#[tokio::test]
async fn jobs_dead_letters_plans_limits_and_schedules_go_through_it_from_end_to_end() {
    let Some(house) = House::open().await else { return };
    // Done, with a limit and without, one by one and many at once; nobody else sees them.
    let plain = house.enqueue(0, json!({ "kind": "refresh_tags", "payload": {} })).await;
    assert_eq!(house.ended(0, &plain).await["state"], "done");
    assert_eq!(house.ask(1, Method::GET, &format!("/v1/jobs/{plain}"), None).await.0, 404);
    house.tell(&format!("select queue.set_lane('enrollment', '{}', null, 2, null, null, null)", house.teams[0])).await;
    let mut limited = Vec::new();
    for n in 0..12 {
        let job = json!({ "kind": "refresh_tags", "payload": {}, "limit_key": "one", "limit_to": 1, "idempotency_key": format!("k{n}") });
        limited.push(house.enqueue(n % 2, job).await);
    }
    let many = json!({ "jobs": vec![json!({ "kind": "refresh_tags", "payload": {} }); 50] });
    let (status, batch) = house.ask(1, Method::POST, "/v1/jobs/batch", Some(many)).await;
    assert_eq!((status, &batch["accepted"]), (200, &json!(50)), "{batch}");
    for (n, job) in limited.iter().enumerate() {
        assert_eq!(house.ended(n % 2, job).await["state"], "done");
    }

    // A dead letter, seen, and run again as a plan by the workers.
    let dead = house.enqueue(0, json!({ "kind": "send_sms", "payload": { "message_id": 999 } })).await;
    let dead = house.ended(0, &dead).await;
    assert_eq!(dead["state"], "dead", "{dead}");
    let (status, plan) = house.ask(0, Method::POST, "/v1/dead/plans", Some(json!({ "filter": {} }))).await;
    assert_eq!((status, &plan["letters"]), (201, &json!(1)), "{plan}");
    let plan = format!("/v1/dead/plans/{}", plan["id"].as_str().expect("an id"));
    let (status, run) = house.ask(0, Method::POST, &format!("{plan}/run"), None).await;
    assert_eq!(status, 202, "{run}");
    assert_eq!(house.ended(0, run["job"].as_str().expect("a job")).await["state"], "done");
    assert_eq!(house.ask(0, Method::GET, &plan, None).await.1["kinds"][0]["replayed"], 1);

    // A tick, and one now.
    let schedule = json!({ "kind": "refresh_tags", "payload": {}, "cron": "0 4 * * *" });
    assert_eq!(house.ask(0, Method::PUT, "/v1/schedules/nightly", Some(schedule)).await.0, 201);
    let (status, ran) = house.ask(0, Method::POST, "/v1/schedules/nightly/run", None).await;
    assert_eq!(status, 202, "{ran}");
    house.ended(0, ran["id"].as_str().expect("an id")).await;
    house.tell("update queue.schedules set next_due_at = date_trunc('minute', now())").await;
    let mut fired = Value::Null;
    for _ in 0..300 {
        fired = house.ask(0, Method::GET, "/v1/schedules/nightly", None).await.1["last_job"].clone();
        if fired.is_string() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(house.ended(0, fired.as_str().expect("a tick that fired")).await["state"], "done");

    // A job that waits is cancelled; the command line sees all of it.
    let run_at = door::now(&house.db).await + chrono::Duration::days(30);
    let later = house.enqueue(1, json!({ "kind": "refresh_tags", "payload": {}, "run_at": run_at })).await;
    assert_eq!(house.ask(1, Method::POST, &format!("/v1/jobs/{later}/cancel"), None).await.0, 200);
    let mut operator = fleet::binary(&house.pooler.url(&house.db, "operator"), "jobs list --state done --limit 100 --json");
    let listed = operator.env("LONGSHORE_DATABASE__PGBOUNCER", "true").output().expect("the binary");
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap_or_else(|_| panic!("{listed:?}"));
    assert!(listed.as_array().is_some_and(|jobs| jobs.len() > 60), "{listed}");
    for name in ["api", "worker", "scheduler"] {
        let log = std::fs::read_to_string(house.folder.path().join(format!("{name}.log"))).expect("a log");
        assert!(!log.contains("prepared statement"), "{name}: {log}");
    }
}

#[tokio::test]
async fn a_worker_behind_it_polls_and_says_so_and_is_woken_again_by_a_way_past_it() {
    let Some(house) = House::open().await else { return };
    let waking = async |worker: &Child| {
        let address = worker.ready.admin.parse().expect("an address");
        let (status, body) = http::get(address, "/readyz").await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        let ready: Value = serde_json::from_str(&body).expect("JSON");
        ready["checks"]["waking"]["detail"].as_str().unwrap_or_default().to_owned()
    };
    assert!(waking(&house.worker).await.starts_with("polling every 50ms: there is no LISTEN through a pooler"));

    let folder = tempfile::tempdir().expect("a folder");
    let direct = house.db.url("worker");
    let more = [("LONGSHORE_DATABASE__DIRECT_URL", direct.as_str()), ("LONGSHORE_WORKER__POLL_MILLISECONDS", "60000")];
    let woken = pooled_role("worker", "woken", house.pooler.url(&house.db, "worker"), &more, folder.path()).await;
    assert!(waking(&woken).await.starts_with("by notice (LISTEN)"));
    house.worker.stop().await.expect("a stop");
    let listening = "select exists (select from queue.sleepers)";
    for _ in 0..600 {
        if sqlx::query_scalar::<_, bool>(listening).fetch_one(&house.db.admin).await.expect("an answer") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The poll would come in a minute.
    let pool = pooled(&house.pooler, &house.db, "scheduler");
    let mut tx = db::begin_as(&pool, house.teams[0]).await.expect("a transaction");
    let job = longshore::enqueue(&mut tx, RefreshTags {}).await.expect("an accepted job").job;
    tx.commit().await.expect("a commit");
    let ended = "select exists (select from queue.outcomes where job_id = $1)";
    let woke = async {
        while !sqlx::query_scalar::<_, bool>(ended).bind(job.0).fetch_one(&house.db.admin).await.expect("an answer") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), woke).await.expect("a worker that was woken");
}

#[tokio::test]
async fn migrations_go_past_it_or_say_what_they_need() {
    let db = TestDb::new().await;
    let Some(pooler) = PgBouncer::before(&db).await else { return };
    let run = |direct: &str| {
        let mut command = fleet::binary(&pooler.url(&db, "operator"), "migrate --check");
        command.env("LONGSHORE_DATABASE__PGBOUNCER", "true");
        if !direct.is_empty() {
            command.env("LONGSHORE_DATABASE__DIRECT_URL", direct);
        }
        fleet::ran("migrate --check", command.output().expect("the binary"))
    };
    let refused = run("");
    assert!(refused.code == 2 && refused.stderr.contains("LONGSHORE_DATABASE__DIRECT_URL"), "{refused}");
    assert_eq!(run(&db.admin_url()).code, 0);
}
