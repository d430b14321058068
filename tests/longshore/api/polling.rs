//! Lists and looks: pages that end, ETags, and what a team has in its queues.

use longshore::{tenancy::keys::Scope, workers::db};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::door::{self, Door, key, problem};

async fn again(door: &Door, path: &str, tag: &str) -> Response {
    door.request(Method::GET, path).header("if-none-match", tag).send().await.expect("an answer")
}

/// All pages of a list: how many there were, and what stood on them.
async fn pages(door: &Door, path: &str, field: &str) -> (usize, Vec<Value>) {
    let (mut after, mut count, mut found) = (String::new(), 0, Vec::new());
    loop {
        let page = door::json(door.get(&format!("{path}{after}")).await).await;
        count += 1;
        found.extend(page[field].as_array().unwrap_or_else(|| panic!("{path}: {page}")).clone());
        let Some(next) = page["next"].as_str() else { return (count, found) };
        after = format!("&after={next}");
        assert!(count < 100, "{path} never ends");
    }
}

#[tokio::test]
async fn a_read_that_is_asked_for_again_is_answered_with_304_until_it_changes() {
    let mut door = Door::open().await;
    let job = door.enqueue(&json!({ "kind": "greet", "payload": { "name": "Ada" } })).await;
    door.key = key(&door.db, door.team, &Scope::ALL, None).await.0;
    door.set_schedule("nightly").await;
    let batch = door.open_batch().await;
    for path in [
        format!("/v1/jobs/{job}"),
        "/v1/jobs?limit=5".into(),
        "/v1/queues".into(),
        format!("/v1/batches/{batch}"),
        "/v1/dead".into(),
        "/v1/schedules".into(),
        "/v1/schedules/nightly".into(),
    ] {
        let first = door.get(&path).await;
        assert_eq!(first.status(), 200, "{path}");
        assert_eq!(first.headers()["cache-control"], "private, no-cache", "{path}");
        let tag = first.headers()["etag"].to_str().expect("text").to_owned();
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".into()] {
            let same = again(&door, &path, &known).await;
            assert_eq!(
                (same.status(), same.headers()["etag"].to_str().ok()),
                (StatusCode::NOT_MODIFIED, Some(tag.as_str())),
                "{path}"
            );
            assert!(same.bytes().await.expect("a body").is_empty(), "{path}");
        }
        assert_eq!(again(&door, &path, "\"other\"").await.status(), 200, "{path}");
    }
    let path = format!("/v1/jobs/{job}");
    let tag = door.get(&path).await.headers()["etag"].clone();
    door.request(Method::POST, &format!("{path}/cancel")).send().await.expect("an answer");
    assert_eq!(again(&door, &path, tag.to_str().expect("text")).await.status(), 200, "it was cancelled meanwhile");
}

#[tokio::test]
async fn jobs_are_listed_newest_first_page_by_page_and_by_filter() {
    let door = Door::open().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(door.enqueue(&json!({ "kind": "greet", "payload": { "name": format!("n{n}") } })).await);
    }
    ids.push(door.enqueue(&json!({ "kind": "wave", "payload": { "hands": 2 }, "run_at": door::now(&door.db).await + chrono::Duration::hours(1) })).await);
    let cancelled = &ids[1];
    assert_eq!(
        door.request(Method::POST, &format!("/v1/jobs/{cancelled}/cancel")).send().await.expect("an answer").status(),
        200
    );
    let (count, all) = pages(&door, "/v1/jobs?limit=2", "jobs").await;
    let listed: Vec<&str> = all.iter().map(|job| job["id"].as_str().expect("an id")).collect();
    assert_eq!(listed, ids.iter().rev().map(String::as_str).collect::<Vec<_>>());
    assert!(count >= 3);
    for (filter, expected) in [
        ("state=cancelled", vec![1]),
        ("state=waiting", vec![5, 4, 3, 2, 0]),
        ("state=waiting&kind=wave", vec![5]),
        ("queue=gestures", vec![5]),
        ("kind=greet", vec![4, 3, 2, 1, 0]),
        ("state=running", vec![]),
        ("state=done", vec![]),
        ("state=dead", vec![]),
        ("kind=", vec![5, 4, 3, 2, 1, 0]),
    ] {
        let (_, found) = pages(&door, &format!("/v1/jobs?limit=3&{filter}"), "jobs").await;
        let found: Vec<&str> = found.iter().map(|job| job["id"].as_str().expect("an id")).collect();
        assert_eq!(found, expected.iter().map(|&n| ids[n].as_str()).collect::<Vec<_>>(), "{filter}");
    }
    let delayed = door::json(door.get("/v1/jobs?kind=wave").await).await;
    assert_eq!((&delayed["jobs"][0]["reason"], &delayed["jobs"][0]["state"]), (&json!("delayed"), &json!("waiting")));
}

#[tokio::test]
async fn a_quiet_team_reads_its_few_jobs_in_bounded_looks() {
    let door = Door::open().await;
    let mine = door.enqueue(&json!({ "kind": "greet", "payload": { "name": "Ada" } })).await;
    let busy = door.db.team("busy").await;
    let fill = format!(
        "select count(*) from queue.enqueue_many('{busy}', 'greet', (select array_agg('{{\"name\":\"x\"}}'::jsonb) from generate_series(1, 5000)))"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(fill)).execute(&door.db.admin).await.expect("a crowd");
    let page = door::json(door.get("/v1/jobs?limit=1").await).await;
    assert_eq!(page["jobs"][0]["id"], mine, "behind 5,000 jobs of another team: {page}");
    // And one look does not read all there is.
    let mut tx = db::begin_as(&door.state.pool, door.team).await.expect("a transaction");
    let (jobs, reached): (Vec<i64>, Option<i64>) =
        sqlx::query_as("select jobs, reached from queue.newest_jobs($1, 'nothing', null, null, null, 10)")
            .bind(door.team.0)
            .fetch_one(&mut *tx)
            .await
            .expect("a look");
    assert_eq!((jobs.len(), reached), (0, None), "5,001 jobs are less than one look takes in");
    let stranger = sqlx::query("select queue.newest_jobs($1, null, null, null, null, 10)").bind(busy.0).execute(&mut *tx).await;
    assert!(stranger.is_err(), "a transaction asked for another team's jobs");
}

