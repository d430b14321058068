//! A load of every family, whose vendors keep their books in the database: what they were made to do is seen there,
//! whatever became of the process that asked.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use longshore::{
    store::jobs,
    workers::{
        self, credits,
        ctx::Services,
        datalake::{Dataset, object_store, upload},
        db,
        enqueue::Options,
        enrichment::{
            enrich_person::EnrichPerson,
            provider::{PersonFound, PersonProvider, PersonQuery},
        },
        enrollment::campaigns::{self, NewCampaign, NewStep},
        ids::{CampaignId, JobId},
        job::Limit,
        messages::{
            gateway::{Accepted, OutboundSms, Reconciled, SmsGateway},
            plan::{Plan, plan},
            send_sms::SendSms,
        },
        vendors::{VendorError, Vendors},
    },
};
use sqlx::PgPool;
use tempfile::TempDir;

use super::{
    Fleet,
    kinds::Scripted,
    process::{OBJECTS, WorkerProcess},
    services::services_over,
};

const TABLES: &str = "
    create table public.texts (message_id bigint, at timestamptz default clock_timestamp());
    create table public.lookups (email text, at timestamptz default clock_timestamp());
    grant all on public.texts, public.lookups to longshore_worker;
";
const SENDER: &str = "+12125550199";
const MESSAGES: i64 = 4;
const PEOPLE: i64 = 3;
const LEADS: i64 = 35;
const ROWS: i64 = 60;
const SCRIPTS: usize = 8;
/// What the vendor takes for a look-up.
const CHARGE: i64 = 2;

/// Services as a process of the fleet has them, over vendors that keep books and a folder of objects; small chunks, so that
/// little makes many, and looks at unknown outcomes that are due at once.
pub fn services(pool: PgPool, objects: &Path) -> Services {
    let mut services = services_over(pool.clone());
    services.objects = object_store::open(&object_store::Config::folder(objects)).expect("an object store");
    services.vendors = Vendors { sms: Arc::new(Books(pool.clone())), people: Arc::new(Books(pool)), ..services.vendors };
    services.rules.messages.look_seconds = vec![0, 0];
    services.rules.enrollment.enroll_chunk_leads = 10;
    services.rules.datalake.chunk_bytes = 600;
    services
}

/// A vendor whose effects are rows, in a transaction of its own.
struct Books(PgPool);

impl Books {
    async fn write(&self, insert: &'static str, value: String) -> Result<(), VendorError> {
        let written = sqlx::query(insert).bind(value).execute(&self.0).await;
        written.map(drop).map_err(|error| VendorError::UnknownOutcome { vendor: "books", reason: error.to_string() })
    }
}

#[async_trait]
impl SmsGateway for Books {
    async fn send(&self, sms: &OutboundSms) -> Result<Accepted, VendorError> {
        self.write("insert into public.texts (message_id) values ($1::bigint)", sms.message_id.to_string()).await?;
        Ok(Accepted { vendor_id: format!("SM{}", sms.message_id), segments: 1 })
    }

    async fn find(&self, sms: &OutboundSms, _: DateTime<Utc>) -> Result<Reconciled, VendorError> {
        let sent = sqlx::query_scalar("select exists (select from public.texts where message_id = $1)").bind(sms.message_id);
        let sent: bool = sent
            .fetch_one(&self.0)
            .await
            .map_err(|error| VendorError::Retryable { vendor: "books", reason: error.to_string() })?;
        let accepted = Accepted { vendor_id: format!("SM{}", sms.message_id), segments: 1 };
        Ok(if sent { Reconciled::Found(accepted) } else { Reconciled::Absent })
    }
}

#[async_trait]
impl PersonProvider for Books {
    fn name(&self) -> &'static str {
        "books"
    }

    fn quote(&self, _: &PersonQuery) -> i64 {
        9
    }

    async fn find(&self, query: &PersonQuery) -> Result<PersonFound, VendorError> {
        self.write("insert into public.lookups (email) values ($1)", query.email.clone().unwrap_or_default()).await?;
        Ok(PersonFound { person: Some(serde_json::json!({ "title": "CTO" })), credits: CHARGE })
    }
}

/// Jobs of every family, enqueued, and what they are about.
pub struct Load {
    folder: TempDir,
    keyed: Vec<(String, JobId)>,
    effects: Vec<JobId>,
    messages: Vec<i64>,
    campaign: CampaignId,
}

