//! A whole team.

use serde_json::Value;

use super::world::World;
use crate::cli::fleet::CarryNote;

/// Where rows of a team stand, by table.
async fn places(world: &World, team: &str) -> Vec<String> {
    let mut found = Vec::new();
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c join pg_namespace s on s.oid = c.relnamespace
         where s.nspname in ('queue', 'longshore') and c.relkind in ('r', 'p') and not c.relispartition
           and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'team_id') order by 1",
    )
    .fetch_all(&world.db.admin)
    .await
    .expect("the tables");
    for table in tables {
        if world.ask::<bool>(&format!("select exists (select from {table} where team_id = '{team}')")).await {
            found.push(table);
        }
    }
    found
}

#[tokio::test]
async fn an_erased_team_leaves_its_books_and_its_log_and_nothing_else() {
    let world = World::new().await;
    let globex = world.digest(world.globex, "").await;
    let asked = world.run("teams erase acme --yes --json --reason 'contract ended'");
    assert_eq!(asked.code, 0, "{asked}");
    world.work().await;
    let team = world.acme.to_string();
    assert_eq!(
        places(&world, &team).await,
        [
            "longshore.audit_heads",
            "longshore.audit_log",
            "longshore.credit_accounts",
            "longshore.credit_holds",
            "longshore.leads",
            "longshore.ledger_entries",
            "longshore.teams",
            "longshore.vendor_calls",
            "longshore.vendor_intents",
            "queue.pauses"
        ]
        .into_iter()
        // Nothing was done to acme itself that its own log would tell.
        .filter(|place| !place.starts_with("longshore.audit"))
        .collect::<Vec<_>>()
    );
    let (name, people): (String, i64) = (
        world.ask(&format!("select name from longshore.teams where team_id = '{team}'")).await,
        world.ask(&format!("select count(*) from longshore.leads where team_id = '{team}' and num_nonnulls(phone, email, first_name, company) > 0")).await,
    );
    assert_eq!((name, people), (format!("erased {team}"), 0));
    assert!(world.objects().iter().all(|(key, _)| key.contains(&world.globex.to_string())), "{:?}", world.objects());
    assert_eq!(world.digest(world.globex, "").await, globex, "another team's rows were touched");
    let entries: Vec<String> = sqlx::query_scalar("select action || ' ' || target from longshore.audit_log where action like 'team.%' and target like '%' || $1 order by seq")
        .bind(&team)
        .fetch_all(&world.db.admin)
        .await
        .expect("the house's entries");
    assert_eq!(entries, [format!("team.erase team {team}"), format!("team.erased team {team}")]);
    let receipt =
        world.run(&format!("people requests {} --team longshore --json", asked.json()["request"])).json()["receipt"].clone();
    assert!(receipt["kept"]["longshore.ledger_entries"]["rows"].as_i64() >= Some(1), "{receipt}");
    assert_eq!(receipt["objects_deleted"], 2, "{receipt}");
    assert_eq!(world.run("audit verify").code, 0);
}

#[tokio::test]
async fn a_team_with_running_jobs_is_erased_only_when_somebody_paused_it_first() {
    let world = World::new().await;
    let job = world.worker.enqueue(world.acme, &CarryNote { trouble: String::new() }).await;
    world.tell("delete from queue.pauses").await;
    let running = world.worker.claim("notes", 1).await;
    assert_eq!(running.first().map(|one| one.claim.job), Some(job));
    let refused = world.run("teams erase acme --yes");
    assert_eq!(refused.code, 7, "{refused}");
    assert_eq!(world.run("queues pause --team acme").code, 0);
    assert_eq!(world.run("teams erase acme --yes").code, 0);
    world.worker.drain("upkeep").await;
    assert!(
        world
            .ask::<bool>(&format!(
                "select exists (select from longshore.leads where team_id = '{}' and phone is not null)",
                world.acme
            ))
            .await,
        "it did not wait"
    );
    world.worker.finish_all(&running).await;
    world.work().await;
    assert!(world.ask::<bool>("select ended_at is not null from longshore.people_requests where deed = 'erase'").await);
}

#[tokio::test]
async fn an_export_of_a_team_holds_every_row_and_no_digest_of_a_key() {
    let world = World::new().await;
    let asked = world.run("teams export acme --json");
    assert_eq!(asked.code, 0, "{asked}");
    let known = places(&world, &world.acme.to_string()).await;
    world.work().await;
    let receipt = world.run(&format!("people requests {} --team acme --json", asked.json()["request"])).json()["receipt"].clone();
    let key = receipt["object"].as_str().unwrap_or_else(|| panic!("no object: {receipt}")).to_owned();
    let size = world.store.size(&key).await.expect("the export");
    let text = String::from_utf8(world.store.read(&key, 0, size).await.expect("its bytes").to_vec()).expect("text");
    let lines: Vec<Value> = text.lines().map(|line| line.parse().expect("a line of JSON")).collect();
    assert!(lines.iter().all(|line| line["row"]["team_id"] == world.acme.to_string()), "it tells of another team");
    let own = ["longshore.people_requests", "longshore.erasure_keys", "longshore.erased_numbers", "longshore.data_keys"];
    let missing: Vec<_> = known
        .iter()
        .filter(|place| !own.contains(&place.as_str()) && !lines.iter().any(|line| line["table"] == **place))
        .collect();
    assert!(missing.is_empty(), "the export leaves out {missing:?}");
    assert!(lines.iter().filter(|line| line["table"] == "longshore.api_keys").all(|line| line["row"].get("digest").is_none()));
}
