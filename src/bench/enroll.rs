//! Enrollment: every lead of a team into a campaign, by the job that does it, beside one plain INSERT … SELECT of as many rows
//! into the same table; and how long a preview of that team takes.

use std::time::Instant;

use longshore_workers::{db, enrollment::preview::Audience, settings::Settings};

use super::{
    Bench,
    campaign::{Hands, count, leads},
    drain::compared,
    meter::Meter,
    report::{Line, Pace},
    scaled,
};

/// Whom to enroll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Leads, all of whom match.
    pub leads: u64,
    /// Previews.
    pub previews: u64,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { leads: scaled(1_000_000, scale, 2_000), previews: scaled(200, scale, 20) }
    }
}

const ENROLLED: &str = "select count(*) from longshore.enrollments";

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let n = sizes.leads;
    let plain = plain(bench, n).await?;
    bench.report(&Line::baseline("enroll", format!("one plain INSERT … SELECT, {n} leads")).pace(&plain))?;

    bench.say(&format!("enroll: {n} leads"));
    let mut db = bench.database(1).await?;
    let team = db.team();
    leads(&mut db, team, n).await?;
    let hands = Hands::enter(&mut db).await?;
    let campaign = hands.campaign(team).await?;
    db.tidy().await?;
    let meter = Meter::start(&db);
    hands.drain().await?;
    let ours = meter.read(&db, n);
    anyhow::ensure!(count(&mut db, ENROLLED).await? == n, "not every lead was enrolled");
    bench.report(&compared(Line::ours("enroll", format!("the job, {n} leads, this process is the client")), &ours, &plain))?;

    // Counted as the job counts them, so that the first preview finds what every later one does.
    let mut tx = db::begin_as(hands.pool(), team).await?;
    longshore_workers::enqueue::one(
        &mut tx,
        team,
        &longshore_workers::enrollment::refresh_tags::RefreshTags {},
        longshore_workers::Options::default(),
    )
    .await?;
    tx.commit().await?;
    hands.drain().await?;
    bench.say(&format!("enroll: {} previews", sizes.previews));
    for by_tag in [false, true] {
        let tags = if by_tag { vec!["group 7".to_owned()] } else { Vec::new() };
        let audience = Audience::new(&tags, &["high".into(), "medium".into(), "low".into()])?;
        let steps = if by_tag {
            Vec::new()
        } else {
            let mut tx = db::begin_as(hands.pool(), team).await?;
            let steps = longshore_workers::enrollment::campaigns::steps(&mut tx, team, campaign).await?;
            tx.commit().await?;
            steps
        };
        let (mut waits, started) = (Vec::new(), Instant::now());
        for _ in 0..sizes.previews {
            let asked = Instant::now();
            let mut tx = db::begin_as(hands.pool(), team).await?;
            let brand = Settings::load(&mut tx, team).await?.brand();
            audience.preview(&mut tx, team, &steps, &brand, (0, 100)).await?;
            tx.commit().await?;
            waits.push(asked.elapsed().as_secs_f64() * 1000.0);
        }
        let of = if by_tag { "one tag of fifty" } else { "every lead" };
        let line = Line::ours("enroll", format!("preview of {of}, sample of 100, {n} leads"));
        bench.report(&line.waits(waits, started.elapsed().as_secs_f64()))?;
    }
    Ok(())
}

/// The rows alone: no judgement, no counters of a run, no chunks. Keys, references and triggers are the table's own.
async fn plain(bench: &mut Bench<'_>, n: u64) -> anyhow::Result<Pace> {
    bench.say(&format!("enroll: {n} plain rows"));
    let mut db = bench.database(1).await?;
    let team = db.team();
    leads(&mut db, team, n).await?;
    let hands = Hands::enter(&mut db).await?;
    let campaign = hands.campaign(team).await?;
    db.tidy().await?;
    let insert = "insert into longshore.enrollments (team_id, campaign_id, lead_id, next_step, next_due_at, run_job)
        select team_id, $2, lead_id, 1, now(), 1 from longshore.leads where team_id = $1";
    let mut conn = db.connect_as_owner().await?;
    let meter = Meter::start(&db);
    sqlx::query(insert).bind(team.0).bind(campaign.0).execute(&mut conn).await?;
    let pace = meter.read(&db, n);
    anyhow::ensure!(count(&mut db, ENROLLED).await? == n, "not every row was written");
    drop(conn);
    drop(hands);
    drop(db);
    bench.sweep().await?;
    Ok(pace)
}
