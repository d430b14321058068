//! One person in one team.

use std::sync::Arc;

use longshore::queue::settle::Verdict;
use serde_json::Value;

use super::{
    store::Odd,
    world::{ADA, BOB, FILE, World, bare, worker},
};
use crate::messages::world::World as Sending;

const ERASE: &str = "people erase --team acme --phone '617 555 0123' --yes --json";

#[tokio::test]
async fn an_erased_person_is_found_nowhere_and_everybody_else_is_untouched() {
    let world = World::new().await;
    let known: i64 = world.ask("select count(distinct place) from seed.rows_with('6175550123', 'ada@example.com')").await;
    assert!(known >= 30, "the seed put her into {known} tables only");
    let (globex, bob) = (world.digest(world.globex, "").await, world.digest(world.acme, &BOB.0[2..]).await);

    let asked = world.run(ERASE);
    assert_eq!(asked.code, 0, "{asked}");
    let again = world.run(ERASE);
    assert_eq!((&again.json()["known"], &again.json()["job"]), (&Value::Bool(true), &asked.json()["job"]), "{again}");
    let verdicts = world.work().await;
    assert_eq!(verdicts.last().map(|(_, verdict)| verdict), Some(&Verdict::Nothing), "{verdicts:?}");

    let left = world.traces(ADA).await;
    let left: Vec<_> = left.into_iter().filter(|(_, row)| !row.contains(&world.globex.to_string())).collect();
    assert!(left.is_empty(), "she is still there: {left:#?}");
    assert_eq!(world.digest(world.globex, "").await, globex, "another team's rows were touched");
    assert_eq!(world.digest(world.acme, &BOB.0[2..]).await, bob, "another person's rows were touched");

    // The files: blanks in place of her records, everything else where it was.
    for (key, text) in world.objects() {
        let hers = bare(&text).contains(&ADA.0[2..]) || text.to_lowercase().contains(ADA.1);
        assert_eq!(hers, key.contains(&world.globex.to_string()), "{key}: {text}");
    }
    assert!(world.objects().iter().all(|(key, _)| *key != world.upload), "the object that had her is still there");
    let key: String = world.ask("select object_key from longshore.files where file_id = 901").await;
    let size = world.store.size(&key).await.expect("the new object");
    let text = String::from_utf8(world.store.read(&key, 0, size).await.expect("its bytes").to_vec()).expect("text");
    assert_eq!(text.len(), FILE.len());
    for (kept, line) in [(true, "617-555-0199,bob@example.com,Bob,\n"), (true, "2125550100,,Carol,\n"), (false, "Ada")] {
        assert_eq!(text.contains(line), kept, "{text}");
    }

    // The receipt says what became of what, and names nobody.
    let receipt = world.run(&format!("people requests {} --team acme --json", asked.json()["request"]));
    let told = receipt.json()["receipt"].clone();
    assert_eq!(told["tables"]["longshore.leads"]["anonymised"], 1, "{receipt}");
    assert_eq!(told["tables"]["longshore.inbox"]["deleted"], 1, "{receipt}");
    assert_eq!(told["tables"]["objects"]["records blanked"], 2, "{receipt}");
    assert!(told["kept"]["longshore.ledger_entries"]["why"].as_str().is_some_and(|why| why.starts_with("money")), "{receipt}");
    assert!(!bare(&receipt.stdout).contains(&ADA.0[2..]));
    let erased: bool = world.ask(&format!("select longshore.is_erased('{}', '{}')", world.acme, ADA.0)).await;
    let elsewhere: bool = world.ask(&format!("select longshore.is_erased('{}', '{}')", world.globex, ADA.0)).await;
    assert!(erased && !elsewhere);
    assert_eq!(world.run("audit verify").code, 0);
}

