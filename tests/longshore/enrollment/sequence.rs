//! What falls due, when, and once.

use std::sync::Arc;

use chrono::TimeDelta;
use longshore::{
    queue::settle::Verdict,
    workers::{
        enrollment::{campaigns, report, run_sequence::RunSequence},
        ids::CampaignId,
    },
};

use super::{House, new_campaign, noon};

const MESSAGES: &str = "select count(*) from longshore.messages";
const SENDS: &str = "select count(*) from queue.jobs where kind = 'send_sms'";
const RUNNING: &str = "select count(*) from longshore.enrollments where state = 'running'";

impl House {
    /// An active campaign in which `leads` leads are enrolled and nothing has run yet.
    async fn active(&self, leads: i32, delays: &[i64]) -> CampaignId {
        self.leads(self.team, leads).await;
        let campaign = self.campaign(new_campaign("Spring", delays)).await;
        self.worker().await.drain("enrollment").await;
        self.activate(campaign).await;
        campaign
    }
}

#[tokio::test]
async fn each_step_is_planned_once_when_its_delay_is_over() {
    let house = House::new().await;
    let campaign = house.active(120, &[10, 60]).await;
    let worker = house.worker().await;
    let tick = async |minutes| {
        house.clock.advance(TimeDelta::minutes(minutes));
        worker.enqueue(house.team, &RunSequence { campaign_id: campaign }).await;
        worker.drain("enrollment").await;
        (house.count(MESSAGES).await, house.count(SENDS).await, house.count(RUNNING).await)
    };
    assert_eq!(tick(0).await, (0, 0, 120));
    assert_eq!(tick(9).await, (0, 0, 120));
    assert_eq!(tick(1).await, (120, 120, 120));
    assert_eq!(tick(59).await, (120, 120, 120));
    assert_eq!(tick(1).await, (240, 240, 0), "the last step ends the sequence");
    assert_eq!(tick(600).await, (240, 240, 0));
    let body = "select count(*) from longshore.messages where body = 'Hello Ada' and sender = '+15005550006'";
    assert_eq!(house.count(body).await, 240);
}

#[tokio::test]
async fn the_first_delay_counts_from_activation_for_leads_enrolled_long_before() {
    let house = House::new().await;
    house.leads(house.team, 10).await;
    let campaign = house.campaign(new_campaign("Spring", &[10])).await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.clock.advance(TimeDelta::days(3));
    let now = noon() + TimeDelta::days(3);
    house.with(async |conn| campaigns::activate(conn, house.team, campaign, now).await).await.expect("an activation");
    worker.drain("enrollment").await;
    assert_eq!(house.count(MESSAGES).await, 0);
    house.clock.advance(TimeDelta::minutes(10));
    worker.enqueue(house.team, &RunSequence { campaign_id: campaign }).await;
    worker.drain("enrollment").await;
    assert_eq!(house.count(MESSAGES).await, 10);
}

