//! Credits and campaigns, as an operator handles them.

use longshore::workers::{
    db,
    enrollment::campaigns::{self, NewCampaign, NewStep},
    ids::CampaignId,
};

use super::fleet::{Fleet, snapshot};

#[tokio::test]
async fn credits_are_granted_seen_and_proved() {
    let fleet = Fleet::new().await;
    let runs = [
        fleet.run("credits balance acme"),
        fleet.run("credits grant acme 500 --reason 'invoice 7'"),
        fleet.run("credits grant acme 20 --reason 'invoice 8' --json"),
        fleet.run("credits grant acme 0 --reason nothing"),
        fleet.run("credits grant initech 5 --reason gift"),
        fleet.run("credits balance acme"),
        fleet.run("credits balance globex --json"),
        fleet.run("credits verify"),
    ];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [0, 0, 0, 2, 2, 0, 0, 0]);
    snapshot("credits", &runs);
    let reason: String = sqlx::query_scalar("select reason from longshore.ledger_entries order by entry_id limit 1")
        .fetch_one(&fleet.db.admin)
        .await
        .expect("an entry");
    assert_eq!(reason, "invoice 7 (ann)");
}

#[tokio::test]
async fn wrong_books_are_code_1_and_say_where() {
    let fleet = Fleet::new().await;
    assert_eq!(fleet.run("credits grant acme 500 --reason gift").code, 0);
    let skew = "update longshore.credit_accounts set balance = balance + 1 where account = 'available'";
    sqlx::query(skew).execute(&fleet.db.admin).await.expect("a skewed balance");
    let run = fleet.run("credits verify --json");
    assert_eq!((run.code, run.json()["sound"].as_bool()), (1, Some(false)), "{run}");
    assert!(run.stdout.contains("501") && run.stdout.contains(&fleet.acme.to_string()), "{run}");
}

async fn campaign(fleet: &Fleet) -> CampaignId {
    let pool = fleet.db.pool("api");
    let mut tx = db::begin_as(&pool, fleet.acme).await.expect("a transaction");
    let new = NewCampaign {
        name: "Spring".into(),
        sender: "+12025550100".into(),
        target_tags: vec!["roof".into()],
        engagement: vec!["high".into()],
        steps: vec![NewStep::new(5, "Hello {{ first_name }}")],
        ..NewCampaign::default()
    };
    let id = campaigns::create(&mut tx, fleet.acme, &new).await.expect("a campaign");
    tx.commit().await.expect("a commit");
    id
}

#[tokio::test]
async fn a_campaign_is_moved_through_its_states() {
    let fleet = Fleet::new().await;
    fleet.db.sender(fleet.acme, "+12025550100", "").await;
    let kinds = longshore::workers::registry();
    let mut conn = fleet.db.admin.acquire().await.expect("a connection");
    longshore::store::jobs::register(&mut conn, &kinds).await.expect("the kinds");
    assert_eq!(campaign(&fleet).await, CampaignId(1));
    let runs = [
        fleet.run("campaigns list --team acme"),
        fleet.run("campaigns list --team globex"),
        fleet.run("campaigns show 1 --team acme"),
        fleet.run("campaigns show 1 --team globex"),
        fleet.run("campaigns pause 1 --team acme"),
        fleet.run("campaigns activate 1 --team acme"),
        fleet.run("campaigns pause 1 --team acme --json"),
        fleet.run("campaigns resume 1 --team acme"),
        fleet.run("campaigns stop 1 --team acme"),
        fleet.run("campaigns stop 1 --team acme --yes"),
        fleet.run("campaigns activate 1 --team acme"),
        fleet.run("campaigns show 1 --team acme --json"),
    ];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [0, 0, 0, 3, 1, 0, 0, 0, 7, 0, 1, 0]);
    snapshot("campaigns", &runs);
}
