//! Dead letters as plans: looked at first, approved where large, each replayed once whatever stops the run.

use std::process::{Command, Stdio};

use chrono::{DateTime, Duration, Utc};
use longshore::{
    queue::settle::Verdict,
    workers::{
        dead::{Step, run_dead_plan::RunDeadPlan, step},
        ids::{PlanId, TeamId},
        registry::Registry,
    },
};
use serde_json::json;

use super::fleet::{Fleet, Ran, binary, ran, snapshot};
use crate::support::{Stepper, services};

const PLAN: &str = "dead plan --team acme --note 'the mailbox was emptied'";
const MEND: &str = r#"'[{"op": "replace", "path": "/trouble", "value": ""}]'"#;

#[tokio::test]
async fn a_plan_shows_what_it_holds_and_changes_nothing() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    fleet.grant(fleet.acme, 3).await;
    let runs = [
        fleet.run("dead plan --error mailbox --rate 50/s --note 'the mailboxes were emptied'"),
        fleet.run("dead plan --all --json"),
        fleet.run("dead plan --error sunshine"),
        fleet.run("dead plan"),
        fleet.run("dead plans"),
        fleet.run("dead plans --json --limit 1"),
        fleet.run("dead report plan_77"),
    ];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [0, 0, 3, 2, 0, 0, 3]);
    assert_eq!((fleet.open_letters().await, fleet.jobs().await), (3, 3));
    let groups = runs[1].json()["groups"].clone();
    let seen = |at: usize| (groups[at]["team"].clone(), groups[at]["letters"].clone(), groups[at]["credits"].clone());
    assert_eq!(seen(0), (json!("acme"), json!(2), json!(4)));
    assert_eq!(seen(1), (json!("globex"), json!(1), json!(2)));
    // Two letters of two credits: three are not enough.
    assert!(runs[0].stdout.contains("too little"), "{}", runs[0]);
    snapshot("dead_plan", &runs);
}

#[tokio::test]
async fn a_plan_that_is_run_twice_replays_each_letter_once() {
    let (fleet, [job, ..]) = Fleet::with_dead_letters().await;
    assert_eq!(fleet.run("dead plan --all").code, 0);
    // Somebody else is faster with one of them.
    assert_eq!(fleet.run(&format!("dead replay {job} --yes")).code, 0);
    let runs = [fleet.run("dead run plan_1"), fleet.run("dead run plan_1"), fleet.run("dead stop plan_1")];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [0, 3, 3]);
    assert_eq!((fleet.open_letters().await, fleet.jobs().await), (0, 6));
    // They run again and die of the same; the report follows them.
    let before = fleet.run("dead report plan_1");
    fleet.stepper.drain("notes").await;
    let [first, second, third] = runs;
    snapshot("dead_plan_run", &[first, second, third, before, fleet.run("dead report plan_1"), fleet.run("dead show 2")]);
}

#[tokio::test]
async fn an_edit_is_applied_to_each_payload_and_the_whole_envelope_is_kept() {
    let (fleet, [job, ..]) = Fleet::with_dead_letters().await;
    let envelope =
        "update queue.dead set priority = 2, correlation_id = 'order 7', limit_key = 'door', limit_to = 1 where job_id = $1";
    sqlx::query(envelope).bind(job.0).execute(&fleet.db.admin).await.expect("an envelope");
    assert_eq!(fleet.run(&format!("dead plan --team acme --edit {MEND}")).code, 0);
    let run = fleet.run("dead run plan_1 --json");
    assert_eq!((run.code, &run.json()["replayed"]), (0, &json!(2)), "{run}");
    let kept: (i64, i64, i16, String, String) =
        sqlx::query_as("select replay_of, root_id, priority, correlation_id, limit_key from queue.jobs where replay_of = $1")
            .bind(job.0)
            .fetch_one(&fleet.db.admin)
            .await
            .expect("the new job");
    assert_eq!(kept, (job.0, job.0, 2, "order 7".into(), "door".into()));
    let verdicts = fleet.stepper.drain("notes").await;
    assert!(verdicts.len() == 2 && verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Done { .. })), "{verdicts:?}");
    let report = fleet.run("dead report plan_1 --json").json();
    assert_eq!((&report["state"], &report["groups"][0]["done"]), (&json!("ended"), &json!(2)));
}

