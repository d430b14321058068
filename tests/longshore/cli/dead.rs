//! Dead letters: found by a filter, looked at, replayed once, given up; never without a yes.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use longshore::queue::settle::Verdict;

use super::fleet::{Fleet, binary, ran, snapshot};

#[tokio::test]
async fn dead_letters_are_listed_by_every_filter() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    let listed = |line: &str| {
        let run = fleet.run(&format!("dead list --json {line}"));
        assert_eq!(run.code, 0, "{run}");
        let rows = run.json();
        rows.as_array().expect("an array").iter().map(|row| row["job"].as_str().unwrap_or("?").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(""), ["job_3", "job_2", "job_1"]);
    assert_eq!(listed("--team acme"), ["job_2", "job_1"]);
    assert_eq!(listed(&format!("--team {}", fleet.globex)), ["job_3"]);
    assert_eq!(listed("--error 'MAILBOX is'"), ["job_3", "job_1"]);
    assert_eq!(listed("--since 150m"), ["job_3", "job_2"]);
    assert_eq!(listed("--until 150m"), ["job_1"]);
    assert_eq!(listed("--kind carry_note --error address"), ["job_2"]);
    assert_eq!(listed("--kind fly_kite"), [""; 0]);
    assert_eq!(listed("2 job_3"), ["job_3", "job_2"]);
    assert_eq!(listed("--limit 1"), ["job_3"]);
    assert_eq!(listed("--limit 1 --after job_3"), ["job_2"]);
    // A % or _ is a letter like any other.
    assert_eq!(listed("--error %"), [""; 0]);
    let runs = [
        fleet.run("dead list"),
        fleet.run("dead list --team acme --json"),
        fleet.run("dead list --team initech"),
        fleet.run("dead show 2"),
        fleet.run("dead show 2 --json"),
        fleet.run("dead show 77"),
    ];
    snapshot("dead", &runs);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    let runs = [
        fleet.run("dead replay --error mailbox --dry-run"),
        fleet.run("dead replay --error mailbox --dry-run --json"),
        fleet.run("dead discard --team acme --limit 1 --dry-run"),
        fleet.run("dead replay --error sunshine --dry-run"),
    ];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [0, 0, 0, 3]);
    assert_eq!((fleet.open_letters().await, fleet.jobs().await), (3, 3));
    snapshot("dead_dry_run", &runs);
}

#[tokio::test]
async fn a_filter_replays_what_it_matches_and_nothing_else() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    let replayed = fleet.run("dead replay --error mailbox --yes");
    let told = fleet.run("dead list --all");
    let nothing = fleet.run("dead replay --error mailbox --yes --json");
    assert_eq!((replayed.code, nothing.code), (0, 3), "{replayed}\n{nothing}");
    assert_eq!((fleet.open_letters().await, fleet.jobs().await), (1, 5));
    // They run again, with their payload: and die of the same.
    let verdicts = fleet.stepper.drain("notes").await;
    assert_eq!(verdicts.len(), 2);
    assert!(verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Dead { error } if error.contains("ailbox"))));
    snapshot("dead_replay", &[replayed, told, nothing, fleet.run("jobs show 4"), fleet.run("dead show 1")]);
}

#[tokio::test]
async fn a_dead_letter_is_replayed_once() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    let first = fleet.run("dead replay job_1 --yes --json");
    assert_eq!(first.code, 0, "{first}");
    assert_eq!(first.json()["jobs"][0]["replayed_as"], "job_4");
    let second = fleet.run("dead replay job_1 --yes");
    assert_eq!(second.code, 1, "{second}");
    let mixed = fleet.run("dead replay job_1 job_2 job_99 --yes --json");
    assert_eq!(mixed.code, 4, "{mixed}");
    assert_eq!((&mixed.json()["done"], &mixed.json()["failed"]), (&serde_json::json!(1), &serde_json::json!(2)));
    let unknown = fleet.run("dead replay job_99 --yes");
    assert_eq!(unknown.code, 3, "{unknown}");
    assert_eq!(fleet.jobs().await, 5);
    snapshot("dead_replay_twice", &[first, second, mixed, unknown]);
}

#[tokio::test]
async fn a_replay_takes_another_payload_for_one_letter() {
    let (fleet, [job, ..]) = Fleet::with_dead_letters().await;
    let many = fleet.run(r#"dead replay --team acme --payload '{"trouble": ""}' --yes"#);
    let wrong = fleet.run(&format!(r#"dead replay {job} --payload '{{"trouble": 7}}' --yes"#));
    let right = fleet.run(&format!(r#"dead replay {job} --payload '{{"trouble": ""}}' --yes"#));
    assert_eq!((many.code, wrong.code, right.code), (2, 1, 0), "{many}\n{wrong}\n{right}");
    assert!(wrong.stderr.contains("trouble must be string"), "{wrong}");
    let verdicts = fleet.stepper.drain("notes").await;
    assert!(matches!(verdicts[..], [(_, Verdict::Done { .. })]), "{verdicts:?}");
}

#[tokio::test]
async fn a_rate_paces_a_replay() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    let started = Instant::now();
    let run = fleet.run("dead replay --all --rate 4/s --yes");
    assert_eq!(run.code, 0, "{run}");
    assert!(started.elapsed().as_millis() >= 500, "three letters at 4/s took {:?}", started.elapsed());
    assert_eq!(fleet.open_letters().await, 0);
}

#[tokio::test]
async fn an_interrupt_stops_between_two_letters_and_says_how_far_it_came() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    let line = "dead replay --all --rate 1/m --yes";
    let mut command = binary(&fleet.db.url("operator"), line);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary");
    while fleet.open_letters().await == 3 {
        tokio::task::yield_now().await;
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let run = ran(line, child.wait_with_output().expect("its end"));
    assert_eq!(run.code, 130, "{run}");
    assert!(run.stderr.contains("replayed 1 of 3; interrupted"), "{run}");
    assert_eq!(fleet.open_letters().await, 2);
}

#[tokio::test]
async fn without_a_terminal_nothing_happens_without_a_yes() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    let runs = [fleet.run("dead replay --team acme"), fleet.run("dead discard --team acme"), fleet.run("dead replay --yes")];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [7, 7, 2]);
    assert_eq!((fleet.open_letters().await, fleet.jobs().await), (3, 3));
    snapshot("dead_refused", &runs);
}

#[tokio::test]
async fn a_discarded_letter_stays_on_record_and_is_not_replayed() {
    let (fleet, [job, ..]) = Fleet::with_dead_letters().await;
    let runs = [
        fleet.run(&format!("dead discard {job} --yes")),
        fleet.run(&format!("dead replay {job} --yes")),
        fleet.run(&format!("dead discard {job} --yes")),
        fleet.run("dead discard --team acme --yes --json"),
        fleet.run("dead list --all"),
        fleet.run(&format!("jobs show {job}")),
    ];
    assert_eq!(runs.iter().map(|run| run.code).collect::<Vec<_>>(), [0, 1, 1, 0, 0, 0]);
    assert_eq!((fleet.open_letters().await, fleet.jobs().await), (1, 3));
    snapshot("dead_discard", &runs);
}
