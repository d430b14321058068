//! A team's dead letters: looked at, replayed once, given up, and run again as a plan by the workers.

use longshore::{
    queue::settle::Verdict,
    tenancy::keys::Scope,
    workers::{dead::run_dead_plan::RunDeadPlan, ids::JobId},
};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::door::{self, Door, problem, registry};
use crate::support::{Stepper, services};

/// A door with a key for dead letters, a worker, and so many jobs that died.
async fn with_dead(count: usize) -> (Door, Stepper, Vec<String>) {
    let mut door = Door::open().await;
    let stepper = Stepper::new(&door.db, registry().add::<RunDeadPlan>(), services(&door.db)).await;
    let mut jobs = Vec::new();
    for n in 0..count {
        let body = json!({ "kind": "greet", "payload": { "name": "dead", "times": n }, "correlation_id": format!("order {n}"), "priority": 3 });
        jobs.push(door.enqueue(&body).await);
    }
    stepper.drain("greetings").await;
    door.key = door::key(&door.db, door.team, &[Scope::Dead], None).await.0;
    (door, stepper, jobs)
}

impl Door {
    async fn act(&self, path: &str) -> Response {
        self.request(Method::POST, path).send().await.expect("an answer")
    }

    async fn plan(&self, body: Value) -> Value {
        let answer = self.post("/v1/dead/plans", &body).await;
        assert_eq!(answer.status(), 201);
        let location = answer.headers()["location"].to_str().expect("text").to_owned();
        let plan = door::json(answer).await;
        assert_eq!(location, format!("/v1/dead/plans/{}", plan["id"].as_str().expect("an id")));
        plan
    }

    async fn open_letters(&self) -> i64 {
        let open = "select count(*) from queue.dead where replayed_at is null and discarded_at is null";
        sqlx::query_scalar(open).fetch_one(&self.db.admin).await.expect("a count")
    }
}

#[tokio::test]
async fn dead_letters_are_listed_page_by_page_and_shown_whole() {
    let (door, _, jobs) = with_dead(3).await;
    let first = door::json(door.get("/v1/dead?limit=2&error=MOVED&kind=greet").await).await;
    let ids = |page: &Value| page["letters"].as_array().expect("letters").iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), [json!(jobs[2]), json!(jobs[1])]);
    let rest = door::json(door.get(&format!("/v1/dead?limit=2&after={}", first["next"].as_str().expect("a cursor"))).await).await;
    assert_eq!((ids(&rest), &rest["next"]), (vec![json!(jobs[0])], &Value::Null));
    assert_eq!(ids(&door::json(door.get("/v1/dead?error=sunshine").await).await), Vec::<Value>::new());
    for wrong in ["limit=0", "limit=x", "after=nonsense", "colour=red"] {
        problem(door.get(&format!("/v1/dead?{wrong}")).await, 400, "invalid_request").await;
    }
    let letter = door::json(door.get(&format!("/v1/dead/{}", jobs[1])).await).await;
    assert_eq!(
        (&letter["payload"], &letter["error"], &letter["correlation_id"]),
        (&json!({ "name": "dead", "times": 1 }), &json!("moved away"), &json!("order 1"))
    );
    assert_eq!((&letter["errors"][0]["attempt"], &letter["errors"][0]["process"]), (&json!(1), &Value::Null));
}

#[tokio::test]
async fn a_letter_is_replayed_once_or_given_up() {
    let (door, stepper, jobs) = with_dead(3).await;
    let answer = door.act(&format!("/v1/dead/{}/replay", jobs[0])).await;
    assert_eq!(answer.status(), 202);
    let replayed = door::json(answer).await;
    assert_eq!(replayed["replay_of"], json!(jobs[0]));
    problem(door.act(&format!("/v1/dead/{}/replay", jobs[0])).await, 409, "already_settled").await;
    problem(door.act(&format!("/v1/dead/{}/discard", jobs[0])).await, 409, "already_settled").await;

    let mended = |payload: Value| {
        door.request(Method::POST, &format!("/v1/dead/{}/replay", jobs[1])).json(&json!({ "payload": payload })).send()
    };
    let refused = problem(mended(json!({ "name": "nobody" })).await.expect("an answer"), 422, "invalid_payload").await;
    assert_eq!(refused["errors"][0]["pointer"], "/payload/name");
    let answer = mended(json!({ "name": "Ada" })).await.expect("an answer");
    assert_eq!(answer.status(), 202);
    let verdicts = stepper.drain("greetings").await;
    assert!(matches!(verdicts[..], [(_, Verdict::Dead { .. }), (_, Verdict::Done { .. })]), "{verdicts:?}");

    let given_up = door.act(&format!("/v1/dead/{}/discard", jobs[2])).await;
    assert_eq!(given_up.status(), 200);
    assert!(door::json(given_up).await["discarded_at"].is_string());
    problem(door.act(&format!("/v1/dead/{}/replay", jobs[2])).await, 409, "already_settled").await;
    let all = door::json(door.get("/v1/dead?all=true").await).await;
    assert_eq!(all["letters"].as_array().map(Vec::len), Some(4), "nothing leaves the list silently");
}