impl Load {
    /// Enqueues it for the fleet's team.
    pub async fn of(fleet: &Fleet) -> Self {
        fleet.tell(TABLES).await;
        // The longer names: lanes and keys with limits, which must come back whole.
        fleet.tell(format!("select queue.set_lane('scripts', '{}', null, 4, null, null, null)", fleet.team)).await;
        let mut worker = fleet.db.pool("worker").acquire().await.expect("a connection");
        jobs::register(&mut worker, &workers::registry().add::<Scripted>()).await.expect("the kinds");
        let mut load = Self {
            folder: tempfile::tempdir().expect("a folder"),
            keyed: Vec::new(),
            effects: Vec::new(),
            messages: Vec::new(),
            campaign: CampaignId(0),
        };
        load.enqueue_scripts(fleet).await;
        load.enqueue_messages(fleet).await;
        load.enqueue_people(fleet).await;
        load.enqueue_campaign(fleet).await;
        load.enqueue_file(fleet).await;
        load
    }

    /// A worker process for it, in which `failpoints` are set.
    pub fn worker(&self, fleet: &Fleet, failpoints: &str) -> WorkerProcess {
        let folder = self.folder.path().join("objects");
        let folder = folder.to_str().expect("a path");
        fleet.worker_process_with(&[(OBJECTS, folder), (workers::failpoints::VARIABLE, failpoints)])
    }

    async fn enqueue_scripts(&mut self, fleet: &Fleet) {
        for n in 0..SCRIPTS {
            let key = format!("key {n}");
            let limit = (n % 2 == 0).then(|| Limit::new("pair", 2));
            let options = Options { limit, ..Options::key(&key) };
            let job = fleet.enqueue_with(fleet.team, &Scripted::new("effect"), options).await;
            self.keyed.push((key, job));
            self.effects.push(job);
            let alone = Options { limit: Some(Limit::new("alone", 1)), ..Options::default() };
            fleet.enqueue_with(fleet.team, &Scripted::new(if n % 2 == 0 { "nap" } else { "output" }), alone).await;
            fleet.enqueue(&Scripted::new("nothing")).await;
        }
    }

    async fn enqueue_messages(&mut self, fleet: &Fleet) {
        let team = fleet.team;
        fleet.db.sender(team, SENDER, "").await;
        let campaign: i64 = fleet
            .ask(format!(
                "insert into longshore.campaigns (team_id, name, state, sender, engagement, activated_at, opens_at)
                 values ('{team}', 'texts', 'active', '{SENDER}', '{{high}}', now(), now()) returning campaign_id"
            ))
            .await;
        for n in 0..MESSAGES {
            let phone = format!("+1212555{:04}", 9000 + n);
            let lead: i64 = fleet
                .ask(format!(
                    "insert into longshore.leads (team_id, phone, state) values ('{team}', '{phone}', 'NY') returning lead_id"
                ))
                .await;
            fleet
                .tell(format!(
                    "insert into longshore.consents (team_id, phone, level, method, captured_at)
                     values ('{team}', '{phone}', 'express_written', 'web_form', now());
                     insert into longshore.enrollments (team_id, campaign_id, lead_id, state, run_job)
                     values ('{team}', {campaign}, {lead}, 'completed', 1)"
                ))
                .await;
            let body = format!("Hello lead {lead}");
            let one = Plan {
                campaign_id: campaign,
                lead_id: lead,
                step: 1,
                variant: "a".into(),
                round: 1,
                sender: SENDER.into(),
                recipient: phone,
                body,
            };
            let mut tx = db::begin_as(&fleet.db.pool("worker"), team).await.expect("a transaction");
            let message_id = plan(&mut tx, vec![one]).await.expect("a plan")[0];
            tx.commit().await.expect("a commit");
            self.messages.push(message_id);
            fleet.enqueue(&SendSms { message_id }).await;
        }
    }

    async fn enqueue_people(&self, fleet: &Fleet) {
        let mut operator = fleet.db.pool("operator").acquire().await.expect("a connection");
        credits::grant(&mut operator, fleet.team, 1000, "a test").await.expect("a grant");
        for n in 0..PEOPLE {
            let insert = format!(
                "insert into longshore.leads (team_id, email) values ('{}', 'p{n}@example.com') returning lead_id",
                fleet.team
            );
            let lead_id = fleet.ask(insert).await;
            fleet.enqueue(&EnrichPerson { lead_id }).await;
        }
    }

