//! Send: planned messages through every gate, the vendor's door and the record, by worker processes; beside a bare loop that
//! marks, calls and records, and asks nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use longshore_workers::{
    clock::{Clock as _, SystemClock},
    db::{self, PoolSize},
    ids::TeamId,
    messages::gateway::{OutboundSms, SmsGateway as _},
    vendors::twilio::Twilio,
};
use secrecy::ExposeSecret as _;
use tokio::{process::Command, task::JoinSet};

use super::{
    Bench, cpu,
    crew::Crew,
    drain::compared,
    meter::Meter,
    place::Database,
    report::{Line, Pace},
    scaled, texts,
    worker::Manner,
};
use crate::dev::sandbox::{self, Sandbox, twilio::Faults};

/// Sends of one process under way at once: enough that the vendor's time is nobody's.
const SLOTS: u32 = 48;
/// Connections for the handlers of one process.
const HANDLERS: u32 = 16;
/// A fleet that hands nothing over for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much to send, and through what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Messages in all.
    pub messages: u64,
    /// Worker processes.
    pub processes: usize,
    /// Teams that share them.
    pub teams: usize,
    /// How long the vendor takes to answer.
    pub latency: Duration,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { messages: scaled(20_000, scale, 100), processes: 2, teams: 10, latency: Duration::from_millis(50) }
    }

    fn each(&self) -> u64 {
        (self.messages / self.teams.max(1) as u64).max(1)
    }

    fn all(&self) -> u64 {
        self.each() * self.teams.max(1) as u64
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    bench.say(&format!("send: {} messages by a bare loop", sizes.all()));
    let mut db = filled(bench, sizes, false).await?;
    let vendor = vendor(sizes).await?;
    let bare = bare(&mut db, &vendor, sizes).await?;
    bench.report(&facts(Line::baseline("send", "bare loop: mark, call, record"), &vendor, sizes)?.pace(&bare))?;
    drop((db, vendor));
    bench.sweep().await?;

    bench.say(&format!("send: {} messages through the gates by {} worker processes", sizes.all(), sizes.processes));
    let mut db = filled(bench, sizes, true).await?;
    let vendor = self::vendor(sizes).await?;
    let ours = crew(bench, &mut db, &vendor, sizes).await?;
    let accepted: i64 =
        sqlx::query_scalar("select count(*) from longshore.messages where state = 'accepted'").fetch_one(&mut db.admin).await?;
    anyhow::ensure!(u64::try_from(accepted)? == sizes.all(), "{accepted} of {} messages were recorded as accepted", sizes.all());
    let line = Line::ours("send", format!("{} worker processes, every gate", sizes.processes));
    bench.report(&compared(facts(line, &vendor, sizes)?, &ours, &bare))
}

fn facts(line: Line, vendor: &Sandbox, sizes: &Sizes) -> anyhow::Result<Line> {
    let twice = vendor.twilio.second_sends();
    anyhow::ensure!(twice == 0, "{twice} messages were accepted twice");
    let line = line.with("teams", sizes.teams).with("latency_ms", u64::try_from(sizes.latency.as_millis())?);
    Ok(line.with("second_accepts", twice))
}

async fn filled(bench: &mut Bench<'_>, sizes: &Sizes, jobs: bool) -> anyhow::Result<Database> {
    let mut db = bench.database(sizes.teams.max(1)).await?;
    texts::prepare(&mut db, sizes.all()).await?;
    for (nth, team) in db.teams.clone().into_iter().enumerate() {
        texts::plan(&mut db, team, nth, sizes.each()).await?;
        if jobs {
            texts::enqueue(&mut db, team).await?;
        }
    }
    db.tidy().await?;
    Ok(db)
}

async fn vendor(sizes: &Sizes) -> anyhow::Result<Sandbox> {
    let vendor = Sandbox::start(sandbox::Options::default()).await.context("starting the sandbox")?;
    let latency_milliseconds = u64::try_from(sizes.latency.as_millis())?;
    vendor.twilio.misbehave(Faults { latency_milliseconds, ..Faults::default() });
    Ok(vendor)
}

