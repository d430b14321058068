//! The local stack's database: its own server, or yours, and then nothing of yours is touched.

use std::{fs, os::unix::fs::PermissionsExt as _};

use longshore::{
    dev::{
        database::{Database, DatabaseError, Place, forget},
        folder::Folder,
    },
    store, workers,
};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::support::{TestDb, database::cluster, programs};

fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn state_in(here: &TempDir) -> Folder {
    Folder::open(here.path(), here.path(), 1).unwrap()
}

async fn open(folder: &Folder, place: &Place) -> Result<Database, DatabaseError> {
    Database::open(folder, place, &workers::registry(), &mut |_| ()).await
}

async fn one<T>(url: &str, query: &'static str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    let mut conn = PgConnection::connect(url).await.expect("a connection");
    sqlx::query_scalar(query).fetch_one(&mut conn).await.expect("a value")
}

/// A server of the stack's own.
fn own() -> Place {
    Place { url: None, programs: programs::postgres() }
}

/// A database of the shared server with nothing in it, as somebody would name it in DATABASE_URL.
async fn empty_database(name: &str) -> Place {
    let mut conn = PgConnection::connect(&cluster().url("postgres", "postgres")).await.unwrap();
    let create = format!("create database {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut conn).await.unwrap();
    Place { url: Some(cluster().url("postgres", name)), programs: None }
}

#[tokio::test]
async fn a_cluster_of_its_own_keeps_its_data_from_one_start_to_the_next() {
    let here = open_folder();
    let folder = state_in(&here);
    let database = open(&folder, &own()).await.unwrap();
    let mut owner = PgConnection::connect(database.owner_url()).await.unwrap();
    sqlx::query("insert into longshore.teams (name) values ('kept')").execute(&mut owner).await.unwrap();
    drop((owner, database));
    let database = open(&folder, &own()).await.unwrap();
    let kept: i64 = one(database.owner_url(), "select count(*) from longshore.teams where name = 'kept'").await;
    assert_eq!(kept, 1);
    let fsync: String = one(database.owner_url(), "show fsync").await;
    assert_eq!(fsync, "on");
}

#[tokio::test]
async fn on_your_server_each_role_gets_a_login_with_a_password_and_the_roles_themselves_none() {
    let (here, place) = (open_folder(), empty_database("stack_logins").await);
    let folder = state_in(&here);
    let database = open(&folder, &place).await.unwrap();
    for role in ["migrator", "api", "worker", "scheduler", "operator", "auditor"] {
        let url = database.url(role).unwrap();
        assert!(url.contains(&folder.state().unwrap().password), "no password in the address of {role}");
        let mut conn = PgConnection::connect(&url).await.unwrap();
        let member: bool = sqlx::query_scalar("select pg_has_role(current_user, $1, 'usage')")
            .bind(format!("longshore_{role}"))
            .fetch_one(&mut conn)
            .await
            .unwrap();
        assert!(member, "the login of {role} may not do what {role} may");
    }
    let owner = place.url.clone().unwrap();
    let with_password = "select count(*) from pg_authid where rolname like 'longshore\\_%' and rolpassword is not null
        and rolname not like '%\\_dev\\_%'";
    assert_eq!(one::<i64>(&owner, with_password).await, 0, "a role that other fleets use was given a password");
    // Again, as the next start does.
    drop(database);
    open(&folder, &place).await.unwrap();
}

#[tokio::test]
async fn a_fleet_that_another_made_is_refused_and_left_alone() {
    let db = TestDb::new().await;
    let place = Place { url: Some(db.admin_url()), programs: None };
    let here = open_folder();
    let folder = state_in(&here);
    assert!(matches!(open(&folder, &place).await, Err(DatabaseError::Foreign)));
    assert!(matches!(forget(&folder, &place).await, Err(DatabaseError::Foreign)));
    let logins = "select count(*) from pg_roles where rolname like '%\\_dev\\_' || $1";
    let name = folder.state().unwrap().name;
    let made: i64 = sqlx::query_scalar(logins).bind(name).fetch_one(&db.admin).await.unwrap();
    assert_eq!(made, 0);
}

#[tokio::test]
async fn starting_over_on_your_server_takes_out_only_what_the_stack_made() {
    let (here, place) = (open_folder(), empty_database("stack_over").await);
    let owner = place.url.clone().unwrap();
    let mut conn = PgConnection::connect(&owner).await.unwrap();
    sqlx::query("create table mine as select 1 as n").execute(&mut conn).await.unwrap();
    let folder = state_in(&here);
    drop(open(&folder, &place).await.unwrap());
    forget(&folder, &place).await.unwrap();
    assert_eq!(store::stack::fleet(&mut conn).await.unwrap(), store::stack::Fleet::None);
    assert_eq!(one::<i64>(&owner, "select count(*) from mine").await, 1);
    open(&folder, &place).await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named() {
    let here = open_folder();
    let place = Place { url: Some("postgres://nobody@127.0.0.1:1/none".into()), programs: None };
    let error = open(&state_in(&here), &place).await.expect_err("no server").to_string();
    assert!(error.starts_with("the database that DATABASE_URL names: "), "{error}");
}
