//! Creating, moving and deleting campaigns.

use longshore::{
    queue::settle::Verdict,
    workers::{
        clock::Clock as _,
        db,
        enrollment::{
            campaigns::{self, CampaignError},
            report,
            state::{Move, State},
        },
        ids::CampaignId,
    },
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{House, new_campaign};

impl House {
    async fn state(&self, campaign: CampaignId) -> State {
        let found = self.with(async |conn| Ok(campaigns::find(conn, self.team, campaign).await?)).await.expect("an answer");
        found.expect("a campaign").state
    }

    async fn apply(&self, campaign: CampaignId, by: Move) -> Result<(), CampaignError> {
        let (team, now) = (self.team, self.clock.now());
        self.with(async |conn| match by {
            Move::Activate => campaigns::activate(conn, team, campaign, now).await,
            Move::Pause => campaigns::pause(conn, team, campaign, now).await,
            Move::Resume => campaigns::resume(conn, team, campaign, now).await,
            Move::Complete => campaigns::complete(conn, team, campaign, now).await,
            Move::Stop => campaigns::stop(conn, team, campaign, now).await,
            Move::Schedule => campaigns::schedule(conn, team, campaign, now + chrono::TimeDelta::hours(1), now).await,
        })
        .await
    }
}

#[tokio::test]
async fn whatever_is_asked_in_whatever_order_the_rows_follow_the_state_machine() {
    let house = House::new().await;
    let walks = prop::collection::vec(prop::sample::select(Move::ALL.to_vec()), 1..8);
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    for walk in 0..25 {
        let campaign = house
            .with(async |conn| campaigns::create(conn, house.team, &new_campaign(&format!("walk {walk}"), &[0])).await)
            .await;
        let campaign = campaign.expect("a campaign");
        let mut state = State::Draft;
        for by in walks.new_tree(&mut runner).expect("a walk").current() {
            let answer = house.apply(campaign, by).await;
            match state.after(by) {
                Some(next) => {
                    answer.expect("a move that the state allows");
                    state = next;
                }
                None => assert!(matches!(answer, Err(CampaignError::NotNow { .. })), "{by:?} from {state}: {answer:?}"),
            }
            assert_eq!(house.state(campaign).await, state);
        }
        if !state.has_ended() {
            house.apply(campaign, Move::Stop).await.expect("a stop from any live state");
        }
    }
}

#[tokio::test]
async fn a_name_is_used_once_in_a_team_and_the_refusal_leaves_the_transaction_usable() {
    let house = House::new().await;
    let other = house.db.team("Other").await;
    let mut tx = db::begin_as(&house.api, house.team).await.expect("a transaction");
    let first = campaigns::create(&mut tx, house.team, &new_campaign("Spring", &[0])).await.expect("a campaign");
    let again = campaigns::create(&mut tx, house.team, &new_campaign(" Spring ", &[0])).await;
    assert!(matches!(again, Err(CampaignError::NameTaken { ref name }) if name == "Spring"), "{again:?}");
    tx.commit().await.expect("a commit");
    assert_eq!(house.state(first).await, State::Draft);

    let mut tx = db::begin_as(&house.api, other).await.expect("a transaction");
    campaigns::create(&mut tx, other, &new_campaign("Spring", &[0])).await.expect("the same name in another team");
}

#[tokio::test]
async fn two_who_ask_for_the_same_name_at_once_get_one_campaign() {
    let house = House::new().await;
    let new = new_campaign("Spring", &[0]);
    let ask = || house.with(async |conn| campaigns::create(conn, house.team, &new).await);
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    let created = [&a, &b, &c].into_iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(created, 1, "{a:?} {b:?} {c:?}");
    assert_eq!(house.count("select count(*) from longshore.campaigns").await, 1);
}

#[tokio::test]
async fn a_campaign_its_sync_and_its_enrollment_commit_together_or_not_at_all() {
    let house = House::new().await;
    let mut tx = db::begin_as(&house.api, house.team).await.expect("a transaction");
    campaigns::create_and_enroll(&mut tx, house.team, &new_campaign("Spring", &[0, 5])).await.expect("a campaign");
    tx.rollback().await.expect("a rollback");
    let left = "select (select count(*) from longshore.campaigns) + (select count(*) from longshore.campaign_steps)
        + (select count(*) from queue.jobs)";
    assert_eq!(house.count(left).await, 0);

    house.campaign(new_campaign("Spring", &[0, 5])).await;
    assert_eq!(house.count(left).await, 1 + 2 + 2);
    let kinds = "select count(*) from queue.jobs where kind in ('sync_campaign', 'enroll_batch')";
    assert_eq!(house.count(kinds).await, 2);
}

#[tokio::test]
async fn a_refused_campaign_writes_nothing_and_names_the_field() {
    let house = House::new().await;
    let mut new = new_campaign("Spring", &[0]);
    new.engagement.clear();
    let answer = house.with(async |conn| campaigns::create(conn, house.team, &new).await).await;
    assert!(matches!(answer, Err(CampaignError::Invalid(ref invalid)) if invalid.field == "engagement"), "{answer:?}");
    assert_eq!(house.count("select count(*) from longshore.campaigns").await, 0);
}

#[tokio::test]
async fn a_campaign_with_enrolled_leads_cannot_be_deleted_and_one_without_can() {
    let house = House::new().await;
    house.leads(house.team, 3).await;
    let empty = house.campaign(new_campaign("Empty", &[0, 0])).await;
    house.with(async |conn| campaigns::delete(conn, house.team, empty).await).await.expect("a deletion");

    let full = house.campaign(new_campaign("Full", &[0, 0])).await;
    house.worker().await.drain("enrollment").await;
    let refused = house.with(async |conn| campaigns::delete(conn, house.team, full).await).await;
    assert!(matches!(refused, Err(CampaignError::HasLeads(id)) if id == full), "{refused:?}");
    // The database refuses too, whoever asks.
    let mut tx = db::begin_as(&house.api, house.team).await.expect("a transaction");
    let raw = sqlx::query("delete from longshore.campaigns").execute(&mut *tx).await.expect_err("the foreign key");
    assert!(raw.as_database_error().is_some_and(|error| error.is_foreign_key_violation()), "{raw}");

    assert_eq!(house.count("select count(*) from longshore.campaigns").await, 1);
    assert_eq!(house.count("select count(*) from longshore.campaign_steps").await, 2);
}

#[tokio::test]
async fn a_campaign_is_completed_only_when_all_its_leads_are_through() {
    let house = House::new().await;
    house.leads(house.team, 3).await;
    let campaign = house.campaign(new_campaign("Spring", &[0])).await;
    house.activate(campaign).await;
    let worker = house.worker().await;
    // The enrollment runs; the sequence has not.
    worker.next("enrollment").await.expect("the enrollment");
    let early = house.apply(campaign, Move::Complete).await;
    assert!(matches!(early, Err(CampaignError::UnderWay(_))), "{early:?}");
    assert_eq!(house.state(campaign).await, State::Active);

    worker.drain("enrollment").await;
    let unsent = house.apply(campaign, Move::Complete).await;
    assert!(matches!(unsent, Err(CampaignError::UnderWay(_))), "{unsent:?}");
    house
        .run("update longshore.messages set state = 'delivered', attempted_at = now(), accepted_at = now(), ended_at = now()")
        .await;
    house.apply(campaign, Move::Complete).await.expect("a completion");
}

#[tokio::test]
async fn a_pause_waits_for_the_chunk_that_is_under_way_and_then_holds() {
    let house = House::new().await;
    house.leads(house.team, 120).await;
    let campaign = house.campaign(new_campaign("Spring", &[0])).await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.activate(campaign).await;
    house
        .run(
            "create function public.wait() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(7); return new; end $$;
             create trigger wait before insert on longshore.messages for each row execute function public.wait()",
        )
        .await;
    let mut gatekeeper = house.db.admin.acquire().await.expect("a connection");
    sqlx::raw_sql("select pg_advisory_lock(7)").execute(&mut *gatekeeper).await.expect("a lock");
    let waiting = async |wanted| {
        let sql = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        while house.count(sql).await != wanted {
            tokio::task::yield_now().await;
        }
    };
    let checking = async {
        waiting(2).await; // the chunk for us, the pause for the chunk
        assert_eq!(house.state(campaign).await, State::Active);
        sqlx::raw_sql("select pg_advisory_unlock(7)").execute(&mut *gatekeeper).await.expect("an unlock");
    };
    let pausing = async {
        waiting(1).await;
        house.apply(campaign, Move::Pause).await.expect("a pause");
        house.count("select count(*) from longshore.messages").await
    };
    let all = async { tokio::join!(worker.next("enrollment"), pausing, checking) };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), Box::pin(all)).await;
    // Until it returns, a further chunk may still be ahead of it; from then on none is.
    let (_, planned, ()) = waited.expect("the pause waits, and there is no deadlock");
    assert!(planned >= 50, "the chunk that was under way is whole: {planned}");
    assert_eq!(house.count("select count(*) from longshore.messages").await, planned, "a chunk began behind the pause");
    worker.drain("enrollment").await;
    assert_eq!(house.count("select count(*) from longshore.messages").await, planned);
}

