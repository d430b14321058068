//! Flags: the same teams each time, more of them with each raise, and kinds of job that wait where their flag is off.

use longshore::{
    tenancy::flags::{self, Wanted},
    workers::{db, enqueue::Options, ids::TeamId},
};

use crate::support::{Fleet, Stepper, kinds, kinds::Scripted, services};

async fn as_ada(fleet: &Fleet) -> db::Tx {
    let mut tx = db::begin(&fleet.db.pool("operator")).await.unwrap();
    sqlx::query("select set_config('app.actor', 'operator ada', true)").execute(&mut *tx).await.unwrap();
    tx
}

async fn set(fleet: &Fleet, percent: Option<i16>, kind: Option<&str>) {
    let mut tx = as_ada(fleet).await;
    let wanted = Wanted { description: "a new way".into(), default_on: false, percent, kind: kind.map(Into::into) };
    flags::set(&mut tx, "new_way", &wanted, "operator ada").await.unwrap();
    tx.commit().await.unwrap();
}

async fn override_for(fleet: &Fleet, team: TeamId, to: Option<bool>) {
    let mut tx = as_ada(fleet).await;
    assert!(flags::override_for(&mut tx, "new_way", team, to, "operator ada").await.unwrap());
    tx.commit().await.unwrap();
}

/// The names of 400 teams for which the flag is on.
async fn on(fleet: &Fleet) -> Vec<String> {
    let question =
        "select name from longshore.teams where name like 't %' and longshore.flag_is_on('new_way', team_id) order by name";
    sqlx::query_scalar(question).fetch_all(&fleet.db.admin).await.unwrap()
}

async fn many_teams(fleet: &Fleet) {
    fleet
        .tell("insert into longshore.teams (team_id, name) select md5(n::text)::uuid, 't ' || n from generate_series(1, 400) n")
        .await;
}

/// A team whose bucket lies in that range.
async fn team_with_bucket(fleet: &Fleet, from: i32, below: i32) -> TeamId {
    for n in 0.. {
        let team = fleet.db.team(&format!("bucket {from} {n}")).await;
        let bucket: i32 = fleet.ask(format!("select longshore.flag_bucket('new_way', '{team}')")).await;
        if (from..below).contains(&bucket) {
            return team;
        }
    }
    unreachable!()
}

async fn waits_for(fleet: &Fleet) -> Vec<String> {
    sqlx::query_scalar("select detail from queue.scheduled where run_at = 'infinity' order by job_id")
        .fetch_all(&fleet.db.admin)
        .await
        .unwrap()
}

async fn claimed(steps: &Stepper) -> Vec<TeamId> {
    let mut teams = Vec::new();
    loop {
        steps.promote().await;
        let Some(job) = steps.claim("scripts", 1).await.pop() else { break };
        teams.push(job.claim.team);
        assert!(steps.finish(&job).await);
    }
    teams.sort();
    teams
}

#[tokio::test]
async fn a_larger_share_only_adds_teams() {
    let fleet = Fleet::new().await;
    many_teams(&fleet).await;
    set(&fleet, None, None).await;
    assert!(on(&fleet).await.is_empty(), "off by default");
    let mut before = Vec::new();
    for percent in [0, 1, 10, 20, 50, 99, 100] {
        set(&fleet, Some(percent), None).await;
        let now = on(&fleet).await;
        assert!(before.iter().all(|team| now.contains(team)), "{percent} % lost a team");
        let expected = 4.0 * f64::from(percent);
        assert!((now.len() as f64 - expected).abs() <= 40.0, "{percent} % are {} of 400", now.len());
        before = now;
    }
    assert_eq!(before.len(), 400);
    set(&fleet, Some(10), None).await;
    let ten = on(&fleet).await;
    set(&fleet, Some(100), None).await;
    set(&fleet, Some(10), None).await;
    assert_eq!(on(&fleet).await, ten, "the same ones again");
}

