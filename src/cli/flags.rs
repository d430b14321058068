//! `longshore flags`: what some teams get before others, and kinds of job that only those run.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::tenancy::flags::{self, Explained, Flag, Wanted};

/// What may be asked of flags.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists flags, or shows each as a team has it
    List {
        /// As this team has them (name or id)
        #[arg(long)]
        team: Option<String>,
    },
    /// Makes a flag, or sets some of it and leaves the rest
    Set(Set),
    /// Takes a flag away, with its overrides; jobs that it held back run
    Unset {
        /// The flag
        name: String,
    },
    /// Switches a flag for one team, whatever its share
    Override {
        /// The flag
        name: String,
        /// on, off, or none: as the share says
        to: Switch,
        /// The team (name or id)
        #[arg(long)]
        team: String,
    },
    /// Says why a flag is on or off for a team
    Explain {
        /// The flag
        name: String,
        /// The team (name or id)
        #[arg(long)]
        team: String,
    },
}

/// What to set.
#[derive(Debug, Args)]
pub struct Set {
    /// The flag: small letters, digits and _
    name: String,
    /// What it switches; a new flag needs one
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// On for so many percent of the teams, always the same ones; none: the default holds
    #[arg(long, value_name = "0-100|none")]
    percent: Option<String>,
    /// What it is where nothing else is said
    #[arg(long, value_name = "on|off")]
    default: Option<OnOff>,
    /// Jobs of this kind wait where it is off; none: of no kind
    #[arg(long, value_name = "KIND|none")]
    kind: Option<String>,
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    On,
    Off,
}

/// A switch that may be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
    None,
}

/// Runs `longshore flags …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let by = format!("operator {}", env.actor);
    let mut db = env.database().await?;
    match command {
        Command::List { team: None } => {
            let all = flags::list(&mut *db.begin().await?).await?;
            list(&all, env)
        }
        Command::List { team: Some(team) } => {
            let team = db.team(&team).await?.team_id;
            let all = flags::of_team(&mut *db.begin().await?, team).await?;
            if env.out.json {
                env.out.json(&all)?;
                return Ok(Exit::Done);
            }
            let mut table = Table::new([Column::Text("FLAG"), Column::Text("STATE"), Column::Flexible("DESCRIPTION")]);
            for one in all {
                table.row([one.name, on_off(one.on).into(), one.description]);
            }
            env.out.table(&table)?;
            Ok(Exit::Done)
        }
        Command::Set(set) => {
            let mut tx = db.begin().await?;
            let wanted = set.over(flags::find(&mut tx, &set.name).await?)?;
            flags::set(&mut tx, &set.name, &wanted, &by).await?;
            tx.commit().await?;
            env.out.told(&json!({ "flag": set.name, "set": wanted }), &format!("{}: {}", set.name, words(&wanted)))?;
            Ok(Exit::Done)
        }
        Command::Unset { name } => {
            let mut tx = db.begin().await?;
            if !flags::unset(&mut tx, &name).await? {
                return Err(no_such(&name));
            }
            tx.commit().await?;
            env.out.told(&json!({ "flag": name, "unset": true }), &format!("{name}: taken away"))?;
            Ok(Exit::Done)
        }
        Command::Override { name, to, team } => {
            let team = db.team(&team).await?;
            let on = match to {
                Switch::On => Some(true),
                Switch::Off => Some(false),
                Switch::None => None,
            };
            let mut tx = db.begin().await?;
            if !flags::override_for(&mut tx, &name, team.team_id, on, &by).await? {
                return Err(no_such(&name));
            }
            tx.commit().await?;
            let said = on.map_or("as the share says", on_off);
            env.out.told(
                &json!({ "flag": name, "team_id": team.team_id, "override": on }),
                &format!("{name}, team {}: {said}", team.name),
            )?;
            Ok(Exit::Done)
        }
        Command::Explain { name, team } => {
            let team = db.team(&team).await?;
            let why = flags::explain(&mut *db.begin().await?, &name, team.team_id).await?.ok_or_else(|| no_such(&name))?;
            if env.out.json {
                env.out.json(&why)?
            } else {
                env.out.line(&because(&name, &team.name, &why))?
            }
            Ok(Exit::Done)
        }
    }
}

impl Set {
    fn over(&self, now: Option<Flag>) -> Result<Wanted, Problem> {
        let new = now.is_none();
        let mut wanted = now.map(Wanted::from).unwrap_or_default();
        match &self.description {
            Some(text) if (1..=500).contains(&text.trim().chars().count()) => text.trim().clone_into(&mut wanted.description),
            Some(_) => return Err(Problem::usage("a description has 1 to 500 characters")),
            None if new => {
                return Err(Problem::usage("there is no such flag yet, and a new one needs a --description").value(&self.name));
            }
            None => {}
        }
        match self.percent.as_deref() {
            Some("none") => wanted.percent = None,
            Some(text) => {
                let share = text.trim_end_matches('%').parse().ok().filter(|share| (0..=100).contains(share));
                let share: i16 = share.ok_or_else(|| Problem::usage("a share is 0 to 100, or none").value(text))?;
                wanted.percent = Some(share);
            }
            None => {}
        }
        if let Some(default) = self.default {
            wanted.default_on = default == OnOff::On;
        }
        match self.kind.as_deref() {
            Some("none") => wanted.kind = None,
            Some(kind) => wanted.kind = Some(kind.to_owned()),
            None => {}
        }
        Ok(wanted)
    }
}

const fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn no_such(name: &str) -> Problem {
    Problem::new(Exit::NothingMatched, "there is no such flag").value(name).remedy("longshore flags list shows them")
}

fn words(flag: &Wanted) -> String {
    let share = match flag.percent {
        Some(percent) => format!("on for {percent} % of the teams"),
        None => format!("{} for every team", on_off(flag.default_on)),
    };
    match &flag.kind {
        Some(kind) => format!("{share}; elsewhere jobs of kind {kind} wait"),
        None => share,
    }
}

fn because(name: &str, team: &str, why: &Explained) -> String {
    let state = on_off(why.on);
    let reason = match (why.override_on, why.percent) {
        (Some(_), _) => "by its override".to_owned(),
        (None, Some(percent)) => {
            format!("its bucket is {}, and buckets below {percent} have it", why.bucket)
        }
        (None, None) => "by the flag's default".to_owned(),
    };
    let held = match &why.kind {
        Some(kind) if !why.on => format!("; its jobs of kind {kind} wait"),
        _ => String::new(),
    };
    format!("{name} is {state} for team {team}: {reason}{held}")
}

fn list(all: &[Flag], env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        env.out.say("no flag yet; longshore flags set makes one");
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Text("FLAG"),
        Column::Text("DEFAULT"),
        Column::Number("PERCENT"),
        Column::Text("KIND"),
        Column::Number("OVERRIDES"),
        Column::Flexible("DESCRIPTION"),
    ];
    let mut table = Table::new(columns);
    for flag in all {
        table.row([
            flag.name.clone(),
            on_off(flag.default_on).into(),
            flag.percent.map_or_else(|| "-".into(), |percent| percent.to_string()),
            flag.kind.clone().unwrap_or_else(|| "-".into()),
            flag.overrides.to_string(),
            flag.description.clone(),
        ]);
    }
    env.out.table(&table)?;
    Ok(Exit::Done)
}
