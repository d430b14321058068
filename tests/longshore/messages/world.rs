//! A team with a campaign, leads who agreed to be texted, a Twilio that can fail, and workers driven by hand.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use longshore::{
    api::twilio::{self as hooks, Hooks},
    dev::sandbox::{
        Options, Sandbox,
        twilio::{Fault, Faults, Number},
    },
    queue::{execute::Claimed, settle::Verdict},
    workers::{
        self,
        clock::TestClock,
        credits::{self, Balance},
        ctx::Services,
        db,
        ids::{JobId, TeamId},
        messages::{
            gateway::{Accepted, OutboundSms, Reconciled, SmsGateway},
            plan::{Plan, plan},
            send_sms::SendSms,
        },
        vendors::{VendorError, http, twilio::Twilio},
    },
};
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, Stepper, TestDb, services, services::noon};

pub const SENDER: &str = "+12125550199";
/// What the team has to spend; a segment costs one.
pub const CREDITS: i64 = 1_000_000;

pub struct World {
    pub db: TestDb,
    pub team: TeamId,
    pub sandbox: Sandbox,
    pub clock: TestClock,
    pub api: String,
    /// Connections as the worker and as the api.
    pub as_worker: PgPool,
    pub as_api: PgPool,
    stop: CancellationToken,
    leads: std::sync::atomic::AtomicU32,
}

