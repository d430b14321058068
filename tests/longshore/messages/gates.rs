//! Nothing leaves past a closed gate, and the evidence is there before it does.

use chrono::Duration;
use longshore::{queue::settle::Verdict, workers::messages::send_sms::SendSms};

use super::world::World;
use crate::support::services::noon;

#[tokio::test]
async fn without_consent_that_holds_a_message_never_leaves() {
    let world = World::new().await;
    let worker = world.worker().await;
    let forget = "update longshore.consents set revoked_at = now()";
    let expire = "update longshore.consents set expires_at = '2026-11-01'";
    let weaken = "update longshore.consents set level = 'express'";
    for (change, rule) in [(forget, "no_consent"), (expire, "consent_expired"), (weaken, "consent_too_weak")] {
        let (message, phone, _) = world.job(&worker).await;
        sqlx::query(change).execute(&world.db.admin).await.expect("an update");
        worker.next("messages").await.expect("a run");
        assert_eq!(world.state(message).await, "suppressed");
        assert_eq!(world.decisions(message).await, [format!("suppress {rule}")]);
        assert_eq!(world.taken(&phone), 0);
    }
}

#[tokio::test]
async fn where_opt_outs_or_consent_cannot_be_looked_up_nothing_is_sent() {
    let world = World::new().await;
    let worker = world.worker().await;
    for table in ["longshore.suppressions", "longshore.consents"] {
        let (message, phone, _) = world.job(&worker).await;
        let order = async |order: String| sqlx::raw_sql(sqlx::AssertSqlSafe(order)).execute(&world.db.admin).await;
        order(format!("revoke select on {table} from longshore_worker")).await.expect("trouble");
        let (_, verdict) = worker.next("messages").await.expect("a run");
        assert!(matches!(verdict, Verdict::Retry { .. }), "{table}: {verdict:?}");
        assert_eq!((world.taken(&phone), world.state(message).await.as_str()), (0, "planned"), "{table}");
        order(format!("grant select on {table} to longshore_worker")).await.expect("its end");
        world.run_again(&worker).await;
        assert_eq!(world.taken(&phone), 1, "{table}: the message is sent once it can be looked up");
    }
}

#[tokio::test]
async fn a_text_leaves_only_in_the_hours_of_every_place_where_its_recipient_may_be() {
    let world = World::new().await;
    let worker = world.worker().await;
    let campaign = world.campaign().await;
    // 13:00 in New York; the number, the state on record, and how long it has to wait for an open hour (minutes).
    let table = [
        ("+12125559001", Some("NY"), 0),
        ("+13105559002", Some("CA"), 0),
        ("+18085559003", Some("HI"), 60), // 8:00 in Honolulu, and the house begins at 9
        ("+12125559004", Some("HI"), 60), // New York's code, Hawaii's lead
        ("+19075559005", Some("AK"), 60), // 9:00 in Anchorage, 8:00 in the Aleutians
    ];
    for (phone, state, wait) in table {
        let lead = world.lead_at(phone, state).await;
        world.consent(phone, "express_written").await;
        world.enroll(campaign, lead).await;
        let message_id = world.plan(campaign, lead, phone).await;
        worker.enqueue(world.team, &SendSms { message_id }).await;
        let (_, verdict) = worker.next("messages").await.expect("a run");
        match (wait, verdict) {
            (0, Verdict::Nothing) => assert_eq!(world.taken(phone), 1),
            (wait, Verdict::Snooze { delay, reason }) => {
                assert_eq!(delay.as_secs(), wait * 60, "{phone} {state:?}: {reason}");
                assert_eq!(world.state(message_id).await, "planned");
            }
            (_, verdict) => panic!("{phone} {state:?}: {verdict:?}"),
        }
    }
    world.clock.advance(Duration::minutes(59));
    world.run_again(&worker).await;
    assert_eq!(world.taken("+18085559003"), 0);
    world.clock.advance(Duration::minutes(1));
    world.run_again(&worker).await;
    for (phone, ..) in table {
        assert_eq!(world.taken(phone), 1, "{phone}");
    }
}

#[tokio::test]
async fn the_vendor_may_not_deliver_behind_the_legal_hours() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (_, phone, _) = world.job(&worker).await;
    // 19:30 in New York: half an hour is left.
    world.clock.advance(Duration::minutes(6 * 60 + 30));
    worker.next("messages").await.expect("a run");
    let accepted = world.sandbox.twilio.accepted();
    assert_eq!(accepted.iter().find(|one| one.to == phone).expect("a text").validity_seconds, 1800);
}