#[tokio::test]
async fn steps_without_delay_are_all_planned_by_one_run() {
    let house = House::new().await;
    house.active(120, &[0, 0, 0]).await;
    let worker = house.worker().await;
    worker.next("enrollment").await.expect("the run that activation enqueued");
    assert_eq!(house.count(MESSAGES).await, 360);
    assert_eq!(house.count(RUNNING).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_runs_at_once_plan_each_step_once() {
    let house = House::new().await;
    let campaign = house.active(1000, &[0, 0]).await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let worker = Arc::new(house.worker().await);
        worker.enqueue(house.team, &RunSequence { campaign_id: campaign }).await;
        let job = worker.claim("enrollment", 1).await.pop().expect("a job");
        runs.push((worker, job));
    }
    let started = runs.into_iter().map(|(worker, job)| tokio::spawn(async move { worker.run(job).await }));
    let mut planned = 0;
    for run in started.collect::<Vec<_>>() {
        match run.await.expect("a run") {
            Verdict::Done { output: Some(did) } => planned += did["planned"].as_i64().expect("a count"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(planned, house.count(MESSAGES).await, "no step was in both hands");
    // What one run passed over because the other had it in hand is met by the next tick at the latest.
    house.worker().await.drain("enrollment").await;
    assert_eq!(house.count(MESSAGES).await, 2000);
    assert_eq!(house.count(SENDS).await, 2000);
    assert_eq!(house.count("select count(distinct payload) from queue.jobs where kind = 'send_sms'").await, 2000);
    assert_eq!(house.count(RUNNING).await, 0);
}

#[tokio::test]
async fn a_paused_campaign_plans_nothing_until_it_is_resumed() {
    let house = House::new().await;
    let campaign = house.active(10, &[0]).await;
    let (team, now) = (house.team, noon());
    house.with(async |conn| campaigns::pause(conn, team, campaign, now).await).await.expect("a pause");
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    assert_eq!(house.count(MESSAGES).await, 0);
    house.with(async |conn| campaigns::resume(conn, team, campaign, now).await).await.expect("a resumption");
    worker.drain("enrollment").await;
    assert_eq!(house.count(MESSAGES).await, 10);
}

#[tokio::test]
async fn a_text_that_cannot_be_written_is_recorded_and_never_sent() {
    let house = House::new().await;
    house.leads(house.team, 10).await;
    house.run("update longshore.leads set first_name = null where lead_id <= 4").await;
    let campaign = house.campaign(new_campaign("Spring", &[0, 0])).await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.activate(campaign).await;
    worker.drain("enrollment").await;
    assert_eq!(house.count(SENDS).await, 12);
    let kept = "select count(*) from longshore.messages where state = 'suppressed' and state_reason like 'template: %'";
    assert_eq!(house.count(kept).await, 8);
    let report = house.with(async |conn| Ok(report::report(conn, house.team, campaign).await?)).await.expect("a report");
    assert_eq!((report.messages.planned, report.messages.waiting, report.messages.suppressed), (20, 12, 8));
}

#[tokio::test]
async fn a_lead_that_said_stop_or_lost_its_phone_leaves_the_sequence() {
    let house = House::new().await;
    house.active(10, &[0]).await;
    house
        .run(
            "update longshore.leads set stopped_at = now() where lead_id <= 3;
             update longshore.leads set phone = null where lead_id = 4",
        )
        .await;
    house.worker().await.drain("enrollment").await;
    assert_eq!(house.count(MESSAGES).await, 6);
    assert_eq!(house.count("select count(*) from longshore.enrollments where state = 'stopped'").await, 4);
}

#[tokio::test]
async fn a_chunk_that_fails_leaves_neither_messages_nor_jobs_nor_moved_enrollments() {
    let house = House::new().await;
    house.active(120, &[0]).await;
    house
        .run(
            "create function public.break() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$;
             create trigger break before update on longshore.enrollments for each row when (new.lead_id % 1000 = 70)
               execute function public.break()",
        )
        .await;
    let worker = house.worker().await;
    worker.next("enrollment").await.expect("a run");
    let counts = async || (house.count(MESSAGES).await, house.count(SENDS).await, house.count(RUNNING).await);
    assert_eq!(counts().await, (50, 50, 70), "the first chunk is whole, the second is not there");
    house.run("drop trigger break on longshore.enrollments").await;
    worker.let_time_pass(&house.db).await;
    worker.drain("enrollment").await;
    assert_eq!(counts().await, (120, 120, 0));
}

#[tokio::test]
async fn a_run_out_of_time_lets_others_have_its_place_and_goes_on() {
    let house = House::new().await;
    house.active(120, &[0]).await;
    let mut services = house.services();
    services.rules.enrollment.sequence_budget_seconds = 0;
    let worker = crate::support::Stepper::new(&house.db, longshore::workers::registry(), services).await;
    let (_, verdict) = worker.next("enrollment").await.expect("a run");
    assert!(matches!(verdict, Verdict::Snooze { .. }), "{verdict:?}");
    assert_eq!(house.count(MESSAGES).await, 50);
    worker.drain("enrollment").await;
    assert_eq!(house.count(MESSAGES).await, 120);
    assert_eq!(house.count("select count(*) from queue.attempts").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn walkers_of_one_run_share_its_way_and_plan_each_step_once() {
    let house = House::new().await;
    house.active(1000, &[0, 0]).await;
    let mut services = house.services();
    services.rules.enrollment.sequence_walkers = 4;
    let worker = crate::support::Stepper::new(&house.db, longshore::workers::registry(), services).await;
    let (_, verdict) = worker.next("enrollment").await.expect("the run that activation enqueued");
    assert!(matches!(verdict, Verdict::Done { output: Some(ref did) } if did["planned"] == 2000), "{verdict:?}");
    assert_eq!((house.count(MESSAGES).await, house.count(SENDS).await, house.count(RUNNING).await), (2000, 2000, 0));
}
