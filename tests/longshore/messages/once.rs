//! One text a send key, whatever dies, hangs or gets lost.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use longshore::{
    dev::sandbox::twilio::{Fault, Faults},
    queue::settle::Verdict,
    workers::messages::send_sms::SendSms,
};
use tokio::sync::Notify;

use super::world::{Deadly, Dies, World, parked, run_until_death};

#[tokio::test]
async fn a_send_key_gives_one_message_and_one_text_however_often_it_is_planned_and_run() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (campaign, (lead, phone)) = (world.campaign().await, world.lead().await);
    world.enroll(campaign, lead).await;
    let message_id = world.plan(campaign, lead, &phone).await;
    assert_eq!(world.plan(campaign, lead, &phone).await, message_id);
    for _ in 0..5 {
        worker.enqueue(world.team, &SendSms { message_id }).await;
    }
    // All at once, as five workers would.
    let jobs = worker.claim("messages", 10).await;
    assert_eq!(jobs.len(), 5);
    let verdicts = futures_util::future::join_all(jobs.iter().map(|job| worker.run(job.clone()))).await;
    for (job, verdict) in jobs.iter().zip(verdicts) {
        worker.settle(job, verdict).await;
    }
    world.run_again(&worker).await;
    assert_eq!(world.state(message_id).await, "accepted");
    assert_eq!(world.taken(&phone), 1);
    assert_eq!(world.decisions(message_id).await, ["send all_open"]);
}

/// Lets a worker die with a message in its hands, and another one find it.
async fn died(dies: Dies) -> (World, i64, String, Vec<Verdict>) {
    let world = World::new().await;
    let reached = Arc::new(Notify::new());
    let deadly = Deadly { gateway: world.twilio(""), dies, reached: reached.clone() };
    let first = world.worker_with(world.services_with(Arc::new(deadly))).await;
    let (message, phone, _) = world.job(&first).await;
    let job = first.claim("messages", 1).await.pop().expect("a job");
    run_until_death(&first, job, &reached).await;
    assert_eq!(world.state(message).await, "dispatching");
    first.die(&world.db).await;

    let second = world.worker().await;
    second.reap().await;
    let mut verdicts: Vec<_> = second.drain("messages").await.into_iter().map(|(_, verdict)| verdict).collect();
    for _ in 0..5 {
        verdicts.extend(world.run_again(&second).await);
    }
    (world, message, phone, verdicts)
}

#[tokio::test]
async fn a_worker_that_dies_before_the_call_leaves_a_message_that_is_looked_for_and_never_sent() {
    let (world, message, phone, verdicts) = died(Dies::BeforeTheCall).await;
    assert_eq!(world.taken(&phone), 0);
    assert_eq!(world.sandbox.twilio.calls(), 0, "somebody sent what may have been sent");
    assert_eq!(world.state(message).await, "unknown");
    let words: Vec<_> = verdicts.iter().map(Verdict::name).collect();
    assert_eq!(words, ["unknown", "unknown", "parked"]);
    let waiting = parked(&world.db.admin).await;
    assert!(waiting[0].starts_with(&format!("unknown_outcome message {message}:")), "{waiting:?}");
}

#[tokio::test]
async fn a_worker_that_dies_after_the_vendor_accepted_leaves_a_message_that_is_found() {
    let (world, message, phone, verdicts) = died(Dies::AfterTheVendorAccepted).await;
    assert_eq!(world.taken(&phone), 1);
    assert_eq!(world.state(message).await, "accepted");
    assert_eq!(verdicts, [Verdict::Nothing]);
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_vendor_accepted_is_found_and_not_sent_again() {
    let world = World::new().await;
    let worker = world.worker().await;
    for fault in [Fault::ErrorAfter, Fault::HangAfter, Fault::ResetAfter] {
        let (message, phone, _) = world.job(&worker).await;
        world.meet(&phone, &[fault]);
        let (_, verdict) = worker.next("messages").await.expect("a run");
        assert_eq!(verdict.name(), "unknown", "{fault:?}");
        assert_eq!(world.state(message).await, "unknown", "{fault:?}");
        world.run_again(&worker).await;
        assert_eq!(world.state(message).await, "accepted", "{fault:?}");
        assert_eq!(world.taken(&phone), 1, "{fault:?}");
    }
    assert_eq!(world.sandbox.twilio.second_sends(), 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_before_the_vendor_accepted_ends_with_a_person() {
    let world = World::new().await;
    let worker = world.worker().await;
    for fault in [Fault::ErrorBefore, Fault::ResetBefore] {
        let (message, phone, _) = world.job(&worker).await;
        world.meet(&phone, &[fault]);
        for _ in 0..6 {
            world.run_again(&worker).await;
        }
        assert_eq!(world.state(message).await, "unknown", "{fault:?}");
        assert_eq!(world.taken(&phone), 0, "{fault:?}");
    }
    assert_eq!(world.sandbox.twilio.calls(), 2, "one call each");
    assert_eq!(parked(&world.db.admin).await.len(), 2);
}

#[tokio::test]
async fn a_message_that_is_listed_late_is_found_at_a_later_look() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, phone, _) = world.job(&worker).await;
    world.meet(&phone, &[Fault::ErrorAfter]);
    worker.next("messages").await.expect("a run");
    world.sandbox.twilio.misbehave(Faults { list_lag_milliseconds: 3_600_000, ..Faults::default() });
    let (_, verdict) = world.next(&worker).await;
    assert_eq!(verdict.name(), "unknown");
    assert_eq!(world.state(message).await, "unknown");
    world.sandbox.twilio.misbehave(Faults::default());
    let (_, verdict) = world.next(&worker).await;
    assert_eq!(verdict, Verdict::Nothing);
    assert_eq!(world.state(message).await, "accepted");
}

#[tokio::test]
async fn the_same_words_to_the_same_person_are_not_taken_for_the_lost_message() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, phone, _) = world.job(&worker).await;
    worker.next("messages").await.expect("a run");
    assert_eq!(world.state(message).await, "accepted");
    // Another campaign says the same to the same lead, and the vendor never gets it.
    let lead = world.lead_of(message).await;
    let other = world.campaign().await;
    world.enroll(other, lead).await;
    let twin = world.plan(other, lead, &phone).await;
    world.meet(&phone, &[Fault::ErrorBefore, Fault::ErrorBefore]);
    worker.enqueue(world.team, &SendSms { message_id: twin }).await;
    for _ in 0..5 {
        world.run_again(&worker).await;
    }
    assert_eq!(world.state(twin).await, "unknown");
}

