//! Looking leads up for money: reserved first, charged once, and what nobody knows is on the books as such.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use longshore::{
    dev::sandbox::apollo::{self as sandbox, Behaviour, Fault},
    queue::settle::Verdict,
    store::jobs,
    workers::{
        self,
        credits::{self, Balance, HoldKey},
        db,
        enrichment::{
            enrich_person::EnrichPerson,
            provider::{PersonFound, PersonProvider, PersonQuery},
        },
        ids::{JobId, TeamId},
        vendors::{
            VendorError,
            apollo::{Apollo, Config},
        },
    },
};
use serde_json::Value;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::support::{Stepper, TestDb, services};

const QUEUE: &str = "enrichment";

/// A team with credits, a vendor that counts, and a worker.
struct Desk {
    db: TestDb,
    team: TeamId,
    vendor: sandbox::Apollo,
    address: String,
    worker: Stepper,
    operator: PgPool,
}

impl Desk {
    async fn with(credits: i64) -> Self {
        Self::waiting(credits, 60_000).await
    }

    /// One whose worker waits so many milliseconds for the vendor: a second where an answer is to stay out.
    async fn waiting(credits: i64, milliseconds: u64) -> Self {
        let db = TestDb::new().await;
        let team = db.team("buyers").await;
        let vendor = sandbox::Apollo::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let router = sandbox::router(vendor.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let worker = worker(&db, Arc::new(client(&address, milliseconds))).await;
        let operator = db.pool("operator");
        let desk = Self { db, team, vendor, address, worker, operator };
        if credits > 0 {
            desk.grant(credits).await;
        }
        desk
    }

    async fn grant(&self, amount: i64) {
        credits::grant(&mut self.operator.acquire().await.unwrap(), self.team, amount, "a test").await.expect("a grant");
    }

    async fn lead(&self, email: &str) -> i64 {
        let insert = "insert into longshore.leads (team_id, email) values ($1, $2) returning lead_id";
        sqlx::query_scalar(insert).bind(self.team.0).bind(email).fetch_one(&self.db.admin).await.expect("a lead")
    }

    async fn enqueue(&self, email: &str) -> JobId {
        let lead_id = self.lead(email).await;
        self.worker.enqueue(self.team, &EnrichPerson { lead_id }).await
    }

    async fn run(&self) -> Verdict {
        self.worker.promote().await;
        self.worker.next(QUEUE).await.expect("a job that is ready").1
    }

    async fn balance(&self) -> Balance {
        credits::balance(&mut self.operator.acquire().await.unwrap(), self.team).await.expect("a balance")
    }

    /// Outcomes of all calls with the state of their holds, in order.
    async fn calls(&self) -> Vec<String> {
        let log = "select outcome || ' ' || hold_state from longshore.vendor_call_log where team_id = $1 order by job_id, call";
        sqlx::query_scalar(log).bind(self.team.0).fetch_all(&self.db.admin).await.expect("the log")
    }

    async fn count(&self, of: &'static str) -> i64 {
        sqlx::query_scalar(of).fetch_one(&self.db.admin).await.expect("a count")
    }

    async fn done(&self) -> i64 {
        self.count("select count(*) from queue.outcomes where outcome = 1").await
    }

    async fn a_day_passes(&self) -> credits::Expired {
        let past = "update longshore.credit_holds set expires_at = expires_at - interval '25 hours'";
        sqlx::query(past).execute(&self.db.admin).await.expect("an update");
        credits::settle_expired(&mut self.db.pool("scheduler").acquire().await.unwrap(), 1000).await.expect("a round")
    }

    /// The process of `worker` is gone, and its jobs are handed back.
    async fn lose(&self, worker: &Stepper) {
        sqlx::query("delete from queue.processes where boot_id = $1").bind(worker.boot).execute(&self.db.admin).await.unwrap();
        jobs::reap(&mut self.db.pool("worker").acquire().await.unwrap(), 100).await.expect("a reaping");
    }

    async fn assert_sound(&self) {
        let wrong = credits::verify(&mut self.operator.acquire().await.unwrap()).await.expect("a verification");
        assert!(wrong.is_empty(), "{wrong:?}");
        let balance = self.balance().await;
        assert!(self.vendor.total() <= balance.spent + balance.held, "the vendor charged more than the books know: {balance:?}");
    }
}

fn client(address: &str, timeout_milliseconds: u64) -> Apollo {
    let config = Config { base_url: address.into(), api_key: "key-of-the-house".to_owned().into(), timeout_milliseconds };
    Apollo::new(&config).expect("a client")
}

async fn worker(db: &TestDb, people: Arc<dyn PersonProvider>) -> Stepper {
    let mut services = services(db);
    services.vendors.people = people;
    Stepper::new(db, workers::registry(), services).await
}

/// Calls the vendor, and holds its answer back until it is let go.
struct Held {
    inner: Apollo,
    answered: Notify,
    go: Notify,
}

impl Held {
    fn at(address: &str) -> Arc<Self> {
        Arc::new(Self { inner: client(address, 60_000), answered: Notify::new(), go: Notify::new() })
    }
}

#[async_trait]
impl PersonProvider for Held {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn quote(&self, query: &PersonQuery) -> i64 {
        self.inner.quote(query)
    }

