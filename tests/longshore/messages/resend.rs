//! What failed in passing is sent once more, by a message of its own, and passes every gate like any other.

use longshore::{
    api::twilio::{INBOUND_PATH, STATUS_PATH},
    queue::settle::Verdict,
    workers::enrollment::{campaigns, figures},
};
use sqlx::Row as _;

use super::world::{CREDITS, SENDER, World};
use crate::support::Stepper;

/// A message that the vendor has.
async fn taken(world: &World, worker: &Stepper) -> (i64, String) {
    let (message, phone, _) = world.job(worker).await;
    worker.next("messages").await.expect("a run");
    assert_eq!(world.state(message).await, "accepted");
    (message, phone)
}

/// What the vendor reports of a message that it has.
async fn report(world: &World, message: i64, code: &str) {
    let sid = world.told(message, "vendor_id").await.expect("the vendor's id");
    let report = [("MessageSid", sid.as_str()), ("MessageStatus", "undelivered"), ("ErrorCode", code), ("AccountSid", "AC1")];
    let path = format!("{STATUS_PATH}?m={message}&t={}", world.team);
    assert_eq!(world.post(&path, &report, &world.token()).await, 200);
    assert_eq!(world.state(message).await, "failed");
}

/// The message that follows one, its round, and in how many seconds its job is due.
async fn successor(world: &World, message: i64) -> Option<(i64, i16, i64)> {
    let select = "select m.message_id, m.round, extract(epoch from s.run_at - now())::bigint
        from longshore.messages m
        join queue.jobs j on j.kind = 'send_sms' and j.payload = jsonb_build_object('message_id', m.message_id)
        join queue.scheduled s on s.job_id = j.id
        where m.team_id = $1 and m.resend_of = $2";
    let row = sqlx::query(select).bind(world.team.0).bind(message).fetch_optional(&world.db.admin).await.expect("an answer");
    row.map(|row| (row.get(0), row.get(1), row.get(2)))
}

async fn count(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from longshore.messages").fetch_one(&world.db.admin).await.expect("a count")
}

#[tokio::test]
async fn who_could_not_be_reached_is_texted_once_more_hours_later_and_not_again() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (first, phone) = taken(&world, &worker).await;
    for _ in 0..2 {
        report(&world, first, "30003").await;
    }
    let (second, round, seconds) = successor(&world, first).await.expect("another message");
    assert_eq!((count(&world).await, round), (2, 2), "a report that comes twice leads to one message");
    assert!((4 * 3600 - 60..=4 * 3600).contains(&seconds), "{seconds}");
    assert_eq!(world.decisions(first).await, ["send all_open", "resend twilio_30003"]);
    assert_eq!((world.state(second).await.as_str(), world.taken(&phone)), ("planned", 1));

    world.run_again(&worker).await;
    assert_eq!((world.state(second).await.as_str(), world.taken(&phone)), ("accepted", 2));
    assert_eq!(world.decisions(second).await, ["send all_open"]);
    // Each is paid for itself.
    let books = world.balance().await;
    assert_eq!((books.available, books.held, books.spent), (CREDITS - 2, 0, 2));
    report(&world, second, "30008").await;
    assert_eq!((count(&world).await, successor(&world, second).await), (2, None), "once is enough, whatever is reported then");
}

#[tokio::test]
async fn a_stop_in_between_is_the_last_word() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (first, phone) = taken(&world, &worker).await;
    report(&world, first, "30008").await;
    let (second, ..) = successor(&world, first).await.expect("another message");
    let stop = [("MessageSid", "SM1"), ("From", phone.as_str()), ("To", SENDER), ("Body", "STOP"), ("NumMedia", "0")];
    assert_eq!(world.post(INBOUND_PATH, &stop, &world.token()).await, 200);
    assert_eq!(world.state(second).await, "suppressed");
    world.run_again(&worker).await;
    assert_eq!(world.taken(&phone), 1);

    // Behind a STOP there is no other message at all.
    let (third, phone) = taken(&world, &worker).await;
    let stop = [("MessageSid", "SM2"), ("From", phone.as_str()), ("To", SENDER), ("Body", "STOP"), ("NumMedia", "0")];
    assert_eq!(world.post(INBOUND_PATH, &stop, &world.token()).await, 200);
    report(&world, third, "30008").await;
    assert_eq!(successor(&world, third).await, None);
}

#[tokio::test]
async fn another_try_counts_in_the_recipients_day_and_so_does_the_one_that_failed() {
    let world = World::new().await;
    let mut services = world.services();
    services.rules.messages.daily_limit = 1;
    let worker = world.worker_with(services).await;
    let (first, phone) = taken(&world, &worker).await;
    report(&world, first, "30008").await;
    let (second, ..) = successor(&world, first).await.expect("another message");
    let verdicts = world.run_again(&worker).await;
    assert!(matches!(&verdicts[..], [Verdict::Snooze { reason, .. }] if reason == "daily_limit"), "{verdicts:?}");
    assert_eq!((world.state(second).await.as_str(), world.taken(&phone)), ("planned", 1));
    // A day later there is room.
    world
        .order(format!("update longshore.messages set attempted_at = now() - interval '25 hours' where message_id = {first}"))
        .await;
    world.run_again(&worker).await;
    assert_eq!((world.state(second).await.as_str(), world.taken(&phone)), ("accepted", 2));
}

