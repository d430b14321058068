//! What every command is handed: how to print, who acts, and, once it asks, the configuration and the database.

use std::path::PathBuf;

use sqlx::{
    Connection as _, PgConnection, Postgres, Transaction,
    postgres::{PgConnectOptions, PgDatabaseError},
};

use super::{
    output::Output,
    problem::{self, Exit, Problem},
};
use crate::{
    config::{Config, ConfigError},
    store::{self, migrate::Standing},
    tenancy::teams,
    workers::{db, ids::TeamId},
};

/// What every command is handed.
#[derive(Debug)]
pub struct Env {
    /// How to print.
    pub out: Output,
    /// Who acts, as records will say.
    pub actor: String,
    /// Why, where the deed's own words don't say it.
    pub reason: String,
    file: Option<PathBuf>,
}

impl Env {
    /// Puts it together; touches neither file nor network.
    pub fn new(out: Output, actor: &str, reason: Option<&str>, file: Option<PathBuf>) -> Self {
        // Both go into records that people read.
        let plain = |text: &str, most| text.chars().filter(|c| !c.is_control()).take(most).collect();
        Self { out, actor: plain(actor, 100), reason: plain(reason.unwrap_or_default(), 500), file }
    }

    /// Reads the configuration, its mistakes included.
    pub fn load_config(&self) -> Result<Config, ConfigError> {
        Config::load(self.file.as_deref())
    }

    /// Reads the configuration.
    pub fn config(&self) -> Result<Config, Problem> {
        self.load_config().map_err(|error| {
            Problem::usage(error.to_string()).remedy("longshore config check says what is wrong, config show what is in force")
        })
    }

    /// Connects, and makes sure that the database is as new as this build.
    pub async fn database(&self) -> Result<Database, Problem> {
        let mut database = self.connect(&self.config()?).await?;
        let Database { conn, options, .. } = &mut database;
        let mut tx = db::begin_on(conn, options).await?;
        let standing = store::migrate::standing(&mut tx).await?;
        tx.rollback().await?;
        match standing {
            Standing::Fits { .. } => Ok(database),
            Standing::Behind { missing } => Err(problem::missing(missing)),
            Standing::Differs { version } => Err(problem::differs(version)),
        }
    }

    /// Connects past any pooler, however old the database is: migrations need a session of their own.
    pub async fn session(&self) -> Result<Database, Problem> {
        let mut config = self.config()?;
        if config.database.pgbouncer {
            let Some(direct) = config.database.direct_url.take() else {
                return Err(Problem::usage("migrations can't go through PgBouncer: they need a session of their own")
                    .remedy("set LONGSHORE_DATABASE__DIRECT_URL to an address that leads to Postgres itself"));
            };
            config.database.url = Some(direct);
            config.database.pgbouncer = false;
        }
        self.connect(&config).await
    }

    /// Connects as the configuration says, whatever is found there: for looking.
    pub async fn look(&self, config: &Config) -> Result<Database, Problem> {
        self.connect(config).await
    }

    /// Connects, however old the database is.
    async fn connect(&self, config: &Config) -> Result<Database, Problem> {
        let url = config.database.url().map_err(|error| Problem::usage(error.to_string()))?;
        let options: PgConnectOptions =
            url.parse().map_err(|error: sqlx::Error| Problem::usage(format!("DATABASE_URL is no Postgres address: {error}")))?;
        let mut options = options.application_name("longshore");
        if config.database.pgbouncer {
            options = db::through_a_pooler(options);
        }
        let place = place(&options);
        let unreachable = |why: String| {
            Problem::new(Exit::Unreachable, format!("the database can't be reached: {why}"))
                .value(place.clone())
                .remedy("check that the server runs and that DATABASE_URL names it; `longshore dev` brings its own")
        };
        let wait = config.database.acquire_timeout;
        match tokio::time::timeout(wait, PgConnection::connect_with(&options)).await {
            Ok(Ok(conn)) => Ok(Database { conn, options, actor: self.actor.clone(), reason: self.reason.clone() }),
            Ok(Err(sqlx::Error::Database(refusal))) => Err(unreachable(refusal.message().to_owned())),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(_) => Err(unreachable(format!("no answer within {} seconds", wait.as_secs()))),
        }
    }
}

/// The operator's connection. All it does happens in transactions, so that a pooler may stand between.
#[derive(Debug)]
pub struct Database {
    conn: PgConnection,
    options: PgConnectOptions,
    actor: String,
    reason: String,
}

impl Database {
    /// A transaction as the operator: sees all teams, acts through functions.
    pub async fn begin(&mut self) -> Result<Transaction<'_, Postgres>, Problem> {
        let mut tx = db::begin_on(&mut self.conn, &self.options).await?;
        store::operator::act(&mut tx, &self.actor, &self.reason).await.map_err(not_an_operator)?;
        Ok(tx)
    }

    /// A transaction as the operator that sees one moment and may take its time: for what reads everything.
    pub async fn snapshot(&mut self) -> Result<Transaction<'_, Postgres>, Problem> {
        let mut tx = db::begin_on(&mut self.conn, &self.options).await?;
        store::operator::see_one_moment(&mut tx).await?;
        store::operator::act(&mut tx, &self.actor, &self.reason).await.map_err(not_an_operator)?;
        store::operator::be_patient(&mut tx).await?;
        Ok(tx)
    }

    /// A transaction as whoever connected.
    pub async fn begin_as_connected(&mut self) -> Result<Transaction<'_, Postgres>, Problem> {
        Ok(db::begin_on(&mut self.conn, &self.options).await?)
    }

    /// Where it is, without credentials.
    pub fn place(&self) -> String {
        place(&self.options)
    }

    /// A transaction as the operator under one team's row-level security.
    pub async fn begin_as(&mut self, team: TeamId) -> Result<Transaction<'_, Postgres>, Problem> {
        let mut tx = self.begin().await?;
        db::act_as(&mut tx, team).await?;
        Ok(tx)
    }

    /// The connection itself, for what needs its owner's rights.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    /// The team of that name or id.
    pub async fn team(&mut self, name_or_id: &str) -> Result<teams::Team, Problem> {
        let mut tx = self.begin().await?;
        Ok(teams::find(&mut tx, name_or_id).await?)
    }

    /// The team that an optional argument names.
    pub async fn team_if_named(&mut self, name_or_id: Option<&str>) -> Result<Option<TeamId>, Problem> {
        match name_or_id {
            Some(name) => Ok(Some(self.team(name).await?.team_id)),
            None => Ok(None),
        }
    }
}

fn place(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or("postgres"))
}

fn not_an_operator(error: sqlx::Error) -> Problem {
    let refusal = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>());
    match refusal.map(PgDatabaseError::code) {
        Some("42501") => Problem::new(Exit::Failed, "the role of this connection may not act as longshore_operator")
            .remedy("put longshore_operator into DATABASE_URL, or: grant longshore_operator to THIS_ROLE"),
        _ => error.into(),
    }
}
