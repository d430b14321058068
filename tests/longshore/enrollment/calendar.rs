//! What begins by itself: scheduled campaigns, and runs of campaigns with a due step.

use std::time::Duration;

use chrono::TimeDelta;
use longshore::{
    scheduler::campaigns::{Round, Turn},
    workers::{
        enrollment::{
            campaigns::{self, CampaignError},
            state::State,
        },
        ids::CampaignId,
    },
};

use super::{House, new_campaign, noon};

const RUNS: &str = "select count(*) from queue.jobs where kind = 'run_sequence'";
const BUDGET: Duration = Duration::from_secs(60);

impl House {
    async fn scheduled(&self, name: &str) -> CampaignId {
        let new = new_campaign(name, &[0]);
        let (team, ahead) = (self.team, noon() + TimeDelta::hours(1));
        let made = self.with(async |conn| {
            let id = campaigns::create(conn, team, &new).await?;
            campaigns::schedule(conn, team, id, ahead, noon()).await?;
            Ok(id)
        });
        made.await.expect("a scheduled campaign")
    }

    async fn stands(&self, campaign: CampaignId) -> State {
        let found = self.with(async |conn| Ok(campaigns::find(conn, self.team, campaign).await?)).await.expect("an answer");
        found.expect("a campaign").state
    }
}

#[tokio::test]
async fn a_scheduled_campaign_begins_once_when_its_time_has_come_however_many_schedulers_run() {
    let house = House::new().await;
    let due = house.scheduled("Due").await;
    let later = house.scheduled("Later").await;
    let times = "update longshore.campaigns set activate_at = case name when 'Due' then '2026-11-17T17:59:59Z' else '2026-11-18T18:00:00Z' end::timestamptz";
    house.run(times).await;
    let pool = house.db.pool("scheduler");
    let turns = (0..4).map(|_| async { Round::default().turn(&pool, noon(), BUDGET).await.expect("a turn") });
    let turns = futures_util::future::join_all(turns).await;
    assert_eq!(turns.iter().map(|turn| turn.activated).sum::<i32>(), 1, "{turns:?}");
    assert_eq!((house.stands(due).await, house.stands(later).await), (State::Active, State::Scheduled));
    assert_eq!(house.count(RUNS).await, 1);
    let written = "select count(*) from longshore.audit_log where action = 'campaign.activate' and actor = 'scheduler'";
    assert_eq!(house.count(written).await, 1);
}

#[tokio::test]
async fn a_campaign_with_a_due_step_has_one_run_on_its_way_and_gets_another_when_that_is_done() {
    let house = House::new().await;
    house.leads(house.team, 10).await;
    let campaign = house.campaign(new_campaign("Spring", &[0, 60])).await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.activate(campaign).await;
    let pool = house.db.pool("scheduler");
    let mut round = Round::default();
    let turn = round.turn(&pool, noon(), BUDGET).await.expect("a turn");
    assert_eq!(turn, Turn::default(), "the run that activation enqueued is on its way");
    worker.drain("enrollment").await;
    assert_eq!(round.turn(&pool, noon(), BUDGET).await.expect("a turn").runs, 0, "nothing is due");
    house.run("update longshore.enrollments set next_due_at = '2026-11-17T17:59:59Z'").await;
    assert_eq!(round.turn(&pool, noon(), BUDGET).await.expect("a turn").runs, 1);
    assert_eq!(round.turn(&pool, noon(), BUDGET).await.expect("a turn").runs, 0);
    house.run("update longshore.campaigns set state = 'paused'").await;
    worker.drain("enrollment").await;
    assert_eq!(round.turn(&pool, noon(), BUDGET).await.expect("a turn").runs, 0, "a paused campaign has no runs");
}

#[tokio::test]
async fn a_turn_that_runs_out_of_time_is_gone_on_with_by_the_next() {
    let house = House::new().await;
    house.run(
        "insert into longshore.campaigns (team_id, name, state, sender, engagement, activated_at, opens_at)
           select team_id, 'c' || n, 'active', '+15005550006', '{high}', '2026-11-17', '2026-11-17' from longshore.teams, generate_series(1, 1200) n
           where name = 'Acme';
         insert into longshore.campaign_steps (team_id, campaign_id, step, delay_minutes, template)
           select team_id, campaign_id, 1, 0, 'Hello' from longshore.campaigns;
         insert into longshore.leads (team_id, phone) select team_id, '+1212' || (5550000 + campaign_id) from longshore.campaigns;
         insert into longshore.enrollments (team_id, campaign_id, lead_id, next_step, next_due_at, run_job)
           select c.team_id, c.campaign_id, l.lead_id, 1, '2026-11-17', 1 from longshore.campaigns c
           join longshore.leads l on l.team_id = c.team_id and l.phone = '+1212' || (5550000 + c.campaign_id)",
    )
    .await;
    let pool = house.db.pool("scheduler");
    let mut round = Round::default();
    let mut turns = Vec::new();
    loop {
        let turn = round.turn(&pool, noon(), Duration::ZERO).await.expect("a turn");
        turns.push(turn.runs);
        if !turn.cut_short {
            break;
        }
    }
    assert!(turns.len() > 1 && turns.iter().all(|runs| *runs > 0), "{turns:?}");
    assert_eq!(turns.iter().sum::<i32>(), 1200, "each once");
    assert_eq!(house.count(RUNS).await, 1200);
}

#[tokio::test]
async fn a_campaign_is_scheduled_ahead_of_now_and_may_be_given_another_time() {
    let house = House::new().await;
    let campaign = house.scheduled("Spring").await;
    let at = |hours| noon() + TimeDelta::hours(hours);
    let ask = async |when| house.with(async |conn| campaigns::schedule(conn, house.team, campaign, when, noon()).await).await;
    for wrong in [at(0), at(-1), at(24 * 366)] {
        assert!(matches!(ask(wrong).await, Err(CampaignError::Invalid(ref invalid)) if invalid.field == "activate_at"));
    }
    ask(at(5)).await.expect("another time");
    let found = house.with(async |conn| Ok(campaigns::find(conn, house.team, campaign).await?)).await.expect("an answer");
    assert_eq!(found.expect("it").activate_at, Some(at(5)));
}