#[tokio::test]
async fn an_edit_that_breaks_a_payload_is_refused_and_the_field_is_named() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    let test =
        r#"[{"op": "test", "path": "/trouble", "value": "no such address"}, {"op": "replace", "path": "/trouble", "value": ""}]"#;
    let runs = [
        fleet.run(r#"dead plan --team acme --edit '[{"op": "replace", "path": "/trouble", "value": 7}]'"#),
        fleet.run("dead run plan_1"),
        fleet.run(&format!("dead plan --team acme --edit '{test}'")),
        fleet.run("dead run plan_2"),
        fleet.run(r#"dead plan --team acme --edit '{"trouble": ""}'"#),
    ];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [0, 3, 0, 0, 2]);
    assert!(runs[0].stdout.contains("field trouble must be string, not number"), "{}", runs[0]);
    assert_eq!((fleet.open_letters().await, fleet.jobs().await), (2, 4), "only the letter that passed the test ran");
    snapshot("dead_plan_edit", &runs);
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_where_it_was() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    assert_eq!(fleet.run("dead plan --all --rate 1/h").code, 0);
    for (signal, code) in [("-KILL", None), ("-TERM", Some(130))] {
        let left = fleet.open_letters().await;
        let mut command = binary(&fleet.db.url("operator"), "dead run plan_1");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary");
        while fleet.open_letters().await == left {
            tokio::task::yield_now().await;
        }
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        assert!(sent.success());
        let output = child.wait_with_output().expect("its end");
        assert_eq!(output.status.code(), code);
        assert_eq!(fleet.open_letters().await, left - 1);
        fleet.let_the_next_one_be_due().await;
    }
    assert_eq!(fleet.run("dead run plan_1").code, 0);
    assert_eq!((fleet.open_letters().await, fleet.jobs().await), (0, 6));
    let twice =
        "select count(*) from (select from queue.jobs where replay_of is not null group by replay_of having count(*) > 1) x";
    let twice: i64 = sqlx::query_scalar(twice).fetch_one(&fleet.db.admin).await.expect("a count");
    assert_eq!(twice, 0);
}

#[tokio::test]
async fn a_plan_that_somebody_stops_waits_to_be_run_again() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    assert_eq!(fleet.run("dead plan --all --rate 1/s").code, 0);
    let mut command = binary(&fleet.db.url("operator"), "dead run plan_1");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary");
    while fleet.open_letters().await == 3 {
        tokio::task::yield_now().await;
    }
    let stop = fleet.run("dead stop plan_1");
    let run = ran("dead run plan_1", child.wait_with_output().expect("its end"));
    assert_eq!((stop.code, run.code), (0, 4), "{stop}\n{run}");
    assert!(run.stderr.contains("somebody stopped it"), "{run}");
    let left = fleet.open_letters().await;
    assert!(left > 0 && fleet.run("dead plans").stdout.contains("stopped"));
    assert_eq!(fleet.run("dead run plan_1").code, 0);
    assert_eq!((fleet.open_letters().await, fleet.jobs().await), (0, 6));
}

#[tokio::test]
async fn a_large_plan_needs_another_person() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    let run = |line: &str, setting: &str| {
        let mut command = binary(&fleet.db.url("operator"), line);
        ran(line, command.env(setting, "2").output().expect("the binary"))
    };
    let [by_count, by_credits] = ["LONGSHORE_DEAD__APPROVE_ABOVE_JOBS", "LONGSHORE_DEAD__APPROVE_ABOVE_CREDITS"];
    let runs: Vec<Ran> = vec![
        run("dead plan --all", by_count),
        fleet.run("dead run plan_1"),
        fleet.run("dead approve plan_1"),
        fleet.run("dead approve plan_1 --as ' Ann'"),
        fleet.run("dead run plan_1 --as bob"),
        fleet.run("dead approve plan_1 --as bob"),
        fleet.run("dead run plan_1"),
        fleet.run("dead report plan_1"),
    ];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [0, 7, 1, 1, 7, 0, 0, 0]);
    assert_eq!(fleet.open_letters().await, 0);
    snapshot("dead_plan_approve", &runs);
    // Those die again; one of them is within the bounds, two of two credits each are not.
    fleet.stepper.drain("notes").await;
    let states: Vec<_> =
        [1, 2].map(|limit| run(&format!("dead plan --all --limit {limit} --json"), by_credits).json()["state"].clone()).into();
    assert_eq!(states, ["ready", "unapproved"]);
    // A replay at once is no way around it.
    let at_once = run("dead replay --all --yes", by_count);
    assert_eq!(at_once.code, 7, "{at_once}");
    assert!(at_once.stderr.contains("longshore dead plan"), "{at_once}");
}

