//! Two schedulers, one of which is killed: each tick fires once.

use std::process::{Child, Command, Stdio};

use crate::support::Fleet;

const SCHEDULES: i64 = 30;
/// Each has an hour to make up for, a tick every five minutes.
const TICKS: i64 = SCHEDULES * 12;

struct Scheduler(Child);

impl Drop for Scheduler {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The scheduler's role in a process of its own, as operators run it.
fn scheduler(fleet: &Fleet) -> Scheduler {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    for variable in longshore::config::own_variables() {
        command.env_remove(variable);
    }
    command
        .arg("scheduler")
        .env("DATABASE_URL", fleet.db.url("scheduler"))
        .env("LONGSHORE_SCHEDULER__TICK_SECONDS", "1")
        .env("LONGSHORE_ADMIN__BIND", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Scheduler(command.spawn().expect("a scheduler"))
}

#[tokio::test]
async fn each_tick_fires_once_though_one_of_two_schedulers_is_killed() {
    let fleet = Fleet::new().await;
    for n in 0..SCHEDULES {
        fleet
            .tell(format!(
                r#"select queue.put_schedule('{}', 'each.{n}', 'scripted', '{{"does": "effect"}}', '*/5 * * * *', 'UTC', 'catch_up',
                     date_bin('5 minutes', now() - interval '55 minutes', 'epoch'))"#,
                fleet.team
            ))
            .await;
    }
    let doomed = scheduler(&fleet);
    let survivor = scheduler(&fleet);
    let ticks = || fleet.ask::<i64>("select count(*) from queue.ticks");
    fleet.until("the first ticks", || async { ticks().await > 0 }).await;
    drop(doomed);
    fleet.until("every tick", || async { ticks().await >= TICKS }).await;
    let _worker = fleet.worker_process();
    fleet.all_settled().await;
    drop(survivor);
    // A new five minutes may have begun meanwhile.
    let (ticks, named, jobs): (i64, i64, i64) = sqlx::query_as(
        "select count(*), count(distinct t.job_id), (select count(*) from queue.jobs where correlation_id like 'schedule:each.%')
         from queue.ticks t",
    )
    .fetch_one(&fleet.db.admin)
    .await
    .unwrap();
    assert_eq!((named, jobs), (ticks, ticks), "a job for each tick, and no other");
    fleet.promises_hold().await;
}
