//! What nobody knows is looked up, then parked or sent again by what it was for; and a person has the last word.

use longshore::{
    dev::sandbox::twilio::Fault,
    workers::{
        db,
        messages::{
            AfterLooks,
            unknown::{self, Finding},
        },
    },
};

use super::world::{World, parked};
use crate::support::Stepper;

/// A message whose answer was lost before the vendor took it, looked for until nobody looks any more.
async fn lost(world: &World, worker: &Stepper) -> (i64, String) {
    let (message, phone, _) = world.job(worker).await;
    world.meet(&phone, &[Fault::ErrorBefore]);
    for _ in 0..6 {
        world.run_again(worker).await;
    }
    (message, phone)
}

async fn resolve(world: &World, message: i64, finding: Finding, vendor_id: Option<&str>) -> unknown::Resolved {
    let mut tx = db::begin_by(&world.db.pool("operator"), world.team, "operator ann").await.expect("a transaction");
    let resolved = unknown::resolve(&mut tx, world.team, message, finding, vendor_id).await.expect("an answer");
    tx.commit().await.expect("a commit");
    resolved.expect("a message")
}

#[tokio::test]
async fn marketing_is_parked_for_a_person_and_what_somebody_asked_for_is_sent_again() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (parked_message, phone) = lost(&world, &worker).await;
    assert_eq!((world.state(parked_message).await.as_str(), world.taken(&phone)), ("unknown", 0));
    assert_eq!(world.decisions(parked_message).await, ["send all_open", "park absent_parked"]);

    let (campaign, (lead, phone)) = (world.campaign().await, world.lead().await);
    world.order(format!("update longshore.campaigns set purpose = 'transactional' where campaign_id = {campaign}")).await;
    world.enroll(campaign, lead).await;
    let message_id = world.plan(campaign, lead, &phone).await;
    worker.enqueue(world.team, &longshore::workers::messages::send_sms::SendSms { message_id }).await;
    world.meet(&phone, &[Fault::ErrorBefore]);
    for _ in 0..6 {
        world.run_again(&worker).await;
    }
    assert_eq!((world.state(message_id).await.as_str(), world.taken(&phone)), ("accepted", 1));
    // The gates are asked again, not passed by.
    assert_eq!(world.decisions(message_id).await, ["send all_open", "resend absent_sent_again", "send all_open"]);
    assert_eq!(world.sandbox.twilio.second_sends(), 0);
}

#[tokio::test]
async fn what_is_sent_again_meets_the_gates_again() {
    let world = World::new().await;
    let mut services = world.services();
    services.rules.messages.unknown_marketing = AfterLooks::Resend;
    let worker = world.worker_with(services).await;
    let (message, phone, _) = world.job(&worker).await;
    world.meet(&phone, &[Fault::ErrorBefore]);
    worker.next("messages").await.expect("a run");
    world.set_campaign("stopped").await;
    for _ in 0..6 {
        world.run_again(&worker).await;
    }
    assert_eq!((world.state(message).await.as_str(), world.taken(&phone)), ("suppressed", 0));
}

#[tokio::test]
async fn a_person_finds_out_and_the_job_goes_on_with_that() {
    let world = World::new().await;
    let worker = world.worker().await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(lost(&world, &worker).await);
    }
    assert_eq!(parked(&world.db.admin).await.len(), 3);
    let mut conn = world.db.pool("operator").acquire().await.expect("a connection");
    let listed = unknown::list(&mut conn, None, None, 50).await.expect("the list");
    assert_eq!(listed.iter().map(|one| one.message_id).collect::<Vec<_>>(), all.iter().map(|one| one.0).collect::<Vec<_>>());
    assert!(listed.iter().zip(&all).all(|(one, (_, phone))| phone.ends_with(&one.recipient_ends) && one.looks == 3));

    world.sandbox.twilio.misbehave(Default::default());
    let findings = [(Finding::Sent, "accepted"), (Finding::NotSent, "planned"), (Finding::GivenUp, "failed")];
    for ((message, _), (finding, state)) in all.iter().zip(findings) {
        let resolved = resolve(&world, *message, finding, (finding == Finding::Sent).then_some("SM7")).await;
        assert_eq!((resolved.done, resolved.state.as_str()), (true, state));
    }
    assert!(parked(&world.db.admin).await.is_empty());
    world.run_again(&worker).await;
    for ((message, phone), (state, taken)) in all.iter().zip([("accepted", 0), ("accepted", 1), ("failed", 0)]) {
        assert_eq!((world.state(*message).await.as_str(), world.taken(phone)), (state, taken), "{message}");
    }
    // Said twice, nothing happens: it is known by now.
    let again = resolve(&world, all[1].0, Finding::NotSent, None).await;
    assert_eq!((again.done, again.state.as_str()), (false, "accepted"));
    assert!(unknown::list(&mut conn, Some(world.team), None, 50).await.expect("the list").is_empty());
    let entries: i64 = sqlx::query_scalar(
        "select count(*) from longshore.audit_log where action = 'message.resolve' and actor = 'operator ann'",
    )
    .fetch_one(&world.db.admin)
    .await
    .expect("the entries");
    assert_eq!(entries, 3);
}

#[tokio::test]
async fn a_report_that_comes_behind_a_decision_is_believed() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, _) = lost(&world, &worker).await;
    resolve(&world, message, Finding::NotSent, None).await;
    // It had left after all; nobody sends it again.
    let path = format!("{}?m={message}&t={}", longshore::api::twilio::STATUS_PATH, world.team);
    let report = [("MessageSid", "SM1"), ("MessageStatus", "delivered"), ("AccountSid", "AC1")];
    assert_eq!(world.post(&path, &report, &world.token()).await, 200);
    world.run_again(&worker).await;
    assert_eq!(world.state(message).await, "delivered");
    assert_eq!(world.sandbox.twilio.calls(), 1);
    // The vendor takes its price also for what had been given back.
    assert_eq!(world.balance().await.spent, 1);
}