#[tokio::test]
async fn an_export_holds_what_is_known_of_the_person_and_goes_with_them() {
    let world = World::new().await;
    let asked = world.run("people export --team acme --email ADA@example.com --json");
    assert_eq!(asked.code, 0, "{asked}");
    world.work().await;
    let receipt = world.run(&format!("people requests {} --team acme --json", asked.json()["request"])).json()["receipt"].clone();
    let key = receipt["object"].as_str().unwrap_or_else(|| panic!("no object: {receipt}")).to_owned();
    assert!(key.starts_with(&format!("t/{}/exports/", world.acme)), "{key}");
    let size = world.store.size(&key).await.expect("the export");
    let text = String::from_utf8(world.store.read(&key, 0, size).await.expect("its bytes").to_vec()).expect("text");
    let lines: Vec<Value> = text.lines().map(|line| line.parse().expect("a line of JSON")).collect();
    assert_eq!(receipt["lines"], lines.len());
    assert!(!bare(&text).contains(&BOB.0[2..]), "it tells of somebody else");
    // Every table in which she stands, and her records in the files.
    let tables: Vec<String> = sqlx::query_scalar(
        "select distinct regexp_replace(place, '_[0-9]+d?(_[0-9]+)?$', '') from seed.rows_with('6175550123', 'ada@example.com') where found like '%' || $1 || '%'",
    )
    .bind(world.acme.to_string())
    .fetch_all(&world.db.admin)
    .await
    .expect("the tables");
    let missing: Vec<_> = tables
        .iter()
        .filter(|table| !lines.iter().any(|line| line["table"] == **table))
        .filter(|table| !table.contains("people_requests"))
        .collect();
    assert!(missing.is_empty(), "the export leaves out {missing:?}");
    assert_eq!(lines.iter().filter(|line| line["record"].is_string()).count(), 2, "{text}");
    assert!(!text.contains("digest"), "digests tell nobody anything");

    assert_eq!(world.run(ERASE).code, 0);
    world.work().await;
    assert!(world.store.size(&key).await.is_err(), "what was exported of her is still there");
}

#[tokio::test]
async fn what_is_under_way_is_waited_for_and_a_waiting_job_about_them_is_cancelled() {
    let world = World::new().await;
    world
        .tell(&format!("update longshore.messages set state = 'unknown', ended_at = null where team_id = '{}'", world.acme))
        .await;
    let enqueue = format!(
        "select (queue.enqueue('{}', 'carry_note', '{{\"trouble\": \"text +1 617 555 0123\"}}', idempotency_key => 'k', limit_key => 'to:+16175550123')).job_id",
        world.acme
    );
    let job: i64 = world.ask(&enqueue).await;
    assert_eq!(world.run(ERASE).code, 0);
    let verdicts = world.worker.drain("upkeep").await;
    let [(_, Verdict::Snooze { reason, .. })] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert!(reason.contains("message"), "{reason}");
    // Nothing more is sent from here on.
    let suppressed: bool = world
        .ask(&format!(
            "select count(*) > 0 from longshore.suppressions where team_id = '{}' and phone = '{}' and reason = 'DNC_REQUEST'",
            world.acme, ADA.0
        ))
        .await;
    assert!(suppressed);
    world.tell("update longshore.messages set state = 'delivered', ended_at = now() where state = 'unknown'").await;
    world.tell("update longshore.files set state = 'loading', error = null where file_id = 902").await;
    world
        .tell(&format!(
            "insert into queue.leases (team_id, queue_id, priority, kind, boot_id, keep, attempt, open)
             values ('{}', 901, 0, 'ingest_file', gen_random_uuid(), 30, 1, '{{999999}}')",
            world.acme
        ))
        .await;
    world.worker.let_time_pass(&world.db).await;
    let verdicts = world.worker.drain("upkeep").await;
    let [(_, Verdict::Snooze { reason, .. })] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert!(reason.contains("file"), "{reason}");
    // A load that nobody is at any more (cancelled, dead) is not waited for: it would be for ever.
    world.tell("delete from queue.leases where kind = 'ingest_file'").await;
    world.work().await;
    let left = world.traces(ADA).await;
    assert!(left.iter().all(|(_, row)| row.contains(&world.globex.to_string())), "{left:#?}");
    assert_eq!(
        world.ask::<i16>(&format!("select outcome from queue.outcomes where job_id = {job}")).await,
        3,
        "it was not cancelled"
    );
    let payload: Value = world.ask(&format!("select payload from queue.jobs where id = {job}")).await;
    assert_eq!(payload, serde_json::json!({ "trouble": "erased" }));
}

