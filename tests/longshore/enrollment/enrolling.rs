//! Who is enrolled, whatever races and whatever breaks.

use std::sync::Arc;

use longshore::{
    queue::settle::Verdict,
    store::jobs,
    workers::{
        enrollment::{campaigns, enroll_batch::EnrollBatch, refresh_tags, report},
        ids::CampaignId,
    },
};

use super::{House, new_campaign};

const DOUBLES: &str = "select count(*) from (
    select from longshore.enrollments where state = 'running' group by team_id, lead_id having count(*) > 1) d";
const RUNNING: &str = "select count(*) from longshore.enrollments where state = 'running'";
const ATTEMPTED: &str = "select sum(attempted)::bigint from longshore.enrollment_runs";
const ENROLLED: &str = "select sum(enrolled)::bigint from longshore.enrollment_runs";
const ADDS_UP: &str = "select count(*) from longshore.enrollment_runs
    where attempted = enrolled + no_phone + stopped + suppressed + running_elsewhere + enrolled_before + lost_race and ended_at is not null";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_campaigns_that_want_the_same_leads_at_once_enroll_each_lead_once_and_every_counter_adds_up() {
    let house = House::new().await;
    house.leads(house.team, 2000).await;
    for name in ["a", "b", "c", "d"] {
        house.campaign(new_campaign(name, &[0])).await;
    }
    let mut runs = Vec::new();
    for _ in 0..4 {
        let worker = Arc::new(house.worker().await);
        let job = worker.claim("enrollment", 1).await.pop().expect("a job");
        runs.push((worker, job));
    }
    let started = runs.into_iter().map(|(worker, job)| tokio::spawn(async move { worker.run(job).await }));
    for run in started.collect::<Vec<_>>() {
        assert_eq!(run.await.expect("a run"), Verdict::Nothing);
    }
    assert_eq!(house.count(DOUBLES).await, 0);
    assert_eq!(house.count(RUNNING).await, 2000);
    assert_eq!(house.count(ENROLLED).await, 2000);
    assert_eq!(house.count(ATTEMPTED).await, 4 * 2000);
    assert_eq!(house.count(ADDS_UP).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_enrollments_at_once_by_four_campaigns_enroll_each_lead_once() {
    let house = House::new().await;
    house.leads(house.team, 300).await;
    let mut workers = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let campaign = house.campaign(new_campaign(name, &[0])).await;
        let worker = Arc::new(house.worker().await);
        for _ in 1..50 {
            worker.enqueue(house.team, &EnrollBatch { campaign_id: campaign }).await;
        }
        workers.push(worker);
    }
    let mut runs = tokio::task::JoinSet::new();
    for worker in workers {
        loop {
            let claimed = worker.claim("enrollment", 50).await;
            if claimed.is_empty() || runs.len() >= 200 {
                break;
            }
            for job in claimed {
                let worker = worker.clone();
                runs.spawn(async move { worker.run(job).await });
            }
        }
    }
    assert_eq!(runs.len(), 200);
    while let Some(run) = runs.join_next().await {
        assert_eq!(run.expect("a run"), Verdict::Nothing);
    }
    assert_eq!(house.count(DOUBLES).await, 0);
    assert_eq!(house.count(RUNNING).await, 300);
    assert_eq!((house.count(ENROLLED).await, house.count(ATTEMPTED).await), (300, 200 * 300));
    assert_eq!(house.count(ADDS_UP).await, 200);
}

/// Lets the enrollment of the 250th lead fail, which is in the third chunk of a hundred.
const BREAK: &str = "
    create function public.break() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$;
    create trigger break before insert on longshore.enrollments for each row when (new.lead_id % 1000 = 250) execute function public.break()";

