//! Fills teams with leads who may be texted and with messages that are planned for them, without either leaving the server.

use chrono::{DateTime, Datelike as _, Days, NaiveTime, TimeDelta, Utc, Weekday};
use longshore_workers::ids::TeamId;

use super::place::Database;
use crate::store::jobs;

/// Numbers of each team.
const NUMBERS: i64 = 4;
const CREDITS: i64 = 1_000_000_000;

/// Lets the database take sends: every kind is known, and there is room for `jobs`.
pub async fn prepare(db: &mut Database, jobs: u64) -> anyhow::Result<()> {
    jobs::register(&mut db.admin, &longshore_workers::registry()).await?;
    let ahead = i64::try_from(jobs)?.saturating_add(30_000_000);
    sqlx::query("select queue.ensure_partitions($1)").bind(ahead).fetch_one(&mut db.admin).await?;
    Ok(())
}

/// Gives a team a pool of numbers, credits, an active campaign and `n` leads in New York who agreed in writing, each with a
/// planned message. `nth`: no two teams have a number in common.
pub async fn plan(db: &mut Database, team: TeamId, nth: usize, n: u64) -> anyhow::Result<()> {
    let (nth, n) = (i64::try_from(nth)?, i64::try_from(n)?);
    let senders = "with s as (
          insert into longshore.senders (team_id, phone, pool, per_second, burst)
          select $1, '+1347' || (2000000 + $2 * 10 + n), 'bench', 10000, 10000 from generate_series(0, $3 - 1) n
          returning team_id, phone
        ) insert into longshore.sender_standing (team_id, phone) select team_id, phone from s";
    sqlx::query(senders).bind(team.0).bind(nth).bind(NUMBERS).execute(&mut db.admin).await?;
    let grant = "select longshore.credit_grant($1, $2, 'bench')::text";
    sqlx::query(grant).bind(team.0).bind(CREDITS).fetch_one(&mut db.admin).await?;
    let campaign = "insert into longshore.campaigns (team_id, name, state, sender, engagement, activated_at, opens_at)
        select $1, 'bench', 'active', min(phone), '{high}', now(), now() from longshore.senders where team_id = $1 returning campaign_id";
    let campaign: i64 = sqlx::query_scalar(campaign).bind(team.0).fetch_one(&mut db.admin).await?;
    let leads = "insert into longshore.leads (team_id, phone, state)
        select $1, '+1212' || (2000000 + $3 + n), 'NY' from generate_series(1, $2) n";
    sqlx::query(leads).bind(team.0).bind(n).bind(nth * n).execute(&mut db.admin).await?;
    let consents = "insert into longshore.consents (team_id, phone, level, method, evidence, captured_at)
        select team_id, phone, 'express_written', 'bench', 'bench', now() from longshore.leads where team_id = $1";
    sqlx::query(consents).bind(team.0).execute(&mut db.admin).await?;
    let enrollments = "insert into longshore.enrollments (team_id, campaign_id, lead_id, state, run_job)
        select team_id, $2, lead_id, 'completed', 1 from longshore.leads where team_id = $1";
    sqlx::query(enrollments).bind(team.0).bind(campaign).execute(&mut db.admin).await?;
    let messages = "insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body)
        select l.team_id, c.campaign_id, l.lead_id, 1, c.sender, l.phone, 'Hello, a word from the bench. Reply STOP to opt out.'
        from longshore.leads l join longshore.campaigns c on c.team_id = l.team_id and c.campaign_id = $2 where l.team_id = $1";
    sqlx::query(messages).bind(team.0).bind(campaign).execute(&mut db.admin).await?;
    Ok(())
}

/// Enqueues a job for each of a team's planned messages.
pub async fn enqueue(db: &mut Database, team: TeamId) -> anyhow::Result<()> {
    let fill = "select count(*) from (select array_agg(jsonb_build_object('message_id', message_id) order by message_id) as payloads
          from (select message_id, row_number() over (order by message_id) / 1000 as chunk from longshore.messages where team_id = $1) m
          group by chunk) c, queue.enqueue_many($1, 'send_sms', c.payloads)";
    sqlx::query_scalar::<_, i64>(fill).bind(team.0).fetch_one(&mut db.admin).await?;
    Ok(())
}

/// How far a clock is set so that it is one o'clock in the afternoon in New York, on a working day that is no holiday.
pub fn seconds_to_noon(now: DateTime<Utc>) -> i64 {
    let wanted = NaiveTime::from_hms_opt(18, 0, 0).unwrap_or_default();
    let tuesdays = (0..21).filter_map(|days| now.date_naive().checked_add_days(Days::new(days)));
    let tuesdays = tuesdays.filter(|day| day.weekday() == Weekday::Tue).map(|day| day.and_time(wanted).and_utc());
    // No federal holiday ever moves to a Tuesday but New Year's Day, the Fourth of July, Veterans' Day, Juneteenth and Christmas.
    let fixed = [(1, 1), (6, 19), (7, 4), (11, 11), (12, 25)];
    let mut free = tuesdays.filter(|at| !fixed.contains(&(at.month(), at.day())));
    free.find(|at| *at > now).map_or(0, |at| (at - now + TimeDelta::seconds(1)).num_seconds())
}
