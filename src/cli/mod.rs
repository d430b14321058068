//! The command line: one file a noun. Data goes to stdout, words to stderr, and the exit code says how it ended.

mod approvals;
mod arguments;
mod audit;
mod batch;
#[cfg(feature = "dev")]
mod bench;
mod buckets;
mod campaigns;
pub mod config;
mod confirm;
mod content;
mod credits;
mod dead;
#[cfg(feature = "dev")]
mod dev;
mod doctor;
mod email;
mod env;
mod export;
mod flags;
mod jobs;
mod keys;
mod kinds;
mod lanes;
mod messages;
mod output;
mod people;
mod plans;
mod problem;
mod queues;
mod quotas;
mod schedules;
mod secrets;
mod senders;
mod serve;
mod settings;
mod settle;
mod teams;
mod webhooks;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::workers::clock::{Clock as _, SystemClock};
use env::Env;
use output::{Output, When};
use problem::{EXIT_CODES, Exit, Problem};

const GLOBAL: &str = "Every command";

/// A durable job-queue worker fleet on Postgres
#[derive(Debug, Parser)]
#[command(name = "longshore", version, after_help = EXIT_CODES, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    /// JSON instead of tables: one object or array (docs/CLI.md)
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    /// Read settings from this file
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE")]
    config: Option<PathBuf>,
    /// auto, always or never; NO_COLOR is honoured
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    color: When,
    /// Who acts, for the records
    #[arg(
        long = "as",
        global = true,
        help_heading = GLOBAL,
        value_name = "NAME",
        env = "USER",
        default_value = "unknown",
        hide_env_values = true
    )]
    actor: String,
    /// Why, for the audit log
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "TEXT")]
    reason: Option<String>,
    #[arg(long, global = true, hide = true, env = "NO_COLOR", default_value = "")]
    no_color: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Serve(serve::Command),
    #[cfg(feature = "dev")]
    #[command(flatten)]
    Dev(dev::Command),
    #[cfg(feature = "dev")]
    #[command(flatten)]
    Bench(bench::Command),
    /// Says whether this set-up is fit to run; exit code 1 if not
    Doctor(doctor::Arguments),
    /// Looks at the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Jobs: list, show, cancel, enqueue
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Dead letters: list, show, replay, discard, plan
    #[command(subcommand)]
    Dead(dead::Command),
    /// Queues: depths, pause, resume, keep
    #[command(subcommand)]
    Queues(queues::Command),
    /// Lanes, a team in a queue: weight, limit, rate, cap
    #[command(subcommand)]
    Lanes(lanes::Command),
    /// Named rates that jobs share: list, set, remove
    #[command(subcommand)]
    Buckets(buckets::Command),
    /// Schedules: list, put, pause, resume, run-now, delete
    #[command(subcommand)]
    Schedules(schedules::Command),
    /// Teams: create, list
    #[command(subcommand)]
    Teams(teams::Command),
    /// API keys: create, list, rotate, revoke; an operator's token
    #[command(subcommand)]
    Keys(keys::Command),
    /// A team's settings: list, get, set, unset
    #[command(subcommand)]
    Settings(settings::Command),
    /// Flags, for some teams before others: list, set, unset, override, explain
    #[command(subcommand)]
    Flags(flags::Command),
    /// A team's limits and what it uses: show, set
    #[command(subcommand)]
    Quotas(quotas::Command),
    /// The keys that teams' secrets are sealed with: status, rotate
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Webhooks to a team's own servers: list, create, update, rotate, delete, test, deliveries, replay
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Credits: grant, balance, verify
    #[command(subcommand)]
    Credits(credits::Command),
    /// Campaigns: create, preview, activate, pause, stop, recall; what became of them
    #[command(subcommand)]
    Campaigns(campaigns::Command),
    /// What campaigns' steps are: channel, subject, what a model is told, who looks first
    #[command(subcommand)]
    Content(content::Command),
    /// Messages that a person looks at first: list, show, approve, reject, edit, rewrite, export
    #[command(subcommand)]
    Approvals(approvals::Command),
    /// E-mail: a team's sender, consents, addresses that get nothing
    #[command(subcommand)]
    Email(email::Command),
    /// Messages: those of unknown outcome (list, resolve), and what people write
    #[command(subcommand)]
    Messages(messages::Command),
    /// The numbers that a team texts from: list, put, retire, release
    #[command(subcommand)]
    Senders(senders::Command),
    /// A person's data: erase, export, requests
    #[command(subcommand)]
    People(people::Command),
    /// The audit log: list, verify, export
    #[command(subcommand)]
    Audit(audit::Command),
    /// What this build can run
    Kinds(kinds::Arguments),
    /// What other programs build against: the TypeScript client, the OpenAPI document
    #[command(subcommand)]
    Export(export::Command),
    /// Prints a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Runs the command that the arguments name.
pub async fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Output::new(cli.json, cli.color, !cli.no_color.is_empty(), SystemClock.now());
    let env = Env::new(out, &cli.actor, cli.reason.as_deref(), cli.config);
    match dispatch(cli.command, &env).await {
        Ok(exit) => exit.into(),
        Err(problem) => {
            env.out.say(&problem.to_string());
            problem.exit.into()
        }
    }
}

async fn dispatch(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Serve(command) => Box::pin(serve::run(command, env)).await,
        #[cfg(feature = "dev")]
        Command::Dev(command) => Box::pin(dev::run(command, env)).await,
        #[cfg(feature = "dev")]
        Command::Bench(command) => Box::pin(bench::run(command, env)).await,
        Command::Doctor(arguments) => Box::pin(doctor::run(&arguments, env)).await,
        Command::Config(command) => config::run(command, env),
        Command::Jobs(command) => jobs::run(command, env).await,
        Command::Dead(command) => Box::pin(dead::run(command, env)).await,
        Command::Queues(command) => queues::run(command, env).await,
        Command::Lanes(command) => lanes::run(command, env).await,
        Command::Buckets(command) => buckets::run(command, env).await,
        Command::Schedules(command) => schedules::run(command, env).await,
        Command::Teams(command) => teams::run(command, env).await,
        Command::Keys(command) => keys::run(command, env).await,
        Command::Settings(command) => Box::pin(settings::run(command, env)).await,
        Command::Flags(command) => Box::pin(flags::run(command, env)).await,
        Command::Quotas(command) => quotas::run(command, env).await,
        Command::Secrets(command) => secrets::run(command, env).await,
        Command::Webhooks(command) => Box::pin(webhooks::run(command, env)).await,
        Command::Credits(command) => credits::run(command, env).await,
        Command::Campaigns(command) => Box::pin(campaigns::run(command, env)).await,
        Command::Content(command) => Box::pin(content::run(command, env)).await,
        Command::Approvals(command) => Box::pin(approvals::run(command, env)).await,
        Command::Email(command) => Box::pin(email::run(command, env)).await,
        Command::Messages(command) => messages::run(command, env).await,
        Command::Senders(command) => senders::run(command, env).await,
        Command::People(command) => people::run(command, env).await,
        Command::Audit(command) => audit::run(command, env).await,
        Command::Kinds(arguments) => kinds::run(&arguments, env),
        Command::Export(command) => export::run(command, env),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "longshore", &mut script);
            env.out.line(String::from_utf8_lossy(&script).trim_end())?;
            Ok(Exit::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_contradict_each_other_nowhere() {
        Cli::command().debug_assert();
    }
}
