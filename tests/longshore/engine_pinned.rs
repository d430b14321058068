//! Somebody's old snapshot: Postgres keeps for it what the queue has taken long ago.

use longshore::{
    store::jobs::{self, Hop, Mark},
    workers::{db, ids::TeamId},
};
use sqlx::PgConnection;

use crate::support::{Fleet, Stepper, kinds, services};

async fn stepper(fleet: &Fleet) -> Stepper {
    Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await
}

async fn singles(fleet: &Fleet, team: TeamId, n: i32) {
    sqlx::query("select count(queue.enqueue($1, 'scripted', '{\"does\": \"nothing\"}')) from generate_series(1, $2)")
        .bind(team.0)
        .bind(n)
        .execute(&fleet.db.admin)
        .await
        .unwrap();
}

/// Rows of the ready index that a claim looked at. The claim is undone.
async fn looked_at(fleet: &Fleet, steps: &Stepper, marks: &[Mark]) -> (usize, i64) {
    async fn count(conn: &mut PgConnection) -> i64 {
        let read = "select pg_stat_get_xact_tuples_returned('queue.ready_pkey'::regclass)";
        sqlx::query_scalar(read).fetch_one(conn).await.unwrap()
    }
    let mut tx = db::begin(&fleet.db.admin).await.unwrap();
    let before = count(&mut tx).await;
    let claims = steps.claim_with(&mut tx, "scripts", 100, Hop::default(), marks).await;
    let read = count(&mut tx).await - before;
    tx.rollback().await.unwrap();
    (claims.jobs.len(), read)
}

#[tokio::test]
async fn what_was_taken_long_ago_costs_a_claim_that_has_marks_nothing() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let mut old = db::begin(&fleet.db.admin).await.unwrap();
    sqlx::raw_sql("set transaction isolation level repeatable read; select from longshore.teams")
        .execute(&mut *old)
        .await
        .unwrap();
    singles(&fleet, fleet.team, 3000).await;
    let mut marks = Vec::new();
    let mut taken = 0;
    while taken < 3000 {
        let claims = steps.claim_from("scripts", 1000, Hop::default(), &[]).await;
        taken += claims.jobs.len();
        marks = claims.marks;
    }
    singles(&fleet, fleet.team, 3).await;
    let last = marks.into_iter().max_by_key(|mark| mark.job).unwrap();
    // Without marks it walks over all of them: else this test would show nothing.
    let (jobs, read) = looked_at(&fleet, &steps, &[]).await;
    assert_eq!(jobs, 3);
    assert!(read > 3000, "only {read} rows were there to walk over");
    let (jobs, read) = looked_at(&fleet, &steps, &[last]).await;
    assert_eq!(jobs, 3);
    assert!(read < 500, "{read} rows were looked at for 3 jobs");
    old.rollback().await.unwrap();
}

#[tokio::test]
async fn marks_hide_nothing_but_what_lies_before_them_in_their_lanes() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let mut teams = [fleet.team, fleet.db.team("b").await, fleet.db.team("c").await];
    teams.sort_by_key(|team| team.0);
    for team in teams {
        singles(&fleet, team, 4).await;
    }
    let ids = |team: TeamId| {
        let pool = &fleet.db.admin;
        async move {
            let ids = "select id from queue.jobs where team_id = $1 order by id";
            sqlx::query_scalar::<_, i64>(ids).bind(team.0).fetch_all(pool).await.unwrap()
        }
    };
    let [first, middle, last] = [ids(teams[0]).await, ids(teams[1]).await, ids(teams[2]).await];
    let mark = |team: TeamId, job| Mark { team: team.0, kind: "scripted".into(), priority: 5, job };
    let marks = [mark(teams[2], last[3]), mark(teams[0], first[2])];
    // From before all teams, between two, and behind all: the same jobs, another order.
    for after in [uuid::Uuid::nil(), teams[0].0, teams[1].0, teams[2].0] {
        let mut tx = db::begin(&fleet.db.admin).await.unwrap();
        let claims = steps.claim_with(&mut tx, "scripts", 100, Hop { after, streak: 0 }, &marks).await;
        assert_eq!(sorted(&claims), [&first[2..], &middle[..], &last[3..]].concat(), "behind {after}");
        tx.rollback().await.unwrap();
    }
    steps.claim_from("scripts", 100, Hop::default(), &marks).await;
    let rest = steps.claim_from("scripts", 100, Hop::default(), &[]).await;
    assert_eq!(sorted(&rest), [&first[..2], &last[..3]].concat());
}

fn sorted(claims: &jobs::Claims) -> Vec<i64> {
    let mut ids: Vec<_> = claims.jobs.iter().map(|job| job.claim.job.0).collect();
    ids.sort_unstable();
    ids
}
