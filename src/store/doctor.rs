//! The facts that `longshore doctor` asks the database for. Any role of the house may ask them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// What a look at the server tells.
#[derive(Debug, Clone)]
pub struct Server {
    /// Of Postgres, in words.
    pub version: String,
    /// Of Postgres: 150018 is 15.18.
    pub version_number: i32,
    /// As whom statements run.
    pub role: String,
    /// The database's time.
    pub now: DateTime<Utc>,
    /// Connections it allows.
    pub max_connections: i32,
    /// Of these, kept for superusers.
    pub reserved: i32,
    /// Clients that are connected.
    pub connected: i64,
    /// Whether a commit is on the disk before it is answered.
    pub fsync: bool,
}

/// Looks at the server.
pub async fn server(conn: &mut PgConnection) -> Result<Server, sqlx::Error> {
    sqlx::query_file_as!(Server, "src/store/doctor/server.sql").fetch_one(conn).await
}

/// A kind that some build has announced.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name.
    pub kind: String,
    /// The newest version of its payload.
    pub version: i16,
}

/// The kinds that builds have announced.
pub async fn kinds(conn: &mut PgConnection) -> Result<Vec<Kind>, sqlx::Error> {
    sqlx::query_file_as!(Kind, "src/store/doctor/kinds.sql").fetch_all(conn).await
}

/// How many processes of a role are alive.
#[derive(Debug, Clone)]
pub struct Alive {
    /// `api`, `worker` or `scheduler`.
    pub role: String,
    /// So many.
    pub processes: i64,
}

/// The processes that are alive.
pub async fn alive(conn: &mut PgConnection) -> Result<Vec<Alive>, sqlx::Error> {
    sqlx::query_file_as!(Alive, "src/store/doctor/alive.sql").fetch_all(conn).await
}

/// Whether the next job ids have partitions; `None` where this role may not know.
pub async fn partitions(conn: &mut PgConnection) -> Result<Option<bool>, sqlx::Error> {
    if !sqlx::query_file_scalar!("src/store/doctor/sees_ids.sql").fetch_one(&mut *conn).await? {
        return Ok(None);
    }
    sqlx::query_file_scalar!("src/store/doctor/partitions.sql").fetch_one(conn).await.map(Some)
}

/// Seconds since the scheduler measured the queues last.
pub async fn measured(conn: &mut PgConnection) -> Result<Option<f64>, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/doctor/measured.sql").fetch_one(conn).await
}