#[tokio::test]
async fn a_number_nobody_can_place_gets_nothing() {
    let world = World::new().await;
    let worker = world.worker().await;
    let campaign = world.campaign().await;
    for (phone, rule) in [("+18005559001", "toll_free"), ("+14165559001", "abroad"), ("+15005550006", "whereabouts_unknown")] {
        let lead = world.lead_at(phone, None).await;
        world.consent(phone, "express_written").await;
        world.enroll(campaign, lead).await;
        let message_id = world.plan(campaign, lead, phone).await;
        worker.enqueue(world.team, &SendSms { message_id }).await;
        worker.next("messages").await.expect("a run");
        assert_eq!(world.decisions(message_id).await, [format!("suppress recipient_{rule}")]);
    }
    assert_eq!(world.sandbox.twilio.calls(), 0);
}

#[tokio::test]
async fn a_paused_campaign_sends_nothing_until_it_goes_on_and_a_stopped_one_never() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, phone, _) = world.job(&worker).await;
    world.set_campaign("paused").await;
    for _ in 0..3 {
        let verdicts = world.run_again(&worker).await;
        assert!(matches!(&verdicts[..], [Verdict::Snooze { reason, .. }] if reason == "campaign_paused"), "{verdicts:?}");
    }
    // However often it looked, the evidence is one row.
    assert_eq!(world.decisions(message).await, ["wait campaign_paused"]);
    world.set_campaign("active").await;
    world.run_again(&worker).await;
    assert_eq!(world.taken(&phone), 1);

    let (message, phone, _) = world.job(&worker).await;
    world.set_campaign("stopped").await;
    world.run_again(&worker).await;
    assert_eq!(world.state(message).await, "suppressed");
    assert_eq!(world.taken(&phone), 0);
}

#[tokio::test]
async fn a_pause_that_is_being_committed_holds_the_send_until_it_is() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (_, phone, _) = world.job(&worker).await;
    let mut pause = longshore::workers::db::begin(&world.db.admin).await.expect("a transaction");
    sqlx::query("update longshore.campaigns set state = 'paused'").execute(&mut *pause).await.expect("an update");
    let sending = worker.next("messages");
    let pausing = async {
        world.until("the send to wait for the pause", async || waiting(&world).await).await;
        pause.commit().await.expect("a commit");
    };
    let (sent, ()) = tokio::join!(sending, pausing);
    let (_, verdict) = sent.expect("a run");
    assert_eq!(verdict.name(), "snoozed", "{verdict:?}");
    assert_eq!(world.taken(&phone), 0);
}

#[tokio::test]
async fn nobody_is_texted_more_often_than_the_day_allows() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (lead, phone) = world.lead().await;
    for _ in 0..4 {
        let campaign = world.campaign().await;
        world.enroll(campaign, lead).await;
        let message_id = world.plan(campaign, lead, &phone).await;
        worker.enqueue(world.team, &SendSms { message_id }).await;
    }
    // All at once: each sees the others.
    let jobs = worker.claim("messages", 10).await;
    let verdicts = futures_util::future::join_all(jobs.iter().map(|job| worker.run(job.clone()))).await;
    assert_eq!(world.taken(&phone), 3);
    let late: Vec<_> = verdicts
        .iter()
        .filter_map(|verdict| if let Verdict::Snooze { reason, .. } = verdict { Some(reason) } else { None })
        .collect();
    assert_eq!(late, ["daily_limit"]);
}

#[tokio::test]
async fn the_evidence_holds_what_was_known_and_nobodys_number() {
    let world = World::new().await;
    let worker = world.worker().await;
    let (message, phone, _) = world.job(&worker).await;
    worker.next("messages").await.expect("a run");
    let (inputs, version, judged_at): (serde_json::Value, String, chrono::DateTime<chrono::Utc>) =
        sqlx::query_as("select inputs, rules_version, judged_at from longshore.message_decisions where message_id = $1")
            .bind(message)
            .fetch_one(&world.db.admin)
            .await
            .expect("a decision");
    assert_eq!(judged_at, noon());
    assert_eq!(version, "2026-11-21");
    assert_eq!(inputs["facts"]["campaign"], "active");
    assert_eq!(inputs["facts"]["consent"]["level"], "express_written");
    assert_eq!(inputs["zones"], serde_json::json!(["America/New_York"]));
    assert!(!inputs.to_string().contains(&phone[2..]), "{inputs}");
}

/// Whether somebody waits for a lock.
pub async fn waiting(world: &World) -> bool {
    let select = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    sqlx::query_scalar::<_, i64>(select).fetch_one(&world.db.admin).await.expect("a count") > 0
}