#[tokio::test]
async fn a_run_cut_off_between_chunks_goes_on_where_it_was() {
    let house = House::new().await;
    house.leads(house.team, 600).await;
    house.campaign(new_campaign("Spring", &[0])).await;
    house.run(BREAK).await;
    let worker = house.worker().await;
    let (_, verdict) = worker.next("enrollment").await.expect("a run");
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    assert_eq!(house.count(RUNNING).await, 200, "two chunks are kept");
    assert_eq!(house.count(ATTEMPTED).await, 200);
    assert_eq!(house.count("select done from queue.progress").await, 200);
    assert_eq!(house.count("select total from queue.progress").await, 600);

    house.run("drop trigger break on longshore.enrollments").await;
    worker.let_time_pass(&house.db).await;
    worker.drain("enrollment").await;
    assert_eq!(house.count(RUNNING).await, 600);
    assert_eq!(house.count(ATTEMPTED).await, 600, "no chunk was done twice");
    assert_eq!(house.count(ENROLLED).await, 600);
    assert_eq!(house.count(ADDS_UP).await, 1);
}

#[tokio::test]
async fn a_worker_that_was_given_up_enrolls_nobody_any_more() {
    let house = House::new().await;
    house.leads(house.team, 600).await;
    house.campaign(new_campaign("Spring", &[0])).await;
    house.run(BREAK).await;
    let stale = house.worker().await;
    let job = stale.claim("enrollment", 1).await.pop().expect("a job");
    stale.run(job.clone()).await;
    house.run("drop trigger break on longshore.enrollments").await;

    sqlx::query("update queue.processes set expires_at = now() where boot_id = $1")
        .bind(stale.boot)
        .execute(&house.db.admin)
        .await
        .expect("an expiry");
    let heir = house.worker().await;
    let mut conn = house.db.admin.acquire().await.expect("a connection");
    assert_eq!(jobs::reap(&mut conn, 10).await.expect("a reaping").lost, 1);
    drop(conn);
    assert_eq!(stale.run(job).await, Verdict::Nothing, "fenced");
    assert_eq!(house.count(RUNNING).await, 200, "the stale worker wrote nothing");

    heir.drain("enrollment").await;
    assert_eq!(house.count(RUNNING).await, 600);
    assert_eq!(house.count(ATTEMPTED).await, 600);
}

#[tokio::test]
async fn another_teams_leads_are_never_enrolled() {
    let house = House::new().await;
    let other = house.db.team("Other").await;
    house.leads(house.team, 10).await;
    house.leads(other, 10).await;
    let campaign = house.campaign(new_campaign("Spring", &[0])).await;
    let worker = house.worker().await;
    // The other team names our campaign: for it there is none.
    let theirs = worker.enqueue(other, &EnrollBatch { campaign_id: campaign }).await;
    let ran = worker.drain("enrollment").await;
    let (_, verdict) = ran.iter().find(|(job, _)| *job == theirs).expect("their run");
    assert!(matches!(verdict, Verdict::Dead { .. }), "{verdict:?}");
    assert_eq!(house.count(RUNNING).await, 10);
    let foreign =
        "select count(*) from longshore.enrollments e join longshore.leads l using (lead_id) where e.team_id <> l.team_id";
    assert_eq!(house.count(foreign).await, 0);
}

