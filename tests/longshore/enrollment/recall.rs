//! A campaign that was recalled: nothing leaves behind it, what waits is cancelled, what had left is said.

use longshore::workers::{
    enrollment::{
        campaigns::{self, Recalled},
        run_sequence::RunSequence,
        state::State,
    },
    ids::CampaignId,
};

use super::{House, new_campaign, noon};

impl House {
    async fn recall(&self, campaign: CampaignId) -> Recalled {
        self.with(async |conn| campaigns::recall(conn, self.team, campaign, noon()).await).await.expect("a recall")
    }
}

#[tokio::test]
async fn a_recall_says_what_had_left_and_cancels_what_waits() {
    let house = House::new().await;
    house.leads(house.team, 250).await;
    let campaign = house.campaign(new_campaign("Spring", &[0, 60])).await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.activate(campaign).await;
    worker.drain("enrollment").await;
    house
        .run(
            "update longshore.messages set state = 'delivered', attempted_at = now(), accepted_at = now(), ended_at = now() where lead_id <= 20;
             update longshore.messages set state = 'accepted', attempted_at = now(), accepted_at = now() where lead_id between 21 and 30;
             update longshore.messages set state = 'dispatching', attempted_at = now() where lead_id between 31 and 35;
             update longshore.messages set state = 'unknown', attempted_at = now() where lead_id = 36",
        )
        .await;
    let recalled = house.recall(campaign).await;
    assert_eq!(recalled.state, State::Stopped);
    let left = recalled.left;
    assert_eq!((left.accepted, left.delivered, left.dispatching, left.unknown, left.failed), (30, 20, 5, 1, 0));
    assert_eq!((recalled.waiting, recalled.running), (214, 250));

    worker.drain("enrollment").await;
    let cancelled = "select count(*) from longshore.messages where state = 'suppressed' and state_reason = 'campaign_recalled'";
    assert_eq!(house.count(cancelled).await, 214);
    assert_eq!(
        house.count("select count(*) from longshore.messages where state = 'dispatching'").await,
        5,
        "what left is left alone"
    );
    assert_eq!(house.count("select count(*) from longshore.enrollments where state = 'running'").await, 0);
    let again = house.recall(campaign).await;
    assert_eq!((again.waiting, again.running, again.state), (0, 0, State::Stopped), "once more says how it stands");
    worker.enqueue(house.team, &RunSequence { campaign_id: campaign }).await;
    worker.drain("enrollment").await;
    assert_eq!(house.count("select count(*) from longshore.messages").await, 250, "no further step was planned");
}

#[tokio::test]
async fn a_stop_cancels_what_waits_too() {
    let house = House::new().await;
    house.leads(house.team, 120).await;
    let campaign = house.campaign(new_campaign("Spring", &[0])).await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.activate(campaign).await;
    worker.drain("enrollment").await;
    house.with(async |conn| campaigns::stop(conn, house.team, campaign, noon()).await).await.expect("a stop");
    worker.drain("enrollment").await;
    let cancelled = "select count(*) from longshore.messages where state = 'suppressed' and state_reason = 'campaign_stopped'";
    assert_eq!(house.count(cancelled).await, 120);
}

#[tokio::test]
async fn a_recall_waits_for_a_send_at_its_gates_and_none_passes_behind_it() {
    let house = House::new().await;
    house.leads(house.team, 1).await;
    let campaign = house.campaign(new_campaign("Spring", &[0])).await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.activate(campaign).await;
    worker.drain("enrollment").await;
    // A send at its gates, as send_sms holds the campaign and marks the message.
    let mut gate = longshore::workers::db::begin_as(&house.db.pool("worker"), house.team).await.expect("a transaction");
    let hold = "select state from longshore.campaigns where campaign_id = $1 for share";
    let state: String = sqlx::query_scalar(hold).bind(campaign.0).fetch_one(&mut *gate).await.expect("a campaign");
    assert_eq!(state, "active");
    let mark = "update longshore.messages set state = 'dispatching', attempted_at = now()";
    let marking = async {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        while house.count(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        sqlx::query(mark).execute(&mut *gate).await.expect("a mark");
        gate.commit().await.expect("a commit");
    };
    let both = async { tokio::join!(house.recall(campaign), marking) };
    let (recalled, ()) = tokio::time::timeout(std::time::Duration::from_secs(30), both).await.expect("no deadlock");
    assert_eq!((recalled.left.dispatching, recalled.waiting), (1, 0), "the send that was ahead is counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_recall_that_races_a_thousand_sends_lets_none_commit_behind_it() {
    let house = House::new().await;
    house.leads(house.team, 1000).await;
    let campaign = house.campaign(new_campaign("Spring", &[0])).await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.activate(campaign).await;
    worker.drain("enrollment").await;
    let (pool, team) = (house.db.pool("worker"), house.team);
    let send = |message: i64| {
        let pool = pool.clone();
        async move {
            let mut tx = longshore::workers::db::begin_as(&pool, team).await?;
            let hold = "select state from longshore.campaigns where campaign_id = $1 for share";
            let state: String = sqlx::query_scalar(hold).bind(campaign.0).fetch_one(&mut *tx).await?;
            if state == "active" {
                let mark = "update longshore.messages set state = 'dispatching', attempted_at = now() where message_id = $1 and state = 'planned'";
                sqlx::query(mark).bind(message).execute(&mut *tx).await?;
            }
            tx.commit().await
        }
    };
    let messages: Vec<i64> =
        sqlx::query_scalar("select message_id from longshore.messages").fetch_all(&house.db.admin).await.expect("messages");
    let marked = "select count(*) from longshore.messages where state = 'dispatching'";
    let recalling = async {
        while house.count(marked).await == 0 {
            tokio::task::yield_now().await;
        }
        let recalled = house.recall(campaign).await;
        (recalled, house.count(marked).await)
    };
    let sending = async {
        let mut sends = tokio::task::JoinSet::new();
        for message in messages {
            sends.spawn(send(message));
            // A few at once, as a fleet has them.
            if sends.len() >= 8 {
                sends.join_next().await.expect("a send").expect("a task").expect("a transaction");
            }
        }
        while let Some(sent) = sends.join_next().await {
            sent.expect("a task").expect("a transaction");
        }
    };
    let ((recalled, at_once), ()) = tokio::join!(recalling, sending);
    let left = recalled.left;
    assert_eq!(left.dispatching, at_once, "what the recall counted is what was there when it returned");
    assert_eq!(house.count(marked).await, at_once, "no mark was committed behind it");
    assert_eq!(recalled.waiting, 1000 - left.dispatching);
}
