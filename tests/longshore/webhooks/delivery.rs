//! How an event gets to its receiver, and what becomes of one that does not.

use std::time::Duration;

use longshore::{
    queue::settle::Verdict,
    workers::{
        job::Job as _,
        vendors::receiver::{Receivers, Rules, SystemResolver},
        webhooks::{deliver_webhook::DeliverWebhook, deliveries::ReplayError, endpoints::Wanted},
    },
};
use serde_json::{Value, json};

use super::world::{Receiver, Say, World};
use crate::support::{kinds::Scripted, services};

fn is_retry(verdict: &Verdict, words: &str) -> bool {
    matches!(verdict, Verdict::Retry { error, .. } if error.contains(words))
}

#[tokio::test]
async fn every_try_has_the_same_id_and_the_last_one_leaves_a_dead_letter_that_can_be_replayed() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    let tries = usize::try_from(DeliverWebhook::RETRY.attempts).expect("a number");
    receiver.will(vec![Say::Status(500); tries]);
    for attempt in 1..tries {
        let verdicts = world.deliver_later().await;
        assert!(verdicts.len() == 1 && is_retry(&verdicts[0], "answered 500"), "{attempt}: {verdicts:?}");
        assert_eq!((world.delivery(id).await.state.as_str(), world.delivery(id).await.status), ("waiting", Some(500)));
    }
    assert!(matches!(world.deliver_later().await.as_slice(), [Verdict::Dead { .. }]));
    assert!(world.deliver_later().await.is_empty());
    let failed = world.delivery(id).await;
    assert_eq!((failed.state.as_str(), failed.attempts), ("failed", i32::from(DeliverWebhook::RETRY.attempts)));
    assert!(world.find(id).await.expect("the endpoint").failing_since.is_some());

    let replayed = world.replay(id, failed.id).await.expect("a replay");
    assert_eq!(world.delivery(id).await.state, "waiting");
    assert_eq!(
        world.ask::<i64>("select replayed_as from queue.dead").await,
        replayed.0,
        "the dead letter is the one that is replayed"
    );
    world.deliver().await;
    let delivered = world.delivery(id).await;
    assert_eq!((delivered.state.as_str(), delivered.status, delivered.job), ("delivered", Some(200), replayed));
    assert!(world.find(id).await.expect("the endpoint").failing_since.is_none());
    let got = receiver.got();
    assert_eq!(got.len(), tries + 1);
    assert!(got.iter().all(|one| one.id() == failed.event_id && one.body == got[0].body), "one event");
}

#[tokio::test]
async fn the_tries_take_about_a_day() {
    let policy = DeliverWebhook::RETRY;
    let ceiling: Duration = (0..policy.attempts - 1)
        .map(|n| (policy.first_delay * 2u32.pow(n.try_into().expect("small"))).min(policy.max_delay))
        .sum();
    // Each waits between half of its ceiling and all of it.
    let (least, most) = (ceiling.as_secs() / 2 / 3600, ceiling.as_secs() / 3600);
    assert!(least >= 12 && most <= 36, "{least} to {most} hours");
}

#[tokio::test]
async fn what_was_delivered_can_be_sent_again_and_what_waits_can_not() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    let delivery = world.delivery(id).await.id;
    assert!(matches!(world.replay(id, delivery).await, Err(ReplayError::Waiting)));
    world.deliver().await;
    world.replay(id, delivery).await.expect("a replay");
    world.deliver().await;
    let got = receiver.got();
    assert_eq!((got.len(), got[0].id() == got[1].id()), (2, true));
    world.update(id, Wanted { enabled: Some(false), ..Wanted::default() }).await;
    assert!(matches!(world.replay(id, delivery).await, Err(ReplayError::Disabled)));
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_leads_nowhere() {
    let (world, receiver, elsewhere) = (World::new().await, Receiver::open().await, Receiver::open().await);
    world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    receiver.will([Say::With(302, "location", elsewhere.url()), Say::With(308, "location", "http://169.254.169.254/".into())]);
    for _ in 0..2 {
        assert!(is_retry(&world.deliver_later().await[0], "redirects are not followed"));
    }
    assert!(elsewhere.got().is_empty());
}

#[tokio::test]
async fn a_receiver_that_says_gone_is_left_alone_from_then_on() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    world.one_done().await;
    receiver.will([Say::Status(410)]);
    let verdicts = world.deliver().await;
    assert_eq!(verdicts.len(), 2, "{verdicts:?}");
    assert_eq!(receiver.got().len(), 1, "the second was not tried");
    let states: Vec<_> = world.deliveries(id).await.into_iter().map(|one| (one.state, one.problem.unwrap_or_default())).collect();
    assert!(states.iter().all(|(state, problem)| state == "skipped" && problem.contains("410")), "{states:?}");
    let endpoint = world.find(id).await.expect("the endpoint");
    assert_eq!(endpoint.disabled_reason.as_deref(), Some("the receiver answered 410 Gone"));
    let entry: Value = world.ask("select to_jsonb(l) from longshore.audit_log l where action = 'webhook.disable'").await;
    assert_eq!((&entry["target"], &entry["reason"]), (&json!(id.to_string()), &json!("the receiver answered 410 Gone")));
    assert_eq!(world.ask::<i64>("select count(*) from queue.dead").await, 0);
}

