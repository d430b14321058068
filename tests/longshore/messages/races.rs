//! Opt-outs, pauses, deaths and reports that come while sends are under way: whatever the moment, nothing leaves that must not,
//! and nothing leaves twice.
//!
//! `LONGSHORE_TEST_RACES=10000` races so many opt-outs (a thousand where it is not said).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use longshore::{
    api::twilio::STATUS_PATH,
    queue::{execute::Claimed, settle::Verdict},
    workers::{
        clock::{Random as _, SeededRandom},
        db,
        enrollment::campaigns,
        ids::{CampaignId, TeamId},
        messages::{
            gateway::{Accepted, OutboundSms, Reconciled, SmsGateway},
            opt_out::{Reason, suppress},
            send_sms::SendSms,
        },
        vendors::VendorError,
    },
};

use super::world::{SENDER, World};
use crate::support::{Stepper, services::noon};

/// Sends under way at once.
const AT_ONCE: usize = 8;

/// A vendor that takes everything and says when.
#[derive(Default)]
struct Clocked {
    taken: Mutex<HashMap<i64, Vec<Instant>>>,
    latency: Duration,
}

impl Clocked {
    fn taken(&self, message: i64) -> Vec<Instant> {
        self.taken.lock().expect("the record").get(&message).cloned().unwrap_or_default()
    }

    fn twice(&self) -> usize {
        self.taken.lock().expect("the record").values().map(|times| times.len() - 1).sum()
    }
}

#[async_trait]
impl SmsGateway for Clocked {
    async fn send(&self, sms: &OutboundSms) -> Result<Accepted, VendorError> {
        tokio::time::sleep(self.latency / 2).await;
        self.taken.lock().expect("the record").entry(sms.message_id).or_default().push(Instant::now());
        tokio::time::sleep(self.latency / 2).await;
        Ok(Accepted { vendor_id: format!("SM{}", sms.message_id), segments: 1 })
    }

    async fn find(&self, sms: &OutboundSms, _: DateTime<Utc>) -> Result<Reconciled, VendorError> {
        let accepted = Accepted { vendor_id: format!("SM{}", sms.message_id), segments: 1 };
        Ok(if self.taken(sms.message_id).is_empty() { Reconciled::Absent } else { Reconciled::Found(accepted) })
    }
}

/// One campaign with `n` messages that every gate lets through, by message: their recipients. None has a job yet.
async fn many(world: &World, n: usize) -> (i64, Vec<(i64, String)>) {
    let (team, campaign) = (world.team, world.campaign().await);
    world
        .order(format!(
            "insert into longshore.leads (team_id, phone, state) select '{team}', '+1347' || (2000000 + n), 'NY' from generate_series(1, {n}) n;
             insert into longshore.consents (team_id, phone, level, method, captured_at)
               select team_id, phone, 'express_written', 'web_form', now() from longshore.leads where phone like '+1347%';
             insert into longshore.enrollments (team_id, campaign_id, lead_id, state, run_job)
               select team_id, {campaign}, lead_id, 'completed', 1 from longshore.leads where phone like '+1347%';
             insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body)
               select team_id, {campaign}, lead_id, 1, '{SENDER}', phone, 'Hello' from longshore.leads where phone like '+1347%';
             analyze longshore.leads, longshore.messages, longshore.consents, longshore.enrollments"
        ))
        .await;
    let messages =
        sqlx::query_as("select message_id, recipient from longshore.messages where campaign_id = $1 order by message_id");
    (campaign, messages.bind(campaign).fetch_all(&world.db.admin).await.expect("the messages"))
}

