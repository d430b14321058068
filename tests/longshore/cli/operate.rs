//! Jobs, queues, schedules, teams and keys, as an operator handles them.

use std::io::Write as _;

use super::fleet::{Fleet, snapshot};

#[tokio::test]
async fn teams_are_created_once_and_listed() {
    let fleet = Fleet::new().await;
    let created = fleet.run("teams create 'Initech & Sons' --json");
    assert_eq!(created.json()["name"], "Initech & Sons");
    snapshot(
        "teams",
        &[
            created,
            fleet.run("teams create acme"),
            fleet.run("teams create ''"),
            fleet.run("teams list"),
            fleet.run("teams list --json"),
        ],
    );
}

#[tokio::test]
async fn a_key_is_shown_once_and_ended_only_when_confirmed() {
    let fleet = Fleet::new().await;
    let created = fleet.run("keys create laptop --team acme --scopes read,enqueue --expires 90d");
    let key = created.stdout.trim().to_owned();
    let id = created.stdout.split('_').nth(2).expect("a key id").to_owned();
    let refused = fleet.run(&format!("keys revoke {id} --team acme"));
    assert_eq!(refused.code, 7, "{refused}");
    let list = fleet.run("keys list --team acme");
    let secret = created.stdout.split('_').nth(3).expect("a secret");
    assert!(!list.stdout.contains(secret) && list.stdout.contains("ends "), "{list}");
    let of_another = fleet.run(&format!("keys revoke {id} --team globex --yes"));
    assert_eq!(of_another.code, 3, "{of_another}");
    let revoked = fleet.run(&format!("keys revoke {id} --team acme --yes --json"));
    let again = fleet.run(&format!("keys revoke {id} --team acme --yes"));
    assert_eq!((revoked.code, again.code), (0, 3), "{revoked}\n{again}");
    let after = fleet.run("keys list --team acme");
    assert!(after.stdout.contains("revoked"), "{after}");
    let runs = [
        created,
        refused,
        list,
        revoked,
        again,
        after,
        fleet.run("keys list --team acme --json"),
        fleet.run("keys create x --team nobody"),
        fleet.run("keys create x --team acme --scopes fly"),
    ];
    snapshot(
        "keys",
        &runs.map(|mut run| {
            run.mask(&key, "[key]");
            run.mask(&id, "[key id]");
            run
        }),
    );
}