#[tokio::test]
async fn a_receiver_gets_the_time_it_asks_for_within_bounds() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    world.tell("update queue.jobs set created_at = '2026-11-17T17:59:00Z'").await;
    for (status, asked, given) in
        [(429, "30", 30), (503, "86400", 3600), (503, "Tue, 17 Nov 2026 18:05:00 GMT", 300), (429, "0", 1)]
    {
        receiver.will([Say::With(status, "retry-after", asked.into())]);
        let verdicts = world.deliver_later().await;
        assert!(
            matches!(&verdicts[0], Verdict::Snooze { delay, .. } if *delay == Duration::from_secs(given)),
            "{asked}: {verdicts:?}"
        );
    }
    assert!(world.find(id).await.expect("the endpoint").failing_since.is_none(), "it is well");
    // A day later that counts as failing, attempt by attempt.
    world.tell("update queue.jobs set created_at = '2026-11-16T17:59:00Z'").await;
    receiver.will([Say::With(429, "retry-after", "30".into())]);
    assert!(is_retry(&world.deliver_later().await[0], "asked for time"));
    receiver.will([Say::Status(429)]);
    assert!(is_retry(&world.deliver_later().await[0], "answered 429"), "it did not say for how long");
}

#[tokio::test]
async fn an_answer_behind_the_deadline_counts_for_nothing() {
    let impatient = Rules { timeout_milliseconds: 300, ..services::local() };
    let world = World::with(|services| services.receivers = Receivers::new(impatient, std::sync::Arc::new(SystemResolver))).await;
    let receiver = Receiver::open().await;
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    receiver.will([Say::Late(Duration::from_secs(3), 200)]);
    assert!(is_retry(&world.deliver().await[0], "no answer within 300ms"));
    let delivery = world.delivery(id).await;
    assert_eq!((delivery.state.as_str(), delivery.status), ("waiting", None));
    assert!(matches!(world.deliver_later().await.as_slice(), [Verdict::Nothing]));
    assert_eq!((world.delivery(id).await.state.as_str(), receiver.got().len()), ("delivered", 2));
}

#[tokio::test]
async fn what_a_receiver_answers_is_neither_kept_nor_waited_for() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    receiver.will([Say::Long(200, 10 << 20)]);
    assert!(matches!(world.deliver().await.as_slice(), [Verdict::Nothing]));
    assert_eq!(world.delivery(id).await.state, "delivered");
    let outputs: String = world.ask("select coalesce(string_agg(output::text, ''), '') from queue.outputs").await;
    assert!(!outputs.contains("xxx"), "{outputs}");
}

#[tokio::test]
async fn an_endpoint_that_fails_for_days_is_disabled_and_says_why() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    receiver.will([Say::Status(500), Say::Status(500), Say::Status(500)]);
    world.deliver().await;
    world.tell("update longshore.webhook_endpoints set failing_since = now() - interval '4 days 23 hours'").await;
    world.deliver_later().await;
    assert!(world.find(id).await.expect("the endpoint").disabled_at.is_none(), "not yet");
    world.tell("update longshore.webhook_endpoints set failing_since = now() - interval '5 days 1 minute'").await;
    world.deliver_later().await;
    let endpoint = world.find(id).await.expect("the endpoint");
    assert_eq!(endpoint.disabled_reason.as_deref(), Some("nothing was taken for 5 days; at last: the receiver answered 500"));
    assert_eq!(world.ask::<i64>("select count(*) from longshore.audit_log where action = 'webhook.disable'").await, 1);
    world.deliver_later().await;
    assert_eq!((world.delivery(id).await.state.as_str(), receiver.got().len()), ("skipped", 3));

    let again = world.update(id, Wanted { enabled: Some(true), ..Wanted::default() }).await;
    assert!(again.failing_since.is_none() && again.disabled_at.is_none());
    world.replay(id, world.delivery(id).await.id).await.expect("a replay");
    world.deliver().await;
    assert_eq!(world.delivery(id).await.state, "delivered");
}