#[tokio::test]
async fn a_stopped_campaign_frees_its_leads_for_another() {
    let house = House::new().await;
    house.leads(house.team, 250).await;
    let first = house.campaign(new_campaign("First", &[0])).await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.apply(first, Move::Stop).await.expect("a stop");
    worker.drain("enrollment").await;
    let second = house.campaign(new_campaign("Second", &[0])).await;
    let ran = worker.drain("enrollment").await;
    assert!(ran.iter().all(|(_, verdict)| *verdict == Verdict::Nothing), "{ran:?}");

    let of = async |campaign| {
        let report = house.with(async |conn| Ok(report::report(conn, house.team, campaign).await?)).await;
        report.expect("a report").enrollments
    };
    assert_eq!((of(first).await.stopped, of(first).await.running), (250, 0));
    assert_eq!(of(second).await.running, 250);
}

#[tokio::test]
async fn campaigns_are_listed_newest_first_page_by_page_and_only_those_of_the_team() {
    let house = House::new().await;
    let other = house.db.team("Other").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(house.campaign(new_campaign(&format!("c{n}"), &[0])).await);
    }
    let mut tx = db::begin_as(&house.api, other).await.expect("a transaction");
    assert!(campaigns::list(&mut tx, other, None, 10).await.expect("a list").is_empty());
    assert_eq!(campaigns::find(&mut tx, other, ids[0]).await.expect("an answer"), None);
    // Asking in another team's name finds nothing either: the database decides, not the argument.
    assert!(campaigns::list(&mut tx, house.team, None, 10).await.expect("a list").is_empty());
    drop(tx);

    let mut tx = db::begin_as(&house.api, house.team).await.expect("a transaction");
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = campaigns::list(&mut tx, house.team, before, 2).await.expect("a page");
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.iter().map(|campaign| campaign.id));
    }
    ids.reverse();
    assert_eq!(seen, ids);
}
