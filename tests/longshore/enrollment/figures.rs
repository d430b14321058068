//! A campaign's counters say what its rows say, whatever happened and whenever they are folded.

use longshore::{
    scheduler::campaigns::fold,
    workers::{
        enrollment::{figures, run_sequence::RunSequence, trail},
        ids::CampaignId,
    },
};

use super::{House, new_campaign};

/// Counters and rows that differ.
const DIFFERENCES: &str = "
    with rows as (
      select campaign_id, step, variant, 'now:' || state as measure, count(*) as n from longshore.messages group by 1, 2, 3, 4
      union all select campaign_id, step, variant, 'planned', count(*) from longshore.messages group by 1, 2, 3
      union all select campaign_id, step, variant, 'accepted', count(*) from longshore.messages where accepted_at is not null group by 1, 2, 3
      union all select campaign_id, step, variant, 'segments', sum(segments) from longshore.messages where segments <> 0 group by 1, 2, 3
      union all select campaign_id, step, variant, 'failed:' || coalesce(error_code::text, ''), count(*) from longshore.messages
        where state = 'failed' group by 1, 2, 3, 4
      union all select campaign_id, step, variant, 'suppressed:' || split_part(coalesce(state_reason, ''), ':', 1), count(*)
        from longshore.messages where state = 'suppressed' group by 1, 2, 3, 4
      union all select campaign_id, 0, '', 'now:' || state, count(*) from longshore.enrollments group by 1, 4
      union all select campaign_id, 0, '', 'enrolled', count(*) from longshore.enrollments group by 1
    ), counted as (
      select campaign_id, step, variant, measure, sum(n) as n
      from (select campaign_id, step, variant, measure, n from longshore.campaign_counts
        union all select campaign_id, step, variant, measure, n from longshore.campaign_moves) moved
      where measure not in ('replies', 'opt_outs')
      group by 1, 2, 3, 4 having sum(n) <> 0
    )
    select count(*) from rows r full join counted c using (campaign_id, step, variant, measure) where r.n is distinct from c.n";

impl House {
    async fn planned(&self) -> CampaignId {
        self.leads(self.team, 60).await;
        let campaign = self.campaign(new_campaign("Spring", &[0, 60])).await;
        let worker = self.worker().await;
        worker.drain("enrollment").await;
        self.activate(campaign).await;
        worker.enqueue(self.team, &RunSequence { campaign_id: campaign }).await;
        worker.drain("enrollment").await;
        campaign
    }
}

/// What messages go through, several at once and one by one.
const FATES: [&str; 8] = [
    "update longshore.messages set state = 'dispatching', attempted_at = now() where lead_id % 10 < 8",
    "update longshore.messages set state = 'accepted', accepted_at = now(), segments = 1 + lead_id % 2 where state = 'dispatching' and lead_id % 10 < 6",
    "update longshore.messages set state = 'unknown' where state = 'dispatching'",
    "update longshore.messages set state = 'delivered', ended_at = now() where state = 'accepted' and lead_id % 10 < 3",
    "update longshore.messages set state = 'failed', error_code = 30006, ended_at = now() where state = 'accepted' and lead_id % 10 = 3",
    "update longshore.messages set state = 'failed', ended_at = now() where state = 'accepted' and lead_id % 10 = 4",
    "update longshore.messages set state = 'suppressed', state_reason = 'no_consent', ended_at = now() where state = 'planned'",
    "update longshore.messages set changed_at = now()",
];