#[tokio::test]
async fn a_plan_says_what_it_holds_and_workers_run_it_once() {
    let (door, stepper, jobs) = with_dead(3).await;
    let patch = json!([{ "op": "test", "path": "/times", "value": 2 }, { "op": "replace", "path": "/name", "value": "Ada" }]);
    let plan = door.plan(json!({ "filter": { "kind": "greet", "error": "moved" }, "patch": patch, "note": "Ada is back" })).await;
    assert_eq!(
        (&plan["state"], &plan["letters"], &plan["left"], &plan["credits"]),
        (&json!("ready"), &json!(3), &json!(1), &json!(0))
    );
    assert_eq!((&plan["kinds"][0]["kind"], &plan["kinds"][0]["refused"]), (&json!("greet"), &json!(2)));
    assert_eq!(plan["reasons"], json!([{ "reason": "moved away", "letters": 3, "example": jobs[0] }]));
    assert!(plan["refusals"][0]["reason"].as_str().is_some_and(|why| why.contains("the edit does not fit")), "{plan}");
    assert_eq!(door.open_letters().await, 3, "a plan changes nothing");

    let path = format!("/v1/dead/plans/{}", plan["id"].as_str().expect("an id"));
    let mut at_it = Vec::new();
    for _ in 0..2 {
        let answer = door.act(&format!("{path}/run")).await;
        assert_eq!(answer.status(), 202);
        at_it.push(door::json(answer).await["job"].clone());
    }
    assert_eq!(at_it[0], at_it[1], "one job is at it");
    let ran = stepper.drain("upkeep").await;
    assert_eq!(ran.len(), 1, "{ran:?}");
    let plan = door::json(door.get(&path).await).await;
    assert_eq!(
        (&plan["state"], &plan["kinds"][0]["replayed"], &plan["kinds"][0]["unfinished"]),
        (&json!("ended"), &json!(1), &json!(1))
    );
    stepper.drain("greetings").await;
    let plan = door::json(door.get(&path).await).await;
    assert_eq!((&plan["kinds"][0]["done"], &plan["kinds"][0]["unfinished"]), (&json!(1), &json!(0)));
    problem(door.act(&format!("{path}/run")).await, 409, "already_settled").await;
    assert_eq!(door.open_letters().await, 2);
}

#[tokio::test]
async fn a_paced_plan_holds_no_worker_while_it_waits_and_goes_on() {
    let (door, stepper, _) = with_dead(3).await;
    let plan = door.plan(json!({ "filter": {}, "rate_per_second": 0.001 })).await;
    let path = format!("/v1/dead/plans/{}", plan["id"].as_str().expect("an id"));
    assert_eq!(door.act(&format!("{path}/run")).await.status(), 202);
    for left in [2, 1, 0] {
        let (_, verdict) = stepper.next("upkeep").await.expect("the plan's job");
        assert_eq!(door.open_letters().await, left);
        if left > 0 {
            assert!(matches!(&verdict, Verdict::Snooze { .. }), "{verdict:?}");
            // Too early: nothing happens but another wait.
            stepper.let_time_pass(&door.db).await;
            stepper.promote().await;
            let early = stepper.next("upkeep").await;
            assert!(matches!(early, Some((_, Verdict::Snooze { .. }))), "{early:?}");
            assert_eq!(door.open_letters().await, left);
            sqlx::query("update queue.plans set next_at = now()").execute(&door.db.admin).await.expect("its time");
        }
        stepper.let_time_pass(&door.db).await;
        stepper.promote().await;
    }
    assert_eq!(door::json(door.get(&path).await).await["state"], "ended");
}