#[tokio::test]
async fn a_job_is_enqueued_found_and_cancelled() {
    let fleet = Fleet::new().await;
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(br#"{"trouble": "from a file"}"#).expect("a payload");
    let runs = [
        fleet.run(r#"jobs enqueue carry_note '{"trouble": ""}' --team acme --key k1"#),
        fleet.run(r#"jobs enqueue carry_note '{"trouble": ""}' --team acme --key k1 --json"#),
        fleet.run(r#"jobs enqueue carry_note '{"trouble": "other"}' --team acme --key k1"#),
        fleet.run(r#"jobs enqueue carry_note '{"trouble": ""}' --team globex --run-at 2h --priority 1"#),
        fleet.run(r#"jobs enqueue carry_note '{"trouble": 7}' --team acme"#),
        fleet.run(r#"jobs enqueue carry_note '{"trouble": ""}' --team acme --run-at 9999-01-01"#),
        fleet.run(r#"jobs enqueue carry_note '{"trouble"' --team acme"#),
        fleet.run("jobs enqueue fly_kite {} --team acme"),
        fleet.run("jobs enqueue carry_note {} --team initech"),
        fleet.run("jobs list"),
        fleet.run("jobs list --team globex --json"),
        fleet.run("jobs list --queue kites"),
        fleet.run("jobs show job_1"),
        fleet.run("jobs show 1 --json"),
        fleet.run("jobs show 99"),
        fleet.run("jobs cancel 1 99"),
        fleet.run("jobs cancel 1"),
        fleet.run("jobs cancel 99"),
        fleet.run("jobs show 1"),
    ];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [0, 0, 2, 0, 2, 2, 2, 2, 2, 0, 0, 2, 0, 0, 3, 4, 0, 3, 0]);
    snapshot("jobs", &runs);
    let from_file = fleet.run(&format!("jobs enqueue carry_note {} --team acme --json", file.path().display()));
    assert_eq!(from_file.code, 0, "{from_file}");
}

#[tokio::test]
async fn jobs_are_listed_by_state_and_page() {
    let fleet = Fleet::new().await;
    for trouble in ["", "bad", "later", "", ""] {
        fleet.enqueue(fleet.acme, trouble).await;
    }
    for _ in 0..3 {
        fleet.stepper.next("notes").await.expect("a job");
    }
    let held = fleet.stepper.claim("notes", 1).await;
    assert_eq!(held.len(), 1);
    let listed = |line: &str| {
        let run = fleet.run(&format!("jobs list --json {line}"));
        assert_eq!(run.code, 0, "{run}");
        let rows = run.json();
        let seen = rows.as_array().expect("an array").iter().map(|row| {
            format!(
                "{} {} {}",
                row["id"].as_str().unwrap_or("?"),
                row["state"].as_str().unwrap_or("?"),
                row["reason"].as_str().unwrap_or("-")
            )
        });
        seen.collect::<Vec<_>>()
    };
    assert_eq!(listed("--state done"), ["job_1 done -"]);
    assert_eq!(listed("--state dead"), ["job_2 dead -"]);
    assert_eq!(listed("--state running"), ["job_4 running -"]);
    assert_eq!(listed("--state waiting"), ["job_5 waiting ready", "job_3 waiting parked"]);
    assert_eq!(listed("--state cancelled"), [""; 0]);
    assert_eq!(listed("--limit 2"), ["job_5 waiting ready", "job_4 running -"]);
    assert_eq!(listed("--limit 2 --after job_4"), ["job_3 waiting parked", "job_2 dead -"]);
    assert_eq!(listed("--kind carry_note --queue notes --team acme").len(), 5);
    assert_eq!(listed("--team globex"), [""; 0]);
    let told = fleet.run("jobs list --limit 2");
    assert!(told.stderr.contains("--after job_4"), "{told}");
    snapshot(
        "jobs_by_state",
        &[fleet.run("jobs list"), fleet.run("jobs show 2"), fleet.run("jobs show 3"), fleet.run("jobs show 4")],
    );
    // A running job can't be taken from its handler: it is told.
    let cancel = fleet.run("jobs cancel 4 --json");
    assert_eq!((cancel.code, &cancel.json()[0]["answer"]), (0, &serde_json::json!("cancelling")), "{cancel}");
}

#[tokio::test]
async fn a_paused_queue_gives_nothing_until_it_is_resumed() {
    let fleet = Fleet::new().await;
    fleet.enqueue(fleet.acme, "").await;
    let paused = fleet.run("queues pause notes --reason 'the vendor is down'");
    assert_eq!(paused.code, 0, "{paused}");
    assert!(fleet.stepper.claim("notes", 1).await.is_empty(), "a paused queue gave a job");
    let shown = fleet.run("queues list");
    assert!(shown.stderr.contains("notes is paused by ann: the vendor is down"), "{shown}");
    let resumed = fleet.run("queues resume notes --json");
    assert_eq!(fleet.stepper.claim("notes", 1).await.len(), 1);
    let unknown = fleet.run("queues pause kites");
    assert_eq!(unknown.code, 3, "{unknown}");
    snapshot("queues_pause", &[paused, shown, resumed, unknown]);
}

#[tokio::test]
async fn queues_are_shown_as_they_were_measured() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    fleet.enqueue(fleet.acme, "").await;
    let never = fleet.run("queues list");
    assert!(never.stderr.contains("never measured"), "{never}");
    sqlx::query("select queue.measure()").execute(&fleet.db.admin).await.expect("a measurement");
    sqlx::query("update queue.depths set measured_at = now() - interval '90 seconds'")
        .execute(&fleet.db.admin)
        .await
        .expect("age");
    let measured = fleet.run("queues list");
    assert!(measured.stderr.starts_with("measured 9"), "{measured}");
    let json = fleet.run("queues list --json");
    assert_eq!((&json.json()[0]["ready"], &json.json()[0]["dead"]), (&serde_json::json!(1), &serde_json::json!(3)), "{json}");
    snapshot("queues", &[never, json]);
}

#[tokio::test]
async fn a_schedule_is_set_changed_paused_and_resumed() {
    let fleet = Fleet::new().await;
    let put = r#"schedules put nightly --team acme --kind carry_note --payload '{"trouble": ""}'"#;
    let runs = [
        fleet.run(&format!("{put} --cron '30 2 * * *' --zone America/New_York")),
        fleet.run(&format!("{put} --cron '0 4 * * MON' --missed skip --json")),
        fleet.run("schedules list"),
        fleet.run("schedules list --team globex"),
        fleet.run("schedules pause nightly --team acme"),
        fleet.run("schedules list --json"),
        fleet.run("schedules resume nightly --team acme --json"),
        fleet.run("schedules pause nightly --team globex"),
        fleet.run(&format!("{put} --cron '0 0 31 2 *'")),
        fleet.run(&format!("{put} --cron 'every day'")),
        fleet.run(&format!("{put} --cron '0 4 * * *' --zone Mars/Base")),
        fleet.run("schedules put Nightly --team acme --kind carry_note --cron '0 4 * * *' --payload '{\"trouble\": \"\"}'"),
        fleet.run("schedules put nightly --team acme --kind fly_kite --cron '0 4 * * *'"),
        fleet.run("schedules pause nightly --team acme --reason 'the vendor is down'"),
        fleet.run("schedules list"),
        fleet.run("schedules run-now nightly --team acme --key monday"),
        fleet.run("schedules run-now nightly --team acme --key monday"),
        fleet.run("schedules run-now nightly --team acme --json"),
        fleet.run("schedules run-now nightly --team globex"),
        fleet.run("schedules delete nightly --team acme"),
        fleet.run("schedules delete nightly --team acme --yes --json"),
        fleet.run("schedules delete nightly --team acme --yes"),
    ];
    let codes: Vec<_> = runs.iter().map(|run| run.code).collect();
    assert_eq!(codes, [0, 0, 0, 0, 0, 0, 0, 3, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 3, 7, 0, 3]);
    snapshot("schedules", &runs);
}

#[tokio::test]
async fn a_resumed_schedule_does_not_fire_for_the_time_it_was_paused() {
    let fleet = Fleet::new().await;
    fleet.run(r#"schedules put hourly --team acme --kind carry_note --cron '0 * * * *' --payload '{"trouble": ""}'"#);
    assert_eq!(fleet.run("schedules pause hourly --team acme").code, 0);
    sqlx::query("update queue.schedules set next_due_at = now() - interval '2 days'")
        .execute(&fleet.db.admin)
        .await
        .expect("a past");
    assert_eq!(fleet.run("schedules resume hourly --team acme").code, 0);
    let ahead = sqlx::query_scalar("select next_due_at > now() and paused_at is null from queue.schedules");
    assert!(ahead.fetch_one(&fleet.db.admin).await.unwrap_or(false), "its next tick lies in the past");
}

#[tokio::test]
async fn lanes_and_named_rates_are_set_in_part_listed_and_taken_away() {
    let fleet = Fleet::new().await;
    for n in 0..3 {
        fleet.enqueue(fleet.acme, &n.to_string()).await;
    }
    let runs = [
        fleet.run("lanes list"),
        fleet.run("lanes set --queue notes --team acme --running 2 --rate 100/m"),
        fleet.run("lanes set --queue notes --team acme --running none --weight 3 --json"),
        fleet.run("lanes set --queue notes --running 1"),
        fleet.run("lanes set --queue notes"),
        fleet.run("lanes set --queue notes --weight 0"),
        fleet.run("lanes set --queue kites --weight 2"),
        fleet.run("lanes list"),
        fleet.run("buckets set vendor --rate 5/s"),
        fleet.run("buckets set vendor --rate 60/h --burst 3 --team acme"),
        fleet.run("buckets list"),
        fleet.run("buckets remove vendor --team acme"),
        fleet.run("buckets remove vendor --team acme"),
        fleet.run("queues keep notes --days 7"),
        fleet.run("queues keep kites --days 7"),
        fleet.run("queues pause --team acme --reason 'not paid'"),
        fleet.run("queues pause notes --kind carry_note"),
    ];
    let codes: Vec<_> = runs.iter().map(|run| run.code).collect();
    assert_eq!(codes, [0, 0, 0, 0, 2, 2, 3, 0, 0, 0, 0, 0, 3, 0, 3, 0, 0]);
    snapshot("lanes", &runs);
    let listed = fleet.run("queues list");
    assert!(listed.stderr.contains("team acme is paused by ann: not paid"), "{listed}");
    assert!(listed.stderr.contains("notes, kind carry_note is paused by ann"), "{listed}");
    let json = fleet.run("queues list --json").json();
    let pauses = json[0]["pauses"].as_array().expect("the pauses");
    assert_eq!((pauses.len(), &json[0]["history_days"]), (2, &serde_json::json!(7)));
}

#[tokio::test]
async fn a_job_whose_history_was_dropped_is_shown_by_what_it_left() {
    let (fleet, jobs) = Fleet::with_dead_letters().await;
    let drop = "update queue.jobs set created_at = '2026-01-02'; update queue.outcomes set finished_at = '2026-01-02';
        select queue.turn_page()";
    sqlx::raw_sql(drop).execute(&fleet.db.admin).await.expect("a page turned");
    sqlx::raw_sql("select queue.drop_history()").execute(&fleet.db.admin).await.expect("history dropped");
    let runs = [
        fleet.run(&format!("jobs show {}", jobs[0])),
        fleet.run(&format!("jobs show {} --json", jobs[2])),
        fleet.run("jobs show 900"),
    ];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [0, 0, 3]);
    snapshot("jobs_gone", &runs);
}
