//! No text without credits reserved for it, and none that is paid twice or for nothing.

use longshore::{
    dev::sandbox::twilio::Fault,
    queue::settle::Verdict,
    workers::messages::unknown::{self, Finding},
};

use super::world::{CREDITS, World, parked};

#[tokio::test]
async fn a_text_is_paid_by_the_segment_when_the_vendor_has_it() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, _, _) = world.job(&worker).await;
    let long = "a".repeat(161);
    world.order(format!("update longshore.messages set body = '{long}'")).await;
    worker.next("messages").await.expect("a run");
    assert_eq!(world.told(message, "segments").await.as_deref(), Some("2"));
    let books = world.balance().await;
    assert_eq!((books.available, books.held, books.spent), (CREDITS - 2, 0, 2));
}

#[tokio::test]
async fn without_credits_nothing_leaves_and_a_grant_lets_it_go_on() {
    let world = World::new().await;
    let worker = world.worker().await;
    let poor = world.db.team("poor").await;
    world.db.sender(poor, "+12125550170", "").await;
    // The same lead and message, of a team that has nothing.
    world.order(format!(
        "insert into longshore.campaigns (team_id, name, state, sender, engagement, activated_at, opens_at)
           values ('{poor}', 'c', 'active', '+12125550170', '{{high}}', now(), now());
         insert into longshore.leads (team_id, phone, state) values ('{poor}', '+12125551999', 'NY');
         insert into longshore.consents (team_id, phone, level, method, captured_at) values ('{poor}', '+12125551999', 'express_written', 'web_form', now());
         insert into longshore.enrollments (team_id, campaign_id, lead_id, state, run_job)
           select l.team_id, c.campaign_id, l.lead_id, 'completed', 1 from longshore.leads l join longshore.campaigns c using (team_id) where l.team_id = '{poor}';
         insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body)
           select team_id, campaign_id, lead_id, 1, '+12125550170', '+12125551999', 'Hello' from longshore.enrollments where team_id = '{poor}'"
    ))
    .await;
    let message_id: i64 = sqlx::query_scalar("select message_id from longshore.messages where team_id = $1")
        .bind(poor.0)
        .fetch_one(&world.db.admin)
        .await
        .expect("a message");
    worker.enqueue(poor, &longshore::workers::messages::send_sms::SendSms { message_id }).await;
    let (_, verdict) = worker.next("messages").await.expect("a run");
    assert!(matches!(&verdict, Verdict::Park { reason } if reason == "out_of_credit: needs 1, has 0"), "{verdict:?}");
    assert_eq!(world.taken("+12125551999"), 0);
    assert_eq!(world.decisions(message_id).await, ["wait out_of_credit"]);
    world.db.grant(poor, 1).await;
    assert!(parked(&world.db.admin).await.is_empty(), "the grant woke it");
    world.run_again(&worker).await;
    assert_eq!(world.taken("+12125551999"), 1);
    world.balance().await;
}

#[tokio::test]
async fn what_did_not_leave_costs_nothing() {
    let world = World::new().await;
    let worker = world.worker().await;
    for fault in [Fault::OptedOut, Fault::InvalidNumber, Fault::RateLimited] {
        let (_, phone, _) = world.job(&worker).await;
        world.meet(&phone, &[fault]);
        worker.next("messages").await.expect("a run");
        let books = world.balance().await;
        assert_eq!((books.available, books.held, books.spent), (CREDITS, 0, 0), "{fault:?}");
    }
    world.run_again(&worker).await;
    assert_eq!(world.balance().await.spent, 1, "the one that was only turned away is paid when it leaves");
}

#[tokio::test]
async fn an_unknown_outcome_keeps_its_credits_until_somebody_knows() {
    let world = World::new().await;
    let worker = world.worker().await;
    let mut messages = Vec::new();
    for fault in [Fault::ErrorAfter, Fault::ErrorBefore, Fault::ErrorBefore, Fault::ErrorBefore] {
        let (message, phone, _) = world.job(&worker).await;
        world.meet(&phone, &[fault]);
        worker.next("messages").await.expect("a run");
        messages.push(message);
    }
    assert_eq!(world.balance().await.held, 4);
    for _ in 0..4 {
        world.run_again(&worker).await;
    }
    // The first was found, and is paid.
    let books = world.balance().await;
    assert_eq!((books.held, books.spent), (3, 1));
    let operator = world.db.pool("operator");
    let findings = [(messages[1], Finding::Sent), (messages[2], Finding::NotSent), (messages[3], Finding::GivenUp)];
    for (message, finding) in findings {
        let mut tx = longshore::workers::db::begin_by(&operator, world.team, "operator ann").await.expect("a transaction");
        assert!(
            unknown::resolve(&mut tx, world.team, message, finding, None).await.expect("an answer").is_some_and(|one| one.done)
        );
        tx.commit().await.expect("a commit");
    }
    let books = world.balance().await;
    // Sent is paid, not sent is free, and what nobody will ever know stays reserved until its time is over.
    assert_eq!((books.held, books.spent, books.available), (1, 2, CREDITS - 3));
    world.sandbox.twilio.misbehave(Default::default());
    world.run_again(&worker).await;
    assert_eq!(world.balance().await.spent, 3, "what was not sent was sent, and paid");
    assert!(parked(&world.db.admin).await.is_empty());
    let mut scheduler = world.db.pool("scheduler").acquire().await.expect("a connection");
    world.order("update longshore.credit_holds set expires_at = now() where state in ('held', 'unknown')").await;
    longshore::workers::credits::settle_expired(&mut scheduler, 100).await.expect("a round");
    let books = world.balance().await;
    assert_eq!((books.held, books.spent), (0, 4));
}
