//! Secrets of teams: sealed in their place, opened by nobody else, put under another key while they are used.

use longshore::{
    tenancy::secrets::{State, rotate, status},
    workers::{
        self,
        clock::SeededRandom,
        db,
        ids::TeamId,
        secrets::{Keyring, Place, SecretError, open, rotate_secrets::RotateSecrets, seal},
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::support::{Stepper, TestDb, services, services::keyring};

const PLACE: Place<'_> = Place { table: "longshore.team_settings", row: "apollo", column: "secret" };

async fn sealed(db: &TestDb, ring: &Keyring, team: TeamId, secret: &str) -> Vec<u8> {
    sealed_with(db, ring, &SeededRandom::new(7), team, secret).await.expect("a sealed secret")
}

async fn sealed_with(
    db: &TestDb,
    ring: &Keyring,
    random: &SeededRandom,
    team: TeamId,
    secret: &str,
) -> Result<Vec<u8>, SecretError> {
    let mut tx = db::begin_as(&db.pool("api"), team).await.expect("a transaction");
    let sealed = seal(&mut tx, ring, random, team, PLACE, &SecretString::from(secret)).await?;
    tx.commit().await.expect("a commit");
    Ok(sealed)
}

async fn opened(db: &TestDb, ring: &Keyring, team: TeamId, place: Place<'_>, bytes: &[u8]) -> Result<String, SecretError> {
    let mut tx = db::begin_as(&db.pool("worker"), team).await.expect("a transaction");
    let secret = open(&mut tx, ring, team, place, bytes).await?;
    Ok(secret.expose_secret().to_owned())
}

async fn masters(db: &TestDb) -> Vec<(String, i64)> {
    let rows = "select master_key, count(*) from longshore.data_keys group by 1 order by 1";
    sqlx::query_as(rows).fetch_all(&db.admin).await.expect("rows")
}

#[tokio::test]
async fn a_secret_is_opened_where_it_was_sealed_and_nowhere_else() {
    let db = TestDb::new().await;
    let (acme, globex) = (db.team("acme").await, db.team("globex").await);
    let ring = keyring("2026-11");
    let bytes = sealed(&db, &ring, acme, "hunter2 hunter2").await;
    assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
    assert_eq!(opened(&db, &ring, acme, PLACE, &bytes).await.unwrap(), "hunter2 hunter2");

    let elsewhere = [
        Place { table: "longshore.webhooks", ..PLACE },
        Place { row: "apollo2", ..PLACE },
        Place { column: "secrets", ..PLACE },
        // The same letters, cut elsewhere.
        Place { row: "apollos", column: "ecret", ..PLACE },
    ];
    for place in elsewhere {
        let refused = opened(&db, &ring, acme, place, &bytes).await;
        assert!(matches!(refused, Err(SecretError::Refused)), "{place:?}: {refused:?}");
    }
    // Another team, which has a data key of the same number, and one that is even told to be the same.
    sealed(&db, &ring, globex, "its own").await;
    let refused = opened(&db, &ring, globex, PLACE, &bytes).await;
    assert!(matches!(refused, Err(SecretError::Refused)), "{refused:?}");
    let steal = "update longshore.data_keys g set nonce = a.nonce, wrapped = a.wrapped from longshore.data_keys a
        where g.team_id = $1 and a.team_id = $2";
    sqlx::query(steal).bind(globex.0).bind(acme.0).execute(&db.admin).await.unwrap();
    let refused = opened(&db, &ring, globex, PLACE, &bytes).await;
    assert!(matches!(refused, Err(SecretError::Refused)), "{refused:?}");
}

#[tokio::test]
async fn a_changed_byte_anywhere_is_refused() {
    let db = TestDb::new().await;
    let team = db.team("acme").await;
    let ring = keyring("2026-11");
    let bytes = sealed(&db, &ring, team, "hunter2").await;
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        let refused = opened(&db, &ring, team, PLACE, &wrong).await;
        assert!(matches!(refused, Err(SecretError::Refused)), "byte {at}: {refused:?}");
    }
    for end in [0, 1, 5, 17, bytes.len() - 1] {
        assert!(opened(&db, &ring, team, PLACE, &bytes[..end]).await.is_err(), "cut to {end}");
    }
    // The data key's own row: nonce, ciphertext, the key that it says it is under.
    for change in [
        "nonce = set_byte(nonce, 3, get_byte(nonce, 3) # 1)",
        "wrapped = set_byte(wrapped, 40, get_byte(wrapped, 40) # 1)",
        "master_key = 'other'",
    ] {
        let row: (Vec<u8>, Vec<u8>, String) =
            sqlx::query_as("select nonce, wrapped, master_key from longshore.data_keys").fetch_one(&db.admin).await.unwrap();
        let update = format!("update longshore.data_keys set {change}");
        sqlx::query(sqlx::AssertSqlSafe(update)).execute(&db.admin).await.unwrap();
        let refused = opened(&db, &keyring("other 2026-11"), team, PLACE, &bytes).await;
        assert!(matches!(refused, Err(SecretError::Refused)), "{change}: {refused:?}");
        let back = "update longshore.data_keys set nonce = $1, wrapped = $2, master_key = $3";
        sqlx::query(back).bind(row.0).bind(row.1).bind(row.2).execute(&db.admin).await.unwrap();
    }
    assert_eq!(opened(&db, &ring, team, PLACE, &bytes).await.unwrap(), "hunter2");
}

/// What is stored today is opened by every later build: the form may get a sibling, and never changes.
#[tokio::test]
async fn the_stored_form_never_changes() {
    let db = TestDb::new().await;
    let team = TeamId(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
    let insert = "insert into longshore.teams (team_id, name) values ($1, 'golden')";
    sqlx::query(insert).bind(team.0).execute(&db.admin).await.unwrap();
    let ring = keyring("golden");
    let made = sealed(&db, &ring, team, "the golden secret").await;
    let (nonce, wrapped): (Vec<u8>, Vec<u8>) =
        sqlx::query_as("select nonce, wrapped from longshore.data_keys").fetch_one(&db.admin).await.unwrap();
    insta::assert_snapshot!(format!(
        "sealed  {}\nnonce   {}\nwrapped {}",
        hex::encode(&made),
        hex::encode(nonce),
        hex::encode(wrapped)
    ));
}

#[tokio::test]
async fn each_value_has_a_nonce_of_its_own() {
    let db = TestDb::new().await;
    let team = db.team("acme").await;
    let (ring, random) = (keyring("a"), SeededRandom::new(1));
    let first = sealed_with(&db, &ring, &random, team, "same").await.unwrap();
    let second = sealed_with(&db, &ring, &random, team, "same").await.unwrap();
    assert_ne!(first[5..17], second[5..17]);
    assert_ne!(first[17..], second[17..]);
    assert_eq!(masters(&db).await, [("a".to_owned(), 1)], "one data key a team");
}

#[tokio::test]
async fn without_a_keyring_nothing_is_stored_and_the_setting_is_named() {
    let db = TestDb::new().await;
    let team = db.team("acme").await;
    let refused = sealed_with(&db, &Keyring::default(), &SeededRandom::new(1), team, "x").await.unwrap_err().to_string();
    assert!(refused.contains("LONGSHORE_SECRETS__KEYS") && refused.contains("secrets.keys_file"), "{refused}");
    let bytes = sealed(&db, &keyring("2026-11"), team, "x").await;
    let refused = opened(&db, &keyring("2027-01"), team, PLACE, &bytes).await.unwrap_err().to_string();
    assert!(refused.contains("\"2026-11\" is not in this process's keyring"), "{refused}");
}

#[tokio::test]
async fn a_team_that_is_deleted_takes_its_data_keys_along() {
    let db = TestDb::new().await;
    let (acme, globex) = (db.team("acme").await, db.team("globex").await);
    let ring = keyring("a");
    let bytes = sealed(&db, &ring, acme, "gone with the team").await;
    let other = sealed(&db, &ring, globex, "stays").await;
    // As the tables' owner, whom no policy lets see a row: the cascade goes all the same.
    let mut tx = db::begin(&db.admin).await.unwrap();
    sqlx::raw_sql("alter table longshore.teams no force row level security; set local role longshore_owner")
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("delete from longshore.teams where team_id = $1").bind(acme.0).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    // Somebody who kept the sealed bytes and has the keyring, and a team under the same id.
    let insert = "insert into longshore.teams (team_id, name) values ($1, 'acme')";
    sqlx::query(insert).bind(acme.0).execute(&db.admin).await.unwrap();
    assert!(matches!(opened(&db, &ring, acme, PLACE, &bytes).await, Err(SecretError::Refused)));
    sealed_with(&db, &ring, &SeededRandom::new(8), acme, "anew").await.unwrap();
    assert!(matches!(opened(&db, &ring, acme, PLACE, &bytes).await, Err(SecretError::Refused)));
    assert_eq!(opened(&db, &ring, globex, PLACE, &other).await.unwrap(), "stays");
}

/// Teams with a secret each, sealed under the key `old`.
async fn teams_with_secrets(db: &TestDb, count: i32) -> Vec<(TeamId, Vec<u8>)> {
    let mut made = Vec::new();
    let insert = "insert into longshore.teams (name) select 'team ' || n from generate_series(1, $1) n returning team_id";
    let ids: Vec<Uuid> = sqlx::query_scalar(insert).bind(count).fetch_all(&db.admin).await.unwrap();
    let (pool, ring, random) = (db.pool("api"), keyring("old"), SeededRandom::new(9));
    for team in ids.into_iter().map(TeamId) {
        let mut tx = db::begin_as(&pool, team).await.unwrap();
        let secret = SecretString::from(format!("of {team}"));
        made.push((team, seal(&mut tx, &ring, &random, team, PLACE, &secret).await.unwrap()));
        tx.commit().await.unwrap();
    }
    made
}

async fn rotator(db: &TestDb) -> Stepper {
    let mut services = services(db);
    services.keyring = keyring("old new");
    Stepper::new(db, workers::registry(), services).await
}

#[tokio::test]
async fn a_rotation_leaves_every_secret_readable_while_it_goes_on_and_frees_the_old_key() {
    let db = TestDb::new().await;
    let secrets = teams_with_secrets(&db, 450).await;
    let both = keyring("old new");
    let steps = rotator(&db).await;
    let mut operator = db.pool("operator").acquire().await.unwrap();
    let of = |all: Vec<longshore::tenancy::secrets::KeyUse>| {
        all.into_iter().map(|one| (one.key, one.state, one.teams)).collect::<Vec<_>>()
    };
    let before = of(status(&mut operator, &both).await.unwrap());
    assert_eq!(before, [("new".into(), State::Current, 0), ("old".into(), State::Needed, 450)]);
    let missing = of(status(&mut operator, &keyring("new")).await.unwrap());
    assert_eq!(missing, [("new".into(), State::Current, 0), ("old".into(), State::Missing, 450)]);

    let job = rotate(&mut operator, "new", "somebody").await.unwrap();
    assert!(rotate(&mut operator, "new", "somebody").await.unwrap().deduplicated, "one at a time");
    let reading = async {
        let mut reads = 0;
        while masters(&db).await.iter().any(|(key, _)| key == "old") || reads < 30 {
            let (team, bytes) = &secrets[(reads * 37) % secrets.len()];
            assert_eq!(opened(&db, &both, *team, PLACE, bytes).await.unwrap(), format!("of {team}"));
            reads += 1;
        }
    };
    let (ended, ()) = tokio::join!(steps.next("upkeep"), reading);
    assert_eq!(ended.expect("a run").0, job.job);
    assert_eq!(masters(&db).await, [("new".to_owned(), 450)]);
    let after = of(status(&mut operator, &both).await.unwrap());
    assert_eq!(after, [("new".into(), State::Current, 450), ("old".into(), State::NoLongerNeeded, 0)]);
    // The old key has gone from the configuration.
    for (team, bytes) in secrets.iter().step_by(50) {
        assert_eq!(opened(&db, &keyring("new"), *team, PLACE, bytes).await.unwrap(), format!("of {team}"));
    }
}

#[tokio::test]
async fn a_rotation_that_is_cut_off_goes_on_where_it_was() {
    let db = TestDb::new().await;
    let secrets = teams_with_secrets(&db, 450).await;
    let first = rotator(&db).await;
    first.enqueue(TeamId::HOUSE, &RotateSecrets { to: "new".into() }).await;
    let job = first.claim("upkeep", 1).await.pop().expect("the job");
    // Cut off when some is committed and more is to do: the process dies there.
    let mut run = Box::pin(first.run(job));
    let some = async {
        while masters(&db).await.len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = some => {}
        verdict = &mut run => panic!("it ended before it could be cut off: {verdict:?}"),
    }
    drop(run);
    let done = masters(&db).await.iter().find(|(key, _)| key == "new").unwrap().1;
    assert!((200..450).contains(&done), "{done}");
    first.die(&db).await;
    let second = rotator(&db).await;
    second.reap().await;
    second.let_time_pass(&db).await;
    assert_eq!(second.drain("upkeep").await.len(), 1, "another process goes on");
    assert_eq!(masters(&db).await, [("new".to_owned(), 450)]);
    let wrapped: i64 =
        sqlx::query_scalar("select (output->>'rewrapped')::bigint from queue.outputs").fetch_one(&db.admin).await.unwrap();
    assert_eq!(wrapped, 450, "its count goes on too");
    for (team, bytes) in secrets.iter().step_by(45) {
        assert_eq!(opened(&db, &keyring("new"), *team, PLACE, bytes).await.unwrap(), format!("of {team}"));
    }
    // Once more changes nothing.
    let before: Vec<Vec<u8>> =
        sqlx::query_scalar("select nonce from longshore.data_keys order by team_id").fetch_all(&db.admin).await.unwrap();
    second.enqueue(TeamId::HOUSE, &RotateSecrets { to: "new".into() }).await;
    assert_eq!(second.drain("upkeep").await.len(), 1);
    let after: Vec<Vec<u8>> =
        sqlx::query_scalar("select nonce from longshore.data_keys order by team_id").fetch_all(&db.admin).await.unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn what_is_stored_after_a_key_was_replaced_lies_under_a_fresh_data_key() {
    let db = TestDb::new().await;
    let team = db.team("acme").await;
    let old = sealed(&db, &keyring("old"), team, "before").await;
    let both = keyring("old new");
    let new = sealed_with(&db, &both, &SeededRandom::new(70), team, "after").await.unwrap();
    assert_eq!(masters(&db).await, [("new".to_owned(), 1), ("old".to_owned(), 1)]);
    assert_eq!((old[1..5].to_vec(), new[1..5].to_vec()), (vec![0, 0, 0, 1], vec![0, 0, 0, 2]));
    // Who learnt the old key and the database of today reads the old secret and not the new one.
    assert!(opened(&db, &keyring("old"), team, PLACE, &old).await.is_ok());
    assert!(matches!(opened(&db, &keyring("old"), team, PLACE, &new).await, Err(SecretError::UnknownKey(_))));
    assert_eq!(opened(&db, &both, team, PLACE, &old).await.unwrap(), "before");
}

#[tokio::test]
async fn a_rotation_says_what_it_could_not_open() {
    let db = TestDb::new().await;
    let secrets = teams_with_secrets(&db, 3).await;
    let break_one = "update longshore.data_keys set wrapped = set_byte(wrapped, 0, get_byte(wrapped, 0) # 1) where team_id = $1";
    sqlx::query(break_one).bind(secrets[1].0.0).execute(&db.admin).await.unwrap();
    let steps = rotator(&db).await;
    steps.enqueue(TeamId::HOUSE, &RotateSecrets { to: "new".into() }).await;
    steps.drain("upkeep").await;
    assert_eq!(masters(&db).await, [("new".to_owned(), 2), ("old".to_owned(), 1)], "the others are done");
    let error: String = sqlx::query_scalar("select error from queue.dead").fetch_one(&db.admin).await.unwrap();
    assert!(error.contains("2 data keys are under \"new\"") && error.contains("1 could not be opened"), "{error}");
}

#[tokio::test]
async fn no_team_can_read_or_move_anothers_data_keys() {
    let db = TestDb::new().await;
    let (acme, globex) = (db.team("acme").await, db.team("globex").await);
    sealed(&db, &keyring("a"), acme, "x").await;
    for role in ["api", "worker"] {
        let mut tx = db::begin_as(&db.pool(role), globex).await.unwrap();
        let seen: i64 = sqlx::query_scalar("select count(*) from longshore.data_keys").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(seen, 0, "{role}");
        let update = sqlx::query("update longshore.data_keys set number = 2").execute(&mut *tx).await;
        assert!(update.is_err(), "{role} changed a data key");
    }
    let mut tx = db::begin_as(&db.pool("worker"), globex).await.unwrap();
    let chunk = "select count(*) from longshore.data_keys_to_rewrap('b', '{a}', '00000000-0000-0000-0000-000000000000', 0, 10)";
    assert!(sqlx::query_scalar::<_, i64>(chunk).fetch_one(&mut *tx).await.is_err(), "a job of a team asked for all data keys");
}