#[tokio::test]
async fn a_job_that_was_cancelled_leaves_a_plan_that_goes_on() {
    let (door, stepper, _) = with_dead(2).await;
    let plan = door.plan(json!({ "filter": {}, "rate_per_second": 0.001 })).await;
    let path = format!("/v1/dead/plans/{}", plan["id"].as_str().expect("an id"));
    let first = door::json(door.act(&format!("{path}/run")).await).await["job"].clone();
    stepper.next("upkeep").await.expect("the plan's job");
    let cancel = sqlx::query("select queue.cancel($1, $2, 'test')").bind(door.team.0);
    let id: JobId = serde_json::from_value(first.clone()).expect("an id");
    cancel.bind(id.0).execute(&door.db.admin).await.expect("a cancel");
    assert_eq!(door.open_letters().await, 1);
    let second = door::json(door.act(&format!("{path}/run")).await).await["job"].clone();
    assert_ne!(first, second);
    sqlx::query("update queue.plans set next_at = now()").execute(&door.db.admin).await.expect("its time");
    stepper.drain("upkeep").await;
    assert_eq!(door.open_letters().await, 0);
}

#[tokio::test]
async fn a_large_plan_waits_for_an_operator() {
    let (door, stepper, _) = with_dead(4).await;
    let plan = door.plan(json!({ "filter": {} })).await;
    assert_eq!((&plan["state"], &plan["needs_approval"]), (&json!("unapproved"), &json!(true)));
    let path = format!("/v1/dead/plans/{}", plan["id"].as_str().expect("an id"));
    problem(door.act(&format!("{path}/run")).await, 409, "approval_needed").await;
    // A job of one's own making starts nothing.
    let enqueue = door::key(&door.db, door.team, &[Scope::Enqueue], None).await.0;
    let own = json!({ "kind": "run_dead_plan", "payload": { "plan": plan["id"] } });
    let own = door.bare(Method::POST, "/v1/jobs").bearer_auth(enqueue).json(&own).send().await.expect("an answer");
    assert_eq!(own.status(), 202);
    assert_eq!(stepper.drain("upkeep").await.len(), 1);
    assert_eq!(door.open_letters().await, 4);

    let approve = sqlx::query("select queue.approve_plan($1, 1, 'bob')").bind(door.team.0);
    approve.execute(&door.db.pool("operator")).await.expect("an approval");
    assert_eq!(door.act(&format!("{path}/run")).await.status(), 202);
    stepper.drain("upkeep").await;
    assert_eq!(door.open_letters().await, 0);
}

#[tokio::test]
async fn another_team_sees_nothing_and_can_do_nothing() {
    let (mut door, _, jobs) = with_dead(1).await;
    let plan = door.plan(json!({ "filter": {} })).await;
    let plan = plan["id"].as_str().expect("an id").to_owned();
    let other = door.db.team("other").await;
    door.key = door::key(&door.db, other, &[Scope::Admin], None).await.0;
    let page = door::json(door.get("/v1/dead?all=true").await).await;
    assert_eq!(page["letters"], json!([]));
    let refused = problem(door.post("/v1/dead/plans", &json!({ "filter": { "jobs": jobs } })).await, 422, "invalid_field").await;
    assert_eq!(refused["errors"][0]["pointer"], "/filter");
    for (method, path) in [
        (Method::GET, format!("/v1/dead/{}", jobs[0])),
        (Method::POST, format!("/v1/dead/{}/replay", jobs[0])),
        (Method::POST, format!("/v1/dead/{}/discard", jobs[0])),
        (Method::GET, format!("/v1/dead/plans/{plan}")),
        (Method::POST, format!("/v1/dead/plans/{plan}/run")),
        (Method::GET, "/v1/dead/plans/nonsense".into()),
    ] {
        problem(door.request(method, &path).send().await.expect("an answer"), 404, "not_found").await;
    }
    assert_eq!(door.open_letters().await, 1);
}

#[tokio::test]
async fn dead_letters_need_their_own_scope_and_a_sound_request() {
    let (mut door, ..) = with_dead(1).await;
    for (body, pointer) in [
        (json!({}), "/filter"),
        (json!({ "filter": { "team": "acme" } }), "/filter/team"),
        (json!({ "filter": {}, "patch": { "name": "Ada" } }), "/patch"),
        (json!({ "filter": {}, "rate_per_second": 0 }), "/rate_per_second"),
        (json!({ "filter": {}, "limit": 10_001 }), "/limit"),
        (json!({ "filter": { "jobs": ["plan_1"] } }), "/filter/jobs/0"),
    ] {
        let refused = problem(door.post("/v1/dead/plans", &body).await, 422, "invalid_field").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    door.key = door::key(&door.db, door.team, &Scope::STANDARD, None).await.0;
    for (method, path) in [(Method::GET, "/v1/dead"), (Method::GET, "/v1/dead/job_1"), (Method::POST, "/v1/dead/job_1/replay")] {
        problem(door.request(method, path).send().await.expect("an answer"), 403, "missing_scope").await;
    }
    problem(door.post("/v1/dead/plans", &json!({ "filter": {} })).await, 403, "missing_scope").await;
}