/// Their jobs, claimed.
async fn claimed(world: &World, worker: &Stepper, messages: &[(i64, String)]) -> Vec<(Claimed, i64, String)> {
    let mut by_job = HashMap::new();
    for (message_id, phone) in messages {
        let job = worker.enqueue(world.team, &SendSms { message_id: *message_id }).await;
        by_job.insert(job, (*message_id, phone.clone()));
    }
    let mut all = Vec::new();
    while all.len() < messages.len() {
        let jobs = worker.claim("messages", 200).await;
        assert!(!jobs.is_empty(), "{} of {} could be claimed", all.len(), messages.len());
        for job in jobs {
            let (message, phone) = by_job.remove(&job.claim.job).expect("one of ours");
            all.push((job, message, phone));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_thousands_of_opt_outs_within_fifty_milliseconds_of_a_send_none_is_followed_by_a_text_beyond_the_grace() {
    #[expect(clippy::disallowed_methods, reason = "a test reads the environment it runs in")]
    let races: usize = std::env::var("LONGSHORE_TEST_RACES").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let world = World::new().await;
    let vendor = Arc::new(Clocked::default());
    let mut services = world.services_with(vendor.clone());
    services.rules.messages.dispatch_milliseconds = 10_000;
    let grace = Duration::from_secs(10);
    let worker = world.worker_with(services).await;
    let (_, messages) = many(&world, races).await;
    let random = SeededRandom::new(20_261_121);
    let (mut sent, mut stopped) = (0, 0);
    for part in messages.chunks(200) {
        let jobs = claimed(&world, &worker, part).await;
        let offsets: Vec<f64> = jobs.iter().map(|_| random.unit() * 100.0 - 50.0).collect();
        let raced = stream::iter(jobs.into_iter().zip(offsets)).map(async |((job, message, phone), offset)| {
            let ahead = Duration::from_secs_f64(offset.abs() / 1000.0);
            let sending = async {
                if offset < 0.0 {
                    tokio::time::sleep(ahead).await;
                }
                let verdict = worker.run(job.clone()).await;
                worker.settle(&job, verdict).await;
            };
            let opting_out = async {
                if offset >= 0.0 {
                    tokio::time::sleep(ahead).await;
                }
                let mut tx = db::begin_as(&world.as_api, world.team).await.expect("a transaction");
                suppress(&mut tx, world.team, &phone, Reason::OptOut, "test").await.expect("an opt-out");
                tx.commit().await.expect("a commit");
                (Instant::now(), world.database_now().await)
            };
            let ((), (answered, answered_at)) = tokio::join!(sending, opting_out);
            (message, answered, answered_at)
        });
        let raced: Vec<_> = raced.buffer_unordered(AT_ONCE).collect().await;
        for (message, answered, answered_at) in raced {
            let attempted: Option<DateTime<Utc>> =
                sqlx::query_scalar("select attempted_at from longshore.messages where message_id = $1")
                    .bind(message)
                    .fetch_one(&world.db.admin)
                    .await
                    .expect("a message");
            match (vendor.taken(message).as_slice(), attempted) {
                ([], None) => stopped += 1,
                ([taken], Some(attempted)) => {
                    assert!(attempted < answered_at, "message {message} was marked behind the answer to its opt-out");
                    assert!(taken.saturating_duration_since(answered) < grace, "message {message} left beyond the grace");
                    sent += 1;
                }
                other => panic!("message {message}: {other:?}"),
            }
        }
    }
    assert_eq!((vendor.twice(), sent + stopped), (0, races));
    assert!(sent > 0 && stopped > 0, "the race was none: {stopped} stopped, {sent} sent");
    world.balance().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_processes_that_die_anywhere_between_mark_and_record_send_nothing_twice() {
    let world = World::new().await;
    let vendor = Arc::new(Clocked { latency: Duration::from_millis(4), ..Clocked::default() });
    let (_, messages) = many(&world, 500).await;
    let random = SeededRandom::new(7);
    let mut died = 0;
    for part in messages.chunks(100) {
        let doomed = world.worker_with(world.services_with(vendor.clone())).await;
        let jobs = claimed(&world, &doomed, part).await;
        // How long one takes here, once the first is through, so that deaths fall anywhere within it and some fall behind it.
        let mut jobs = jobs.into_iter();
        let mut one = Duration::MAX;
        for (warm, ..) in jobs.by_ref().take(4) {
            let started = Instant::now();
            let verdict = doomed.run(warm.clone()).await;
            doomed.settle(&warm, verdict).await;
            one = one.min(started.elapsed());
        }
        let lives: Vec<(Claimed, f64)> = jobs.map(|(job, ..)| (job, random.unit())).collect();
        let ended = stream::iter(lives).map(async |(job, share)| {
            tokio::select! {
                // Its record stays unwritten, as that of a process that is gone.
                _ = doomed.run(job) => false,
                () = tokio::time::sleep(one.mul_f64(1.2 * share)) => true,
            }
        });
        let ended: Vec<bool> = ended.buffer_unordered(4).collect().await;
        died += ended.into_iter().filter(|dead| *dead).count();
        doomed.die(&world.db).await;
        let other = world.worker_with(world.services_with(vendor.clone())).await;
        other.reap().await;
        for _ in 0..6 {
            world.run_again(&other).await;
        }
    }
    assert_eq!(vendor.twice(), 0, "a second accept");
    assert!(died > 250, "only {died} died");
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (message, _) in &messages {
        let state = world.state(*message).await;
        let taken = vendor.taken(*message).len();
        assert!(matches!((state.as_str(), taken), ("accepted", 1) | ("unknown", 0)), "message {message}: {state}, {taken}");
        *seen.entry(state).or_default() += 1;
    }
    assert!(seen.len() == 2, "the deaths were all of one sort: {seen:?}");
    let books = world.balance().await;
    let accepted = i64::try_from(seen["accepted"]).expect("a count");
    assert_eq!((books.spent, books.held), (accepted, 500 - accepted), "paid where taken, reserved where nobody knows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behind_a_pause_or_a_stop_that_was_answered_no_send_of_a_thousand_is_marked() {
    for stop in [false, true] {
        let world = World::new().await;
        let vendor = Arc::new(Clocked::default());
        let worker = world.worker_with(world.services_with(vendor.clone())).await;
        let (campaign, messages) = many(&world, 500).await;
        world
            .order(format!(
                "insert into longshore.campaign_steps (team_id, campaign_id, step, delay_minutes, template) values ('{}', {campaign}, 1, 0, 'Hello')",
                world.team
            ))
            .await;
        let jobs = claimed(&world, &worker, &messages).await;
        let done = AtomicUsize::new(0);
        let sending = async {
            let runs = stream::iter(&jobs).map(async |(job, ..)| {
                let verdict = worker.run(job.clone()).await;
                done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                worker.settle(job, verdict).await;
            });
            runs.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        };
        let halting = async {
            // Amid them, wherever that is on this machine.
            world.until("sends to be under way", async || done.load(std::sync::atomic::Ordering::Relaxed) > 100).await;
            let mut tx = db::begin_as(&world.as_api, world.team).await.expect("a transaction");
            let (id, now) = (CampaignId(campaign), noon());
            if stop {
                campaigns::stop(&mut tx, world.team, id, now).await.expect("a stop");
            } else {
                campaigns::pause(&mut tx, world.team, id, now).await.expect("a pause");
            }
            tx.commit().await.expect("a commit");
            world.database_now().await
        };
        let ((), answered_at) = tokio::join!(sending, halting);
        for _ in 0..2 {
            world.run_again(&worker).await;
        }
        let late: i64 = sqlx::query_scalar("select count(*) from longshore.messages where attempted_at >= $1")
            .bind(answered_at)
            .fetch_one(&world.db.admin)
            .await
            .expect("a count");
        assert_eq!((late, vendor.twice()), (0, 0));
        let left: i64 = sqlx::query_scalar("select count(*) from longshore.messages where state = 'accepted'")
            .fetch_one(&world.db.admin)
            .await
            .expect("a count");
        assert!((100..500).contains(&left), "{left} had left");
        let rest = if stop { "suppressed" } else { "planned" };
        let kept: i64 = sqlx::query_scalar("select count(*) from longshore.messages where state = $1")
            .bind(rest)
            .fetch_one(&world.db.admin)
            .await
            .expect("a count");
        assert_eq!(left + kept, 500);
        assert_eq!(world.balance().await.spent, left);
    }
}

/// A vendor whose report is there before its answer.
struct Hasty {
    api: String,
    team: TeamId,
    token: String,
    words: Vec<&'static str>,
}

#[async_trait]
impl SmsGateway for Hasty {
    async fn send(&self, sms: &OutboundSms) -> Result<Accepted, VendorError> {
        let vendor_id = format!("SM{}", sms.message_id);
        for word in &self.words {
            let url = format!("{}{STATUS_PATH}?m={}&t={}", self.api, sms.message_id, self.team);
            let form: Vec<(String, String)> =
                [("MessageSid", vendor_id.as_str()), ("MessageStatus", *word)].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
            let signature = longshore::workers::vendors::twilio::sign(&self.token.clone().into(), &url, &form);
            let deadlines =
                longshore::workers::vendors::http::Deadlines { connect: Duration::from_secs(5), total: Duration::from_secs(30) };
            let client = longshore::workers::vendors::http::client(deadlines).expect("a client");
            let answer = client.post(&url).header("X-Twilio-Signature", signature).form(&form).send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 200);
        }
        Ok(Accepted { vendor_id, segments: 1 })
    }

    async fn find(&self, _: &OutboundSms, _: DateTime<Utc>) -> Result<Reconciled, VendorError> {
        unreachable!("its outcome is known")
    }
}

#[tokio::test]
async fn a_report_that_is_there_before_our_own_record_is_kept_and_paid_once() {
    let world = World::new().await;
    let words = vec!["delivered", "sent"];
    let hasty = Hasty { api: world.api.clone(), team: world.team, token: world.token(), words };
    let worker = world.worker_with(world.services_with(Arc::new(hasty))).await;
    let (message, _, job) = world.job(&worker).await;
    let (_, verdict) = worker.next("messages").await.expect("a run");
    assert_eq!(verdict, Verdict::Nothing, "the record completes the job all the same");
    assert_eq!(world.state(message).await, "delivered");
    assert_eq!(world.told(message, "vendor_id").await, Some(format!("SM{message}")));
    let books = world.balance().await;
    assert_eq!((books.spent, books.held), (1, 0));
    let ended: i64 = sqlx::query_scalar("select count(*) from queue.outcomes where job_id = $1 and outcome = 1")
        .bind(job.0)
        .fetch_one(&world.db.admin)
        .await
        .expect("a count");
    assert_eq!(ended, 1);
}