/// The word to begin, until the last send is recorded.
async fn crew(bench: &Bench<'_>, db: &mut Database, vendor: &Sandbox, sizes: &Sizes) -> anyhow::Result<Pace> {
    let twilio = vendor.twilio_config("");
    let offset = texts::seconds_to_noon(SystemClock.now());
    let prepare = |command: &mut Command| {
        command
            .arg("--sends")
            .env("LONGSHORE_VENDORS__TWILIO__BASE_URL", &twilio.base_url)
            .env("LONGSHORE_VENDORS__TWILIO__ACCOUNT_SID", &twilio.account_sid)
            .env("LONGSHORE_VENDORS__TWILIO__AUTH_TOKEN", twilio.auth_token.expose_secret())
            .env("LONGSHORE_DATABASE__POOLS__HANDLERS", HANDLERS.to_string())
            // What carriers want between long runs is no speed of ours.
            .env("LONGSHORE_RULES__MESSAGES__CARRIER_PAUSE_SECONDS", "0")
            .env("LONGSHORE_CLOCK__OFFSET_SECONDS", offset.to_string());
    };
    let manner = Manner { slots: SLOTS, sleep: Duration::ZERO };
    let mut crew = Crew::start_as(bench, db, sizes.processes, manner, prepare).await?;
    let meter = Meter::with_client(db, crew.cpu());
    crew.go().await?;
    let wanted = usize::try_from(sizes.all())?;
    let (mut taken, mut moved) = (0, Instant::now());
    while taken < wanted {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = vendor.twilio.taken();
        if now > taken {
            (taken, moved) = (now, Instant::now());
        }
        anyhow::ensure!(moved.elapsed() < PATIENCE, "only {taken} of {wanted} messages were handed over, and nothing moves");
    }
    db.all_recorded().await?;
    let pace = meter.read_with_client(db, sizes.all(), crew.cpu());
    crew.stop().await?;
    crew.dismiss().await?;
    Ok(pace)
}

/// As many at once as the crew has, each mark and each record a transaction by key.
async fn bare(db: &mut Database, vendor: &Sandbox, sizes: &Sizes) -> anyhow::Result<Pace> {
    let planned: Vec<(uuid::Uuid, i64, String, String, String)> =
        sqlx::query_as("select team_id, message_id, recipient, sender, body from longshore.messages")
            .fetch_all(&mut db.admin)
            .await?;
    let size = PoolSize { connections: HANDLERS * sizes.processes as u32, acquire_timeout: Duration::from_secs(30) };
    // As the owner: a policy asks too.
    let pool = db::guarded_pool(db.owner_options(), size);
    let twilio = Arc::new(Twilio::new(&vendor.twilio_config(""))?);
    let (planned, next) = (Arc::new(planned), Arc::new(AtomicUsize::new(0)));
    let meter = Meter::with_client(db, cpu::own());
    let mut tasks = JoinSet::new();
    for _ in 0..SLOTS as usize * sizes.processes {
        let (planned, next, pool, twilio) = (planned.clone(), next.clone(), pool.clone(), twilio.clone());
        tasks.spawn(async move {
            while let Some((team, message_id, to, from, body)) = planned.get(next.fetch_add(1, Ordering::Relaxed)).cloned() {
                let mark = "update longshore.messages set state = 'dispatching', attempted_at = clock_timestamp() \
                    where team_id = $1 and message_id = $2";
                sqlx::query(mark).bind(team).bind(message_id).execute(&pool).await?;
                let sms = OutboundSms { team: TeamId(team), message_id, to, from, body, valid_for: Duration::from_secs(3600) };
                let accepted = twilio.send(&sms).await?;
                let record = "update longshore.messages set state = 'accepted', vendor = 'twilio', vendor_id = $3, accepted_at = now() \
                    where team_id = $1 and message_id = $2";
                sqlx::query(record).bind(team).bind(message_id).bind(accepted.vendor_id).execute(&pool).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let pace = meter.read(db, sizes.all());
    pool.close().await;
    Ok(pace)
}
