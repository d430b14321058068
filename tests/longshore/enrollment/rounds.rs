//! Leads whose sends failed, enrolled once more.

use longshore::workers::{
    enrollment::{campaigns, run_sequence::RunSequence},
    ids::CampaignId,
};
use serde_json::Value;

use super::{House, new_campaign};

impl House {
    async fn plan_all(&self, campaign: CampaignId) {
        let worker = self.worker().await;
        worker.enqueue(self.team, &RunSequence { campaign_id: campaign }).await;
        worker.drain("enrollment").await;
    }

    /// What the run counted.
    async fn reenroll(&self, campaign: CampaignId) -> Value {
        let job = self.with(async |conn| campaigns::reenroll(conn, self.team, campaign).await).await.expect("a job");
        self.worker().await.drain("enrollment").await;
        let output = "select output from queue.outputs where job_id = $1";
        sqlx::query_scalar(output).bind(job.0).fetch_one(&self.db.admin).await.expect("an output")
    }
}

const FAILED: &str = "update longshore.messages set state = 'failed', attempted_at = now(), ended_at = now()";
const ARRIVED: &str =
    "update longshore.messages set state = 'delivered', attempted_at = now(), accepted_at = now(), ended_at = now()";

#[tokio::test]
async fn only_what_failed_is_sent_again_in_a_round_of_its_own() {
    let house = House::new().await;
    house.leads(house.team, 10).await;
    let campaign = house.campaign(new_campaign("Spring", &[0, 0])).await;
    house.worker().await.drain("enrollment").await;
    house.activate(campaign).await;
    house.plan_all(campaign).await;
    assert_eq!(house.count("select count(*) from longshore.messages").await, 20);
    // Leads 1 and 2: the first step failed, the second arrived. Lead 3: both failed. Lead 4: nobody knows. The rest arrived.
    house.run(ARRIVED).await;
    let fates = [
        (FAILED, "lead_id <= 2 and step = 1"),
        (FAILED, "lead_id = 3"),
        ("update longshore.messages set state = 'unknown', ended_at = null", "lead_id = 4"),
    ];
    for (fate, which) in fates {
        let sql = format!("{fate} where {which}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&house.db.admin).await.expect("a fate");
    }
    let did = house.reenroll(campaign).await;
    assert_eq!((&did["attempted"], &did["enrolled"]), (&3.into(), &3.into()), "{did}");
    house.plan_all(campaign).await;
    let again = "select count(*) from longshore.messages where round = 2";
    assert_eq!(house.count(again).await, 4, "step 1 of two leads, both steps of the third");
    let doubled =
        "select count(*) from longshore.messages m join longshore.messages n using (team_id, campaign_id, lead_id, step)
        where m.round = 2 and n.round = 1 and n.state <> 'failed'";
    assert_eq!(house.count(doubled).await, 0, "what arrived, or may have, is not sent again");
    let sends = "select count(*) from queue.jobs where kind = 'send_sms'";
    assert_eq!(house.count(sends).await, 24, "each message has one job");
    assert_eq!(house.count("select count(*) from longshore.enrollments where state = 'running'").await, 0);

    // A round that went well has no failed send any more.
    house.run("update longshore.messages set state = 'delivered', attempted_at = now(), accepted_at = now(), ended_at = now() where round = 2").await;
    let none = house.reenroll(campaign).await;
    assert_eq!((&none["attempted"], &none["enrolled"]), (&0.into(), &0.into()), "{none}");
}

#[tokio::test]
async fn whatever_keeps_a_lead_out_keeps_it_out_of_another_round_too() {
    let house = House::new().await;
    house.leads(house.team, 6).await;
    let campaign = house.campaign(new_campaign("Spring", &[0])).await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.activate(campaign).await;
    house.plan_all(campaign).await;
    house.run(FAILED).await;
    house
        .run(
            "update longshore.leads set phone = null where lead_id = 1;
             update longshore.leads set stopped_at = now() where lead_id = 2;
             insert into longshore.suppressions (team_id, phone, reason, source)
               select team_id, phone, 'OPT_OUT', 'test' from longshore.leads where lead_id = 3;
             update longshore.leads set tags = '{only}' where lead_id = 4",
        )
        .await;
    house.campaign(campaigns::NewCampaign { target_tags: vec!["only".into()], ..new_campaign("Other", &[60]) }).await;
    worker.drain("enrollment").await;
    let did = house.reenroll(campaign).await;
    let counts =
        ["attempted", "enrolled", "no_phone", "stopped", "suppressed", "running_elsewhere"].map(|name| did[name].as_i64());
    assert_eq!(counts, [Some(6), Some(2), Some(1), Some(1), Some(1), Some(1)], "{did}");
    let runs = "select count(*) from longshore.enrollment_runs where purpose = 'reenroll' and ended_at is not null";
    assert_eq!(house.count(runs).await, 1);
    // Whose sequence runs is not begun anew under its feet.
    let again = house.reenroll(campaign).await;
    assert_eq!((&again["enrolled"], &again["enrolled_before"]), (&0.into(), &2.into()), "{again}");
}