#[tokio::test]
async fn what_comes_in_of_them_while_they_are_erased_goes_too_and_stops_nothing() {
    let world = World::new().await;
    assert_eq!(world.run(ERASE).code, 0);
    // She writes, opts out, is consented for and uploaded anew whenever her traces in another table go: behind what is hers
    // alone, and in the midst of the round.
    let again = format!(
        "create function seed.come_back() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
         begin
           if not exists (select from seed.visits) then
             insert into seed.visits values (1);
             insert into longshore.leads (team_id, phone, email, first_name) values ('{team}', '{phone}', 'ADA@example.com', 'Ada');
             insert into longshore.suppressions (team_id, phone, reason, source) values ('{team}', '{phone}', 'OPT_OUT', 'sms');
             insert into longshore.consents (team_id, phone, level, method, captured_at) values ('{team}', '{phone}', 'express', 'web', now());
             insert into longshore.inbox (team_id, vendor, vendor_id, sender, recipient, body, meaning, raw)
             values ('{team}', 'twilio', 'SM-again', '{phone}', '+12025550100', 'hello', 'other', '{{}}');
           end if;
           return null;
         end $$;
         create table seed.visits (n integer);
         create trigger come_back after update on longshore.files for each statement execute function seed.come_back()",
        team = world.acme,
        phone = ADA.0,
    );
    world.tell(&again).await;
    let verdicts = world.work().await;
    assert!(!verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Retry { .. } | Verdict::Dead { .. })), "{verdicts:?}");
    assert_eq!(world.ask::<i64>("select count(*) from seed.visits").await, 1, "she never came");
    let left = world.traces(ADA).await;
    let left: Vec<_> = left.into_iter().filter(|(_, row)| !row.contains(&world.globex.to_string())).collect();
    assert!(left.is_empty(), "she is still there: {left:#?}");
    let named: i64 =
        world.ask(&format!("select count(*) from longshore.leads where team_id = '{}' and first_name = 'Ada'", world.acme)).await;
    assert_eq!(named, 0, "her name came back and stayed");
    let receipt: Value = world.ask("select receipt from longshore.people_requests where deed = 'erase'").await;
    assert_eq!(receipt["tables"]["longshore.leads"]["anonymised"], 2, "{receipt}");
    let proofs: i64 = world
        .ask(&format!("select count(*) from longshore.consents where team_id = '{}' and phone like 'erased:%'", world.acme))
        .await;
    assert_eq!(proofs, 2, "a consent keeps its digest");
}

#[tokio::test]
async fn an_export_holds_jobs_and_deliveries_that_speak_of_them_by_number_alone() {
    let world = World::new().await;
    let lead: i64 =
        world.ask(&format!("select lead_id from longshore.leads where team_id = '{}' and phone = '{}'", world.acme, ADA.0)).await;
    let stranger = lead + 1_000_000;
    for (id, event) in [(lead, "a"), (stranger, "b")] {
        world
            .tell(&format!(
                "insert into longshore.webhook_deliveries (team_id, endpoint_id, event_id, event, data, job_id)
                 values ('{}', 1, 'evt_' || repeat('{event}', 32), 'message.delivered', '{{\"lead_id\": {id}}}', 1)",
                world.acme
            ))
            .await;
    }
    let asked = world.run("people export --team acme --phone '617 555 0123' --json");
    world.work().await;
    let receipt = world.run(&format!("people requests {} --team acme --json", asked.json()["request"])).json()["receipt"].clone();
    let key = receipt["object"].as_str().unwrap_or_else(|| panic!("no object: {receipt}")).to_owned();
    let size = world.store.size(&key).await.expect("the export");
    let text = String::from_utf8(world.store.read(&key, 0, size).await.expect("its bytes").to_vec()).expect("text");
    assert!(text.contains(&"a".repeat(32)), "what a webhook told of her is left out");
    assert!(!text.contains(&"b".repeat(32)), "and what it told of another is not hers");
}