impl World {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        let team = db.team("first").await;
        db.sender(team, SENDER, "").await;
        db.grant(team, CREDITS).await;
        let sandbox = Sandbox::start(Options { callback_delay: Duration::from_millis(5), ..Options::default() }).await;
        let sandbox = sandbox.expect("a sandbox");
        let (api, stop) = serve_hooks(&db, &sandbox).await;
        let (as_worker, as_api) = (db.pool("worker"), db.pool("api"));
        Self { db, team, sandbox, clock: TestClock::at(noon()), api, as_worker, as_api, stop, leads: 1.into() }
    }

    /// Services that reach the sandbox; no status reports are asked for.
    pub fn services(&self) -> Services {
        self.services_with(self.twilio(""))
    }

    /// Services that reach the sandbox, which reports to our webhook.
    pub fn services_reporting(&self) -> Services {
        self.services_with(self.twilio(&format!("{}{}", self.api, hooks::STATUS_PATH)))
    }

    pub fn services_with(&self, sms: Arc<dyn SmsGateway>) -> Services {
        let mut services = services(&self.db);
        services.clock = Arc::new(self.clock.clone());
        services.vendors.sms = sms;
        services.rules.messages.dispatch_milliseconds = 1500;
        // Looks fall due at once: time passes when a test says so.
        services.rules.messages.look_seconds = vec![0, 0, 0];
        services
    }

    pub fn twilio(&self, callback: &str) -> Arc<dyn SmsGateway> {
        Arc::new(Twilio::new(&self.sandbox.twilio_config(callback)).expect("a client"))
    }

    pub async fn worker(&self) -> Stepper {
        self.worker_with(self.services()).await
    }

    pub async fn worker_with(&self, services: Services) -> Stepper {
        Stepper::new(&self.db, workers::registry(), services).await
    }

    /// An active campaign.
    pub async fn campaign(&self) -> i64 {
        let insert = "insert into longshore.campaigns (team_id, name, state, sender, engagement, activated_at, opens_at)
            values ($1, gen_random_uuid()::text, 'active', $2, '{high}', now(), now()) returning campaign_id";
        sqlx::query_scalar(insert).bind(self.team.0).bind(SENDER).fetch_one(&self.db.admin).await.expect("a campaign")
    }

    /// A lead in New York who has agreed in writing, and its phone.
    pub async fn lead(&self) -> (i64, String) {
        let number = self.leads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let phone = format!("+1212555{:04}", number + 1000);
        let lead = self.lead_at(&phone, Some("NY")).await;
        self.consent(&phone, "express_written").await;
        (lead, phone)
    }

    pub async fn lead_at(&self, phone: &str, state: Option<&str>) -> i64 {
        let insert = "insert into longshore.leads (team_id, phone, state) values ($1, $2, $3) returning lead_id";
        let lead = sqlx::query_scalar(insert).bind(self.team.0).bind(phone).bind(state);
        lead.fetch_one(&self.db.admin).await.expect("a lead")
    }

    pub async fn consent(&self, phone: &str, level: &str) {
        let insert =
            "insert into longshore.consents (team_id, phone, level, method, captured_at) values ($1, $2, $3, 'web_form', now())";
        sqlx::query(insert).bind(self.team.0).bind(phone).bind(level).execute(&self.db.admin).await.expect("a consent");
    }

    pub async fn enroll(&self, campaign: i64, lead: i64) {
        let insert = "insert into longshore.enrollments (team_id, campaign_id, lead_id, state, run_job) values ($1, $2, $3, 'completed', 1)";
        sqlx::query(insert).bind(self.team.0).bind(campaign).bind(lead).execute(&self.db.admin).await.expect("an enrollment");
    }

    /// Plans the first message of a campaign for a lead.
    pub async fn plan(&self, campaign: i64, lead: i64, phone: &str) -> i64 {
        let one = Plan {
            campaign_id: campaign,
            lead_id: lead,
            step: 1,
            variant: "a".into(),
            round: 1,
            sender: SENDER.into(),
            recipient: phone.into(),
            body: format!("Hello lead {lead}"),
        };
        let mut tx = db::begin_as(&self.as_worker, self.team).await.expect("a transaction");
        let new = plan(&mut tx, vec![one]).await.expect("a plan");
        tx.commit().await.expect("a commit");
        let known = "select message_id from longshore.messages where team_id = $1 and campaign_id = $2 and lead_id = $3";
        let known = sqlx::query_scalar(known).bind(self.team.0).bind(campaign).bind(lead);
        match new[..] {
            [message] => message,
            _ => known.fetch_one(&self.db.admin).await.expect("the message that was planned before"),
        }
    }

    /// A message that every gate lets through, and its recipient.
    pub async fn message(&self) -> (i64, String) {
        let (campaign, (lead, phone)) = (self.campaign().await, self.lead().await);
        self.enroll(campaign, lead).await;
        (self.plan(campaign, lead, &phone).await, phone)
    }

    /// The same, and its job.
    pub async fn job(&self, worker: &Stepper) -> (i64, String, JobId) {
        let (message_id, phone) = self.message().await;
        (message_id, phone, worker.enqueue(self.team, &SendSms { message_id }).await)
    }

    /// Lets every waiting job come due, and runs one.
    pub async fn next(&self, worker: &Stepper) -> (JobId, Verdict) {
        worker.let_time_pass(&self.db).await;
        worker.promote().await;
        worker.next("messages").await.expect("a run")
    }

    /// Lets every waiting job come due, and runs until nothing is ready; says what became of each run.
    pub async fn run_again(&self, worker: &Stepper) -> Vec<Verdict> {
        worker.let_time_pass(&self.db).await;
        worker.drain("messages").await.into_iter().map(|(_, verdict)| verdict).collect()
    }

    pub async fn state(&self, message: i64) -> String {
        self.column(message, "state").await.expect("a state")
    }

    pub async fn reason(&self, message: i64) -> Option<String> {
        self.column(message, "state_reason").await
    }

    pub async fn lead_of(&self, message: i64) -> i64 {
        let select = "select lead_id from longshore.messages where team_id = $1 and message_id = $2";
        sqlx::query_scalar(select).bind(self.team.0).bind(message).fetch_one(&self.db.admin).await.expect("a message")
    }

    async fn column(&self, message: i64, column: &'static str) -> Option<String> {
        let select = format!("select {column}::text from longshore.messages where team_id = $1 and message_id = $2");
        let value = sqlx::query_scalar(sqlx::AssertSqlSafe(select)).bind(self.team.0).bind(message);
        value.fetch_one(&self.db.admin).await.expect("a message")
    }

    /// How often the sandbox took something for this recipient.
    pub fn taken(&self, phone: &str) -> usize {
        self.sandbox.twilio.accepted().iter().filter(|one| one.to == phone).count()
    }

    /// The next calls for this number meet these.
    pub fn meet(&self, phone: &str, first: &[Fault]) {
        let number = Number { first: first.iter().copied().map(Some).collect(), ..Number::default() };
        self.sandbox.twilio.misbehave(Faults {
            numbers: [(phone.to_owned(), number)].into(),
            retry_after_seconds: 7,
            ..Faults::default()
        });
    }

    pub async fn set_campaign(&self, state: &str) {
        let update = "update longshore.campaigns set state = $1 where team_id = $2";
        sqlx::query(update).bind(state).bind(self.team.0).execute(&self.db.admin).await.expect("an update");
    }

    pub async fn decisions(&self, message: i64) -> Vec<String> {
        let select = "select verdict || ' ' || rule from longshore.message_decisions where message_id = $1 order by decision_id";
        sqlx::query_scalar(select).bind(message).fetch_all(&self.db.admin).await.expect("the decisions")
    }

    /// A column of the message's row, as text.
    pub async fn told(&self, message: i64, column: &'static str) -> Option<String> {
        self.column(message, column).await
    }

    /// The team's books, which must balance.
    pub async fn balance(&self) -> Balance {
        let mut conn = self.db.pool("operator").acquire().await.expect("a connection");
        let wrong = credits::verify(&mut conn).await.expect("a verification");
        assert!(wrong.is_empty(), "{wrong:?}");
        credits::balance(&mut conn, self.team).await.expect("a balance")
    }

    /// Says something of every message that is planned by the test's own SQL.
    pub async fn order(&self, sql: impl Into<String>) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.into())).execute(&self.db.admin).await.expect("an order");
    }

    pub async fn database_now(&self) -> DateTime<Utc> {
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&self.db.admin).await.expect("the time")
    }

    /// Posts a form as Twilio does, signed with `token`.
    pub async fn post(&self, path: &str, form: &[(&str, &str)], token: &str) -> u16 {
        let url = format!("{}{path}", self.api);
        let form: Vec<(String, String)> = form.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let signature = workers::vendors::twilio::sign(&token.to_owned().into(), &url, &form);
        let deadlines = http::Deadlines { connect: Duration::from_secs(5), total: Duration::from_secs(30) };
        let request = http::client(deadlines).expect("a client").post(&url).header("X-Twilio-Signature", signature).form(&form);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// The sandbox's token, with which real reports are signed.
    pub fn token(&self) -> String {
        use secrecy::ExposeSecret as _;
        self.sandbox.twilio_config("").auth_token.expose_secret().to_owned()
    }

    /// Waits until `condition` holds; fails when it does not in time.
    pub async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let waiting = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "waited {PATIENCE:?} for {what}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve_hooks(db: &TestDb, sandbox: &Sandbox) -> (String, CancellationToken) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let api = format!("http://{}", listener.local_addr().expect("an address"));
    let hooks = Hooks {
        pool: db.pool("api"),
        reserve: db.pool("api"),
        auth_token: sandbox.twilio_config("").auth_token,
        public_url: api.clone(),
    };
    let stop = CancellationToken::new();
    tokio::spawn(longshore::api::serve::serve(listener, hooks::router(hooks), stop.clone()));
    (api, stop)
}