#[tokio::test]
async fn a_skipped_lead_is_counted_by_its_reason_and_can_be_explained() {
    let house = House::new().await;
    house.leads(house.team, 8).await;
    let first = house.campaign(campaigns::NewCampaign { target_tags: vec!["both".into()], ..new_campaign("First", &[0]) }).await;
    house
        .run(
            "update longshore.leads set phone = null where lead_id = 1;
             update longshore.leads set stopped_at = now() where lead_id = 2;
             insert into longshore.suppressions (team_id, phone, reason, source)
               select team_id, phone, 'LEGAL_DNC', 'test' from longshore.leads where lead_id = 3;
             insert into longshore.suppressions (team_id, phone, reason, source, lifted_at)
               select team_id, phone, 'OPT_OUT', 'test', now() from longshore.leads where lead_id = 4;
             update longshore.leads set tags = '{vip,both}' where lead_id = 5;
             update longshore.leads set tags = '{other}' where lead_id = 6;
             update longshore.leads set engagement = 'low' where lead_id = 7",
        )
        .await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    let second = house.campaign(new_campaign("Second", &[0])).await;
    worker.drain("enrollment").await;
    let again = house.with(async |conn| campaigns::enroll(conn, house.team, second).await).await.expect("a second run");
    worker.drain("enrollment").await;

    let why = async |campaign: CampaignId, lead| {
        let answer = house.with(async |conn| Ok(report::explain(conn, house.team, campaign, lead).await?)).await;
        answer.expect("an answer").unwrap_or_default()
    };
    let expected = [
        (1, "no_phone"),
        (2, "stopped"),
        (3, "suppressed"),
        (4, "enrolled_running"),
        (5, "running_elsewhere"),
        (6, "other_tags"),
        (7, "other_engagement"),
        (8, "enrolled_running"),
        (99, ""),
    ];
    for (lead, reason) in expected {
        assert_eq!(why(second, lead).await, reason, "lead {lead}");
    }
    assert_eq!(why(first, 5).await, "enrolled_running");

    let counted = house.with(async |conn| Ok(report::report(conn, house.team, second).await?)).await.expect("a report");
    let once = (1, 1, 1, 1, 2, 0, 6);
    let runs = &counted.runs;
    let seen = |by: i64| {
        (
            runs.no_phone / by,
            runs.stopped / by,
            runs.suppressed / by,
            runs.running_elsewhere / by,
            runs.enrolled,
            runs.lost_race,
            runs.attempted / by,
        )
    };
    assert_eq!(seen(2), once, "both runs met the same obstacles: {runs:?}");
    assert_eq!(runs.enrolled_before, 2, "the second run met those of the first");
    assert_eq!((counted.matching, counted.enrollments.enrolled), (6, 2));
    assert_eq!(house.count("select count(*) from longshore.enrollment_runs where ended_at is null").await, 0);
    assert!(again.0 > 0);
}

#[tokio::test]
async fn a_run_waits_while_its_campaign_is_paused_and_ends_when_it_is_stopped() {
    let house = House::new().await;
    house.leads(house.team, 600).await;
    let campaign = house.campaign(new_campaign("Spring", &[0])).await;
    house.run(BREAK).await;
    let worker = house.worker().await;
    worker.next("enrollment").await.expect("two chunks");
    house.run("drop trigger break on longshore.enrollments; update longshore.campaigns set state = 'paused'").await;
    worker.let_time_pass(&house.db).await;
    let waiting = worker.drain("enrollment").await;
    assert!(matches!(waiting[..], [(_, Verdict::Snooze { .. })]), "{waiting:?}");
    assert_eq!(house.count(RUNNING).await, 200);

    house.with(async |conn| campaigns::stop(conn, house.team, campaign, super::noon()).await).await.expect("a stop");
    worker.let_time_pass(&house.db).await;
    worker.drain("enrollment").await;
    assert_eq!(house.count(RUNNING).await, 0);
    assert_eq!(house.count(ATTEMPTED).await, 200);
    assert_eq!(house.count("select count(*) from queue.outputs where output ->> 'cut_short' = 'stopped'").await, 1);
    let refused = house.with(async |conn| campaigns::enroll(conn, house.team, campaign).await).await;
    assert!(matches!(refused, Err(campaigns::CampaignError::Ended { .. })), "{refused:?}");
}

#[tokio::test]
async fn the_tag_cache_says_how_many_leads_carry_each_tag() {
    let house = House::new().await;
    house.leads(house.team, 3).await;
    house.run("update longshore.leads set tags = '{vip,vip,gold}' where lead_id = 1").await;
    let worker = house.worker().await;
    let tags = async || {
        worker.enqueue(house.team, &refresh_tags::RefreshTags {}).await;
        worker.drain("enrollment").await;
        let tags = house.with(async |conn| Ok(refresh_tags::list(conn, house.team, 10).await?)).await.expect("the tags");
        tags.into_iter().map(|tag| (tag.tag, tag.leads)).collect::<Vec<_>>()
    };
    assert_eq!(tags().await, [("vip".to_owned(), 3), ("gold".to_owned(), 1)]);
    house.run("update longshore.leads set tags = '{vip}' where lead_id = 1").await;
    assert_eq!(tags().await, [("vip".to_owned(), 3)]);
}