#[tokio::test]
async fn no_team_asks_for_another_ones_data_or_who_was_erased_there() {
    let world = World::new().await;
    for question in [
        format!(
            "select request_id from longshore.ask_for_people('{}', 'export', null, null, '{}', 'key x')",
            world.acme, world.globex
        ),
        format!("select longshore.is_erased('{}', '{}')::text", world.globex, ADA.0),
    ] {
        let mut tx = longshore::workers::db::begin_as(&world.db.pool("api"), world.acme).await.expect("a transaction");
        let refused = sqlx::query(sqlx::AssertSqlSafe(question.clone())).execute(&mut *tx).await.expect_err(&question);
        let code = refused.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        assert_eq!(code.as_deref(), Some("LS007"), "{question}: {refused}");
    }
}

#[tokio::test]
async fn an_erasure_that_was_cut_off_goes_on_where_it_was() {
    let world = World::new().await;
    assert_eq!(world.run(ERASE).code, 0);
    let stubborn = worker(&world.db, Arc::new(Odd::that_keeps_everything(world.store.clone()))).await;
    let verdicts = stubborn.drain("upkeep").await;
    assert!(matches!(&verdicts[..], [(_, Verdict::Retry { .. })]), "{verdicts:?}");
    assert!(world.objects().iter().any(|(key, _)| *key == world.upload), "it came as far as to replace the object");
    world.work().await;
    world.worker.let_time_pass(&world.db).await;
    world.work().await;
    assert!(world.objects().iter().all(|(key, _)| *key != world.upload), "the replaced object was forgotten");
    let left = world.traces(ADA).await;
    assert!(left.iter().all(|(_, row)| row.contains(&world.globex.to_string())), "{left:#?}");
    let counted: i64 =
        world.ask("select (receipt #>> '{tables,longshore.leads,anonymised}')::bigint from longshore.people_requests").await;
    assert_eq!(counted, 1, "counted once");
}

#[tokio::test]
async fn an_erased_number_that_comes_back_is_not_texted() {
    let world = Sending::new().await;
    let worker = world.worker().await;
    let (message_id, phone, _) = world.job(&worker).await;
    let erased = "insert into longshore.erased_numbers (team_id, digest) values ($1, longshore.erasure_digest($1, $2))";
    sqlx::query(erased).bind(world.team.0).bind(&phone).execute(&world.db.admin).await.expect("an erased number");
    worker.next("messages").await.expect("a run");
    assert_eq!(world.decisions(message_id).await, ["suppress suppressed_erased"]);
    assert_eq!(world.taken(&phone), 0);
}

#[tokio::test]
async fn what_is_asked_for_is_checked_and_nobody_asks_for_nobody() {
    let world = World::new().await;
    for wrong in [
        "people erase --team acme --yes",
        "people erase --team acme --phone 12 --yes",
        "people export --team acme --email nobody",
    ] {
        let refused = world.run(wrong);
        assert_eq!(refused.code, 2, "{refused}");
    }
    assert_eq!(world.run("people erase --team acme --phone 6175550123").code, 7, "without --yes");
    assert_eq!(world.ask::<i64>("select count(*) from longshore.people_requests").await, 0);
    // Somebody whom the team does not know: nothing is found, and they are never texted.
    let asked = world.run("people erase --team acme --phone 2125550177 --yes --json");
    assert_eq!(asked.code, 0, "{asked}");
    world.work().await;
    assert!(world.ask::<bool>(&format!("select longshore.is_erased('{}', '+12125550177')", world.acme)).await);
}
