//! The local stack: a database, and the roles of the fleet as processes of their own, so that killing one is real.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use longshore_workers::{clock::SystemRandom, registry::Registry};
use thiserror::Error;

use super::{
    child::{Child, ChildError, Role},
    database::{Database, DatabaseError, Place},
    folder::{Folder, FolderError},
};

/// Why the stack did not start.
#[derive(Debug, Error)]
pub enum StackError {
    /// No place.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A role did not start.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The database refused something.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// The system refused something.
    #[error("the local stack: {0}")]
    System(#[from] io::Error),
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program that plays all roles.
    pub executable: PathBuf,
    /// Where Postgres is.
    pub place: Place,
    /// Worker processes.
    pub workers: usize,
    /// The API's port, if it is free; another otherwise.
    pub port: u16,
    /// Settings beyond those that make a stack, by their dotted key.
    pub settings: Vec<(&'static str, String)>,
}

/// A running stack. Dropping it stops everything.
#[derive(Debug)]
pub struct Stack {
    /// The API, the scheduler.
    fixed: Vec<Child>,
    workers: Vec<Option<Child>>,
    api: SocketAddr,
    database: Database,
    plan: Plan,
    logs: PathBuf,
    keyring: PathBuf,
    folder: Folder,
}

impl Stack {
    /// Starts everything and waits until all of it is ready. `say` hears what takes a while.
    pub async fn start(
        folder: Folder,
        plan: Plan,
        registry: &Registry,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Self, StackError> {
        if let Some(moved) = &folder.moved {
            say(moved);
        }
        let database = Database::open(&folder, &plan.place, registry, say).await?;
        let (logs, keyring, api) = (folder.inner("logs")?, folder.keyring(&SystemRandom)?, free_address(plan.port)?);
        let workers = (0..plan.workers).map(|_| None).collect();
        let mut stack = Self { fixed: Vec::new(), workers, api, database, plan, logs, keyring, folder };
        let mut tries = 0;
        let api = loop {
            tries += 1;
            match stack.play("api", "api").await {
                // Somebody took the port between our look and the API's.
                Err(StackError::Child(ChildError::NotReady { tail, .. }))
                    if tries < 3 && tail.contains("can't listen on api.bind") =>
                {
                    stack.api = free_address(0)?;
                }
                other => break other?,
            }
        };
        stack.fixed.push(api);
        let scheduler = stack.play("scheduler", "scheduler").await?;
        stack.fixed.push(scheduler);
        for number in 0..stack.plan.workers {
            stack.start_worker(number).await?;
        }
        Ok(stack)
    }

    /// The address of the API.
    pub fn api(&self) -> String {
        format!("http://{}", self.api)
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Where the state is.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The running processes.
    pub fn children(&self) -> impl Iterator<Item = &Child> {
        self.fixed.iter().chain(self.workers.iter().flatten())
    }

    /// Starts a worker process, the first time or again.
    pub async fn start_worker(&mut self, number: usize) -> Result<(), StackError> {
        let child = self.play(&format!("worker {}", number + 1), "worker").await?;
        if let Some(place) = self.workers.get_mut(number) {
            *place = Some(child);
        }
        Ok(())
    }

    /// Kills a worker process with SIGKILL and waits until it is gone.
    pub async fn kill_worker(&mut self, number: usize) -> Result<(), StackError> {
        if let Some(child) = self.workers.get_mut(number).and_then(Option::take) {
            child.kill().await?;
        }
        Ok(())
    }

    /// Waits until a role ends that nobody asked to, and says which.
    pub async fn broken(&mut self) -> String {
        let ends = self.fixed.iter_mut().chain(self.workers.iter_mut().flatten()).map(|child| {
            let name = child.name.clone();
            Box::pin(async move {
                match child.ended().await {
                    Ok(status) => format!("{name} ended ({status})"),
                    Err(error) => format!("{name} can't be watched ({error})"),
                }
            })
        });
        futures_util::future::select_all(ends).await.0
    }

    /// The file with the key that secrets are sealed with.
    pub fn keyring(&self) -> &Path {
        &self.keyring
    }

    /// Where the roles log.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// Stops everything in order: workers give their jobs back, then the doors close, then the database stops.
    pub async fn stop(mut self) -> Result<Folder, StackError> {
        let workers: Vec<_> = self.workers.drain(..).flatten().collect();
        for ended in futures_util::future::join_all(workers.into_iter().map(Child::stop)).await {
            ended?;
        }
        for ended in futures_util::future::join_all(self.fixed.drain(..).map(Child::stop)).await {
            ended?;
        }
        drop(self.database);
        Ok(self.folder)
    }

    async fn play(&self, name: &str, word: &'static str) -> Result<Child, StackError> {
        let mut settings = vec![
            ("database.url", self.database.url(word)?),
            ("objects.url", format!("file://{}", self.folder.inner("objects")?.display())),
            ("api.bind", self.api.to_string()),
            ("api.public_url", self.api()),
            ("admin.bind", "127.0.0.1:0".to_owned()),
            ("log.format", "json".to_owned()),
            ("secrets.keys_file", self.keyring.display().to_string()),
        ];
        settings.extend(self.plan.settings.iter().cloned());
        let environment = settings.into_iter().map(|(key, value)| (crate::config::variable(key), value)).collect();
        let role = Role { name: name.to_owned(), words: vec![word.to_owned()], environment };
        Ok(Child::start(&self.plan.executable, &role, &self.logs).await?)
    }
}

/// The preferred port of loopback if nobody has it, else any.
fn free_address(preferred: u16) -> io::Result<SocketAddr> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    bind(preferred).or_else(|_| bind(0))
}
