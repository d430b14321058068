//! A campaign's number is one of the team's, or the campaign does not begin.

use std::time::Duration;

use chrono::TimeDelta;
use longshore::{
    scheduler::campaigns::Round,
    workers::{
        db,
        enrollment::{
            campaigns::{self, CampaignError, NewCampaign},
            state::State,
        },
        ids::{CampaignId, TeamId},
        messages::Purpose,
    },
};

use super::{House, SENDER, new_campaign, noon};

const STRANGE: &str = "+12025550123";

impl House {
    async fn told<T>(
        &self,
        team: TeamId,
        work: impl AsyncFnOnce(&mut sqlx::PgConnection) -> Result<T, CampaignError>,
    ) -> Result<T, String> {
        let mut tx = db::begin_as(&self.api, team).await.expect("a transaction");
        let answer = work(&mut tx).await.map_err(|error| error.to_string())?;
        tx.commit().await.expect("a commit");
        Ok(answer)
    }

    async fn retire(&self, phone: &str) {
        let retire = "select longshore.retire_sender($1, $2)";
        sqlx::query(retire).bind(self.team.0).bind(phone).execute(&self.db.admin).await.expect("a retired number");
    }

    async fn draft(&self, name: &str) -> CampaignId {
        let made = self.with(async |conn| campaigns::create(conn, self.team, &new_campaign(name, &[0])).await).await;
        made.expect("a campaign")
    }

    async fn begins(&self, campaign: CampaignId) -> Result<(), String> {
        self.told(self.team, async |conn| campaigns::activate(conn, self.team, campaign, noon()).await).await
    }
}

#[tokio::test]
async fn a_number_that_is_none_of_the_teams_is_refused_by_its_name() {
    let house = House::new().await;
    let strange = NewCampaign { sender: STRANGE.into(), ..new_campaign("Spring", &[0]) };
    let refused = house.with(async |conn| campaigns::create(conn, house.team, &strange).await).await;
    let Err(CampaignError::Invalid(invalid)) = refused else { panic!("{refused:?}") };
    assert_eq!(invalid.field, "sender");
    assert!(invalid.reason.contains(STRANGE) && invalid.reason.contains("longshore senders put"), "{}", invalid.reason);

    // Whoever has no number yet may write drafts; they begin when there is one. Whose number it is nobody is told.
    let other = house.db.team("Other").await;
    let draft = new_campaign("Spring", &[0]);
    let draft = house.told(other, async |conn| campaigns::create(conn, other, &draft).await).await.expect("a draft");
    for schedule in [false, true] {
        let refused = house
            .told(other, async |conn| match schedule {
                true => campaigns::schedule(conn, other, draft, noon() + TimeDelta::hours(1), noon()).await,
                false => campaigns::activate(conn, other, draft, noon()).await,
            })
            .await
            .expect_err("a refusal");
        assert!(refused.contains(SENDER) && refused.contains("none of the team's numbers"), "{refused}");
    }
    assert_eq!(house.count("select count(*) from longshore.campaigns where state <> 'draft'").await, 0);
}

#[tokio::test]
async fn a_number_that_was_taken_out_of_use_begins_nothing_unless_another_of_its_pool_stands_in() {
    let house = House::new().await;
    let (first, second) = (house.draft("First").await, house.draft("Second").await);
    house.retire(SENDER).await;
    let refused = house.begins(first).await.expect_err("a refusal");
    assert!(refused.contains(SENDER) && refused.contains("out of use"), "{refused}");
    // A copy may be sent from another number.
    let copy = house.with(async |conn| campaigns::clone(conn, house.team, first, "Copy", None).await).await;
    assert!(matches!(copy, Err(CampaignError::Invalid(ref invalid)) if invalid.field == "sender"), "{copy:?}");
    house.db.sender(house.team, STRANGE, "main").await;
    let copy = house.with(async |conn| campaigns::clone(conn, house.team, first, "Copy", Some(STRANGE)).await).await;
    house.begins(copy.expect("a copy")).await.expect("a beginning");

    house.db.sender(house.team, SENDER, "main").await;
    house.retire(SENDER).await;
    house.begins(second).await.expect("another number stands in");
    house.retire(STRANGE).await;
    let resumed = house
        .told(house.team, async |conn| {
            campaigns::pause(conn, house.team, second, noon()).await?;
            campaigns::resume(conn, house.team, second, noon()).await
        })
        .await;
    assert!(resumed.is_err_and(|refused| refused.contains("out of use")));
}

#[tokio::test]
async fn a_scheduled_campaign_whose_number_is_gone_by_its_time_begins_paused_and_says_why() {
    let house = House::new().await;
    let campaign = house.draft("Spring").await;
    let ahead = noon() + TimeDelta::hours(1);
    house.with(async |conn| campaigns::schedule(conn, house.team, campaign, ahead, noon()).await).await.expect("a schedule");
    house.retire(SENDER).await;
    let pool = house.db.pool("scheduler");
    let turn = Round::default().turn(&pool, ahead, Duration::from_secs(60)).await.expect("a turn");
    assert_eq!((turn.activated, turn.runs), (1, 0));
    let shown = house.with(async |conn| Ok(campaigns::find(conn, house.team, campaign).await?)).await.expect("an answer");
    let shown = shown.expect("a campaign");
    assert_eq!((shown.state, shown.state_reason.as_deref()), (State::Paused, Some("sender_retired")));
    assert_eq!(house.count("select count(*) from queue.jobs where kind = 'run_sequence'").await, 0);
    let written =
        "select count(*) from longshore.audit_log where action = 'campaign.activate' and after ->> 'because' = 'sender_retired'";
    assert_eq!(house.count(written).await, 1);
    house.db.sender(house.team, SENDER, "").await;
    house.with(async |conn| campaigns::resume(conn, house.team, campaign, ahead).await).await.expect("a resumption");
}

#[tokio::test]
async fn a_campaign_of_mails_needs_no_number() {
    let house = House::new().await;
    let campaign = house.draft("Mail").await;
    house
        .run(
            "insert into longshore.step_contents (team_id, campaign_id, step, channel, subject, changed_by)
             select team_id, campaign_id, 1, 'email', 'Hello', 'test' from longshore.campaigns",
        )
        .await;
    house.retire(SENDER).await;
    house.begins(campaign).await.expect("a beginning");
}

#[tokio::test]
async fn what_a_campaign_is_for_is_kept_shown_and_copied() {
    let house = House::new().await;
    let plain = house.draft("Plain").await;
    let asked = NewCampaign { purpose: Purpose::Transactional, ..new_campaign("Receipts", &[0]) };
    let (receipts, copy) = house
        .with(async |conn| {
            let receipts = campaigns::create(conn, house.team, &asked).await?;
            Ok((receipts, campaigns::clone(conn, house.team, receipts, "Copy", None).await?))
        })
        .await
        .expect("campaigns");
    for (campaign, purpose) in [(plain, Purpose::Marketing), (receipts, Purpose::Transactional), (copy, Purpose::Transactional)] {
        let shown = house.with(async |conn| Ok(campaigns::find(conn, house.team, campaign).await?)).await.expect("an answer");
        assert_eq!(shown.expect("a campaign").purpose, purpose);
    }
}
