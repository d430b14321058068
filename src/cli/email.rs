//! `longshore email`: from which address a team writes, who agreed, and who gets nothing.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{
    arguments::Moment,
    env::Env,
    problem::{Exit, Problem},
};
use crate::workers::messages::{
    email::{
        consents::{self, ConsentError, NewConsent},
        opt_out::{self, Reason, SuppressError},
        senders::{self, Sender, SenderError},
    },
    gates::Level,
};

/// What may be asked of e-mail.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// From which address a team writes
    #[command(subcommand)]
    Sender(SenderCommand),
    /// Records that somebody agreed to be written to
    Consent(Consent),
    /// Keeps an address from getting any mail of a team
    Suppress(Suppress),
}

/// From which address a team writes.
#[derive(Debug, Subcommand)]
pub enum SenderCommand {
    /// Shows it
    Show(Whose),
    /// Sets it
    Set {
        #[command(flatten)]
        whose: Whose,
        /// The address
        address: String,
        /// The name beside it
        #[arg(long)]
        name: String,
        /// The postal address that each mail bears
        #[arg(long)]
        postal: String,
        /// Where answers go; to the address otherwise
        #[arg(long, value_name = "ADDRESS")]
        reply_to: Option<String>,
    },
}

/// Whose.
#[derive(Debug, Args)]
pub struct Whose {
    /// The team (name or id)
    #[arg(long)]
    team: String,
}

/// A consent.
#[derive(Args)]
pub struct Consent {
    #[command(flatten)]
    whose: Whose,
    /// Whose consent
    email: String,
    /// Agreed, or agreed in writing
    #[arg(long, value_enum, default_value = "express")]
    level: Agreed,
    /// By which way: web_form, paper
    #[arg(long)]
    method: String,
    /// What proves it
    #[arg(long)]
    evidence: Option<String>,
    /// When they agreed; now otherwise
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
}

impl std::fmt::Debug for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consent").field("whose", &self.whose).finish_non_exhaustive()
    }
}

/// How somebody agreed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Agreed {
    /// Agreed
    Express,
    /// In writing
    ExpressWritten,
}

/// An address that gets nothing.
#[derive(Args)]
pub struct Suppress {
    #[command(flatten)]
    whose: Whose,
    /// The address
    email: String,
    /// Why
    #[arg(long, value_enum, default_value = "dnc-request")]
    because: Because,
}

impl std::fmt::Debug for Suppress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suppress").field("whose", &self.whose).finish_non_exhaustive()
    }
}

/// Why an address gets nothing.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Because {
    /// Said stop
    OptOut,
    /// Asked us by another way
    DncRequest,
    /// Spoke of law
    LegalDnc,
    /// Takes no mail
    InvalidAddress,
}

/// Runs `longshore email …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let by = format!("operator {}", env.actor);
    match command {
        Command::Sender(SenderCommand::Show(whose)) => {
            let mut db = env.database().await?;
            let team = db.team(&whose.team).await?.team_id;
            match senders::find(&mut *db.begin_as(team).await?, team).await? {
                None => Err(Problem::new(Exit::NothingMatched, "the team has no address to write from")
                    .remedy("longshore email sender set ADDRESS --team TEAM --name NAME --postal ADDRESS")),
                Some(sender) => told(&sender, env),
            }
        }
        Command::Sender(SenderCommand::Set { whose, address, name, postal, reply_to }) => {
            let mut db = env.database().await?;
            let team = db.team(&whose.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            let set = senders::set(&mut tx, team, &Sender { address, name, reply_to, postal }, &by).await?;
            tx.commit().await?;
            told(&set, env)
        }
        Command::Consent(wanted) => {
            let now = env.out.now();
            let new = NewConsent {
                email: &wanted.email,
                level: match wanted.level {
                    Agreed::Express => Level::Express,
                    Agreed::ExpressWritten => Level::ExpressWritten,
                },
                method: &wanted.method,
                evidence: wanted.evidence.as_deref(),
                captured_at: wanted.at.map_or(now, |moment| moment.back_from(now)),
                expires_at: None,
            };
            let mut db = env.database().await?;
            let team = db.team(&wanted.whose.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            let consent = consents::give(&mut tx, team, &new).await?;
            tx.commit().await?;
            env.out.told(&json!({ "consent": consent }), &format!("consent {consent} is on record"))?;
            Ok(Exit::Done)
        }
        Command::Suppress(wanted) => {
            let reason = match wanted.because {
                Because::OptOut => Reason::OptOut,
                Because::DncRequest => Reason::DncRequest,
                Because::LegalDnc => Reason::LegalDnc,
                Because::InvalidAddress => Reason::InvalidAddress,
            };
            let mut db = env.database().await?;
            let team = db.team(&wanted.whose.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            opt_out::suppress(&mut tx, team, &wanted.email, reason, &by).await?;
            tx.commit().await?;
            env.out.told(&json!({ "reason": reason.as_str() }), "the address gets no mail of the team any more")?;
            Ok(Exit::Done)
        }
    }
}

fn told(sender: &Sender, env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(sender)?;
    } else {
        env.out.fields(&[
            ("address", sender.address.clone()),
            ("name", sender.name.clone()),
            ("reply to", sender.reply_to.clone().unwrap_or_else(|| "-".into())),
            ("postal", sender.postal.replace('\n', ", ")),
        ])?;
    }
    Ok(Exit::Done)
}

impl From<SenderError> for Problem {
    fn from(error: SenderError) -> Self {
        match error {
            SenderError::Database(error) => error.into(),
            SenderError::Invalid(invalid) => Self::usage(invalid.reason).value(invalid.field),
        }
    }
}

impl From<ConsentError> for Problem {
    fn from(error: ConsentError) -> Self {
        match error {
            ConsentError::Database(error) => error.into(),
            ConsentError::Invalid(invalid) => Self::usage(invalid.reason).value(invalid.field),
        }
    }
}

impl From<SuppressError> for Problem {
    fn from(error: SuppressError) -> Self {
        match error {
            SuppressError::Database(error) => error.into(),
            SuppressError::Invalid(invalid) => Self::usage(invalid.reason).value(invalid.field),
        }
    }
}
