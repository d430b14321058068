//! What campaigns do by themselves: one that carriers take for spam holds, and one in which nobody is left is over.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use longshore::{
    scheduler::campaigns::{Watched, fold, watch},
    workers::{
        db,
        enrollment::{
            campaigns::{self, Campaign, CampaignError},
            state::State,
        },
        ids::CampaignId,
    },
};
use serde_json::Value;

use super::{House, new_campaign, noon};

const HOUR: Duration = Duration::from_secs(3600);

fn at(seconds: i64) -> DateTime<Utc> {
    noon() + TimeDelta::seconds(seconds)
}

impl House {
    /// A campaign whose messages are all planned.
    async fn all_planned(&self, leads: i32) -> CampaignId {
        self.leads(self.team, leads).await;
        let campaign = self.campaign(new_campaign("Spring", &[0])).await;
        let worker = self.worker().await;
        worker.drain("enrollment").await;
        self.activate(campaign).await;
        worker.drain("enrollment").await;
        campaign
    }

    /// What happens to the messages of some leads; then a scheduler folds and looks.
    async fn look(&self, seconds: i64, quiet: Option<Duration>) -> Watched {
        let pool = self.db.pool("scheduler");
        fold(&pool).await.expect("a fold");
        watch(&pool, at(seconds), quiet).await.expect("a look")
    }

    async fn ended(&self, how: &str, leads: std::ops::Range<i32>) {
        let sql = format!(
            "update longshore.messages set {how}, attempted_at = now(), accepted_at = now(), ended_at = now()
             where lead_id >= {} and lead_id < {}",
            leads.start, leads.end
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&self.db.admin).await.expect("an end");
    }

    async fn shown(&self, campaign: CampaignId) -> Campaign {
        let found = self.with(async |conn| Ok(campaigns::find(conn, self.team, campaign).await?)).await.expect("an answer");
        found.expect("a campaign")
    }

    /// What the scheduler wrote down last.
    async fn written(&self) -> (String, Value) {
        let newest = "select action, after from longshore.audit_log where actor = 'scheduler' order by seq desc limit 1";
        sqlx::query_as(newest).fetch_one(&self.db.admin).await.expect("an entry")
    }
}

const DELIVERED: &str = "state = 'delivered'";
const FILTERED: &str = "state = 'failed', error_code = 30007";

#[tokio::test]
async fn a_campaign_that_carriers_take_for_spam_holds_by_itself_and_says_why() {
    let house = House::new().await;
    let campaign = house.all_planned(400).await;
    assert_eq!(house.look(0, None).await, Watched::default());
    house.ended(DELIVERED, 1..150).await;
    house.ended(FILTERED, 150..151).await;
    assert_eq!(house.look(10, None).await, Watched::default(), "one in 150 is under the share");
    house.ended(FILTERED, 151..153).await;
    let looks = [house.look(20, None), house.look(20, None)];
    let looks = futures_util::future::join_all(looks).await;
    assert_eq!(looks.iter().map(|one| one.paused).sum::<i32>(), 1, "however many schedulers look: {looks:?}");
    let shown = house.shown(campaign).await;
    assert_eq!((shown.state, shown.state_reason.as_deref()), (State::Paused, Some("filtered")));
    let (action, after) = house.written().await;
    assert_eq!(action, "campaign.pause");
    assert_eq!((&after["filtered"], &after["of"], &after["because"]), (&3.into(), &152.into(), &"filtered".into()), "{after}");

    // Somebody has looked into it: what was before says nothing of what comes.
    house.with(async |conn| campaigns::resume(conn, house.team, campaign, at(60)).await).await.expect("a resumption");
    assert_eq!(house.look(70, None).await, Watched::default());
    assert_eq!(house.shown(campaign).await.state_reason, None);
    house.ended(DELIVERED, 153..250).await;
    assert_eq!(house.look(80, None).await, Watched::default());
    house.ended(FILTERED, 250..252).await;
    assert_eq!(house.look(90, None).await.paused, 1, "two in 99");
}