#[tokio::test]
async fn a_rate_is_kept_whoever_steps_through_the_plan() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    assert_eq!(fleet.run("dead plan --all --rate 6/m").code, 0);
    let start = "select queue.start_plan('00000000-0000-0000-0000-000000000001', 1, 'ann')";
    sqlx::query(start).execute(&fleet.db.admin).await.expect("a start");
    let noon: DateTime<Utc> = "2026-11-17T12:00:00Z".parse().expect("a moment");
    let step_at = async |seconds: i64| {
        let mut conn = fleet.db.admin.acquire().await.expect("a connection");
        let now = Some(noon + Duration::seconds(seconds));
        step(&mut conn, TeamId::HOUSE, PlanId(1), now).await.expect("a step")
    };
    let waits = |step: Step| match step {
        Step::Waits(wait) => wait.as_secs_f64().round() as i64,
        other => panic!("{other:?}"),
    };
    assert!(matches!(step_at(0).await, Step::Replayed { .. }));
    assert_eq!([waits(step_at(0).await), waits(step_at(4).await)], [10, 6]);
    assert!(matches!(step_at(10).await, Step::Replayed { .. }));
    assert_eq!(waits(step_at(10).await), 10);
    // A pause is not made up for.
    assert!(matches!(step_at(300).await, Step::Replayed { .. }));
    assert_eq!(step_at(300).await, Step::Ended);
    assert_eq!(fleet.open_letters().await, 0);
}

#[tokio::test]
async fn workers_run_a_plan_of_several_teams_each_letter_as_its_own_team_s() {
    let (fleet, jobs) = Fleet::with_dead_letters().await;
    let workers = Stepper::new(&fleet.db, Registry::new().add::<RunDeadPlan>(), services(&fleet.db)).await;
    assert_eq!(fleet.run("dead plan --all").code, 0);
    let runs = ["", ""].map(|_| fleet.run("dead run plan_1 --detach --json"));
    assert_eq!((runs[0].code, runs[0].json()), (0, runs[1].json()), "one job is at it");
    assert_eq!(fleet.open_letters().await, 3);
    assert_eq!(workers.drain("upkeep").await.len(), 1);
    assert_eq!(fleet.open_letters().await, 0);
    let same = "select count(*) from queue.jobs n join queue.dead d on d.job_id = n.replay_of and d.team_id = n.team_id where d.job_id = any ($1)";
    let same: i64 = sqlx::query_scalar(same).bind(jobs.map(|job| job.0)).fetch_one(&fleet.db.admin).await.expect("a count");
    assert_eq!(same, 3);
    assert_eq!(fleet.run("dead report plan_1 --json").json()["state"], "ended");
}

#[tokio::test]
async fn a_sealed_plan_takes_no_more_letters_and_an_unstarted_one_takes_no_step() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    assert_eq!(fleet.run(PLAN).code, 0);
    let mut conn = fleet.db.pool("operator").acquire().await.expect("a connection");
    assert_eq!(step(&mut conn, TeamId::HOUSE, PlanId(1), None).await.expect("a step"), Step::Stopped);
    let add = "select queue.add_to_plan('00000000-0000-0000-0000-000000000001', 1, array[3], array[null::jsonb], array[null])";
    let refused = sqlx::query(add).execute(&mut *conn).await.expect_err("a refusal");
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("LS013"));
    assert_eq!((fleet.open_letters().await, fleet.jobs().await), (3, 3));
}

impl Fleet {
    async fn grant(&self, team: TeamId, credits: i64) {
        let grant = sqlx::query("select longshore.credit_grant($1, $2, 'a test')").bind(team.0).bind(credits);
        grant.execute(&self.db.admin).await.expect("credits");
    }

    /// As if the plan's rate had let its time pass.
    async fn let_the_next_one_be_due(&self) {
        sqlx::query("update queue.plans set next_at = '-infinity'").execute(&self.db.admin).await.expect("an update");
    }
}
