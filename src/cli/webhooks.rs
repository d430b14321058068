//! `longshore webhooks`: where a team's events go to, and what became of them.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{
    confirm::confirm,
    env::{Database, Env},
    output::{Column, Table, printable},
    problem::{Exit, Problem},
};
use crate::workers::{
    self,
    clock::SystemRandom,
    ids::{DeliveryId, EndpointId, TeamId},
    secrets::SecretError,
    webhooks::{
        deliveries::{self, Delivery, ReplayError},
        endpoints::{self, Endpoint, EndpointError, KEEP_HOURS, Wanted},
        events,
    },
};

/// What may be asked of webhooks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists a team's endpoints, and why one is disabled
    List {
        /// The team (name or id)
        #[arg(long)]
        team: String,
    },
    /// Sets a new endpoint and prints its secret: the only time it is seen
    Create(Create),
    /// Changes an endpoint; what is not said stays
    Update(Update),
    /// Gives an endpoint a new secret and prints it: the only time it is seen
    Rotate(Rotate),
    /// Takes an endpoint away; what waits for it is not delivered
    Delete(Delete),
    /// Sends a test event and shows the answer
    Test(Test),
    /// Lists deliveries to an endpoint, the newest first
    Deliveries(Deliveries),
    /// Sends what has ended once more, under the same webhook-id
    Replay(Replay),
    /// Lists the events there are, with their form under --json
    Events,
}

/// One endpoint.
#[derive(Debug, Args)]
pub struct Named {
    /// The endpoint, as ep_7
    endpoint: EndpointId,
    /// Its team (name or id)
    #[arg(long)]
    team: String,
}

/// An endpoint to set.
#[derive(Debug, Args)]
pub struct Create {
    /// Its address: https, public, port 443 or from 1024 on
    url: String,
    /// The team whose events it gets (name or id)
    #[arg(long)]
    team: String,
    /// What it is told: longshore webhooks events lists them
    #[arg(long, value_name = "EVENT,…", value_delimiter = ',', required = true)]
    events: Vec<String>,
    /// Of job events only those of these kinds
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    kinds: Vec<String>,
    /// What people call it
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
}

/// What is to be different about an endpoint.
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    named: Named,
    /// Its address
    #[arg(long)]
    url: Option<String>,
    /// All that it is told from now on
    #[arg(long, value_name = "EVENT,…", value_delimiter = ',')]
    events: Vec<String>,
    /// Of job events only those of these kinds; the word all for every kind
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    kinds: Vec<String>,
    /// What people call it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Send to it again; takes back why it was disabled
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Send nothing to it
    #[arg(long)]
    disable: bool,
}

/// A secret to replace.
#[derive(Debug, Args)]
pub struct Rotate {
    #[command(flatten)]
    named: Named,
    /// For so many hours the secret before goes on signing beside the new one
    #[arg(long, value_name = "HOURS", default_value_t = KEEP_HOURS)]
    keep: i32,
}

/// An endpoint to take away.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    named: Named,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// An endpoint to try.
#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    named: Named,
    /// Wait so many seconds for the answer; 0: only send it
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

/// Which deliveries to list.
#[derive(Debug, Args)]
pub struct Deliveries {
    #[command(flatten)]
    named: Named,
    /// Only those that stand so
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Go on behind this one
    #[arg(long, value_name = "DELIVERY")]
    after: Option<DeliveryId>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// A delivery to make once more.
#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    named: Named,
    /// The delivery, as dlv_42
    delivery: DeliveryId,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// Tried, or tried again later
    Waiting,
    /// Taken by the receiver
    Delivered,
    /// Tried in vain: its job is a dead letter
    Failed,
    /// The endpoint was disabled or deleted
    Skipped,
    /// Somebody cancelled its job
    Cancelled,
}

/// Runs `longshore webhooks …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::List { team } => list(&team, env).await,
        Command::Create(wanted) => create(wanted, env).await,
        Command::Update(wanted) => update(wanted, env).await,
        Command::Rotate(wanted) => rotate(&wanted, env).await,
        Command::Delete(wanted) => delete(&wanted, env).await,
        Command::Test(wanted) => test(&wanted, env).await,
        Command::Deliveries(wanted) => list_deliveries(&wanted, env).await,
        Command::Replay(wanted) => replay(&wanted, env).await,
        Command::Events => list_events(env),
    }
}

async fn list(team: &str, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(team).await?.team_id;
    let all = endpoints::list(&mut *db.begin_as(team).await?, team).await?;
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Text("ENDPOINT"),
        Column::Flexible("ADDRESS"),
        Column::Text("STATE"),
        Column::Flexible("EVENTS"),
        Column::Flexible("DESCRIPTION"),
    ];
    let mut table = Table::new(columns);
    for one in &all {
        table.row([one.id.to_string(), printable(&one.url), state(one, env), one.events.join(" "), printable(&one.description)]);
    }
    if all.is_empty() {
        env.out.say("the team has no webhook endpoints");
    } else {
        env.out.table(&table)?;
    }
    for one in &all {
        if let Some(reason) = &one.disabled_reason {
            env.out.say(&printable(&format!("{} is disabled: {reason}", one.id)));
        }
    }
    Ok(Exit::Done)
}

