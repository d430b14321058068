//! What the campaign measurements share: leads in masses, a campaign for them, and a worker in this process that runs its jobs,
//! one after the other, through the statements and the handlers of a worker role.

use std::{sync::Arc, time::Duration};

use longshore_workers::{
    self as workers,
    clock::{Clock as _, SystemClock, SystemRandom},
    ctx::Services,
    datalake::object_store,
    db::{self, PoolSize},
    enrollment::campaigns::{self, NewCampaign, NewStep},
    ids::{CampaignId, TeamId},
    registry::Registry,
    secrets::Keyring,
    vendors::{
        Vendors,
        receiver::{self, Receivers, SystemResolver},
    },
};
use sqlx::PgPool;
use uuid::Uuid;

use super::place::Database;
use crate::{
    config::Config,
    queue::{
        execute::{Claimed, execute},
        running::Switch,
        settle::Verdict,
    },
    store::{
        jobs::{self, Hop, Settled},
        processes::{self, Process},
    },
};

/// The number that a measured campaign names.
pub(super) const SENDER: &str = "+15005550006";
/// The queue of the campaigns' jobs.
const QUEUE: &str = "enrollment";
/// The longest measurement is over by then.
const TTL: Duration = Duration::from_secs(86_400);

/// A worker for the campaigns' jobs.
pub(super) struct Hands {
    pool: PgPool,
    boot: Uuid,
    registry: Registry,
    services: Arc<Services>,
}

impl Hands {
    /// Enters the fleet with every kind of this build.
    pub async fn enter(db: &mut Database) -> anyhow::Result<Self> {
        let registry = workers::registry();
        jobs::register(&mut db.admin, &registry).await?;
        let size = PoolSize { connections: 6, acquire_timeout: Duration::from_secs(30) };
        let pool = db::guarded_pool(db.options("worker"), size);
        let boot = Uuid::new_v4();
        let queues = [QUEUE.to_owned()];
        let pid = std::process::id().cast_signed();
        let process = Process { boot, role: "worker", host: "bench", pid, build: "bench", queues: &queues, slots: 1 };
        let mut work = db::work(&pool).await?;
        processes::enter(&mut work, &process, TTL).await?;
        work.done().await?;
        // As it is shipped: nothing of whoever measures changes what is measured.
        let config = Config::load_from(None, std::iter::empty())?;
        let services = Arc::new(Services {
            pool: pool.clone(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            vendors: Vendors::open(&config.vendors)?,
            objects: object_store::open(&config.objects)?,
            rules: config.rules,
            keyring: Keyring::default(),
            lately: workers::settings::Lately::default(),
            sends: workers::messages::send_sms::Sends::default(),
            receivers: Receivers::new(receiver::Rules::default(), Arc::new(SystemResolver)),
        });
        Ok(Self { pool, boot, registry, services })
    }

    /// Runs what is ready in the queue, until nothing is; each job must be done.
    pub async fn drain(&self) -> anyhow::Result<()> {
        loop {
            let mut work = db::work(&self.pool).await?;
            // A run that let others have its place is due again at once.
            jobs::promote(&mut work, 100).await?;
            let kinds = self.registry.names_in(QUEUE);
            let claimed = jobs::claim(&mut work, self.boot, QUEUE, 1, Hop::default(), &kinds, &[]).await?.jobs.pop();
            work.done().await?;
            let Some(job) = claimed else { return Ok(()) };
            let verdict = self.run(job.clone()).await?;
            match verdict {
                Verdict::Nothing => continue,
                Verdict::Done { .. } | Verdict::Snooze { .. } => {}
                other => anyhow::bail!("a job of the campaign was not done: {other:?}"),
            }
            let settled =
                [Settled { job: job.claim.job, queue: "", fence: job.claim.lease.fence, special: job.special, verdict }];
            let mut work = db::work(&self.pool).await?;
            let taken = jobs::settle(&mut work, self.boot, &settled).await?;
            work.done().await?;
            anyhow::ensure!(!taken.is_empty(), "the end of a job was not recorded");
        }
    }

    async fn run(&self, job: Claimed) -> anyhow::Result<Verdict> {
        let Some(kind) = self.registry.get(&job.claim.kind) else { anyhow::bail!("no such kind: {}", job.claim.kind) };
        Ok(execute(kind, job, self.services.clone(), &Switch::default()).await)
    }

    /// A campaign for everybody, with one step; its enrollment is enqueued.
    pub async fn campaign(&self, team: TeamId) -> anyhow::Result<CampaignId> {
        let new = NewCampaign {
            name: "bench".into(),
            sender: SENDER.into(),
            target_tags: vec!["bench".into()],
            engagement: vec!["high".into(), "medium".into(), "low".into()],
            steps: vec![NewStep::new(0, "Hello {{ first_name }}, a word about {{ company }}. Reply STOP to opt out.")],
            ..NewCampaign::default()
        };
        let mut tx = db::begin_as(&self.pool, team).await?;
        let (campaign, _) = campaigns::create_and_enroll(&mut tx, team, &new).await?;
        tx.commit().await?;
        Ok(campaign)
    }

    /// Lets it begin: what is due is planned by the run that this enqueues.
    pub async fn activate(&self, team: TeamId, campaign: CampaignId) -> anyhow::Result<()> {
        let mut tx = db::begin_as(&self.pool, team).await?;
        campaigns::activate(&mut tx, team, campaign, SystemClock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// The pool of the worker's role.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// Gives a team `n` leads, a hundred thousand a statement.
pub(super) async fn leads(db: &mut Database, team: TeamId, n: u64) -> anyhow::Result<()> {
    let fill = "insert into longshore.leads (team_id, phone, first_name, last_name, company, city, state, zip, tags, engagement)
        select $1, '+1' || (2000000000 + n), 'Ada', 'Lovelace', 'Engines', 'Boston', 'MA', '02115',
          array['bench', 'group ' || n % 50], (array['high', 'medium', 'low'])[1 + n % 3]
        from generate_series($2::bigint, $3::bigint) n";
    let mut from = 1;
    while from <= n {
        let to = (from + 99_999).min(n);
        let (first, last) = (i64::try_from(from)?, i64::try_from(to)?);
        sqlx::query(fill).bind(team.0).bind(first).bind(last).execute(&mut db.admin).await?;
        from = to + 1;
    }
    Ok(())
}

/// How many rows a statement without parameters counts.
pub(super) async fn count(db: &mut Database, sql: &'static str) -> anyhow::Result<u64> {
    let counted: i64 = sqlx::query_scalar(sql).fetch_one(&mut db.admin).await?;
    Ok(u64::try_from(counted)?)
}
