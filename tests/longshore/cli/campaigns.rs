//! Campaigns from the command line, from the draft to the trail.

use serde_json::{Value, json};

use super::fleet::Fleet;
use crate::support::{Stepper, services};

async fn ready() -> (Fleet, Stepper) {
    let fleet = Fleet::new().await;
    fleet.db.sender(fleet.acme, "+12025550100", "").await;
    let stepper = Stepper::new(&fleet.db, longshore::workers::registry(), services(&fleet.db)).await;
    let leads = "insert into longshore.leads (team_id, phone, first_name, tags, engagement)
        select $1, '+1212' || (5550000 + n), 'Ada', '{roof}', 'high' from generate_series(1, 12) n";
    sqlx::query(leads).bind(fleet.acme.0).execute(&fleet.db.admin).await.expect("leads");
    (fleet, stepper)
}

fn draft() -> String {
    let step = json!({ "delay_minutes": 0, "template": "Hello {{ first_name }}" });
    json!({ "name": "Spring", "sender": "+12025550100", "target_tags": ["roof"], "engagement": ["high"], "steps": [step] })
        .to_string()
}

#[tokio::test]
async fn a_campaign_is_made_previewed_and_told_of() {
    let (fleet, stepper) = ready().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), draft()).expect("a draft");
    let create = format!("campaigns create {} --team acme --key one --json", file.path().display());
    let made = fleet.run(&create);
    assert_eq!((made.code, &made.json()["campaign"]), (0, &json!(1)), "{made}");
    let again = fleet.run(&create);
    assert_eq!((again.code, &again.json()["campaign"], &again.json()["job"]), (0, &json!(1), &Value::Null), "{again}");

    let preview = fleet.run("campaigns preview 1 --team acme --limit 3 --json");
    assert_eq!(
        (&preview.json()["counted"]["total"], preview.json()["sample"].as_array().map(Vec::len)),
        (&json!(12), Some(3)),
        "{preview}"
    );
    let shown = fleet.run("campaigns preview 1 --team acme");
    assert!(shown.code == 0 && shown.stdout.contains("Hello [first_name]") && !shown.stdout.contains("+1212"), "{shown}");

    stepper.drain("enrollment").await;
    assert_eq!(fleet.run("campaigns activate 1 --team acme").code, 0);
    let plan =
        "update longshore.campaigns set opens_at = '2000-01-01'; update longshore.enrollments set next_due_at = '2000-01-01'";
    sqlx::raw_sql(plan).execute(&fleet.db.admin).await.expect("a due step");
    stepper.drain("enrollment").await;
    let trail = fleet.run("campaigns trail 1 --team acme --limit 5 --json");
    assert_eq!(trail.json().as_array().map(Vec::len), Some(5), "{trail}");
    assert!(trail.stderr.contains("--after 5.1.1"), "{trail}");
    let rest = fleet.run("campaigns trail 1 --team acme --after 5.1.1 --json");
    assert_eq!(rest.json().as_array().map(Vec::len), Some(7), "{rest}");
    let why = fleet.run("campaigns why 1 7 --team acme");
    assert!(why.code == 0 && why.stdout.contains("enrolled_completed") && why.stdout.contains("planned"), "{why}");
    assert_eq!(fleet.run("campaigns why 1 4711 --team acme").code, 3);
    let figures = fleet.run("campaigns analytics 1 --team acme --json");
    assert_eq!(figures.json()["totals"]["planned"], 12, "{figures}");
    assert_eq!(fleet.run("campaigns analytics 1 --team globex").code, 3);
}

#[tokio::test]
async fn a_recall_asks_first_and_says_what_had_left() {
    let (fleet, _) = ready().await;
    assert_eq!(fleet.run(&format!("campaigns create '{}' --team acme", draft())).code, 0);
    assert_eq!(fleet.run("campaigns recall 1 --team acme").code, 7);
    let recalled = fleet.run("campaigns recall 1 --team acme --yes --json");
    assert_eq!(
        (recalled.code, &recalled.json()["state"], &recalled.json()["left"]["accepted"]),
        (0, &json!("stopped"), &json!(0)),
        "{recalled}"
    );
    assert_eq!(fleet.run("campaigns delete 1 --team acme --yes").code, 0, "nobody was enrolled");
    assert_eq!(fleet.run("campaigns create '{}' --team acme").code, 2);
}
