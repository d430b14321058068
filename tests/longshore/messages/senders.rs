//! From which number a text leaves, how fast, and how much: whatever the number of processes that send.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use longshore::{
    queue::settle::Verdict,
    workers::{db, ids::TeamId, messages::send_sms::SendSms},
};
use sqlx::Row as _;

use super::world::{SENDER, World};
use crate::support::Stepper;

const SECOND: &str = "+12125550198";
/// Twilio's test mode: not a number of ours, and one whose queue is full.
const NOT_OURS: &str = "+15005550007";
const FULL: &str = "+15005550008";

async fn number(world: &World, phone: &str, change: &str) {
    world.order(format!("update longshore.senders set {change} where phone = '{phone}'")).await;
}

/// Messages that are ready, each with its job.
async fn jobs(world: &World, worker: &Stepper, n: usize) -> Vec<i64> {
    let mut messages = Vec::new();
    for _ in 0..n {
        messages.push(world.job(worker).await.0);
    }
    messages
}

async fn standing(world: &World, phone: &str) -> (String, Option<String>, Option<DateTime<Utc>>) {
    let select = "select state, state_reason, rests_until from longshore.sender_standing where phone = $1";
    let row = sqlx::query(select).bind(phone).fetch_one(&world.db.admin).await.expect("a standing");
    (row.get(0), row.get(1), row.get(2))
}

fn snoozed(verdict: &Verdict) -> &str {
    let Verdict::Snooze { reason, .. } = verdict else { panic!("{verdict:?}") };
    reason
}

#[tokio::test]
async fn a_number_that_nobody_registered_for_the_team_sends_nothing() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, phone, _) = world.job(&worker).await;
    world.order("delete from longshore.senders").await;
    let (_, verdict) = worker.next("messages").await.expect("a run");
    assert_eq!(snoozed(&verdict), "sender_unregistered");
    assert_eq!(world.decisions(message).await, ["wait sender_unregistered"]);
    assert_eq!(world.taken(&phone), 0);
    world.db.sender(world.team, SENDER, "").await;
    world.run_again(&worker).await;
    assert_eq!(world.taken(&phone), 1);
}

#[tokio::test]
async fn only_an_operator_registers_a_number() {
    let world = World::new().await;
    for role in ["api", "worker", "scheduler"] {
        let pool = world.db.pool(role);
        for insert in [
            "insert into longshore.senders (team_id, phone) values ($1, '+12125550150')",
            "select longshore.put_sender($1, '+12125550150')",
            "select longshore.release_sender($1, '+12125550199')",
        ] {
            let mut tx = db::begin_as(&pool, world.team).await.expect("a transaction");
            let refused = sqlx::query(insert).bind(world.team.0).execute(&mut *tx).await.expect_err("a refusal");
            assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"), "{role}: {insert}");
        }
    }
}

#[tokio::test]
async fn a_recipient_hears_from_the_number_they_know_and_strangers_are_spread_over_the_pool() {
    let world = World::new().await;
    let worker = world.worker().await;
    for phone in [SENDER, SECOND, "+12125550197"] {
        world.db.sender(world.team, phone, "main").await;
    }
    let mut used = BTreeSet::new();
    for _ in 0..30 {
        let (first, phone, _) = world.job(&worker).await;
        worker.next("messages").await.expect("a run");
        let known = world.told(first, "sender").await.expect("a sender");
        // However the weights change: who is known stays.
        number(&world, &known, "per_second = 0.001").await;
        let (lead, campaign) = (world.lead_of(first).await, world.campaign().await);
        world.enroll(campaign, lead).await;
        let second = world.plan(campaign, lead, &phone).await;
        worker.enqueue(world.team, &SendSms { message_id: second }).await;
        worker.next("messages").await.expect("a run");
        let (again, waits) = (world.told(second, "sender").await, world.told(second, "slot_sender").await);
        assert_eq!(waits.or(again), Some(known.clone()));
        number(&world, &known, "per_second = 10000").await;
        world.order("update longshore.sender_standing set line_at = '-infinity'").await;
        used.insert(known);
    }
    assert_eq!(used.len(), 3, "{used:?}");
}