#[tokio::test]
async fn what_is_wrong_in_an_address_is_named() {
    let mut door = Door::open().await;
    door.key = key(&door.db, door.team, &Scope::ALL, None).await.0;
    for (path, parameter) in [
        ("/v1/jobs?limit=0", "limit"),
        ("/v1/jobs?limit=1001", "limit"),
        ("/v1/jobs?limit=x", "limit"),
        ("/v1/jobs?limit=1&limit=2", "limit"),
        ("/v1/jobs?state=asleep", "state"),
        ("/v1/jobs?queue=nonsense", "queue"),
        ("/v1/jobs?after=plan_1", "after"),
        ("/v1/jobs?colour=red", "colour"),
        ("/v1/jobs?kind=%00", "kind"),
        ("/v1/queues?limit=-1", "limit"),
        ("/v1/schedules?limit=0", "limit"),
        ("/v1/dead?since=yesterday", "since"),
        ("/v1/jobs/job_1?wait=31s", "wait"),
        ("/v1/jobs/job_1?wait=-1", "wait"),
        ("/v1/jobs/job_1?wait=99999999999999999999", "wait"),
    ] {
        let refused = problem(door.get(path).await, 400, "invalid_request").await;
        assert_eq!(refused["errors"][0]["parameter"], parameter, "{path}: {refused}");
    }
}

#[tokio::test]
async fn a_team_is_shown_its_own_depths_and_nobody_elses() {
    let door = Door::open().await;
    for n in 0..3 {
        door.enqueue(&json!({ "kind": "greet", "payload": { "name": format!("n{n}") } })).await;
    }
    let later = door::now(&door.db).await + chrono::Duration::hours(1);
    door.enqueue(&json!({ "kind": "wave", "payload": { "hands": 1 }, "run_at": later })).await;
    let other = door.db.team("other").await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("select queue.enqueue('{other}', 'greet', '{{\"name\":\"x\"}}')")))
        .execute(&door.db.admin)
        .await
        .expect("a job");
    let measure = async || sqlx::raw_sql("select queue.measure()").execute(&door.db.admin).await.expect("a measure");
    measure().await;
    let row =
        |page: &Value, name: &str| page["queues"].as_array().expect("queues").iter().find(|row| row["name"] == name).cloned();
    let page = door::json(door.get("/v1/queues").await).await;
    assert!(page["measured_at"].is_string());
    let (greetings, gestures) = (row(&page, "greetings").expect("a row"), row(&page, "gestures").expect("a row"));
    assert_eq!((&greetings["ready"], &greetings["scheduled"]), (&json!(3), &json!(0)), "{greetings}");
    assert!(greetings["oldest_ready_at"].is_string());
    assert_eq!((&gestures["ready"], &gestures["scheduled"]), (&json!(0), &json!(1)), "{gestures}");
    let (count, all) = pages(&door, "/v1/queues?limit=1", "queues").await;
    assert!(count >= 2 && all.len() >= 2);
    // What is gone is gone from the figures too.
    sqlx::raw_sql("delete from queue.ready").execute(&door.db.admin).await.expect("an end");
    measure().await;
    let page = door::json(door.get("/v1/queues").await).await;
    assert_eq!(row(&page, "greetings").expect("a row")["ready"], 0);
}

#[tokio::test]
async fn a_batch_is_shown_with_what_became_of_its_jobs() {
    let door = Door::open().await;
    let batch = door.open_batch().await;
    let path = format!("/v1/batches/{batch}");
    let seen = door::json(door.get(&path).await).await;
    assert_eq!((&seen["id"], &seen["state"], &seen["jobs"]), (&json!(batch), &json!("open"), &json!(0)));
    let number = batch.trim_start_matches("batch_").to_owned();
    let team = door.team;
    let steps = format!(
        "insert into queue.batch_moves (team_id, batch_id, jobs, done, dead) values ('{team}', {number}, 3, 2, 1); select queue.seal_batch('{team}', {number}); select queue.fold_batches()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(steps)).execute(&door.db.admin).await.expect("moves");
    let seen = door::json(door.get(&path).await).await;
    assert_eq!((&seen["state"], &seen["jobs"], &seen["done"], &seen["dead"]), (&json!("ended"), &json!(3), &json!(2), &json!(1)));
    problem(door.get("/v1/batches/batch_999999").await, 404, "not_found").await;
    problem(door.get("/v1/batches/job_1").await, 404, "not_found").await;
}

impl Door {
    /// Opens a batch as a producer does.
    pub async fn open_batch(&self) -> String {
        let open = sqlx::query_scalar::<_, i64>("select queue.open_batch($1)").bind(self.team.0);
        format!("batch_{}", open.fetch_one(&self.db.admin).await.expect("a batch"))
    }

    /// Sets a schedule with this door's key.
    pub async fn set_schedule(&self, name: &str) {
        let body = json!({ "kind": "wave", "payload": { "hands": 1 }, "cron": "0 3 * * *" });
        let put = self.request(Method::PUT, &format!("/v1/schedules/{name}")).json(&body).send().await.expect("an answer");
        assert_eq!(put.status(), 201, "{name}");
    }
}