#[tokio::test]
async fn few_texts_and_what_was_long_ago_hold_nothing() {
    let house = House::new().await;
    house.all_planned(400).await;
    house.look(0, None).await;
    house.ended(FILTERED, 1..40).await;
    assert_eq!(house.look(10, None).await, Watched::default(), "forty texts say nothing yet");
    // A quarter of an hour later a new window has begun.
    assert_eq!(house.look(920, None).await, Watched::default());
    house.ended(DELIVERED, 40..240).await;
    house.ended(FILTERED, 240..242).await;
    assert_eq!(house.look(930, None).await, Watched::default(), "two in 202");
}

#[tokio::test]
async fn a_campaign_in_which_nobody_was_left_for_so_long_is_over() {
    let house = House::new().await;
    let campaign = house.all_planned(3).await;
    let empty = house.with(async |conn| campaigns::create(conn, house.team, &new_campaign("Empty", &[0])).await).await;
    house.activate(empty.expect("a campaign")).await;
    house.look(0, Some(HOUR)).await;
    assert_eq!(house.look(9000, Some(HOUR)).await, Watched::default(), "messages wait");
    house.ended(DELIVERED, 1..4).await;
    assert_eq!(house.look(10_000, Some(HOUR)).await, Watched::default());
    assert_eq!(house.look(13_599, Some(HOUR)).await, Watched::default(), "not yet an hour");
    assert_eq!(house.look(13_601, None).await, Watched::default(), "where nobody wants it, none is");
    assert_eq!(house.look(13_601, Some(HOUR)).await, Watched { paused: 0, completed: 1 });
    let shown = house.shown(campaign).await;
    assert_eq!((shown.state, shown.state_reason.as_deref()), (State::Completed, Some("all_through")));
    let (action, after) = house.written().await;
    assert_eq!((action.as_str(), &after["enrolled"]), ("campaign.complete", &3.into()), "{after}");
    // Who was never in it can't be through.
    assert_eq!(house.look(99_999, Some(HOUR)).await, Watched::default());
    let late = house.with(async |conn| campaigns::enroll(conn, house.team, campaign).await).await;
    assert!(matches!(late, Err(CampaignError::Ended { state: State::Completed, .. })), "{late:?}");
}

#[tokio::test]
async fn an_enrollment_that_was_asked_for_keeps_a_campaign_open() {
    let house = House::new().await;
    let campaign = house.all_planned(3).await;
    house.ended(DELIVERED, 1..4).await;
    house.look(0, Some(HOUR)).await;
    house.look(10, Some(HOUR)).await;
    // Not committed yet: whoever asks holds the campaign, and the look passes it over.
    let mut tx = db::begin_as(&house.api, house.team).await.expect("a transaction");
    let job = campaigns::enroll(&mut tx, house.team, campaign).await.expect("a job");
    assert_eq!(house.look(7200, Some(HOUR)).await, Watched::default());
    tx.commit().await.expect("a commit");
    assert_eq!(house.look(7200, Some(HOUR)).await, Watched::default(), "its run is not over");
    // One that will never run keeps nothing open.
    let cancel = "select queue.cancel($1, $2, 'a test')";
    sqlx::query(cancel).bind(house.team.0).bind(job.0).execute(&house.db.admin).await.expect("a cancellation");
    assert_eq!(house.look(7200, Some(HOUR)).await.completed, 1);
}

#[tokio::test]
async fn whoever_enrolls_while_a_campaign_completes_is_first_or_is_told() {
    let house = House::new().await;
    let campaign = house.all_planned(3).await;
    house.ended(DELIVERED, 1..4).await;
    house.look(0, Some(Duration::ZERO)).await;
    for round in 0..20 {
        let enrolling = house.with(async |conn| campaigns::enroll(conn, house.team, campaign).await);
        let (enrolled, _) = tokio::join!(enrolling, house.look(10 + round, Some(Duration::ZERO)));
        let state = house.shown(campaign).await.state;
        match enrolled {
            Ok(_) => assert_eq!(state, State::Active, "it was enrolled into and completed"),
            Err(CampaignError::Ended { .. }) => assert_eq!(state, State::Completed),
            Err(error) => panic!("{error}"),
        }
        if state == State::Completed {
            return;
        }
        house.worker().await.drain("enrollment").await;
    }
}
