//! Requests to erase or export: asked, looked at, and their receipts.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    ctx::Ctx,
    datalake::leads,
    ids::{JobId, TeamId},
    job::{Done, Invalid, Stop},
};

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That it is gone.
    Erase,
    /// A copy of it.
    Export,
}

impl Wish {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::Export => "export",
        }
    }
}

/// A person, by what names them: at least one of the two.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    phone: Option<String>,
    email: Option<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person(…)")
    }
}

impl Person {
    /// Reads a number in any form, and an e-mail.
    pub fn named(phone: Option<&str>, email: Option<&str>) -> Result<Self, Invalid> {
        let phone = phone.map(|text| leads::phone(text.trim()).map_err(|reason| Invalid::new("phone", reason))).transpose()?;
        let email = email.map(|text| leads::email(text.trim()).map_err(|reason| Invalid::new("email", reason))).transpose()?;
        if phone.is_none() && email.is_none() {
            return Err(Invalid::new("phone", "name the person by a phone number, an e-mail, or both"));
        }
        Ok(Self { phone, email: email.map(|email| email.to_lowercase()) })
    }
}

/// A request that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Its number.
    pub request: i64,
    /// The job that carries it out.
    pub job: JobId,
    /// The same wish was under way already: this is it.
    pub known: bool,
}

/// What a job ends with at once whose request another one has carried out: it was asked again behind a dead one, and that was
/// replayed. `None`: there is work to do.
pub(super) async fn carried_out(ctx: &Ctx, request: i64) -> Result<Option<Done>, Stop> {
    let mut tx = ctx.tx().await?;
    let ended = sqlx::query_file_scalar!("people/requests/has_ended.sql", ctx.team().0, request).fetch_optional(&mut *tx).await?;
    tx.commit().await?;
    match ended {
        None => Err(Stop::dead(anyhow::anyhow!("there is no request {request}: ask with longshore people or longshore teams"))),
        Some(true) => Done::with(serde_json::json!({ "request": request, "carried_out_by": "another job" })).map(Some),
        Some(false) => Ok(None),
    }
}

/// Finds the person of a request, and writes down by which numbers and addresses. Returns the numbers.
pub(super) async fn find(conn: &mut PgConnection, team: TeamId, request: i64) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_file_scalar!("people/requests/find.sql", team.0, request).fetch_one(conn).await
}

/// Asks for a person's data to be erased or exported. The job commits with the caller's transaction.
pub async fn ask(
    conn: &mut PgConnection,
    team: TeamId,
    wish: Wish,
    person: &Person,
    by: &str,
    reason: Option<&str>,
) -> Result<Asked, sqlx::Error> {
    let Person { phone, email } = person;
    sqlx::query_file_as!(
        Asked,
        "people/requests/ask.sql",
        team.0,
        wish.as_str(),
        phone.as_deref(),
        email.as_deref(),
        None::<uuid::Uuid>,
        by,
        reason
    )
    .fetch_one(conn)
    .await
}

/// Asks for a whole team. An erasure is refused with SQLSTATE LS043 while jobs of it run, unless it is paused; then it is
/// paused for good. It is the house's request.
pub async fn ask_for_team(
    conn: &mut PgConnection,
    team: TeamId,
    wish: Wish,
    by: &str,
    reason: Option<&str>,
) -> Result<Asked, sqlx::Error> {
    sqlx::query_file_as!(
        Asked,
        "people/requests/ask.sql",
        team.0,
        wish.as_str(),
        None::<&str>,
        None::<&str>,
        Some(team.0),
        by,
        reason
    )
    .fetch_one(conn)
    .await
}

/// A request as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// Whose it is.
    pub team_id: TeamId,
    /// Its number.
    pub request: i64,
    /// `erase` or `export`.
    pub deed: String,
    /// The team it is about; a person where there is none.
    pub about_team: Option<TeamId>,
    /// The job that carries it out.
    pub job: Option<JobId>,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// When it was done.
    pub ended_at: Option<DateTime<Utc>>,
    /// What became of what, once it has ended.
    pub receipt: Option<Value>,
}

/// The newest requests, of one team or of all.
pub async fn list(
    conn: &mut PgConnection,
    team: Option<TeamId>,
    request: Option<i64>,
    most: i64,
) -> Result<Vec<Request>, sqlx::Error> {
    sqlx::query_file_as!(Request, "people/requests/list.sql", team.map(|team| team.0), request, most).fetch_all(conn).await
}

/// Ends a request: forgets whom it was about and gives its receipt.
pub(super) async fn end(
    conn: &mut PgConnection,
    team: TeamId,
    request: i64,
    object: Option<&str>,
    more: Value,
) -> Result<Value, sqlx::Error> {
    sqlx::query_file_scalar!("people/requests/end.sql", team.0, request, object, more).fetch_one(conn).await
}
