//! How a command ends: the exit codes, and a failure told in three parts (what, which value, what to do).

use std::{fmt, process::ExitCode};

use sqlx::migrate::MigrateError;

use crate::{
    tenancy::{keys::KeyError, teams::TeamError},
    workers::job::Invalid,
};

/// The exit codes, as `--help` and docs/CLI.md list them.
pub const EXIT_CODES: &str = "\
Exit codes:
    0  done
    1  failed
    2  wrong usage or configuration
    3  nothing matched
    4  partly done
    5  the database can't be reached
    6  migrations are pending
    7  refused: it needs a confirmation, or an approval
  130  interrupted";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All of it.
    Done = 0,
    /// None of it, for a reason on stderr.
    Failed = 1,
    /// The command or its configuration was wrong.
    Usage = 2,
    /// What it should act on was not there.
    NothingMatched = 3,
    /// Some of it.
    PartlyDone = 4,
    /// No database.
    Unreachable = 5,
    /// The database is older than this build.
    MigrationsPending = 6,
    /// Nobody said yes.
    Refused = 7,
    /// Somebody pressed Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The code it ends with.
    pub exit: Exit,
    what: String,
    value: Option<(&'static str, String)>,
    remedy: Option<String>,
}

impl Problem {
    /// Says what went wrong.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), value: None, remedy: None }
    }

    /// A wrong argument.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Names the value that was wrong.
    pub fn value(mut self, value: impl Into<String>) -> Self {
        let value = value.into();
        self.value = Some(("value", if value.is_empty() { "(empty)".into() } else { value }));
        self
    }

    /// What went wrong, with the value that was.
    pub fn what(&self) -> String {
        self.value.as_ref().map_or_else(|| self.what.clone(), |(_, value)| format!("{} ({value})", self.what))
    }

    /// What to do.
    pub fn to_do(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// Says what to do.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some((name, value)) = &self.value {
            write!(f, "\n  {name}: {value}")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  to do: {remedy}")?;
        }
        Ok(())
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        let Some(refusal) = error.as_database_error().and_then(|e| e.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
        else {
            let lost =
                matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_));
            let exit = if lost { Exit::Unreachable } else { Exit::Failed };
            let what = if lost { format!("the database did not answer: {error}") } else { error.to_string() };
            return Self { remedy: lost.then(|| REACH.into()), ..Self::new(exit, what) };
        };
        let ours = refusal.code().starts_with("LS");
        let told = |exit| Self {
            exit,
            what: refusal.message().into(),
            value: refusal.detail().map(|detail| (if ours { "field" } else { "detail" }, detail.into())),
            remedy: refusal.hint().map(Into::into),
        };
        match refusal.code() {
            "LS012" => told(Exit::NothingMatched),
            "LS013" | "LS018" | "LS042" => told(Exit::Failed),
            "LS019" | "LS043" => told(Exit::Refused),
            _ if ours => told(Exit::Usage),
            "42P01" | "3F000" | "42883" | "42703" => pending(refusal.message()),
            "42501" => Self { remedy: Some(ROLE.into()), ..told(Exit::Failed) },
            "57014" => Self::new(Exit::Failed, "the database took longer than 30 seconds to answer")
                .remedy("ask for less: name a team, a kind, a time, or a smaller --limit"),
            "3D000" | "53300" => Self { remedy: Some(REACH.into()), ..told(Exit::Unreachable) },
            code if ["28", "08", "57"].iter().any(|class| code.starts_with(class)) => {
                Self { remedy: Some(REACH.into()), ..told(Exit::Unreachable) }
            }
            _ => told(Exit::Failed),
        }
    }
}

const REACH: &str = "check that the server runs and that DATABASE_URL names it";
const ROLE: &str = "connect as longshore_operator, or as a role that may become it";

/// The database is older than this build.
fn pending(why: &str) -> Problem {
    Problem::new(Exit::MigrationsPending, format!("the database is older than this build: {why}"))
        .remedy("longshore migrate (as longshore_migrator, or as a superuser the first time)")
}

/// The database lacks so many migrations.
pub fn missing(count: usize) -> Problem {
    match count {
        1 => pending("1 migration is missing"),
        many => pending(&format!("{many} migrations are missing")),
    }
}

/// The database and this build have different ideas of one migration.
pub fn differs(version: i64) -> Problem {
    Problem::new(Exit::Failed, "a migration in this build is not the one that was applied")
        .value(version.to_string())
        .remedy("run the build that this database belongs to; an applied migration is never changed")
}

impl From<MigrateError> for Problem {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => error.into(),
            other => Self::new(Exit::Failed, format!("the migrations stopped: {other}"))
                .remedy("nothing of the failed one was applied; correct the cause and run longshore migrate again"),
        }
    }
}

impl From<TeamError> for Problem {
    fn from(error: TeamError) -> Self {
        match error {
            TeamError::Database(error) => error.into(),
            TeamError::NotFound(name) => {
                Self::usage("there is no such team").value(name).remedy("longshore teams list shows them, teams create makes one")
            }
            TeamError::InvalidName { name, reason } => Self::usage("this can't be a team's name").value(name).remedy(reason),
            TeamError::Taken(name) => Self::new(Exit::Failed, "there is a team of that name")
                .value(name)
                .remedy("choose another name, or use that team"),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Database(error) => error.into(),
            KeyError::NotFound(key) => Self::new(Exit::NothingMatched, "the team has no live key of that id")
                .value(key)
                .remedy("longshore keys list --team TEAM shows them"),
            KeyError::TwoLive(key) => Self::new(Exit::Failed, "two keys that replace each other live already")
                .value(key)
                .remedy("longshore keys revoke the one that is not used any more, or wait for the end of its grace"),
            KeyError::IsToken(key) => Self::new(Exit::Failed, "an operator's token is not rotated")
                .value(key)
                .remedy("longshore keys token makes another"),
            other => Self::usage(other.to_string()),
        }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::usage(format!("the payload could never run: {}", invalid.reason))
            .value(invalid.field)
            .remedy("longshore kinds KIND --json prints the payload's schema")
    }
}
