//! `longshore people`: what is known of one person in one team, erased or handed over, and the receipts (docs/PRIVACY.md).

use clap::{Args, Subcommand};

use super::{
    confirm::confirm,
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::workers::people::requests::{self, Asked, Person, Request, Wish};

/// What may be asked for a person.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Erases what is known of a person, as a job; their number is never texted again
    Erase {
        #[command(flatten)]
        whom: Whom,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Writes what is known of a person into the object store, as a job
    Export {
        #[command(flatten)]
        whom: Whom,
    },
    /// Lists requests, the newest first; one of them whole, with its receipt
    Requests(Requests),
}

/// One person in one team.
#[derive(Args)]
pub struct Whom {
    /// The team (name or id)
    #[arg(long)]
    team: String,
    /// By telephone number, in any form
    #[arg(long)]
    phone: Option<String>,
    /// By e-mail
    #[arg(long)]
    email: Option<String>,
}

impl std::fmt::Debug for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whom").field("team", &self.team).finish_non_exhaustive()
    }
}

/// Which requests.
#[derive(Debug, Args)]
pub struct Requests {
    /// This one, with its receipt
    #[arg(requires = "team")]
    request: Option<i64>,
    /// Only of this team or about it (name or id)
    #[arg(long)]
    team: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Runs `longshore people …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Erase { whom, yes } => {
            confirm(yes, "Erase what the team knows of this person? Nothing brings it back.", 1)?;
            ask(&whom, Wish::Erase, env).await
        }
        Command::Export { whom } => ask(&whom, Wish::Export, env).await,
        Command::Requests(wanted) => list(&wanted, env).await,
    }
}

async fn ask(whom: &Whom, wish: Wish, env: &Env) -> Result<Exit, Problem> {
    let person = Person::named(whom.phone.as_deref(), whom.email.as_deref()).map_err(|invalid| {
        Problem::usage(invalid.to_string()).remedy("name the person: --phone +16175550123, --email ada@example.com")
    })?;
    let mut db = env.database().await?;
    let team = db.team(&whom.team).await?;
    let mut tx = db.begin_as(team.team_id).await?;
    let asked = requests::ask(&mut tx, team.team_id, wish, &person, &env.actor, None).await?;
    tx.commit().await?;
    told(&asked, &team.name, env)
}

/// Says what was asked for, and where to look. `whose`: the team whose request it is.
pub fn told(asked: &Asked, whose: &str, env: &Env) -> Result<Exit, Problem> {
    let Asked { request, job, known } = asked;
    if env.out.json {
        env.out.json(asked)?;
    } else {
        env.out.line(&format!("request {request}  {job}"))?;
    }
    let words = if *known { "the same was asked before, and is under way" } else { "the workers do it" };
    env.out.say(&format!("{words}; its receipt: longshore people requests {request} --team {whose}"));
    Ok(Exit::Done)
}

async fn list(wanted: &Requests, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team_if_named(wanted.team.as_deref()).await?;
    let found = requests::list(&mut *db.begin().await?, team, wanted.request, wanted.limit).await?;
    if let Some(request) = wanted.request {
        let one = found.first().ok_or_else(|| {
            let problem = Problem::new(Exit::NothingMatched, "the team has no such request");
            problem
                .value(request.to_string())
                .remedy("longshore people requests shows them; erasures of teams are the house's, longshore")
        })?;
        if env.out.json { env.out.json(one)? } else { env.out.fields(&fields(one, env))? }
    } else if env.out.json {
        env.out.json(&found)?;
    } else if found.is_empty() {
        env.out.say("nothing was asked for");
    } else {
        let columns = [
            Column::Number("REQUEST"),
            Column::Flexible("TEAM"),
            Column::Text("WHAT"),
            Column::Text("BY"),
            Column::Text("ASKED"),
            Column::Text("DONE"),
        ];
        let mut table = Table::new(columns);
        for one in &found {
            let cells = [one.request.to_string(), one.team_id.to_string(), what(one), one.requested_by.clone()];
            table.row([cells.to_vec(), vec![env.out.time(one.requested_at), env.out.time_or_dash(one.ended_at)]].concat());
        }
        env.out.table(&table)?;
    }
    Ok(Exit::Done)
}

fn what(request: &Request) -> String {
    let about = if request.about_team.is_some() { "team" } else { "person" };
    format!("{} {about}", request.deed)
}

fn fields(one: &Request, env: &Env) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("request", one.request.to_string()),
        ("what", what(one)),
        ("asked", format!("{} by {}", env.out.time(one.requested_at), one.requested_by)),
        ("job", one.job.map_or_else(|| "-".into(), |job| job.to_string())),
        ("done", env.out.time_or_dash(one.ended_at)),
    ];
    fields.extend(one.receipt.as_ref().map(|receipt| ("receipt", format!("{receipt:#}"))));
    fields
}