    async fn find(&self, query: &PersonQuery) -> Result<PersonFound, VendorError> {
        let answer = self.inner.find(query).await;
        self.answered.notify_one();
        self.go.notified().await;
        answer
    }
}

#[tokio::test]
async fn where_credit_cannot_be_looked_up_nothing_is_bought() {
    let desk = Desk::with(100).await;
    desk.enqueue("ada@example.com").await;
    let order = async |order: String| sqlx::raw_sql(sqlx::AssertSqlSafe(order)).execute(&desk.db.admin).await.expect("an order");
    let hold =
        "select oid::regprocedure::text from pg_proc where proname = 'credit_hold' and pronamespace = 'longshore'::regnamespace";
    let hold: String = sqlx::query_scalar(hold).fetch_one(&desk.db.admin).await.expect("the function");
    order(format!("revoke execute on function {hold} from longshore_worker")).await;
    let verdict = desk.run().await;
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    assert_eq!((desk.vendor.total(), desk.calls().await.len()), (0, 0), "something was bought");
    order(format!("grant execute on function {hold} to longshore_worker")).await;
    order("update queue.scheduled set run_at = now()".into()).await;
    desk.run().await;
    assert_eq!(desk.calls().await, ["found captured"]);
    desk.assert_sound().await;
}

#[tokio::test]
async fn what_the_vendor_charges_is_captured_and_the_rest_goes_back() {
    let desk = Desk::with(100).await;
    for (email, spent) in [("a@plain.example", 1), ("b@mobile.example", 10), ("c@nobody.example", 10)] {
        desk.enqueue(email).await;
        assert_eq!(desk.run().await, Verdict::Nothing, "{email} was not completed in its own transaction");
        assert_eq!(desk.balance().await, Balance { available: 100 - spent, held: 0, spent, owed: 0, granted: 100 });
    }
    assert_eq!(desk.done().await, 3);
    assert_eq!(desk.vendor.total(), 10);
    assert_eq!(desk.calls().await, ["found captured", "found captured", "no_match released"]);
    let facts: Vec<Option<Value>> =
        sqlx::query_scalar("select facts from longshore.enrichments order by lead_id").fetch_all(&desk.db.admin).await.unwrap();
    assert_eq!(facts[0].as_ref().unwrap()["email"], "a@plain.example");
    assert!(facts[2].is_none());
    desk.assert_sound().await;
}

#[tokio::test]
async fn a_lead_that_was_just_looked_up_costs_nothing_again_known_or_not() {
    let desk = Desk::with(100).await;
    for email in ["a@plain.example", "c@nobody.example"] {
        let lead_id = desk.lead(email).await;
        desk.worker.enqueue(desk.team, &EnrichPerson { lead_id }).await;
        desk.run().await;
        let requests = desk.vendor.charges().len();
        desk.worker.enqueue(desk.team, &EnrichPerson { lead_id }).await;
        assert!(matches!(desk.run().await, Verdict::Done { output: Some(output) } if output["outcome"] == "fresh"));
        assert_eq!(desk.vendor.charges().len(), requests);
    }
    sqlx::query("update longshore.enrichments set looked_up_at = now() - interval '91 days'")
        .execute(&desk.db.admin)
        .await
        .unwrap();
    desk.worker.enqueue(desk.team, &EnrichPerson { lead_id: 1 }).await;
    assert_eq!(desk.run().await, Verdict::Nothing);
    assert_eq!(desk.vendor.charges().len(), 3);
    desk.assert_sound().await;
}

#[tokio::test]
async fn a_limit_that_runs_out_parks_the_rest_uncalled_and_a_grant_resumes_them() {
    let desk = Desk::with(20).await;
    for n in 0..5 {
        desk.enqueue(&format!("p{n}@mobile.example")).await;
    }
    let verdicts: Vec<_> = desk.worker.drain(QUEUE).await.into_iter().map(|(_, verdict)| verdict).collect();
    let parked = Verdict::Park { reason: "out_of_credit: needs 9, has 2".into() };
    assert_eq!(verdicts, [Verdict::Nothing, Verdict::Nothing, parked.clone(), parked.clone(), parked]);
    assert_eq!(desk.vendor.charges().len(), 2, "a job that could not pay called the vendor");
    assert_eq!(desk.calls().await.len(), 2, "a job that could not pay left an intent");
    assert_eq!(desk.count("select max(attempt)::bigint from queue.scheduled").await, 0, "waiting for credits burned an attempt");
    let scheduler = desk.db.pool("scheduler");
    assert_eq!(credits::wake(&mut scheduler.acquire().await.unwrap()).await.unwrap(), 0, "woken without the credits it needs");
    desk.grant(25).await;
    assert_eq!(desk.worker.drain(QUEUE).await.len(), 3);
    assert_eq!(desk.done().await, 5);
    assert_eq!(desk.balance().await, Balance { available: 0, held: 0, spent: 45, owed: 0, granted: 45 });
    desk.assert_sound().await;
}

#[tokio::test]
async fn credits_that_come_back_wake_a_job_that_waits_for_them() {
    let desk = Desk::with(10).await;
    let other = HoldKey { team: desk.team, job: JobId(999), step: "person", call: 1 };
    let pool = desk.db.pool("worker");
    let mut tx = db::begin_as(&pool, desk.team).await.unwrap();
    credits::hold(&mut tx, other, "apollo", 9).await.unwrap();
    tx.commit().await.unwrap();
    desk.enqueue("a@plain.example").await;
    assert!(matches!(desk.run().await, Verdict::Park { .. }));
    let mut tx = db::begin_as(&pool, desk.team).await.unwrap();
    credits::capture(&mut tx, other, 1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(desk.run().await, Verdict::Nothing);
    desk.assert_sound().await;
}

#[tokio::test]
async fn a_grant_that_falls_between_refusal_and_parking_is_noticed() {
    let desk = Desk::with(0).await;
    desk.enqueue("a@plain.example").await;
    let job = desk.worker.claim(QUEUE, 1).await.pop().unwrap();
    let verdict = desk.worker.run(job.clone()).await;
    assert_eq!(verdict, Verdict::Park { reason: "out_of_credit: needs 9, has 0".into() });
    desk.grant(9).await;
    desk.worker.settle(&job, verdict).await;
    assert_eq!(desk.worker.promote().await, 0);
    let scheduler = desk.db.pool("scheduler");
    let poor = desk.db.team("poor").await;
    let lead = "insert into longshore.leads (team_id, email) values ($1, 'p@plain.example') returning lead_id";
    let lead_id = sqlx::query_scalar(lead).bind(poor.0).fetch_one(&desk.db.admin).await.unwrap();
    desk.worker.enqueue(poor, &EnrichPerson { lead_id }).await;
    assert!(matches!(desk.run().await, Verdict::Park { .. }));
    assert_eq!(credits::wake(&mut scheduler.acquire().await.unwrap()).await.unwrap(), 1);
    assert_eq!(desk.run().await, Verdict::Nothing);
}

#[tokio::test]
async fn a_crash_between_the_answer_and_our_record_is_on_the_books() {
    let desk = Desk::with(100).await;
    let held = Held::at(&desk.address);
    let doomed = Arc::new(worker(&desk.db, held.clone()).await);
    desk.enqueue("a@mobile.example").await;
    let job = doomed.claim(QUEUE, 1).await.pop().unwrap();
    let running = tokio::spawn({
        let doomed = doomed.clone();
        async move { doomed.run(job).await }
    });
    held.answered.notified().await;
    running.abort();
    assert_eq!(desk.calls().await, ["in_flight held"]);
    desk.lose(&doomed).await;

    assert_eq!(desk.run().await, Verdict::Nothing);
    assert_eq!(desk.calls().await, ["unknown unknown", "found captured"]);
    let balance = desk.balance().await;
    assert_eq!((balance.spent, balance.held), (9, 9));
    assert_eq!(desk.vendor.total(), balance.spent + balance.held, "a charge of the vendor is missing from the books");
    assert_eq!(desk.done().await, 1);
    desk.a_day_passes().await;
    assert_eq!(desk.balance().await.spent, desk.vendor.total());
    desk.assert_sound().await;
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_records_and_captures_nothing() {
    let desk = Desk::with(100).await;
    let held = Held::at(&desk.address);
    let slow = Arc::new(worker(&desk.db, held.clone()).await);
    desk.enqueue("a@mobile.example").await;
    let job = slow.claim(QUEUE, 1).await.pop().unwrap();
    let running = tokio::spawn({
        let slow = slow.clone();
        async move { slow.run(job).await }
    });
    held.answered.notified().await;
    desk.lose(&slow).await;
    assert_eq!(desk.run().await, Verdict::Nothing);
    held.go.notify_one();
    assert_eq!(running.await.unwrap(), Verdict::Nothing);
    assert_eq!(desk.calls().await, ["unknown unknown", "found captured"]);
    assert_eq!(desk.done().await, 1);
    assert_eq!(desk.vendor.total(), 18);
    desk.assert_sound().await;
}

#[tokio::test]
async fn an_answer_that_never_comes_keeps_its_hold_and_is_asked_for_once_more() {
    let desk = Desk::waiting(100, 1_000).await;
    desk.vendor.next([Fault::HangAfter, Fault::ResetAfter]);
    desk.enqueue("a@mobile.example").await;
    assert!(matches!(desk.run().await, Verdict::Unknown { .. }));
    assert_eq!(desk.balance().await, Balance { available: 91, held: 9, spent: 0, owed: 0, granted: 100 });
    assert_eq!(desk.count("select max(attempt)::bigint from queue.scheduled").await, 0);
    desk.assert_sound().await;

    desk.worker.let_time_pass(&desk.db).await;
    let Verdict::Dead { error } = desk.run().await else { panic!("a third call would follow") };
    assert!(error.contains("unknown"), "{error}");
    assert_eq!(desk.calls().await, ["unknown unknown", "unknown unknown"]);
    assert_eq!(desk.balance().await.held, 18);
    assert_eq!(desk.a_day_passes().await, credits::Expired { holds: 2, credits: 18 });
    assert_eq!(desk.balance().await.spent, desk.vendor.total());
    desk.assert_sound().await;
}

#[tokio::test]
async fn a_server_error_may_have_been_charged() {
    for fault in [Fault::ErrorBefore, Fault::ErrorAfter] {
        let desk = Desk::with(100).await;
        desk.vendor.next([fault]);
        desk.enqueue("a@mobile.example").await;
        assert!(matches!(desk.run().await, Verdict::Unknown { .. }));
        desk.worker.let_time_pass(&desk.db).await;
        assert_eq!(desk.run().await, Verdict::Nothing);
        assert_eq!(desk.calls().await, ["unknown unknown", "found captured"]);
        desk.assert_sound().await;
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_out_and_a_wrong_key_waits_for_a_person_both_for_free() {
    let desk = Desk::with(100).await;
    desk.vendor.behave(Behaviour { retry_after_seconds: 17, ..Behaviour::default() });
    desk.vendor.next([Fault::RateLimit]);
    desk.enqueue("a@plain.example").await;
    assert!(matches!(desk.run().await, Verdict::Snooze { delay, .. } if delay == Duration::from_secs(17)));
    assert_eq!(desk.balance().await.available, 100);
    desk.worker.let_time_pass(&desk.db).await;
    assert_eq!(desk.run().await, Verdict::Nothing);

    let keyless = Config { base_url: desk.address.clone(), ..Config::default() };
    let keyless = worker(&desk.db, Arc::new(Apollo::new(&keyless).unwrap())).await;
    desk.enqueue("b@plain.example").await;
    let (_, verdict) = keyless.next(QUEUE).await.unwrap();
    assert!(matches!(&verdict, Verdict::Park { reason } if reason.starts_with("vendor_config")), "{verdict:?}");

    let unplugged = worker(&desk.db, Arc::new(client("http://127.0.0.1:1", 60_000))).await;
    desk.enqueue("c@plain.example").await;
    let (_, verdict) = unplugged.next(QUEUE).await.unwrap();
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    assert_eq!(desk.calls().await, ["rate_limited released", "found captured", "config released", "retryable released"]);
    assert_eq!(desk.balance().await, Balance { available: 99, held: 0, spent: 1, owed: 0, granted: 100 });
    desk.assert_sound().await;
}

#[tokio::test]
async fn two_jobs_for_one_lead_pay_once() {
    let desk = Desk::with(100).await;
    let held = Held::at(&desk.address);
    let slow = Arc::new(worker(&desk.db, held.clone()).await);
    let lead_id = desk.lead("a@mobile.example").await;
    slow.enqueue(desk.team, &EnrichPerson { lead_id }).await;
    let job = slow.claim(QUEUE, 1).await.pop().unwrap();
    let running = tokio::spawn({
        let slow = slow.clone();
        async move { slow.run(job).await }
    });
    held.answered.notified().await;
    desk.worker.enqueue(desk.team, &EnrichPerson { lead_id }).await;
    assert!(matches!(desk.run().await, Verdict::Snooze { reason, .. } if reason.starts_with("lead_busy")));
    held.go.notify_one();
    assert_eq!(running.await.unwrap(), Verdict::Nothing);
    desk.worker.let_time_pass(&desk.db).await;
    assert!(matches!(desk.run().await, Verdict::Done { .. }));
    assert_eq!(desk.vendor.total(), 9);
    desk.assert_sound().await;
}

#[tokio::test]
async fn jobs_of_one_lease_do_not_wait_for_each_other_in_a_circle() {
    let desk = Desk::with(1000).await;
    let mut tx = db::begin_as(&desk.db.pool("worker"), desk.team).await.unwrap();
    let mut wanted = Vec::new();
    for n in 0..20 {
        wanted.push(EnrichPerson { lead_id: desk.lead(&format!("p{n}@mobile.example")).await });
    }
    workers::enqueue::many(&mut tx, desk.team, &wanted, None, Default::default()).await.expect("a chunk");
    tx.commit().await.unwrap();
    let claimed = desk.worker.claim(QUEUE, 20).await;
    assert_eq!(desk.count("select count(*) from queue.leases").await, 1);
    let verdicts = futures_util::future::join_all(claimed.into_iter().map(|job| desk.worker.run(job))).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Nothing), "{verdicts:?}");
    assert_eq!(desk.vendor.total(), 180);
    assert_eq!(desk.balance().await.spent, 180);
    desk.assert_sound().await;
}

#[tokio::test]
async fn nothing_is_spent_that_the_books_do_not_know_however_the_vendor_misbehaves() {
    let desk = Desk::waiting(300, 1_000).await;
    let per_mille = [(Fault::RateLimit, 100), (Fault::ErrorAfter, 150), (Fault::ResetAfter, 150), (Fault::HangAfter, 50)];
    desk.vendor.behave(Behaviour { seed: 7, per_mille: per_mille.into(), ..Behaviour::default() });
    for n in 0..40 {
        desk.enqueue(&format!("p{n}@mobile.example")).await;
    }
    while !desk.worker.drain(QUEUE).await.is_empty() {
        desk.worker.let_time_pass(&desk.db).await;
        desk.assert_sound().await;
    }
    let balance = desk.balance().await;
    // Everybody here costs 9 when charged, and no fault of this test fails before the charge: so the sums are the same.
    assert_eq!(desk.vendor.total(), balance.spent + balance.held);
    assert!(balance.held > 0 && balance.spent > 0 && balance.available < 9, "the test met too little: {balance:?}");
    desk.a_day_passes().await;
    assert_eq!(desk.vendor.total(), desk.balance().await.spent);
    desk.assert_sound().await;
}

#[tokio::test]
async fn another_team_can_neither_look_up_nor_see_these_leads() {
    let desk = Desk::with(100).await;
    desk.enqueue("a@plain.example").await;
    desk.run().await;
    let stranger = desk.db.team("strangers").await;
    desk.worker.enqueue(stranger, &EnrichPerson { lead_id: 1 }).await;
    assert!(matches!(desk.run().await, Verdict::Dead { error } if error.contains("no lead")));
    assert_eq!(desk.vendor.charges().len(), 1);
    for role in ["api", "worker", "scheduler"] {
        let pool = desk.db.pool(role);
        for table in ["vendor_intents", "vendor_calls", "vendor_call_log", "enrichments"] {
            let select = format!("select 1 from longshore.{table}");
            let mut tx = db::begin_as(&pool, stranger).await.unwrap();
            let seen = sqlx::query(sqlx::AssertSqlSafe(select.clone())).fetch_all(&mut *tx).await.unwrap();
            assert!(seen.is_empty(), "{role} sees another team's {table}");
            let mut tx = db::begin_as(&pool, desk.team).await.unwrap();
            assert_eq!(sqlx::query(sqlx::AssertSqlSafe(select)).fetch_all(&mut *tx).await.unwrap().len(), 1, "{role}: {table}");
        }
    }
}

#[tokio::test]
async fn the_record_of_calls_is_never_rewritten() {
    let desk = Desk::with(100).await;
    desk.enqueue("a@plain.example").await;
    desk.run().await;
    for rewrite in [
        "update longshore.vendor_calls set credits = 0",
        "delete from longshore.vendor_calls",
        "truncate longshore.vendor_calls",
        "update longshore.vendor_intents set vendor = 'other'",
        "truncate longshore.vendor_intents cascade",
    ] {
        let refused = sqlx::raw_sql(rewrite).execute(&desk.db.admin).await.expect_err(rewrite);
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "LS024", "{rewrite}");
    }
}

#[tokio::test]
async fn the_sandbox_tells_over_http_what_it_charged() {
    let desk = Desk::waiting(100, 1_000).await;
    desk.vendor.next([Fault::HangAfter]);
    desk.enqueue("a@mobile.example").await;
    desk.run().await;
    desk.worker.let_time_pass(&desk.db).await;
    desk.run().await;
    let http = workers::vendors::http::client(workers::vendors::http::Deadlines {
        connect: Duration::from_secs(5),
        total: Duration::from_secs(5),
    })
    .unwrap();
    let url = format!("{}/_sandbox/charges", desk.address);
    let text = http.get(url).send().await.unwrap().text().await.unwrap();
    let charges: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(charges["credits"], 18);
    assert_eq!(charges["by_key"]["key-of-the-house"], 18);
    assert_eq!(charges["second_charges"], 1);
    assert_eq!(charges["charges"][0]["fault"], "hang_after");
    assert!(!text.contains("mobile.example"), "the record names a person");
    let put = http.put(format!("{}/_sandbox/apollo", desk.address)).body(r#"{"per_mille": {"rate_limit": 1000}}"#);
    assert_eq!(put.header("content-type", "application/json").send().await.unwrap().status(), 204);
    desk.enqueue("b@mobile.example").await;
    assert!(matches!(desk.run().await, Verdict::Snooze { .. }));
}
