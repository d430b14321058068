//! `longshore content`: what a campaign's steps are beside a template.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand};

use super::{
    env::Env,
    output::{Column, Table, printable},
    problem::{Exit, Problem},
};
use crate::workers::{
    ids::CampaignId,
    messages::content::{self, ContentError, StepContent},
};

/// What may be asked of content.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the steps of a campaign that are more than plain text messages
    Show(Named),
    /// Says what a campaign's steps are, in place of what was said before; until it begins
    Set {
        #[command(flatten)]
        named: Named,
        /// A file with a JSON array of steps: [{"step": 1, "channel": "email", "subject": "…", "prompt": "…", "approval": true}]
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// One campaign.
#[derive(Debug, Args)]
pub struct Named {
    /// Its number
    campaign: i64,
    /// Its team (name or id)
    #[arg(long)]
    team: String,
}

/// Runs `longshore content …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Show(named) => {
            let mut db = env.database().await?;
            let team = db.team(&named.team).await?.team_id;
            let steps = content::list(&mut *db.begin_as(team).await?, team, CampaignId(named.campaign)).await?;
            told(&steps, env)
        }
        Command::Set { named, file } => {
            let shown = file.display().to_string();
            let text = fs::read_to_string(&file)
                .map_err(|error| Problem::usage(format!("the file can't be read: {error}")).value(shown.clone()))?;
            let steps: Vec<StepContent> = serde_json::from_str(&text).map_err(|error| {
                Problem::usage(format!("the file is no array of steps: {error}")).value(shown).remedy("docs/CONTENT.md has one")
            })?;
            let by = format!("operator {}", env.actor);
            let mut db = env.database().await?;
            let team = db.team(&named.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            let now = content::set(&mut tx, team, CampaignId(named.campaign), &steps, &by).await?;
            tx.commit().await?;
            told(&now, env)
        }
    }
}

fn told(steps: &[StepContent], env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(&steps)?;
    } else if steps.is_empty() {
        env.out.say("every step is a plain text message");
    } else {
        let columns = [
            Column::Number("STEP"),
            Column::Text("CHANNEL"),
            Column::Text("APPROVAL"),
            Column::Flexible("SUBJECT"),
            Column::Flexible("PROMPT"),
        ];
        let mut table = Table::new(columns);
        for one in steps {
            let or_dash = |text: &Option<String>| text.as_deref().map_or_else(|| "-".into(), printable);
            table.row([
                one.step.to_string(),
                one.channel.as_str().to_owned(),
                if one.approval { "yes".into() } else { "no".into() },
                or_dash(&one.subject),
                or_dash(&one.prompt),
            ]);
        }
        env.out.table(&table)?;
    }
    Ok(Exit::Done)
}

impl From<ContentError> for Problem {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Database(error) => error.into(),
            ContentError::Invalid(invalid) => Self::usage(invalid.reason).value(invalid.field),
            ContentError::NotFound(id) => Self::new(Exit::NothingMatched, "the team has no such campaign")
                .value(id.0.to_string())
                .remedy("longshore campaigns list --team TEAM shows them"),
            other => Self::new(Exit::Failed, other.to_string()),
        }
    }
}
