//! What Twilio tells us: believed only with its signature, harmless when it comes twice or late.

use longshore::{
    api::twilio::{INBOUND_PATH, STATUS_PATH},
    dev::sandbox::twilio::{Fault, Faults, Number},
    workers::{
        db,
        ids::TeamId,
        messages::{
            send_sms::SendSms,
            senders::{self, Put, Settings},
        },
    },
};

use super::world::{SENDER, World, parked};

fn status_path(message: i64, team: TeamId) -> String {
    format!("{STATUS_PATH}?m={message}&t={team}")
}

async fn count(world: &World, table: &'static str) -> i64 {
    let select = format!("select count(*) from longshore.{table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(select)).fetch_one(&world.db.admin).await.expect("a count")
}

#[tokio::test]
async fn reports_that_come_twice_and_in_the_wrong_order_end_where_they_should() {
    let world = World::new().await;
    let worker = world.worker_with(world.services_reporting()).await;
    world.sandbox.twilio.misbehave(Faults { callbacks_twice: 1.0, callbacks_reversed: 1.0, ..Faults::default() });
    let mut messages = Vec::new();
    for _ in 0..10 {
        messages.push(world.job(&worker).await.0);
    }
    world.run_again(&worker).await;
    // `sent` and `delivered` of each, once.
    world.until("every report to be kept", async || count(&world, "message_events").await == 20).await;
    for message in messages {
        assert_eq!(world.state(message).await, "delivered");
    }
    assert_eq!(world.sandbox.twilio.second_sends(), 0);
}

#[tokio::test]
async fn a_report_tells_the_outcome_of_a_message_that_nobody_knew_and_wakes_its_job() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, phone, job) = world.job(&worker).await;
    world.meet(&phone, &[Fault::ErrorBefore]);
    for _ in 0..5 {
        world.run_again(&worker).await;
    }
    assert_eq!(parked(&world.db.admin).await.len(), 1);
    let report = [("MessageSid", "SM1"), ("MessageStatus", "sent"), ("AccountSid", "AC1")];
    assert_eq!(world.post(&status_path(message, world.team), &report, &world.token()).await, 200);
    assert_eq!(world.state(message).await, "accepted");
    assert!(parked(&world.db.admin).await.is_empty());
    world.run_again(&worker).await;
    let ended: i64 = sqlx::query_scalar("select count(*) from queue.outcomes where job_id = $1 and outcome = 1")
        .bind(job.0)
        .fetch_one(&world.db.admin)
        .await
        .expect("a count");
    assert_eq!(ended, 1);
}

#[tokio::test]
async fn a_forged_report_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let (message, _) = world.message().await;
    let report = [("MessageSid", "SM1"), ("MessageStatus", "delivered")];
    assert_eq!(world.post(&status_path(message, world.team), &report, "not the token").await, 403);
    let text = [("MessageSid", "SM2"), ("From", "+12125551000"), ("To", SENDER), ("Body", "STOP")];
    assert_eq!(world.post(INBOUND_PATH, &text, "not the token").await, 403);
    assert_eq!(world.state(message).await, "planned");
    assert_eq!((count(&world, "message_events").await, count(&world, "inbox").await), (0, 0));
}

#[tokio::test]
async fn a_report_of_another_team_reaches_no_message_of_ours() {
    let world = World::new().await;
    let (message, _) = world.message().await;
    let other = world.db.team("second").await;
    let report = [("MessageSid", "SM1"), ("MessageStatus", "delivered")];
    assert_eq!(world.post(&status_path(message, other), &report, &world.token()).await, 200);
    assert_eq!(world.state(message).await, "planned");
}

#[tokio::test]
async fn a_report_that_the_number_is_dead_suppresses_it() {
    let world = World::new().await;
    let worker = world.worker_with(world.services_reporting()).await;
    let (message, phone, _) = world.job(&worker).await;
    let number = Number { undelivered: Some(30005), ..Number::default() };
    world.sandbox.twilio.misbehave(Faults { numbers: [(phone.clone(), number)].into(), ..Faults::default() });
    world.run_again(&worker).await;
    world.until("the report", async || world.state(message).await == "failed").await;
    let reason: String = sqlx::query_scalar("select reason from longshore.suppressions where phone = $1")
        .bind(&phone)
        .fetch_one(&world.db.admin)
        .await
        .expect("a suppression");
    assert_eq!(reason, "INVALID_NUMBER");
}