/// Where a process dies that uses this gateway.
#[derive(Debug, Clone, Copy)]
pub enum Dies {
    BeforeTheCall,
    AfterTheVendorAccepted,
}

/// A gateway in whose hands the process dies: it says so, and never returns.
pub struct Deadly {
    pub gateway: Arc<dyn SmsGateway>,
    pub dies: Dies,
    pub reached: Arc<Notify>,
}

#[async_trait]
impl SmsGateway for Deadly {
    async fn send(&self, message: &OutboundSms) -> Result<Accepted, VendorError> {
        if matches!(self.dies, Dies::AfterTheVendorAccepted) {
            self.gateway.send(message).await.expect("a vendor that accepts");
        }
        self.reached.notify_one();
        std::future::pending().await
    }

    async fn find(&self, _: &OutboundSms, _: DateTime<Utc>) -> Result<Reconciled, VendorError> {
        unreachable!("a dead process asks nothing")
    }
}

/// Runs a claimed job until the gateway says that its process is dead, and drops it there.
pub async fn run_until_death(worker: &Stepper, job: Claimed, reached: &Notify) {
    tokio::select! {
        verdict = worker.run(job) => panic!("it lived on and answered {verdict:?}"),
        () = reached.notified() => {}
    }
}

/// Everything that `pool` knows about jobs that wait for somebody.
pub async fn parked(pool: &PgPool) -> Vec<String> {
    let select = "select detail from queue.scheduled where run_at = 'infinity' order by job_id";
    sqlx::query_scalar(select).fetch_all(pool).await.expect("the parked jobs")
}