#[tokio::test]
async fn a_numbers_rate_holds_across_processes_and_each_message_asks_for_its_place_once() {
    let world = World::new().await;
    let workers = [world.worker().await, world.worker().await];
    number(&world, SENDER, "per_second = 5, burst = 1").await;
    let messages = jobs(&world, &workers[0], 12).await;
    let mut claimed = Vec::new();
    for worker in &workers {
        claimed.push((worker, worker.claim("messages", 6).await));
    }
    let runs = claimed.iter().flat_map(|(worker, jobs)| jobs.iter().map(|job| worker.run(job.clone())));
    let verdicts = futures_util::future::join_all(runs).await;
    let sent = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Nothing)).count();
    let select = "select slot_at from longshore.messages where slot_at is not null order by slot_at";
    let places: Vec<DateTime<Utc>> = sqlx::query_scalar(select).fetch_all(&world.db.admin).await.expect("the places");
    assert!(sent >= 1 && sent + places.len() == 12, "{sent} left, {} wait", places.len());
    // A fifth of a second apart, whichever process asked.
    assert!(places.windows(2).all(|two| (two[1] - two[0]).num_milliseconds() >= 199), "{places:?}");
    let line = "select line_at from longshore.sender_standing";
    let before: DateTime<Utc> = sqlx::query_scalar(line).fetch_one(&world.db.admin).await.expect("a line");
    for (job, verdict) in claimed.iter().flat_map(|(_, jobs)| jobs).zip(verdicts) {
        workers[0].settle(job, verdict.clone()).await;
        workers[1].settle(job, verdict).await;
    }
    // Whoever comes back before its turn keeps its place, and takes no other.
    world.run_again(&workers[0]).await;
    let after: DateTime<Utc> = sqlx::query_scalar(line).fetch_one(&world.db.admin).await.expect("a line");
    assert_eq!(before, after);
    world.order("update longshore.messages set slot_at = now() - interval '1 second' where slot_at is not null").await;
    world.run_again(&workers[1]).await;
    for message in messages {
        assert_eq!(world.state(message).await, "accepted");
    }
}

#[tokio::test]
async fn who_comes_long_behind_its_turn_stands_in_line_anew() {
    let world = World::new().await;
    let worker = world.worker().await;
    jobs(&world, &worker, 5).await;
    number(&world, SENDER, "per_second = 0.001, burst = 1").await;
    // Their turns came while the night lay between.
    let night = "update longshore.messages set slot_sender = sender, slot_at = now() - interval '10 hours'";
    world.order(night).await;
    world.run_again(&worker).await;
    assert_eq!(world.sandbox.twilio.taken(), 1, "they do not leave all at once");
    let ahead: i64 = sqlx::query_scalar("select count(*) from longshore.messages where slot_at > now() + interval '10 minutes'")
        .fetch_one(&world.db.admin)
        .await
        .expect("a count");
    assert_eq!(ahead, 4);
}

#[tokio::test]
async fn a_run_of_texts_has_a_pause_that_carriers_want() {
    let world = World::new().await;
    let mut services = world.services();
    (services.rules.messages.carrier_batch, services.rules.messages.carrier_pause_seconds) = (3, 3600);
    let worker = world.worker_with(services).await;
    jobs(&world, &worker, 4).await;
    let verdicts: Vec<_> = worker.drain("messages").await.into_iter().map(|(_, verdict)| verdict).collect();
    assert_eq!(world.sandbox.twilio.taken(), 3);
    let Some(Verdict::Snooze { delay, reason }) = verdicts.last() else { panic!("{verdicts:?}") };
    assert_eq!(reason, "sender_pace");
    assert!((3500..=3600).contains(&delay.as_secs()), "{delay:?}");
}

#[tokio::test]
async fn a_numbers_day_and_a_teams_day_are_never_exceeded() {
    let world = World::new().await;
    let worker = world.worker().await;
    number(&world, SENDER, "daily_segments = 2").await;
    jobs(&world, &worker, 4).await;
    // All at once: none is let through because it did not see the others.
    let claimed = worker.claim("messages", 10).await;
    let verdicts = futures_util::future::join_all(claimed.iter().map(|job| worker.run(job.clone()))).await;
    assert_eq!(world.sandbox.twilio.taken(), 2);
    let late: Vec<_> = verdicts.iter().filter(|verdict| !matches!(verdict, Verdict::Nothing)).map(snoozed).collect();
    assert_eq!(late, ["sender_daily_cap", "sender_daily_cap"]);

    let world = World::new().await;
    world.db.sender(world.team, SENDER, "main").await;
    world.db.sender(world.team, SECOND, "main").await;
    let mut services = world.services();
    services.rules.messages.team_daily_segments = 3;
    let worker = world.worker_with(services).await;
    jobs(&world, &worker, 6).await;
    let claimed = worker.claim("messages", 10).await;
    let verdicts = futures_util::future::join_all(claimed.iter().map(|job| worker.run(job.clone()))).await;
    assert_eq!(world.sandbox.twilio.taken(), 3);
    let late = verdicts.iter().filter(|verdict| !matches!(verdict, Verdict::Nothing)).map(snoozed);
    assert!(late.clone().count() == 3 && late.clone().all(|reason| reason == "team_daily_cap"));
}