#[tokio::test]
async fn stop_suppresses_at_once_start_restores_and_an_old_stop_does_not_come_back() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, phone, _) = world.job(&worker).await;
    let say = async |sid: &str, body: &str| {
        let form = [("MessageSid", sid), ("From", phone.as_str()), ("To", SENDER), ("Body", body), ("NumMedia", "0")];
        assert_eq!(world.post(INBOUND_PATH, &form, &world.token()).await, 200);
    };
    say("SM1", "Please stop texting me\0").await;
    assert_eq!(world.state(message).await, "suppressed");

    say("SM2", "START").await;
    say("SM1", "Please stop texting me\0").await;
    assert_eq!(count(&world, "inbox").await, 2);
    let (lead, campaign) = (world.lead_of(message).await, world.campaign().await);
    world.enroll(campaign, lead).await;
    let again = world.plan(campaign, lead, &phone).await;
    worker.enqueue(world.team, &SendSms { message_id: again }).await;
    world.run_again(&worker).await;
    assert_eq!(world.state(again).await, "accepted", "{:?}", world.reason(again).await);
}

#[tokio::test]
async fn start_gives_no_consent_that_was_not_there() {
    let world = World::new().await;
    let phone = "+12125557777";
    let lead = world.lead_at(phone, Some("NY")).await;
    let campaign = world.campaign().await;
    world.enroll(campaign, lead).await;
    let message_id = world.plan(campaign, lead, phone).await;
    for (sid, body) in [("SM1", "STOP"), ("SM2", "START")] {
        let form = [("MessageSid", sid), ("From", phone), ("To", SENDER), ("Body", body)];
        assert_eq!(world.post(INBOUND_PATH, &form, &world.token()).await, 200);
    }
    assert_eq!(world.state(message_id).await, "suppressed");
    assert_eq!(count(&world, "consents").await, 0);
}

#[tokio::test]
async fn a_text_finds_its_team_by_our_number_and_one_for_nobody_is_kept_in_the_house() {
    let world = World::new().await;
    let other = world.db.team("second").await;
    let pool = world.db.pool("operator");
    for (team, put) in [(other, Put::Added), (world.team, Put::Taken), (other, Put::Changed)] {
        let mut tx = db::begin_as(&pool, team).await.expect("a transaction");
        assert_eq!(senders::put(&mut tx, team, "+13105550001", &Settings::default()).await.expect("an answer"), put);
        tx.commit().await.expect("a commit");
    }

    for (sid, to) in [("SM1", "+13105550001"), ("SM2", "+13105550002")] {
        let form = [("MessageSid", sid), ("From", "+12125557777"), ("To", to), ("Body", "STOP")];
        assert_eq!(world.post(INBOUND_PATH, &form, &world.token()).await, 200);
    }
    let kept: Vec<(String, uuid::Uuid)> = sqlx::query_as("select vendor_id, team_id from longshore.inbox order by vendor_id")
        .fetch_all(&world.db.admin)
        .await
        .expect("the inbox");
    assert_eq!(kept, [("SM1".to_owned(), other.0), ("SM2".to_owned(), TeamId::HOUSE.0)]);
}

#[tokio::test]
async fn only_an_operator_gives_a_team_a_number() {
    let world = World::new().await;
    for role in ["api", "worker", "scheduler"] {
        let mut tx = db::begin_as(&world.db.pool(role), world.team).await.expect("a transaction");
        let refused = senders::put(&mut tx, world.team, "+13105550009", &Settings::default()).await.expect_err(role);
        let code = refused.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        assert_eq!(code.as_deref(), Some("42501"), "{role}: {refused}");
    }
}
