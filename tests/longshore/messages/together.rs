//! Messages of a team that come before the gates at the same moment: one transaction for all of them, and each is decided about
//! as if it were alone.

use std::sync::Arc;

use futures_util::future::join_all;
use longshore::{
    queue::settle::Verdict,
    workers::{db, messages::send_sms::SendSms},
};

use super::world::{CREDITS, World};
use crate::support::Stepper;

/// Runs all that is ready at once, in one process.
async fn all_at_once(worker: &Stepper, jobs: i32) -> Vec<Verdict> {
    let claimed = worker.claim("messages", jobs).await;
    join_all(claimed.into_iter().map(|job| async move {
        let verdict = worker.run(job.clone()).await;
        worker.settle(&job, verdict.clone()).await;
        verdict
    }))
    .await
}

async fn transactions(world: &World) -> i64 {
    let count = "select count(distinct xmin::text) from longshore.message_decisions where verdict = 'send'";
    sqlx::query_scalar(count).fetch_one(&world.db.admin).await.expect("a count")
}

#[tokio::test]
async fn what_comes_together_leaves_together_once_each_and_the_books_balance() {
    let world = World::new().await;
    let worker = world.worker().await;
    let mut messages = Vec::new();
    for _ in 0..30 {
        messages.push(world.job(&worker).await);
    }
    let verdicts = all_at_once(&worker, 30).await;
    assert_eq!(verdicts, vec![Verdict::Nothing; 30]);
    for (message, phone, _) in &messages {
        assert_eq!((world.state(*message).await.as_str(), world.taken(phone)), ("accepted", 1));
        assert_eq!(world.decisions(*message).await, ["send all_open"]);
    }
    let balance = world.balance().await;
    assert_eq!((balance.available, balance.held), (CREDITS - 30, 0));
    let transactions = transactions(&world).await;
    assert!(transactions <= 3, "{transactions} transactions for 30 messages");
}

#[tokio::test]
async fn a_lost_lease_and_a_closed_gate_are_their_own_and_stop_nobody_beside_them() {
    let world = World::new().await;
    let worker = world.worker().await;
    let mut messages = Vec::new();
    for _ in 0..6 {
        messages.push(world.job(&worker).await);
    }
    let claimed = worker.claim("messages", 6).await;
    let lost = claimed[0].claim.job;
    // The first job's lease is another's by now, and the second's number said stop.
    world.order(format!("update queue.leases set open = array_remove(open, {0}) where {0} = any (open)", lost.0)).await;
    let stopped = messages.iter().find(|(_, _, job)| *job != lost).expect("another").clone();
    world
        .order(format!(
            "insert into longshore.suppressions (team_id, phone, reason, source) values ('{}', '{}', 'OPT_OUT', 'sms')",
            world.team, stopped.1
        ))
        .await;
    let verdicts = join_all(claimed.into_iter().map(|job| {
        let worker = &worker;
        async move { (job.claim.job, worker.run(job).await) }
    }))
    .await;
    assert!(verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Nothing), "{verdicts:?}");
    for (message, phone, job) in &messages {
        let (state, taken) = match *job {
            job if job == lost => ("planned", 0),
            job if job == stopped.2 => ("suppressed", 0),
            _ => ("accepted", 1),
        };
        assert_eq!((world.state(*message).await.as_str(), world.taken(phone)), (state, taken), "{job}");
    }
    assert_eq!(world.balance().await.available, CREDITS - 4);
}

#[tokio::test]
async fn several_to_one_person_see_each_other_though_they_come_together() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (lead, phone) = world.lead().await;
    let mut messages = Vec::new();
    for _ in 0..6 {
        let campaign = world.campaign().await;
        world.enroll(campaign, lead).await;
        let message_id = world.plan(campaign, lead, &phone).await;
        worker.enqueue(world.team, &SendSms { message_id }).await;
        messages.push(message_id);
    }
    let verdicts = all_at_once(&worker, 6).await;
    assert_eq!(world.taken(&phone), 3, "three texts a day are the most: {verdicts:?}");
    assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Snooze { .. })).count(), 3, "{verdicts:?}");
}

#[tokio::test]
async fn two_jobs_of_one_message_send_it_once() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message_id, phone, _) = world.job(&worker).await;
    worker.enqueue(world.team, &SendSms { message_id }).await;
    all_at_once(&worker, 2).await;
    world.run_again(&worker).await;
    assert_eq!((world.taken(&phone), world.state(message_id).await.as_str()), (1, "accepted"));
}

#[tokio::test]
async fn a_mark_for_a_run_that_is_gone_is_taken_back_and_the_message_is_sent_later() {
    let world = World::new().await;
    let worker = Arc::new(world.worker().await);
    let (message, phone, _) = world.job(&worker).await;
    let job = worker.claim("messages", 1).await.pop().expect("the job");
    // Its gates wait for somebody who has the number's line in hand.
    let mut holder = db::begin(&world.db.admin).await.expect("a transaction");
    sqlx::query("select from longshore.sender_standing for update").execute(&mut *holder).await.expect("the line");
    let run = tokio::spawn({
        let (worker, job) = (worker.clone(), job.clone());
        async move { worker.run(job).await }
    });
    world
        .until("the gates wait", async || {
            let waits =
                "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')";
            sqlx::query_scalar(waits).fetch_one(&world.db.admin).await.expect("an answer")
        })
        .await;
    run.abort();
    holder.rollback().await.expect("the line is free");
    world
        .until("the mark is taken back", async || world.reason(message).await.as_deref() == Some("cut_off_before_the_call"))
        .await;
    assert_eq!((world.state(message).await.as_str(), world.taken(&phone)), ("planned", 0));
    assert_eq!(world.balance().await.available, CREDITS);
    assert_eq!(worker.run(job).await, Verdict::Nothing);
    assert_eq!((world.state(message).await.as_str(), world.taken(&phone)), ("accepted", 1));
}

#[tokio::test]
async fn a_lead_that_somebody_has_in_hand_holds_up_its_own_message_only() {
    let world = World::new().await;
    let worker = Arc::new(world.worker().await);
    let mut messages = Vec::new();
    for _ in 0..5 {
        messages.push(world.job(&worker).await);
    }
    let held = messages[2].clone();
    let mut holder = db::begin(&world.db.admin).await.expect("a transaction");
    let hold = "select from longshore.leads where lead_id = $1 for update";
    sqlx::query(hold).bind(world.lead_of(held.0).await).execute(&mut *holder).await.expect("the lead");
    let runs = tokio::spawn({
        let worker = worker.clone();
        async move { all_at_once(&worker, 5).await }
    });
    for (message, ..) in messages.iter().filter(|one| one.0 != held.0) {
        world.until("the others leave", async || world.state(*message).await == "accepted").await;
    }
    assert_eq!((world.state(held.0).await.as_str(), world.taken(&held.1)), ("planned", 0));
    holder.rollback().await.expect("the lead is free");
    assert_eq!(runs.await.expect("the runs"), vec![Verdict::Nothing; 5]);
    assert_eq!((world.state(held.0).await.as_str(), world.taken(&held.1)), ("accepted", 1));
}
