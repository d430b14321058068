//! The sequence: due steps of a campaign into messages and their send jobs, by the run that does it, beside plain inserts of as
//! many messages and jobs into the same tables.

use super::{
    Bench,
    campaign::{Hands, SENDER, count, leads},
    drain::compared,
    meter::Meter,
    place::Database,
    report::{Line, Pace},
    scaled,
};

/// How much falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Leads with a due step.
    pub due: u64,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { due: scaled(1_000_000, scale, 2_000) }
    }
}

const MESSAGES: &str = "select count(*) from longshore.messages";
const SENDS: &str = "select count(*) from queue.jobs where kind = 'send_sms'";

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let n = sizes.due;
    let plain = plain(bench, n).await?;
    bench.report(&Line::baseline("sequence", format!("plain inserts of {n} messages and jobs")).pace(&plain))?;

    let mut db = bench.database(1).await?;
    let hands = enrolled(bench, &mut db, n).await?;
    bench.say(&format!("sequence: {n} due steps"));
    let meter = Meter::start(&db);
    hands.drain().await?;
    let ours = meter.read(&db, n);
    let written = (count(&mut db, MESSAGES).await?, count(&mut db, SENDS).await?);
    anyhow::ensure!(written == (n, n), "{n} steps were due; {} messages and {} jobs were written", written.0, written.1);
    bench.report(&compared(Line::ours("sequence", format!("the run, {n} due steps, this process is the client")), &ours, &plain))
}

/// A worker, and an active campaign in which `n` steps are due and nothing has run yet.
async fn enrolled(bench: &mut Bench<'_>, db: &mut Database, n: u64) -> anyhow::Result<Hands> {
    bench.say(&format!("sequence: enrolling {n} leads"));
    let team = db.team();
    leads(db, team, n).await?;
    sqlx::query("select longshore.put_sender($1, $2)").bind(team.0).bind(SENDER).fetch_one(&mut db.admin).await?;
    let hands = Hands::enter(db).await?;
    let ahead = i64::try_from(n)?.saturating_add(30_000_000);
    sqlx::query("select queue.ensure_partitions($1)").bind(ahead).fetch_one(&mut db.admin).await?;
    let campaign = hands.campaign(team).await?;
    hands.drain().await?;
    hands.activate(team, campaign).await?;
    db.tidy().await?;
    Ok(hands)
}

/// The rows alone, two thousand messages and jobs a transaction: no text is written, no enrollment is moved on.
async fn plain(bench: &mut Bench<'_>, n: u64) -> anyhow::Result<Pace> {
    let mut db = bench.database(1).await?;
    let hands = enrolled(bench, &mut db, n).await?;
    bench.say(&format!("sequence: {n} plain rows"));
    let insert = "with due as (
          select team_id, campaign_id, lead_id, '+1' || (2000000000 + lead_id) as phone
          from longshore.enrollments where lead_id > $1 order by lead_id limit 2000
        ), m as (
          insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body)
          select team_id, campaign_id, lead_id, 1, '+15005550006', phone, 'Hello Ada, a word about Engines. Reply STOP to opt out.'
          from due returning team_id, message_id, lead_id
        ), j as (
          insert into queue.jobs (team_id, keep, queue_id, kind, version, priority, max_attempts, payload)
          select m.team_id, k.keep, k.queue_id, k.kind, k.version, k.priority, k.max_attempts, jsonb_build_object('message_id', m.message_id)
          from m join queue.kinds k on k.kind = 'send_sms' returning id, team_id, queue_id, keep, priority
        ), c as (select *, (row_number() over (order by id) - 1) / 200 as chunk from j), r as (
          insert into queue.ready (queue_id, team_id, priority, first_job, jobs, keep, kind)
          select queue_id, team_id, priority, min(id), array_agg(id order by id), keep, 'send_sms' from c
          group by chunk, queue_id, team_id, priority, keep
        )
        select max(lead_id) from m";
    let mut conn = db.connect_as_owner().await?;
    let meter = Meter::start(&db);
    let mut last: Option<i64> = Some(0);
    while let Some(behind) = last {
        last = sqlx::query_scalar(insert).bind(behind).fetch_one(&mut conn).await?;
    }
    let pace = meter.read(&db, n);
    anyhow::ensure!(count(&mut db, MESSAGES).await? == n, "not every row was written");
    drop(conn);
    drop(hands);
    drop(db);
    bench.sweep().await?;
    Ok(pace)
}
