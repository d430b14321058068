//! Behind an opt-out, nothing more.

use longshore::{
    dev::sandbox::twilio::Fault,
    workers::{
        clock::{Random as _, SeededRandom},
        db,
        messages::{
            opt_out::{Reason, suppress},
            send_sms::SendSms,
        },
    },
};

use super::{gates::waiting, world::World};

async fn opt_out(world: &World, phone: &str) {
    let mut tx = db::begin_as(&world.as_api, world.team).await.expect("a transaction");
    suppress(&mut tx, world.team, phone, Reason::OptOut, "test").await.expect("an opt-out");
    tx.commit().await.expect("a commit");
}

#[tokio::test]
async fn an_opt_out_stops_the_lead_its_sequences_and_what_was_planned() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, phone, _) = world.job(&worker).await;
    let running = "update longshore.enrollments set state = 'running', next_step = 2, next_due_at = now()";
    sqlx::query(running).execute(&world.db.admin).await.expect("an update");
    opt_out(&world, &phone).await;
    assert_eq!(world.state(message).await, "suppressed");
    let (enrollment, stopped): (String, bool) = sqlx::query_as(
        "select e.state, l.stopped_at is not null from longshore.enrollments e join longshore.leads l using (team_id, lead_id)",
    )
    .fetch_one(&world.db.admin)
    .await
    .expect("a lead");
    assert_eq!((enrollment.as_str(), stopped), ("stopped", true));
    world.run_again(&worker).await;
    // A message that is planned behind the opt-out meets the gate.
    let (lead, other) = (world.lead_of(message).await, world.campaign().await);
    world.enroll(other, lead).await;
    let late = world.plan(other, lead, &phone).await;
    worker.enqueue(world.team, &SendSms { message_id: late }).await;
    world.run_again(&worker).await;
    assert_eq!(world.decisions(late).await, ["suppress suppressed_opt_out"]);
    assert_eq!(world.taken(&phone), 0);
}

#[tokio::test]
async fn an_opt_out_that_is_being_committed_holds_the_send_until_it_is() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, phone, _) = world.job(&worker).await;
    let mut tx = db::begin_as(&world.as_api, world.team).await.expect("a transaction");
    suppress(&mut tx, world.team, &phone, Reason::OptOut, "test").await.expect("an opt-out");
    let committing = async {
        world.until("the send to wait for the opt-out", async || waiting(&world).await).await;
        tx.commit().await.expect("a commit");
    };
    tokio::join!(worker.next("messages"), committing);
    assert_eq!(world.state(message).await, "suppressed");
    assert_eq!(world.taken(&phone), 0);
}

#[tokio::test]
async fn a_message_that_is_planned_while_an_opt_out_is_being_committed_waits_for_it_too() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (campaign, (lead, phone)) = (world.campaign().await, world.lead().await);
    world.enroll(campaign, lead).await;
    let mut tx = db::begin_as(&world.as_api, world.team).await.expect("a transaction");
    let stopped = suppress(&mut tx, world.team, &phone, Reason::OptOut, "test").await.expect("an opt-out");
    assert_eq!(stopped.messages, 0);
    // Too late for the opt-out to see it: only the lead's row can hold it.
    let message_id = world.plan(campaign, lead, &phone).await;
    worker.enqueue(world.team, &SendSms { message_id }).await;
    let committing = async {
        world.until("the send to wait for the opt-out", async || waiting(&world).await).await;
        tx.commit().await.expect("a commit");
    };
    tokio::join!(worker.next("messages"), committing);
    assert_eq!(world.decisions(message_id).await, ["suppress suppressed_opt_out"]);
    assert_eq!(world.taken(&phone), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behind_an_opt_out_that_was_answered_no_message_is_marked_however_they_race() {
    let world = World::new().await;
    let worker = world.worker().await;
    let random = SeededRandom::new(42);
    // How long a send takes here: the opt-outs come anywhere within it.
    let started = std::time::Instant::now();
    for _ in 0..5 {
        world.job(&worker).await;
        worker.next("messages").await.expect("a run");
    }
    let one_send = started.elapsed() / 5;
    let (mut before, mut behind) = (0, 0);
    for round in 0..100 {
        let (message, phone, _) = world.job(&worker).await;
        let job = worker.claim("messages", 1).await.pop().expect("a job");
        let head_start = one_send.mul_f64(random.unit());
        let sends_first = random.unit() < 0.8;
        let sending = async {
            if !sends_first {
                tokio::time::sleep(head_start).await;
            }
            let verdict = worker.run(job.clone()).await;
            worker.settle(&job, verdict).await;
        };
        let opting_out = async {
            if sends_first {
                tokio::time::sleep(head_start).await;
            }
            opt_out(&world, &phone).await;
            world.database_now().await
        };
        let ((), answered_at) = tokio::join!(sending, opting_out);
        let attempted_at: Option<chrono::DateTime<chrono::Utc>> =
            sqlx::query_scalar("select attempted_at from longshore.messages where message_id = $1")
                .bind(message)
                .fetch_one(&world.db.admin)
                .await
                .expect("a message");
        match (world.taken(&phone), attempted_at) {
            (0, None) => before += 1,
            (1, Some(attempted_at)) => {
                assert!(attempted_at < answered_at, "round {round}: marked behind the answer to the opt-out");
                behind += 1;
            }
            other => panic!("round {round}: {other:?}"),
        }
        assert!(!worker.drain("messages").await.iter().any(|_| true), "round {round}: something was left to run");
    }
    assert!(before > 5 && behind > 5, "the race was none: {before} stopped, {behind} sent");
}

#[tokio::test]
async fn what_the_vendor_says_of_a_recipient_is_remembered() {
    let world = World::new().await;
    let worker = world.worker().await;
    for (fault, state, reason) in [(Fault::OptedOut, "suppressed", "OPT_OUT"), (Fault::InvalidNumber, "failed", "INVALID_NUMBER")]
    {
        let (message, phone, _) = world.job(&worker).await;
        world.meet(&phone, &[fault]);
        worker.next("messages").await.expect("a run");
        assert_eq!(world.state(message).await, state);
        let listed: Vec<String> = sqlx::query_scalar("select reason from longshore.suppressions where phone = $1")
            .bind(&phone)
            .fetch_all(&world.db.admin)
            .await
            .expect("the list");
        assert_eq!(listed, [reason]);
    }
}