#[tokio::test]
async fn an_override_goes_before_the_share_and_both_are_on_record() {
    let fleet = Fleet::new().await;
    set(&fleet, Some(0), None).await;
    let is_on = async || fleet.ask::<bool>(format!("select longshore.flag_is_on('new_way', '{}')", fleet.team)).await;
    assert!(!is_on().await);
    override_for(&fleet, fleet.team, Some(true)).await;
    assert!(is_on().await);
    set(&fleet, Some(100), None).await;
    override_for(&fleet, fleet.team, Some(false)).await;
    assert!(!is_on().await);
    override_for(&fleet, fleet.team, None).await;
    assert!(is_on().await);
    let deeds: Vec<String> = sqlx::query_scalar(
        "select action || ' ' || target || ' ' || actor from longshore.audit_log where action like 'flag.%' order by at, seq",
    )
    .fetch_all(&fleet.db.admin)
    .await
    .unwrap();
    let set_it = "flag.set new_way operator ada";
    let overrode = "flag.override new_way operator ada";
    assert_eq!(deeds, [set_it, overrode, set_it, overrode, overrode]);
}

#[tokio::test]
async fn a_kind_runs_for_the_teams_in_its_share_and_waits_for_the_others() {
    let fleet = Fleet::new().await;
    let steps = Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await;
    set(&fleet, Some(10), Some("scripted")).await;
    let (inside, soon, late) =
        (team_with_bucket(&fleet, 0, 10).await, team_with_bucket(&fleet, 10, 60).await, team_with_bucket(&fleet, 60, 100).await);
    for team in [late, soon, inside] {
        for _ in 0..3 {
            fleet.enqueue_with(team, &Scripted::new("nothing"), Options::default()).await;
        }
    }
    assert_eq!(claimed(&steps).await, [inside; 3]);
    assert_eq!(waits_for(&fleet).await, vec!["rollout new_way: off for this team"; 6]);
    let ready: i64 = fleet.ask("select count(*) from queue.ready").await;
    assert_eq!(ready, 0, "they are out of the claim's way");

    set(&fleet, Some(60), Some("scripted")).await;
    assert_eq!(claimed(&steps).await, [soon; 3]);
    override_for(&fleet, late, Some(true)).await;
    assert_eq!(claimed(&steps).await, [late; 3]);
    let census = fleet.census().await;
    assert_eq!((census.done, census.lost, census.doubled), (9, 0, 0));
}

#[tokio::test]
async fn what_waits_keeps_its_attempts_and_runs_when_the_flag_goes_or_leaves_the_kind() {
    let fleet = Fleet::new().await;
    let steps = Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await;
    let other = fleet.enqueue_other().await;
    let job = fleet.enqueue(&Scripted::new("fail_once")).await;
    steps.next("scripts").await.expect("its first attempt");
    set(&fleet, Some(0), Some("scripted")).await;
    steps.let_time_pass(&fleet.db).await;
    assert!(claimed(&steps).await.is_empty());
    assert_eq!(waits_for(&fleet).await.len(), 1);
    let attempt: i16 = fleet.ask("select attempt from queue.scheduled").await;
    assert_eq!(attempt, 1);
    // The flag takes hold of another kind.
    set(&fleet, Some(0), Some("scripted_note")).await;
    steps.promote().await;
    let again = steps.claim("scripts", 1).await.pop().expect("the job");
    assert_eq!((again.claim.job, again.claim.attempt), (job, 2));
    assert!(steps.finish(&again).await);
    let mut tx = as_ada(&fleet).await;
    assert!(flags::unset(&mut tx, "new_way").await.unwrap());
    assert!(!flags::unset(&mut tx, "new_way").await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!((fleet.census().await.ready, other.0 > 0), (1, true));
}

/// Claims and changes of the share at once: no job is left parked by a share that no longer holds.
#[tokio::test(flavor = "multi_thread")]
async fn no_job_stays_behind_when_the_share_changes_under_the_claims() {
    let fleet = Fleet::new().await;
    set(&fleet, Some(0), Some("scripted")).await;
    fleet.enqueue_many(&Scripted::new("nothing"), 300).await;
    let worker = fleet.worker();
    for round in 0..20 {
        fleet.enqueue(&Scripted::new("nothing")).await;
        set(&fleet, Some(if round % 2 == 0 { 100 } else { 0 }), Some("scripted")).await;
    }
    set(&fleet, Some(100), Some("scripted")).await;
    fleet.all_ended().await;
    worker.stop().await;
    fleet.nothing_lost().await;
    assert!(waits_for(&fleet).await.is_empty());
}