#[tokio::test]
async fn a_campaign_that_has_ended_and_what_will_not_get_through_is_not_sent_again() {
    let world = World::new().await;
    let worker = world.worker().await;
    for code in ["30004", "30006", "30007"] {
        let (message, _) = taken(&world, &worker).await;
        report(&world, message, code).await;
        assert_eq!(successor(&world, message).await, None, "{code}");
    }
    let (message, _) = taken(&world, &worker).await;
    world.set_campaign("stopped").await;
    report(&world, message, "30003").await;
    assert_eq!((count(&world).await, successor(&world, message).await), (4, None));
}

#[tokio::test]
async fn a_person_who_enrolls_again_and_a_report_do_not_both_send_again() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (first, _) = taken(&world, &worker).await;
    report(&world, first, "30003").await;
    assert!(successor(&world, first).await.is_some());
    let campaign = "select campaign_id from longshore.messages limit 1";
    let campaign: i64 = sqlx::query_scalar(campaign).fetch_one(&world.db.admin).await.expect("the campaign");
    let campaign = longshore::workers::ids::CampaignId(campaign);
    let mut tx = longshore::workers::db::begin_as(&world.as_api, world.team).await.expect("a transaction");
    campaigns::reenroll(&mut tx, world.team, campaign).await.expect("a job");
    tx.commit().await.expect("a commit");
    worker.drain("enrollment").await;
    assert_eq!(count(&world).await, 2, "what waits to be sent again has not failed");
    let running = "select count(*) from longshore.enrollments where state = 'running'";
    assert_eq!(sqlx::query_scalar::<_, i64>(running).fetch_one(&world.db.admin).await.expect("a count"), 0);
}

#[tokio::test]
async fn a_number_that_was_not_reached_three_times_in_a_month_is_texted_no_more() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (lead, phone) = world.lead().await;
    let mut messages = Vec::new();
    for _ in 0..3 {
        let campaign = world.campaign().await;
        world.enroll(campaign, lead).await;
        let message_id = world.plan(campaign, lead, &phone).await;
        worker.enqueue(world.team, &longshore::workers::messages::send_sms::SendSms { message_id }).await;
        worker.next("messages").await.expect("a run");
        messages.push(message_id);
    }
    let suppressed = async || {
        let select = "select reason || ' ' || source from longshore.suppressions";
        sqlx::query_scalar::<_, String>(select).fetch_all(&world.db.admin).await.expect("the suppressions")
    };
    // Long ago does not count, nor does a report that comes twice.
    world
        .order(format!(
            "update longshore.messages set attempted_at = now() - interval '31 days' where message_id = {}",
            messages[0]
        ))
        .await;
    for message in [0, 1, 1, 2] {
        report(&world, messages[message], "30003").await;
    }
    assert!(suppressed().await.is_empty());
    world.order(format!("update longshore.messages set attempted_at = now() where message_id = {}", messages[0])).await;
    report(&world, messages[1], "30003").await;
    assert_eq!(suppressed().await, ["INVALID_NUMBER twilio 30003 undelivered"]);
    let waiting = "select count(*) from longshore.messages where state = 'planned'";
    assert_eq!(sqlx::query_scalar::<_, i64>(waiting).fetch_one(&world.db.admin).await.expect("a count"), 0);
    world.run_again(&worker).await;
    assert_eq!(world.taken(&phone), 3);
}

#[tokio::test]
async fn what_a_campaign_cost_is_what_the_ledger_charged_for_it() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, _, _) = world.job(&worker).await;
    world.order(format!("update longshore.messages set body = '{}'", "a".repeat(161))).await;
    worker.next("messages").await.expect("a run");
    let campaign = format!("select campaign_id from longshore.messages where message_id = {message}");
    let campaign: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(campaign)).fetch_one(&world.db.admin).await.expect("the campaign");
    let cost = async || {
        let mut tx = longshore::workers::db::begin_as(&world.as_api, world.team).await.expect("a transaction");
        let all = figures::load(&mut tx, world.team, longshore::workers::ids::CampaignId(campaign)).await.expect("figures");
        (all.totals().segments, all.totals().credits)
    };
    assert_eq!(cost().await, (2, 2));
    // Another try is paid for too, and only when it leaves.
    report(&world, message, "30008").await;
    assert_eq!(cost().await.1, 2);
    world.run_again(&worker).await;
    assert_eq!(cost().await, (4, 4));
    assert_eq!(world.balance().await.spent, 4);
}