#[tokio::test]
async fn a_number_that_the_vendor_refuses_is_quarantined_and_another_of_its_pool_sends() {
    let world = World::new().await;
    let worker = world.worker().await;
    for phone in [NOT_OURS, SENDER] {
        world.db.sender(world.team, phone, "main").await;
    }
    number(&world, SENDER, "per_second = 0.0001, burst = 10000").await;
    // So much heavier that strangers begin there.
    let mut refused = 0;
    for message in jobs(&world, &worker, 8).await {
        world.run_again(&worker).await;
        assert_eq!(world.state(message).await, "accepted", "{:?}", world.reason(message).await);
        assert_eq!(world.told(message, "sender").await.as_deref(), Some(SENDER));
        refused += usize::from(world.told(message, "tries").await.as_deref() == Some("2"));
    }
    assert_eq!(refused, 1, "one message finds out, the others are spared");
    let (state, reason, _) = standing(&world, NOT_OURS).await;
    assert_eq!((state.as_str(), reason.as_deref()), ("quarantined", Some("twilio 21606")));
    // What it cost was given back, and each text was paid once.
    let books = world.balance().await;
    assert_eq!((books.spent, books.held), (8, 0), "{books:?}");
}

#[tokio::test]
async fn a_number_whose_queue_is_full_rests_and_what_waits_for_it_waits_as_long() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.db.sender(world.team, FULL, "").await;
    let message = jobs(&world, &worker, 1).await[0];
    world.order(format!("update longshore.messages set sender = '{FULL}'")).await;
    let (_, verdict) = worker.next("messages").await.expect("a run");
    assert!(matches!(&verdict, Verdict::Snooze { delay, .. } if delay.is_zero()), "{verdict:?}");
    let (_, verdict) = world.next(&worker).await;
    let Verdict::Snooze { delay, reason } = &verdict else { panic!("{verdict:?}") };
    assert_eq!(reason, "sender_resting");
    assert!((590..=600).contains(&delay.as_secs()), "{delay:?}");
    assert_eq!(standing(&world, FULL).await.0, "resting");
    assert_eq!((world.state(message).await.as_str(), world.sandbox.twilio.taken()), ("planned", 0));
}

#[tokio::test]
async fn too_many_texts_taken_for_spam_lay_a_number_to_rest() {
    let world = World::new().await;
    let worker = world.worker_with(world.services_reporting()).await;
    world.sandbox.twilio.misbehave(longshore::dev::sandbox::twilio::Faults {
        endings: [("1001".to_owned(), 30_007)].into(),
        ..Default::default()
    });
    let messages = jobs(&world, &worker, 60).await;
    world.order("update longshore.sender_standing set messages = 1000, day = longshore.carrier_day(now())").await;
    world.run_again(&worker).await;
    // One in a thousand is under the share.
    world
        .until("the report", async || {
            sqlx::query_scalar::<_, i64>("select filtered from longshore.sender_standing")
                .fetch_one(&world.db.admin)
                .await
                .expect("a count")
                == 1
        })
        .await;
    assert_eq!(standing(&world, SENDER).await.0, "well");
    // Two in a hundred are over it.
    world.order("update longshore.sender_standing set messages = 100").await;
    let report = [("MessageSid", "SMx"), ("MessageStatus", "undelivered"), ("ErrorCode", "30007"), ("AccountSid", "AC1")];
    world.order("update longshore.messages set vendor_id = 'SMx', vendor_rank = 0, state = 'accepted', ended_at = null where message_id = (select max(message_id) from longshore.messages)").await;
    let last = messages.last().expect("a message");
    let path = format!("{}?m={last}&t={}", longshore::api::twilio::STATUS_PATH, world.team);
    for _ in 0..2 {
        assert_eq!(world.post(&path, &report, &world.token()).await, 200);
    }
    let (state, reason, until) = standing(&world, SENDER).await;
    assert_eq!((state.as_str(), reason.as_deref()), ("resting", Some("filtered: twilio 30007")));
    assert!(until.is_some());
    let filtered: i64 =
        sqlx::query_scalar("select filtered from longshore.sender_standing").fetch_one(&world.db.admin).await.expect("a count");
    assert_eq!(filtered, 2, "a report that comes twice counts once");
}

#[tokio::test]
async fn one_team_sees_and_moves_no_number_of_another() {
    let world = World::new().await;
    let other: TeamId = world.db.team("second").await;
    let mut tx = db::begin_as(&world.as_worker, other).await.expect("a transaction");
    let seen: i64 =
        sqlx::query_scalar("select count(*) from longshore.sender_standing").fetch_one(&mut *tx).await.expect("a count");
    let moved =
        sqlx::query("update longshore.sender_standing set state = 'quarantined'").execute(&mut *tx).await.expect("an update");
    assert_eq!((seen, moved.rows_affected()), (0, 0));
    // With its name and its number in hand, neither.
    let note = "select longshore.note_sender($1, $2, 'quarantine', 'x')::text";
    let refused = sqlx::query(note).bind(world.team.0).bind(SENDER).execute(&mut *tx).await.expect_err("a refusal");
    assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("LS007"));
    drop(tx);
    assert_eq!(standing(&world, SENDER).await.0, "well");
}