fn state(endpoint: &Endpoint, env: &Env) -> String {
    match (endpoint.disabled_at, endpoint.failing_since) {
        (Some(_), _) => "disabled".into(),
        (None, Some(since)) => format!("failing since {}", env.out.time(since)),
        _ => "enabled".into(),
    }
}

async fn create(asked: Create, env: &Env) -> Result<Exit, Problem> {
    let wanted = Wanted {
        url: Some(asked.url),
        description: Some(asked.description),
        events: Some(asked.events),
        kinds: Some(asked.kinds),
        enabled: None,
    };
    let keyring = check(&wanted, env)?;
    let mut db = env.database().await?;
    let team = db.team(&asked.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let (endpoint, secret) = endpoints::create(&mut tx, &keyring, &SystemRandom, team, &wanted).await.map_err(refused)?;
    tx.commit().await?;
    env.out.say(&format!("{} is set; keep its secret now: it can't be shown again", endpoint.id));
    show_once(&endpoint, &secret, env)
}

async fn update(asked: Update, env: &Env) -> Result<Exit, Problem> {
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    let kinds = if asked.kinds == ["all"] { Some(Vec::new()) } else { some(asked.kinds) };
    let enabled = if asked.enable { Some(true) } else { asked.disable.then_some(false) };
    let wanted = Wanted { url: asked.url, description: asked.description, events: some(asked.events), kinds, enabled };
    check(&wanted, env)?;
    let mut db = env.database().await?;
    let team = db.team(&asked.named.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let endpoint = endpoints::update(&mut tx, team, asked.named.endpoint, &wanted).await.map_err(refused)?;
    tx.commit().await?;
    let words = format!("{}: {}, {}", endpoint.id, state(&endpoint, env), endpoint.events.join(" "));
    env.out.told(&endpoint, &words)?;
    Ok(Exit::Done)
}

async fn rotate(asked: &Rotate, env: &Env) -> Result<Exit, Problem> {
    let keyring = env.config()?.keyring();
    let mut db = env.database().await?;
    let team = db.team(&asked.named.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let (endpoint, secret) =
        endpoints::rotate(&mut tx, &keyring, &SystemRandom, team, asked.named.endpoint, asked.keep).await.map_err(refused)?;
    tx.commit().await?;
    let until = endpoint.old_secret_until.map_or_else(|| "is over".into(), |end| format!("signs until {}", env.out.time(end)));
    env.out.say(&format!("keep it now: it can't be shown again; the secret before {until}"));
    show_once(&endpoint, &secret, env)
}

fn show_once(endpoint: &Endpoint, secret: &SecretString, env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(&json!({ "endpoint": endpoint, "secret": secret.expose_secret() }))?;
    } else {
        env.out.line(secret.expose_secret())?;
    }
    Ok(Exit::Done)
}

async fn delete(asked: &Delete, env: &Env) -> Result<Exit, Problem> {
    let (mut db, id) = (env.database().await?, asked.named.endpoint);
    let team = db.team(&asked.named.team).await?.team_id;
    endpoints::find(&mut *db.begin_as(team).await?, team, id).await.map_err(refused)?;
    confirm(asked.yes, &format!("Take {id} away? What waits for it is not delivered."), 1)?;
    let mut tx = db.begin_as(team).await?;
    endpoints::delete(&mut tx, team, id).await.map_err(refused)?;
    tx.commit().await?;
    env.out.told(&json!({ "endpoint": id, "team_id": team, "deleted": true }), &format!("{id}: taken away"))?;
    Ok(Exit::Done)
}

async fn test(asked: &Test, env: &Env) -> Result<Exit, Problem> {
    let (mut db, id) = (env.database().await?, asked.named.endpoint);
    let team = db.team(&asked.named.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    endpoints::find(&mut tx, team, id).await.map_err(refused)?;
    let sent = deliveries::test(&mut tx, team, id).await?;
    tx.commit().await?;
    let sent = sent.ok_or_else(|| {
        Problem::new(Exit::Failed, "the endpoint is disabled").remedy("longshore webhooks update --enable sends to it again")
    })?;
    let delivery = outcome(&mut db, team, id, sent, asked.wait).await?;
    let words = match delivery.state.as_str() {
        "waiting" if asked.wait == 0 => "sent; longshore webhooks deliveries says what became of it".into(),
        "waiting" => "no worker has tried it yet: does one run that serves the queue webhooks?".into(),
        state => format!(
            "{state}{}{}",
            delivery.status.map(|status| format!(", answer {status}")).unwrap_or_default(),
            delivery.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default(),
        ),
    };
    env.out.told(&delivery, &printable(&format!("{}: {words}", delivery.id)))?;
    Ok(if delivery.state == "delivered" || asked.wait == 0 { Exit::Done } else { Exit::Failed })
}

/// Waits until a delivery has ended, or the time is over.
async fn outcome(
    db: &mut Database,
    team: TeamId,
    endpoint: EndpointId,
    id: DeliveryId,
    seconds: u64,
) -> Result<Delivery, Problem> {
    let mut looks = seconds * 4;
    loop {
        let mut tx = db.begin_as(team).await?;
        let found = deliveries::find(&mut tx, team, endpoint, id).await?.ok_or_else(|| refusal(&ReplayError::Missing))?;
        tx.commit().await?;
        if found.ended_at.is_some() || looks == 0 {
            return Ok(found);
        }
        looks -= 1;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn list_deliveries(asked: &Deliveries, env: &Env) -> Result<Exit, Problem> {
    let (mut db, id) = (env.database().await?, asked.named.endpoint);
    let team = db.team(&asked.named.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    endpoints::find(&mut tx, team, id).await.map_err(refused)?;
    let state = asked.state.and_then(|state| state.to_possible_value());
    let state = state.as_ref().map(|state| state.get_name());
    let all = deliveries::page(&mut tx, team, id, state, asked.after, asked.limit).await?;
    tx.commit().await?;
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Text("DELIVERY"),
        Column::Text("EVENT"),
        Column::Text("STATE"),
        Column::Number("TRIES"),
        Column::Number("ANSWER"),
        Column::Text("CREATED"),
        Column::Text("JOB"),
        Column::Flexible("PROBLEM"),
    ];
    let mut table = Table::new(columns);
    for one in &all {
        table.row([
            one.id.to_string(),
            one.event.clone(),
            one.state.clone(),
            one.attempts.to_string(),
            one.status.map_or_else(|| "-".into(), |status| status.to_string()),
            env.out.time(one.created_at),
            one.job.to_string(),
            printable(one.problem.as_deref().unwrap_or("-")),
        ]);
    }
    if all.is_empty() {
        env.out.say("no deliveries");
    } else {
        env.out.table(&table)?;
    }
    Ok(Exit::Done)
}

async fn replay(asked: &Replay, env: &Env) -> Result<Exit, Problem> {
    let (mut db, id) = (env.database().await?, asked.named.endpoint);
    let team = db.team(&asked.named.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let job = deliveries::replay(&mut tx, team, id, asked.delivery).await.map_err(|error| match error {
        ReplayError::Database(error) => error.into(),
        other => refusal(&other),
    })?;
    tx.commit().await?;
    let told = json!({ "delivery": asked.delivery, "endpoint": id, "job": job });
    env.out.told(&told, &format!("{}: delivered once more by {job}", asked.delivery))?;
    Ok(Exit::Done)
}

fn list_events(env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        let all: Vec<_> = events::EVENTS
            .iter()
            .map(|event| json!({ "event": event.name, "when": event.when, "schema": (event.schema)(), "sample": (event.sample)() }))
            .collect();
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new([Column::Text("EVENT"), Column::Flexible("WHEN")]);
    for event in events::EVENTS {
        table.row([event.name.to_owned(), event.when.to_owned()]);
    }
    env.out.table(&table)?;
    Ok(Exit::Done)
}

/// Refuses what could never work; the keyring of the configuration.
fn check(wanted: &Wanted, env: &Env) -> Result<workers::secrets::Keyring, Problem> {
    let config = env.config()?;
    let registry = workers::registry();
    wanted.check(&config.webhooks, |kind| registry.get(kind).is_some()).map_err(refused)?;
    Ok(config.keyring())
}

fn refused(error: EndpointError) -> Problem {
    match error {
        EndpointError::Invalid { field, reason } => Problem::usage(reason).value(field),
        EndpointError::Missing => {
            Problem::new(Exit::NothingMatched, error.to_string()).remedy("longshore webhooks list shows them")
        }
        EndpointError::Secret(SecretError::NoKeyring) => super::secrets::no_keyring(),
        EndpointError::Secret(SecretError::Database(error)) | EndpointError::Database(error) => error.into(),
        EndpointError::TooMany => {
            Problem::new(Exit::Failed, error.to_string()).remedy("take one away: longshore webhooks delete")
        }
        EndpointError::Secret(error) => Problem::new(Exit::Failed, error.to_string()),
    }
}

fn refusal(error: &ReplayError) -> Problem {
    let exit = if matches!(error, ReplayError::Missing) { Exit::NothingMatched } else { Exit::Failed };
    Problem::new(exit, error.to_string()).remedy("longshore webhooks deliveries shows how each stands")
}
