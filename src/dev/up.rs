//! Opens the local stack: a place, vendors that cost nothing, the fleet, and a team's key to knock with.

use std::path::PathBuf;

use anyhow::Context as _;
use longshore_workers::{clock::SystemRandom, credits, db, messages::senders, registry};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, PgConnection};

use super::{
    database::{self, Place},
    folder::{Folder, ROOM_MEBIBYTES, State},
    sandbox::{Options, Sandbox},
    stack::{Plan, Stack},
};
use crate::tenancy::{
    keys::{self, Scope},
    teams::{self, TeamError},
};

/// Worker processes: two, so that one may be killed.
const WORKERS: usize = 2;
/// What the first team may spend in the sandbox.
const CREDITS: i64 = 1000;
/// The number it texts from: the one that Twilio's test mode takes.
const SENDER: &str = "+15005550006";

/// Which stack.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The folder to keep its state in, if it will do.
    pub here: PathBuf,
    /// Under which it is kept otherwise.
    pub temporary: PathBuf,
    /// The program that plays all roles.
    pub executable: PathBuf,
    /// Where Postgres is.
    pub place: Place,
    /// The API's port, if it is free.
    pub port: u16,
    /// What an earlier start left is thrown away.
    pub fresh: bool,
    /// Settings beyond those that make a stack, by their dotted key.
    pub settings: Vec<(&'static str, String)>,
}

/// A stack that is up.
pub struct Up {
    /// The fleet.
    pub stack: Stack,
    /// The vendors.
    pub sandbox: Sandbox,
}

/// Opens it. `say` hears what takes a while.
pub async fn open(wanted: Wanted, say: &mut (dyn FnMut(&str) + Send)) -> anyhow::Result<Up> {
    let folder = Folder::open(&wanted.here, &wanted.temporary, ROOM_MEBIBYTES)?;
    if wanted.fresh {
        forget(&folder, &wanted.place).await?;
    }
    let options = Options::default();
    let (account, token) = (options.account_sid.clone(), options.auth_token.expose_secret().to_owned());
    let sandbox = Sandbox::start(options).await.context("starting the vendor sandbox")?;
    let mut settings = vec![
        ("vendors.twilio.base_url", sandbox.url()),
        ("vendors.twilio.account_sid", account),
        ("vendors.twilio.auth_token", token),
        ("vendors.apollo.base_url", sandbox.url()),
        ("vendors.apollo.api_key", "sandbox-key-of-no-value".to_owned()),
        ("vendors.azure.base_url", sandbox.url()),
        ("vendors.azure.deployment", "sandbox".to_owned()),
        ("vendors.azure.api_key", "sandbox-key-of-no-value".to_owned()),
        ("vendors.smtp.host", sandbox.smtp_addr.ip().to_string()),
        ("vendors.smtp.port", sandbox.smtp_addr.port().to_string()),
        ("vendors.smtp.security", "none".to_owned()),
    ];
    settings.extend(wanted.settings);
    let plan = Plan { executable: wanted.executable, place: wanted.place, workers: WORKERS, port: wanted.port, settings };
    let stack = Stack::start(folder, plan, &registry(), say).await?;
    Ok(Up { stack, sandbox })
}

/// Throws away what earlier starts left. On a server of yours the stack keeps its name, by which it knows its own.
async fn forget(folder: &Folder, place: &Place) -> anyhow::Result<()> {
    database::forget(folder, place).await?;
    let State { name, password, .. } = folder.state()?;
    folder.clear()?;
    if place.url.is_some() {
        folder.keep(&State { name, password, ..State::default() })?;
    }
    Ok(())
}

/// A team and its key: those of the last start, or new ones.
pub async fn key(stack: &Stack) -> anyhow::Result<(String, SecretString)> {
    let state = stack.folder().state()?;
    if let (Some(team), Some(key)) = (state.team, state.key) {
        return Ok((team, key.into()));
    }
    let mut operator = PgConnection::connect(&stack.database().url("operator")?).await?;
    let name = "dev".to_owned();
    let id = match teams::create(&mut operator, &name).await {
        Ok(id) => {
            credits::grant(&mut operator, id, CREDITS, "the local stack's first team").await?;
            let mut tx = operator.begin().await?;
            db::act_as(&mut tx, id).await?;
            let fast = senders::Settings { per_second: Some(100.0), burst: Some(100), ..senders::Settings::default() };
            senders::put(&mut tx, id, SENDER, &fast).await?;
            tx.commit().await?;
            id
        }
        Err(TeamError::Taken(_)) => teams::find(&mut operator, &name).await?.team_id,
        Err(error) => return Err(error.into()),
    };
    let scopes = [Scope::Enqueue, Scope::Read, Scope::Cancel, Scope::Dead, Scope::Campaigns, Scope::Lake];
    let key = keys::create(&mut operator, id, "local stack", &scopes, None, &SystemRandom).await?.text;
    remember(stack, &name, &key)?;
    Ok((name, key))
}

/// Keeps a team's key for the next start.
pub fn remember(stack: &Stack, team: &str, key: &SecretString) -> anyhow::Result<()> {
    let state = stack.folder().state()?;
    let key = Some(key.expose_secret().to_owned());
    Ok(stack.folder().keep(&State { team: Some(team.to_owned()), key, ..state })?)
}