    async fn enqueue_campaign(&mut self, fleet: &Fleet) {
        fleet
            .tell(format!(
                "insert into longshore.leads (team_id, phone, first_name, tags, engagement)
                 select '{}', '+1212' || (5550000 + n), 'Ada', '{{vip}}', 'high' from generate_series(1, {LEADS}) n",
                fleet.team
            ))
            .await;
        let new = NewCampaign {
            name: "everybody".into(),
            sender: SENDER.into(),
            target_tags: vec!["vip".into()],
            engagement: vec!["high".into()],
            steps: vec![NewStep::new(0, "Hello {{ first_name }}")],
            ..NewCampaign::default()
        };
        let mut tx = db::begin_as(&fleet.db.pool("api"), fleet.team).await.expect("a transaction");
        (self.campaign, _) = campaigns::create_and_enroll(&mut tx, fleet.team, &new).await.expect("a campaign");
        tx.commit().await.expect("a commit");
    }

    async fn enqueue_file(&self, fleet: &Fleet) {
        let mut file = "phone,email,first_name,last_name,tags,engagement,consent,consent_at\n".to_owned();
        for n in 0..ROWS {
            file += &format!("917555{n:04},r{n}@example.com,Ann,Lee,cold,low,express,2026-01-31\n");
        }
        let path = self.folder.path().join("upload.csv");
        std::fs::write(&path, file).expect("a file");
        let store = object_store::open(&object_store::Config::folder(&self.folder.path().join("objects"))).expect("a store");
        let accepted = upload::accept(&fleet.db.pool("api"), &*store, fleet.team, Dataset::Leads, &path, "leads.csv").await;
        accepted.expect("an accepted upload");
    }

    /// What was promised of all of it, once it has settled; some worker of it must still run. Every job is done, but for those
    /// whose message nobody knows to have left.
    pub async fn promises_hold(&self, fleet: &Fleet) {
        fleet.promises_hold().await;
        let census = fleet.census().await;
        assert_eq!((census.dead, census.cancelled), (0, 0), "{census:?}");
        for job in &self.effects {
            assert_eq!(fleet.effects(*job).await, 1, "{job}");
        }
        let mut unknown = 0;
        for message in &self.messages {
            let texts: i64 = fleet.ask(format!("select count(*) from public.texts where message_id = {message}")).await;
            let state: String = fleet.ask(format!("select state from longshore.messages where message_id = {message}")).await;
            // A message that is known to be gone is; one that nobody took is looked for, and never sent again.
            assert!(matches!((texts, state.as_str()), (1, "accepted") | (0, "unknown")), "message {message}: {texts}, {state}");
            unknown += 1 - texts;
        }
        assert_eq!(census.parked, unknown, "parked for a person: the messages of unknown outcome, and nothing else");

        let wrong = credits::verify(&mut fleet.db.pool("operator").acquire().await.expect("a connection")).await;
        let wrong = wrong.expect("a verification");
        assert!(wrong.is_empty(), "the books of the house: {wrong:?}");
        let unpaid = "select count(*) from (select email, count(*) as calls from public.lookups group by email) v
            where calls > (select count(*) from longshore.vendor_intents c join longshore.leads l using (team_id, lead_id) where l.email = v.email)";
        assert_eq!(fleet.ask::<i64>(unpaid).await, 0, "paid calls without an intent");
        let charged: i64 = fleet.ask(format!("select count(*) * {CHARGE} from public.lookups")).await;
        let balance = credits::balance(&mut fleet.db.pool("operator").acquire().await.expect("a connection"), fleet.team).await;
        let balance = balance.expect("a balance");
        assert!(charged <= balance.spent + balance.held, "the vendor charged {charged}, the books know of {balance:?}");

        let enrolled = format!("select count(*) from longshore.enrollments where campaign_id = {}", self.campaign);
        assert_eq!(fleet.ask::<i64>(enrolled).await, LEADS);
        let counted =
            format!("select sum(enrolled)::bigint from longshore.enrollment_runs where campaign_id = {}", self.campaign);
        assert_eq!(fleet.ask::<i64>(counted).await, LEADS, "each enrolled once, and counted once");
        let loaded: i64 = fleet.ask("select count(*) from longshore.leads where phone like '+1917555%'").await;
        let said: i64 = fleet.ask("select rows_loaded from longshore.files").await;
        assert_eq!((loaded, said), (ROWS, ROWS), "each row landed once");

        for (key, first) in &self.keyed {
            let again = fleet.enqueue_with(fleet.team, &Scripted::new("effect"), Options::key(key)).await;
            assert_eq!(again, *first, "the job that {key:?} names");
        }
    }
}