#[tokio::test]
async fn a_rate_limit_is_waited_out_as_long_as_the_vendor_asked() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, phone, _) = world.job(&worker).await;
    world.meet(&phone, &[Fault::RateLimited]);
    let (_, verdict) = worker.next("messages").await.expect("a run");
    let Verdict::Snooze { delay, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(delay, Duration::from_secs(7));
    assert_eq!(world.state(message).await, "planned");
    world.run_again(&worker).await;
    assert_eq!(world.state(message).await, "accepted");
    assert_eq!(world.taken(&phone), 1);
}

#[tokio::test]
async fn a_vendor_that_cannot_be_reached_leaves_the_message_as_it_was() {
    let world = World::new().await;
    let mut config = world.sandbox.twilio_config("");
    // Nobody listens there: the port was free a moment ago.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    config.base_url = format!("http://{free}");
    let nowhere = longshore::workers::vendors::twilio::Twilio::new(&config).expect("a client");
    let cut_off = world.worker_with(world.services_with(Arc::new(nowhere))).await;
    let (message, _, _) = world.job(&cut_off).await;
    let (_, verdict) = cut_off.next("messages").await.expect("a run");
    assert_eq!(verdict.name(), "retry");
    assert_eq!(world.state(message).await, "planned");
    world.run_again(&world.worker().await).await;
    assert_eq!(world.state(message).await, "accepted");
}

#[tokio::test]
async fn a_wrong_token_parks_the_job_for_a_person() {
    let world = World::new().await;
    let mut config = world.sandbox.twilio_config("");
    config.auth_token = "wrong".to_owned().into();
    let refused = longshore::workers::vendors::twilio::Twilio::new(&config).expect("a client");
    let worker = world.worker_with(world.services_with(Arc::new(refused))).await;
    let (message, _, _) = world.job(&worker).await;
    let (_, verdict) = worker.next("messages").await.expect("a run");
    assert!(matches!(&verdict, Verdict::Park { reason } if reason.starts_with("vendor_config")), "{verdict:?}");
    assert_eq!(world.state(message).await, "planned");
}

#[tokio::test]
async fn with_everything_failing_no_text_leaves_twice_and_every_accepted_one_is_known() {
    let world = World::new().await;
    let mut services = world.services();
    services.rules.messages.dispatch_milliseconds = 700;
    let worker = world.worker_with(services).await;
    let all = [
        Fault::RateLimited,
        Fault::ErrorBefore,
        Fault::ErrorAfter,
        Fault::HangAfter,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::OptedOut,
        Fault::InvalidNumber,
    ];
    let rates: BTreeMap<_, _> = all.map(|fault| (fault, 0.08)).into();
    world.sandbox.twilio.misbehave(Faults { seed: 7, rates, retry_after_seconds: 0, ..Faults::default() });
    let mut messages = Vec::new();
    for _ in 0..120 {
        messages.push(world.job(&worker).await);
    }
    for _ in 0..8 {
        world.run_again(&worker).await;
    }
    assert_eq!(world.sandbox.twilio.second_sends(), 0);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (message, phone, _) in &messages {
        let state = world.state(*message).await;
        let expected = if state == "accepted" { 1 } else { 0 };
        assert_eq!(world.taken(phone), expected, "message {message} is {state}");
        *seen.entry(state).or_default() += 1;
    }
    for state in ["accepted", "unknown", "suppressed", "failed"] {
        assert!(seen.contains_key(state), "the faults gave no {state}: {seen:?}");
    }
    assert_eq!(seen.values().sum::<usize>(), 120);
    assert!(!seen.contains_key("planned") && !seen.contains_key("dispatching"), "{seen:?}");
}