#[tokio::test]
async fn counters_say_what_the_rows_say_after_every_change_and_every_fold() {
    let house = House::new().await;
    let campaign = house.planned().await;
    let pool = house.db.pool("scheduler");
    assert_eq!(house.count(DIFFERENCES).await, 0);
    for (n, fate) in FATES.into_iter().enumerate() {
        house.run(fate).await;
        assert_eq!(house.count(DIFFERENCES).await, 0, "{fate}");
        if n % 3 == 1 {
            fold(&pool).await.expect("a fold");
            assert_eq!(house.count(DIFFERENCES).await, 0, "folded behind {fate}");
        }
    }
    house
        .run("update longshore.messages set state = 'accepted', accepted_at = now(), segments = 3 where state = 'unknown'")
        .await;
    assert_eq!(house.count(DIFFERENCES).await, 0);
    let folds = (0..3).map(|_| fold(&pool));
    for folded in futures_util::future::join_all(folds).await {
        folded.expect("a fold beside others");
    }
    assert_eq!(house.count(DIFFERENCES).await, 0);
    assert_eq!(house.count("select count(*) from longshore.campaign_moves").await, 0);

    let all = house.with(async |conn| Ok(figures::load(conn, house.team, campaign).await?)).await.expect("figures");
    let totals = all.totals();
    assert_eq!((totals.planned, totals.delivered, totals.failed, totals.suppressed), (60, 18, 12, 12), "{totals:?}");
    assert_eq!(totals.failed_by_class["invalid_number"], 6);
    assert_eq!(totals.suppressed_by_rule["no_consent"], 12);
    assert_eq!((all.enrollments().enrolled, all.enrollments().running), (60, 60));
}

#[tokio::test]
async fn a_reply_counts_for_the_message_it_answers_and_a_stop_as_an_opt_out_too() {
    let house = House::new().await;
    let campaign = house.planned().await;
    house
        .run(
            "update longshore.messages set state = 'dispatching', attempted_at = now();
             insert into longshore.inbox (team_id, vendor, vendor_id, sender, recipient, body, meaning, raw)
               select team_id, 'twilio', 'SM' || lead_id, recipient, sender, 'x', case when lead_id % 2 = 0 then 'stop' else 'other' end, '{}'
               from longshore.messages where lead_id <= 4;
             insert into longshore.inbox (team_id, vendor, vendor_id, sender, recipient, body, meaning, raw)
               select team_id, 'twilio', 'stranger', '+13105550000', '+15005550006', 'x', 'other', '{}' from longshore.teams where name = 'Acme'",
        )
        .await;
    let all = house.with(async |conn| Ok(figures::load(conn, house.team, campaign).await?)).await.expect("figures");
    assert_eq!((all.totals().replies, all.totals().opt_outs), (4, 2));
}

#[tokio::test]
async fn a_trail_tells_each_decision_and_report_page_by_page_and_to_no_other_team() {
    let house = House::new().await;
    let campaign = house.planned().await;
    let other = house.db.team("Other").await;
    house
        .run(
            "insert into longshore.message_decisions (team_id, message_id, judged_at, verdict, rule, rules_version, inputs)
               select team_id, message_id, now(), 'wait', 'quiet_hours', '2026-1', '{\"fact\": 1}' from longshore.messages;
             insert into longshore.message_events (team_id, message_id, vendor, vendor_id, status, raw)
               select team_id, message_id, 'twilio', 'SM' || message_id, 'queued', '{}' from longshore.messages",
        )
        .await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = house.with(async |conn| Ok(trail::page(conn, house.team, campaign, after, 25).await?)).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.place());
        seen.extend(page);
    }
    assert_eq!(seen.len(), 60);
    assert!(seen.is_sorted_by_key(|entry| entry.lead_id));
    assert!(seen.iter().all(|one| one.decisions.len() == 1 && one.reports.len() == 1 && one.decisions[0].inputs.is_none()));
    let why =
        house.with(async |conn| Ok(trail::why(conn, house.team, campaign, seen[0].lead_id).await?)).await.expect("an answer");
    let why = why.expect("a lead");
    assert_eq!((why.answer.as_str(), why.trail.len()), ("enrolled_running", 1));
    assert_eq!(why.trail[0].decisions[0].inputs, Some(serde_json::json!({ "fact": 1 })));
    assert_eq!(why.enrollment.expect("an enrollment").next_step, Some(2));

    let mut tx = longshore::workers::db::begin_as(&house.api, other).await.expect("a transaction");
    assert!(trail::page(&mut tx, house.team, campaign, None, 10).await.expect("a page").is_empty());
    assert_eq!(trail::why(&mut tx, house.team, campaign, 1).await.expect("an answer"), None);
    assert_eq!(figures::load(&mut tx, house.team, campaign).await.expect("figures").totals().planned, 0);
}