#[tokio::test]
async fn an_endpoint_that_hangs_leaves_room_for_the_others() {
    let (world, slow, quick) = (World::new().await, Receiver::open().await, Receiver::open().await);
    world.endpoint(&slow.url(), &["job.done"]).await;
    for _ in 0..10 {
        world.one_done().await;
    }
    world.endpoint(&quick.url(), &["job.dead"]).await;
    world.worker.enqueue(world.team, &Scripted::new("die")).await;
    world.worker.drain(Scripted::QUEUE).await;
    // Of sixteen slots the slow one has four, and its four are not settled while the quick one is served.
    let claimed = world.worker.claim("webhooks", 16).await;
    assert_eq!(claimed.len(), 5, "{claimed:?}");
    let last = claimed.into_iter().next_back().expect("the newest");
    let verdict = world.worker.run(last).await;
    assert!(verdict == Verdict::Nothing && quick.events() == ["job.dead"] && slow.got().is_empty(), "{verdict:?}");
    assert!(world.worker.claim("webhooks", 11).await.is_empty(), "the rest of the slow one's is out of the way");
}

#[tokio::test]
async fn what_waits_for_a_deleted_endpoint_ends_with_the_reason_and_is_not_sent() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    receiver.will([Say::Status(500)]);
    world.deliver().await;
    world.one_done().await;
    world.delete(id).await;
    // One waited for its next try, one was ready: neither waits any longer.
    assert_eq!(world.deliver().await.len(), 2);
    assert_eq!(receiver.got().len(), 1, "the try before it was deleted");
    let states = "select string_agg(state || ': ' || problem, '; ') from longshore.webhook_deliveries";
    let gone = "skipped: the endpoint was deleted";
    assert_eq!(world.ask::<String>(states).await, format!("{gone}; {gone}"));
    let outputs: Vec<Value> =
        sqlx::query_scalar("select output from queue.outputs").fetch_all(&world.db.admin).await.expect("outputs");
    assert!(outputs.len() == 2 && outputs.iter().all(|one| one["reason"] == "the endpoint was deleted"), "{outputs:?}");
    assert_eq!(world.ask::<i64>("select count(*) from longshore.webhook_secrets").await, 0);
}

#[tokio::test]
async fn a_test_event_is_tried_once_and_its_outcome_shown() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.dead"]).await;
    receiver.will([Say::Status(500)]);
    world.test(id).await.expect("a delivery");
    world.deliver().await;
    assert!(world.deliver_later().await.is_empty(), "once");
    let first = world.delivery(id).await;
    assert_eq!((first.event.as_str(), first.state.as_str(), first.status), ("webhook.test", "failed", Some(500)));
    assert!(world.find(id).await.expect("the endpoint").failing_since.is_none());
    world.test(id).await.expect("a delivery");
    world.deliver().await;
    assert_eq!(world.deliveries(id).await[1].state, "delivered");
    assert_eq!(receiver.events(), ["webhook.test", "webhook.test"]);
    world.update(id, Wanted { enabled: Some(false), ..Wanted::default() }).await;
    assert_eq!(world.test(id).await, None);
}

#[tokio::test]
async fn nobody_who_may_enqueue_has_something_signed_that_did_not_happen() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    world.endpoint(&receiver.url(), &["job.done"]).await;
    let other = world.db.team("umbrella").await;
    world.one_done().await;
    let delivery_id = world.ask("select delivery_id from longshore.webhook_deliveries").await;
    world.worker.enqueue(other, &DeliverWebhook { delivery_id }).await;
    world.worker.enqueue(world.team, &DeliverWebhook { delivery_id: 999_999 }).await;
    world.deliver().await;
    assert_eq!(receiver.got().len(), 1, "the one that did");
    world.worker.enqueue(world.team, &DeliverWebhook { delivery_id }).await;
    world.deliver().await;
    assert_eq!(receiver.got().len(), 1, "and not again without being asked for by who may");
}

#[tokio::test]
async fn only_a_deliverys_own_job_calls_the_receiver_however_many_are_enqueued() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    let delivery = world.delivery(id).await;
    let strange = DeliverWebhook { delivery_id: delivery.id.0 };
    for _ in 0..20 {
        world.worker.enqueue(world.team, &strange).await;
    }
    receiver.will([Say::Status(500)]);
    world.deliver().await;
    assert_eq!(receiver.got().len(), 1, "once, by its own job");
    let stands = world.delivery(id).await;
    assert_eq!((stands.state.as_str(), stands.job, stands.attempts), ("waiting", delivery.job, 1), "the others changed nothing");
    world.worker.enqueue(world.team, &strange).await;
    world.deliver_later().await;
    assert_eq!((receiver.got().len(), world.delivery(id).await.state.as_str()), (2, "delivered"));
}

#[tokio::test]
async fn deliveries_are_forgotten_in_time() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    world.deliver().await;
    world.one_done().await;
    world.tell("update longshore.webhook_deliveries set ended_at = now() - interval '91 days' where ended_at is not null").await;
    assert_eq!(world.ask::<i32>("select queue.forget_settled(90)").await, 1);
    assert_eq!(world.delivery(id).await.state, "waiting", "what has not ended stays");
}
