//! The local stack's Postgres: a server of yours where you name one, else a cluster of our own in the stack's folder.

use std::path::PathBuf;

use longshore_workers::registry::Registry;
use sqlx::{Connection as _, PgConnection, migrate::MigrateError};
use thiserror::Error;
use uuid::Uuid;

use super::{
    folder::{Folder, FolderError, State},
    postgres::{self, Cluster, Options, PostgresError},
};
use crate::store::{
    jobs, migrate,
    stack::{self, Fleet},
};

/// The roles of the house that a stack's processes connect as.
const ROLES: [&str; 6] = ["migrator", "api", "worker", "scheduler", "operator", "auditor"];

/// Why the stack has no database.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// No cluster.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// No state.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The server can't be reached, or refuses.
    #[error("the database that DATABASE_URL names: {0}")]
    Server(#[source] sqlx::Error),
    /// A statement failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A migration failed.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Not ours to touch.
    #[error(
        "the database that DATABASE_URL names holds a fleet that this local stack did not make, and it stays as it is; \
         name an empty database, or unset DATABASE_URL: then the stack starts a server of its own"
    )]
    Foreign,
}

/// Where to look for Postgres.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// A server of yours, as a role that may create roles.
    pub url: Option<String>,
    /// Postgres' programs, where they are not found by themselves.
    pub programs: Option<PathBuf>,
}

/// A database with this build's schema and kinds.
#[derive(Debug)]
pub struct Database {
    /// Ours, if no other was named. Dropping it stops it.
    cluster: Option<Cluster>,
    owner: String,
    state: State,
}

impl Database {
    /// Starts or reaches it, migrates it, and announces the kinds. `say` hears what takes a while.
    pub async fn open(
        folder: &Folder,
        place: &Place,
        registry: &Registry,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Self, DatabaseError> {
        let mut state = folder.state()?;
        if state.name.is_empty() {
            let name = Uuid::new_v4().simple().to_string();
            state.name = name[..8].to_owned();
            state.password = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
            folder.keep(&state)?;
        }
        let mut database = match &place.url {
            Some(url) => Self { cluster: None, owner: url.clone(), state },
            None => {
                let cluster = start_cluster(folder, place, say)?;
                create(&cluster).await?;
                Self { owner: cluster.url("postgres", "longshore"), cluster: Some(cluster), state }
            }
        };
        database.prepare(registry).await?;
        Ok(database)
    }

    async fn prepare(&mut self, registry: &Registry) -> Result<(), DatabaseError> {
        let mut conn = PgConnection::connect(&self.owner).await.map_err(DatabaseError::Server)?;
        match stack::fleet(&mut conn).await? {
            Fleet::None => {}
            Fleet::Of(name) if name == self.state.name => {}
            Fleet::Of(_) | Fleet::Foreign if self.cluster.is_some() => {}
            Fleet::Of(_) | Fleet::Foreign => return Err(DatabaseError::Foreign),
        }
        migrate::run(&mut conn).await?;
        stack::mark(&mut conn, &self.state.name).await?;
        if self.cluster.is_none() {
            for role in ROLES {
                let login = self.login(role);
                stack::make_login(&mut conn, &login, &self.state.password, &format!("longshore_{role}")).await?;
            }
        }
        conn.close().await?;
        let mut worker = PgConnection::connect(&self.url("worker")?).await?;
        jobs::register(&mut worker, registry).await?;
        worker.close().await?;
        Ok(())
    }

    /// The address as a role of the house (`worker` for `longshore_worker`). It may hold a password.
    pub fn url(&self, role: &str) -> Result<String, sqlx::Error> {
        match &self.cluster {
            Some(cluster) => Ok(cluster.url(&format!("longshore_{role}"), "longshore")),
            None => stack::as_login(&self.owner, &self.login(role), &self.state.password),
        }
    }

    /// What a person may be shown of where it is.
    pub fn shown(&self) -> String {
        match &self.cluster {
            Some(cluster) => cluster.url("longshore_operator", "longshore"),
            None => "the database that DATABASE_URL names".into(),
        }
    }

    /// As the owner of everything: for migrating and looking, never for work.
    pub fn owner_url(&self) -> &str {
        &self.owner
    }

    fn login(&self, role: &str) -> String {
        format!("longshore_{role}_dev_{}", self.state.name)
    }
}

/// Takes the stack's fleet out of a server of yours, so that the next start begins anew. Our own clusters go with their
/// folder.
pub async fn forget(folder: &Folder, place: &Place) -> Result<(), DatabaseError> {
    let Some(url) = &place.url else { return Ok(()) };
    let mut conn = PgConnection::connect(url).await.map_err(DatabaseError::Server)?;
    match stack::fleet(&mut conn).await? {
        Fleet::None => {}
        Fleet::Of(name) if name == folder.state()?.name => stack::drop_fleet(&mut conn).await?,
        Fleet::Of(_) | Fleet::Foreign => return Err(DatabaseError::Foreign),
    }
    Ok(())
}

fn start_cluster(folder: &Folder, place: &Place, say: &mut (dyn FnMut(&str) + Send)) -> Result<Cluster, DatabaseError> {
    let programs = match place.programs.clone().or_else(postgres::find_binaries) {
        Some(programs) => programs,
        None => {
            say(&format!("No Postgres server is installed; this installs one: {}", postgres::INSTALL));
            let found = if postgres::install() { postgres::find_binaries() } else { None };
            found.ok_or(PostgresError::NotInstalled)?
        }
    };
    let settings = ["max_connections=200", "shared_buffers=128MB", "log_min_messages=warning"].map(str::to_owned).to_vec();
    Ok(Cluster::start_with(programs, Options { folder: folder.inner("postgres")?, temporary: false, settings })?)
}

async fn create(cluster: &Cluster) -> Result<(), sqlx::Error> {
    let mut conn = PgConnection::connect(&cluster.url("postgres", "postgres")).await?;
    stack::create_database(&mut conn).await?;
    conn.close().await
}
