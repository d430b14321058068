//! What all commands share: help, exit codes, colour, where words and data go.

use clap::CommandFactory as _;
use longshore::{cli::Cli, workers};
use sqlx::Connection as _;

use super::fleet::{Fleet, binary, ran, run_at, snapshot};
use crate::support::{TestDb, database::cluster};

#[test]
fn every_command_explains_itself() {
    let mut lines = Vec::new();
    collect(&Cli::command(), "", &mut lines);
    let runs: Vec<_> = lines.iter().map(|line| run_at("", &format!("{line} -h"))).collect();
    assert!(runs.len() > 30, "{}", runs.len());
    assert!(runs.iter().all(|run| run.code == 0));
    let long = run_at("", "--help");
    assert!(long.stdout.contains("7  refused: it needs a confirmation"));
    snapshot("help", &runs);
}

fn collect(command: &clap::Command, line: &str, lines: &mut Vec<String>) {
    lines.push(line.to_owned());
    for inner in command.get_subcommands() {
        collect(inner, format!("{line} {}", inner.get_name()).trim(), lines);
    }
}

#[test]
fn a_database_that_is_not_there_is_code_5() {
    let run = run_at("postgres://longshore_operator@127.0.0.1:1/nowhere", "jobs list");
    assert_eq!(run.code, 5, "{run}");
    assert!(run.stderr.contains("127.0.0.1:1/nowhere") && run.stderr.contains("to do:"), "{run}");
    assert!(run.stdout.is_empty(), "{run}");
}

#[tokio::test]
async fn a_database_of_another_name_is_code_5() {
    let db = TestDb::new().await;
    let run = run_at(&db.url("operator").replace("/t", "/not_t"), "teams list");
    assert_eq!(run.code, 5, "{run}");
    assert!(run.stderr.contains("does not exist"), "{run}");
}

#[tokio::test]
async fn pending_migrations_are_code_6_until_migrate_ran() {
    let admin = cluster().url("postgres", "postgres");
    let mut conn = sqlx::PgConnection::connect(&admin).await.expect("a connection");
    sqlx::raw_sql("create database cli_unmigrated").execute(&mut conn).await.expect("a database");
    let url = cluster().url("postgres", "cli_unmigrated");
    let [before, check] = ["teams list", "migrate --check --json"].map(|line| run_at(&url, line));
    assert_eq!((before.code, check.code), (6, 6), "{before}\n{check}");
    assert!(before.stderr.contains("longshore migrate"), "{before}");
    let first = run_at(&url, "migrate --json");
    assert_eq!(first.code, 0, "{first}");
    assert_eq!(first.json()["applied"], check.json()["pending"]);
    let again = run_at(&url, "migrate --json");
    assert_eq!((again.code, &again.json()["applied"]), (0, &serde_json::json!(0)), "{again}");
    assert_eq!(run_at(&url, "migrate --check").code, 0);
    assert_eq!(run_at(&url, "teams list").code, 0);
}

#[tokio::test]
async fn one_missing_migration_is_noticed_by_the_operator_s_own_role() {
    let db = TestDb::new().await;
    assert_eq!(run_at(&db.url("operator"), "teams list").code, 0);
    let newest = "delete from longshore._migrations where version = (select max(version) from longshore._migrations)";
    sqlx::query(newest).execute(&db.admin).await.expect("a hole in the history");
    let run = run_at(&db.url("operator"), "teams list");
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("1 migration is missing"), "{run}");
}

#[tokio::test]
async fn a_role_that_may_not_operate_is_told_so() {
    let db = TestDb::new().await;
    let run = run_at(&db.url("worker"), "teams list");
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("longshore_operator"), "{run}");
}

#[test]
fn wrong_usage_and_wrong_settings_are_code_2() {
    for line in ["", "jobs", "jobs fetch", "jobs show x", "jobs list --limit 0", "dead replay job_1 --rate fast --yes"] {
        assert_eq!(run_at("", line).code, 2, "{line}");
    }
    let nowhere = run_at("", "teams list");
    assert_eq!(nowhere.code, 2, "{nowhere}");
    assert!(nowhere.stderr.contains("DATABASE_URL"), "{nowhere}");
    let mut wrong = binary("", "teams list");
    let wrong = ran("teams list", wrong.env("LONGSHORE_WORKER__SLOT", "3").output().expect("the binary"));
    assert_eq!(wrong.code, 2, "{wrong}");
    assert!(wrong.stderr.contains("LONGSHORE_WORKER__SLOT"), "{wrong}");
}

#[test]
fn the_configuration_is_checked_by_the_same_codes() {
    let sound = run_at("", "config check --json");
    assert_eq!((sound.code, sound.json()["ok"].as_bool()), (0, Some(true)), "{sound}");
    let mut wrong = binary("", "config check --json");
    let wrong = ran("config check", wrong.env("LONGSHORE_WORKER__SLOT", "3").output().expect("the binary"));
    assert_eq!((wrong.code, wrong.json()["ok"].as_bool()), (2, Some(false)), "{wrong}");
}

#[tokio::test]
async fn colour_only_where_it_is_wanted_and_never_in_json() {
    let fleet = Fleet::new().await;
    let plain = fleet.run("teams list");
    assert!(!plain.stdout.contains('\u{1b}'), "{plain}");
    let painted = fleet.run("teams list --color always");
    assert!(painted.stdout.contains('\u{1b}'), "{painted}");
    let json = fleet.run("teams list --color always --json");
    assert!(!json.stdout.contains('\u{1b}'), "{json}");
}

#[test]
fn kinds_are_those_of_the_registry() {
    let run = run_at("", "kinds --json");
    let seen: Vec<String> =
        run.json().as_array().expect("an array").iter().map(|kind| kind["kind"].as_str().expect("a name").into()).collect();
    let known: Vec<String> = workers::registry().iter().map(|kind| kind.name.to_owned()).collect();
    assert_eq!(seen, known);
    let table = run_at("", "kinds");
    assert!(known.iter().all(|kind| table.stdout.contains(kind.as_str())), "{table}");
    assert_eq!(run_at("", "kinds no_such_kind").code, 3);
}

#[test]
fn a_shell_learns_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let run = run_at("", &format!("completions {shell}"));
        assert!(run.code == 0 && run.stdout.contains("replay"), "{shell}");
    }
}
