//! A team with an address to write from, campaigns whose steps are more than plain texts, and vendors that can fail.

use std::sync::Arc;

use chrono::TimeDelta;
use longshore::{
    dev::sandbox::{Options, Sandbox},
    queue::settle::Verdict,
    workers::{
        self,
        clock::TestClock,
        ctx::Services,
        db::{self, Tx},
        enrollment::run_sequence::RunSequence,
        ids::{CampaignId, TeamId},
        messages::{
            content::{self, StepContent},
            email::{
                consents::{self, NewConsent},
                senders::{self, Sender},
            },
            gates::Level,
        },
        vendors::{azure::Azure, smtp::Smtp, twilio::Twilio},
    },
};
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Stepper, TestDb, services, services::noon};

pub const ANN: &str = "operator ann";

pub struct World {
    pub db: TestDb,
    pub team: TeamId,
    pub sandbox: Sandbox,
    pub clock: TestClock,
    pub as_api: PgPool,
    pub as_operator: PgPool,
}

impl World {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        let team = db.team("first").await;
        let clock = TestClock::at(noon());
        let sandbox = Sandbox::start(Options { clock: Arc::new(clock.clone()), ..Options::default() }).await.expect("a sandbox");
        let (as_api, as_operator) = (db.pool("api"), db.pool("operator"));
        let world = Self { db, team, sandbox, clock, as_api, as_operator };
        let grant = "select longshore.credit_grant($1, 1000, 'for the test')";
        let mut tx = world.operator().await;
        sqlx::query(grant).bind(team.0).execute(&mut *tx).await.expect("credits");
        let sender = Sender {
            address: "hello@acme.example.com".into(),
            name: "Acme".into(),
            reply_to: Some("answers@acme.example.com".into()),
            postal: "1 Main Street, Springfield".into(),
        };
        senders::set(&mut tx, team, &sender, ANN).await.expect("a sender");
        tx.commit().await.expect("a commit");
        world
    }

    pub fn services(&self) -> Services {
        let mut services = services(&self.db);
        services.clock = Arc::new(self.clock.clone());
        services.vendors.sms = Arc::new(Twilio::new(&self.sandbox.twilio_config("")).expect("a client"));
        services.vendors.texts = Arc::new(Azure::new(&self.sandbox.azure_config()).expect("a client"));
        services.vendors.mail = Arc::new(Smtp::new(&self.sandbox.smtp_config()).expect("a client"));
        services.rules.email.public_url = "https://api.example.com".into();
        services.rules.email.dispatch_milliseconds = 3000;
        services
    }

    pub async fn worker(&self) -> Stepper {
        self.worker_with(self.services()).await
    }

    pub async fn worker_with(&self, services: Services) -> Stepper {
        Stepper::new(&self.db, workers::registry(), services).await
    }

    pub async fn operator(&self) -> Tx {
        db::begin_by(&self.as_operator, self.team, ANN).await.expect("a transaction")
    }

    pub async fn api(&self) -> Tx {
        db::begin_by(&self.as_api, self.team, "key abc").await.expect("a transaction")
    }

    /// An active campaign of one step with this template, which is what `content` says.
    pub async fn campaign(&self, template: &str, content: Value) -> i64 {
        let insert = "insert into longshore.campaigns (team_id, name, sender, engagement)
            values ($1, gen_random_uuid()::text, '+12125550199', '{high}') returning campaign_id";
        let campaign: i64 = sqlx::query_scalar(insert).bind(self.team.0).fetch_one(&self.db.admin).await.expect("a campaign");
        let step = "insert into longshore.campaign_steps (team_id, campaign_id, step, delay_minutes, template) values ($1, $2, 1, 0, $3)";
        self.run(sqlx::query(step).bind(self.team.0).bind(campaign).bind(template)).await;
        let content: StepContent = serde_json::from_value(content).expect("a step");
        let mut tx = self.operator().await;
        content::set(&mut tx, self.team, CampaignId(campaign), &[content], ANN).await.expect("a content");
        tx.commit().await.expect("a commit");
        let begin = "update longshore.campaigns set state = 'active', activated_at = $3, opens_at = $3 where team_id = $1 and campaign_id = $2";
        self.run(sqlx::query(begin).bind(self.team.0).bind(campaign).bind(noon() - TimeDelta::hours(1))).await;
        campaign
    }

    /// A lead in New York with this address, who agreed to texts and mails, enrolled with its first step due.
    pub async fn lead(&self, campaign: i64, email: &str) -> i64 {
        let insert = "insert into longshore.leads (team_id, phone, email, first_name, company, state)
            select $1, '+1212' || (5551000 + count(*)), $2, 'Ada', 'Engines', 'NY' from longshore.leads returning lead_id";
        let lead = sqlx::query_scalar(insert).bind(self.team.0).bind(email);
        let lead: i64 = lead.fetch_one(&self.db.admin).await.expect("a lead");
        let agreed = "insert into longshore.consents (team_id, phone, level, method, evidence, captured_at)
            select team_id, phone, 'express_written', 'web_form', 'a form', now() from longshore.leads where team_id = $1 and lead_id = $2";
        self.run(sqlx::query(agreed).bind(self.team.0).bind(lead)).await;
        let mut tx = self.operator().await;
        let consent = NewConsent {
            email,
            level: Level::Express,
            method: "web_form",
            evidence: Some("a form"),
            captured_at: noon() - TimeDelta::days(1),
            expires_at: None,
        };
        consents::give(&mut tx, self.team, &consent).await.expect("a consent");
        tx.commit().await.expect("a commit");
        let enroll = "insert into longshore.enrollments (team_id, campaign_id, lead_id, next_step, next_due_at, run_job) values ($1, $2, $3, 1, $4, 1)";
        self.run(sqlx::query(enroll).bind(self.team.0).bind(campaign).bind(lead).bind(noon() - TimeDelta::hours(1))).await;
        lead
    }

    /// Plans what is due in a campaign; returns its messages, the oldest first.
    pub async fn plan(&self, worker: &Stepper, campaign: i64) -> Vec<i64> {
        worker.enqueue(self.team, &RunSequence { campaign_id: CampaignId(campaign) }).await;
        worker.drain("enrollment").await;
        let select = "select message_id from longshore.messages where team_id = $1 and campaign_id = $2 order by message_id";
        sqlx::query_scalar(select).bind(self.team.0).bind(campaign).fetch_all(&self.db.admin).await.expect("the messages")
    }

    /// The one message of a campaign with one lead.
    pub async fn message(&self, worker: &Stepper, template: &str, content: Value, email: &str) -> i64 {
        let campaign = self.campaign(template, content).await;
        self.lead(campaign, email).await;
        let messages = self.plan(worker, campaign).await;
        assert_eq!(messages.len(), 1);
        messages[0]
    }

    async fn run(&self, query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>) {
        query.execute(&self.db.admin).await.expect("a statement");
    }

    /// A column of a message, as text.
    pub async fn column(&self, message: i64, column: &'static str) -> Option<String> {
        let select = format!("select {column}::text from longshore.messages where team_id = $1 and message_id = $2");
        let value = sqlx::query_scalar(sqlx::AssertSqlSafe(select)).bind(self.team.0).bind(message);
        value.fetch_one(&self.db.admin).await.expect("a message")
    }

    /// Where a message stands: its clearance and its state.
    pub async fn stands(&self, message: i64) -> (String, String) {
        (self.column(message, "approval").await.expect("a clearance"), self.column(message, "state").await.expect("a state"))
    }

    /// How many jobs of a kind there ever were.
    pub async fn jobs(&self, kind: &str) -> i64 {
        let count = "select count(*) from queue.jobs where kind = $1";
        sqlx::query_scalar(count).bind(kind).fetch_one(&self.db.admin).await.expect("a count")
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.db.admin).await.expect("a count")
    }

    pub async fn texts(&self, message: i64) -> Vec<(String, String)> {
        let select = "select source, body from longshore.message_texts where team_id = $1 and message_id = $2 order by text_id";
        sqlx::query_as(select).bind(self.team.0).bind(message).fetch_all(&self.db.admin).await.expect("the texts")
    }

    /// Lets every waiting job of a queue come due, and runs until nothing is ready; says what became of each run.
    pub async fn run_again(&self, worker: &Stepper, queue: &str) -> Vec<Verdict> {
        worker.let_time_pass(&self.db).await;
        worker.drain(queue).await.into_iter().map(|(_, verdict)| verdict).collect()
    }
}
