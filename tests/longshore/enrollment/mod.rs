//! Campaigns: their states, who is enrolled, and what falls due.

mod alone;
mod calendar;
mod enrolling;
mod figures;
mod numbers;
mod preview;
mod recall;
mod rounds;
mod sequence;
mod states;
mod variants;

use std::sync::Arc;

use longshore::workers::{
    self,
    clock::TestClock,
    ctx::Services,
    db,
    enrollment::campaigns::{self, CampaignError, NewCampaign, NewStep},
    ids::{CampaignId, TeamId},
};
use sqlx::PgPool;

use crate::support::{Stepper, TestDb, services, services::noon};

/// The number of the team's campaigns.
const SENDER: &str = "+15005550006";

/// What a test of this family starts from: a team, a clock, and small chunks, so that few leads make many.
struct House {
    db: TestDb,
    api: PgPool,
    team: TeamId,
    clock: TestClock,
}

impl House {
    async fn new() -> Self {
        let db = TestDb::new().await;
        let team = db.team("Acme").await;
        db.sender(team, SENDER, "").await;
        let house = Self { api: db.pool("api"), team, clock: TestClock::at(noon()), db };
        // The kinds must be known before anything can be enqueued.
        house.worker().await;
        house
    }

    fn services(&self) -> Services {
        let mut services = services(&self.db);
        services.clock = Arc::new(self.clock.clone());
        services.rules.enrollment.enroll_chunk_leads = 100;
        services.rules.enrollment.sequence_chunk_steps = 50;
        // One at a time, so that a test knows which chunk comes next.
        services.rules.enrollment.sequence_walkers = 1;
        services
    }

    async fn worker(&self) -> Stepper {
        Stepper::new(&self.db, workers::registry(), self.services()).await
    }

    /// Leads with a phone, tagged `vip`, named Ada.
    async fn leads(&self, team: TeamId, count: i32) {
        sqlx::query(
            "insert into longshore.leads (team_id, phone, first_name, tags, engagement)
             select $1, '+1212' || (5550000 + n), 'Ada', '{vip}', 'high' from generate_series(1, $2) n",
        )
        .bind(team.0)
        .bind(count)
        .execute(&self.db.admin)
        .await
        .expect("leads");
    }

    /// A campaign whose enrollment is enqueued.
    async fn campaign(&self, new: NewCampaign) -> CampaignId {
        let mut tx = db::begin_as(&self.api, self.team).await.expect("a transaction");
        let (campaign, _) = campaigns::create_and_enroll(&mut tx, self.team, &new).await.expect("a campaign");
        tx.commit().await.expect("a commit");
        campaign
    }

    /// Moves a campaign by one of the library's functions, and commits if it could.
    async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut sqlx::PgConnection) -> Result<T, CampaignError>,
    ) -> Result<T, CampaignError> {
        let mut tx = db::begin_as(&self.api, self.team).await?;
        let answer = work(&mut tx).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn activate(&self, campaign: CampaignId) {
        let now = workers::clock::Clock::now(&self.clock);
        self.with(async |conn| campaigns::activate(conn, self.team, campaign, now).await).await.expect("an activation");
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.db.admin).await.expect("a count")
    }

    async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.db.admin).await.expect("a statement");
    }
}

/// For everybody tagged `vip`, with one step a delay.
fn new_campaign(name: &str, delays: &[i64]) -> NewCampaign {
    let step = |&delay_minutes| NewStep::new(delay_minutes, "Hello {{ first_name }}");
    NewCampaign {
        name: name.into(),
        sender: SENDER.into(),
        target_tags: vec!["vip".into()],
        engagement: vec!["high".into(), "medium".into()],
        steps: delays.iter().map(step).collect(),
        ..NewCampaign::default()
    }
}
