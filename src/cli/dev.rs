//! `longshore dev` and `longshore demo`: the local stack, for whoever meets Longshore for the first time.

use std::{fs::File, io::BufWriter, path::PathBuf};

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    env::Env,
    problem::{Exit, Problem},
};
use crate::{
    dev::{
        database::Place,
        demo::{self, show, verdict::Verdict},
        leads_csv::{self, Recipe},
        up::{self, Up, Wanted},
    },
    shutdown::Shutdown,
    workers::clock::{Clock as _, SystemClock},
};

/// What a newcomer may ask for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts everything on this machine until Ctrl-C: Postgres, vendors that cost nothing, and the fleet
    Dev(Dev),
    /// Runs the main job on 20,000 leads with everything going wrong that may, and checks the promises at the end
    Demo(Demo),
}

/// How to start everything.
#[derive(Debug, Args)]
pub struct Dev {
    #[command(subcommand)]
    tool: Option<Tool>,
    /// The API's port, if it is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Throw away what earlier starts left
    #[arg(long)]
    fresh: bool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// Writes a leads file like those people upload, faults included, and says what must come of it
    Leads {
        /// Rows, without the header's
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(leads_csv::MOST_ROWS)))]
        rows: u32,
        /// Another seed, another file
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where to write it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// How to run the demo.
#[derive(Debug, Args)]
pub struct Demo {
    /// Throw away what earlier demos left
    #[arg(long)]
    fresh: bool,
    /// Rows in the larger file
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1000..=100_000))]
    rows: u32,
    /// Another seed, other files and other faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave everything running behind the verdict until Ctrl-C, to look at the dashboards
    #[arg(long)]
    stay: bool,
}

/// Runs `longshore dev …` or `longshore demo …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Dev(Dev { tool: Some(Tool::Leads { rows, seed, out }), .. }) => leads(rows, seed, &out, env),
        Command::Dev(wanted) => Box::pin(dev(&wanted, env)).await,
        Command::Demo(wanted) => Box::pin(demo(&wanted, env)).await,
    }
}

fn leads(rows: u32, seed: u64, path: &std::path::Path, env: &Env) -> Result<Exit, Problem> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        leads_csv::generate(Recipe { rows, seed, pilot: rows / 14, given_before: 0 }, &mut file)
    };
    let expected = write().map_err(|error| {
        Problem::new(Exit::Failed, format!("the file can't be written: {error}")).value(path.display().to_string())
    })?;
    let words = format!(
        "{} rows: {} become leads, {} are rejected, {} are duplicates",
        expected.rows, expected.loaded, expected.rejected, expected.duplicates
    );
    env.out.told(&expected, &words)?;
    Ok(Exit::Done)
}

async fn dev(wanted: &Dev, env: &Env) -> Result<Exit, Problem> {
    let shutdown = Shutdown::on_signals().map_err(failed)?;
    let wanted = stack(env, wanted.port, wanted.fresh, Vec::new())?;
    let say = env.out.clone();
    let mut say = move |words: &str| say.say(words);
    let opening = up::open(wanted, &mut say);
    let Up { mut stack, sandbox } = tokio::select! {
        opened = opening => opened.map_err(told)?,
        () = shutdown.stop().cancelled() => return Ok(Exit::Interrupted),
    };
    let (team, key) = up::key(&stack).await.map_err(told)?;
    let (api, key) = (stack.api(), key.expose_secret().to_owned());
    let operator = stack.database().url("operator")?;
    let processes: Vec<_> = stack
        .children()
        .map(|child| json!({ "role": child.name, "pid": child.ready.pid, "admin": format!("http://{}", child.ready.admin) }))
        .collect();
    if env.out.json {
        let line = json!({
            "api": api, "team": team, "key": key, "database_url": operator, "sandbox": sandbox.url(),
            "state": stack.folder().path(), "keyring": stack.keyring(), "processes": processes,
        });
        env.out.line(&line.to_string())?;
    } else {
        let mut lines = vec![
            format!("API           {api}  (what it offers: {api}/openapi.json)"),
            format!("team {team:8} {key}"),
            format!("sandbox       {}/_sandbox/summary", sandbox.url()),
            format!("DATABASE_URL  {operator}"),
            format!("keyring       {}  (LONGSHORE_SECRETS__KEYS_FILE)", stack.keyring().display()),
            format!("state, logs   {}", stack.folder().path().display()),
        ];
        lines.extend(
            stack
                .children()
                .map(|child| format!("{:13} http://{}/metrics  (pid {})", child.name, child.ready.admin, child.ready.pid)),
        );
        env.out.line(&lines.join("\n"))?;
        env.out.say("\nCtrl-C stops it; what it holds stays for the next start.");
    }
    let broken = tokio::select! {
        () = shutdown.stop().cancelled() => None,
        broken = stack.broken() => Some(broken),
    };
    let logs = stack.logs().display().to_string();
    if broken.is_none() {
        env.out.say("Stopping: jobs that run may end.");
    }
    tokio::select! {
        stopped = stack.stop() => drop(stopped.map_err(failed)?),
        () = shutdown.now().cancelled() => {}
    }
    match broken {
        None => Ok(Exit::Done),
        Some(broken) => Err(Problem::new(Exit::Failed, broken).remedy(format!("its log is in {logs}"))),
    }
}

async fn demo(wanted: &Demo, env: &Env) -> Result<Exit, Problem> {
    let shutdown = Shutdown::on_signals().map_err(failed)?;
    let (stay, options) = (wanted.stay, demo::Options { rows: wanted.rows, seed: wanted.seed });
    let wanted = stack(env, 0, wanted.fresh, demo::settings(SystemClock.now()))?;
    let show = show::Show::new();
    show.say(&format!("{} rows of leads and more, two teams, vendors that fail, and a worker that is killed.\n", options.rows));
    let work = async {
        let starting = show.step("start the stack", 1);
        let Up { mut stack, sandbox } = up::open(wanted, &mut |words| show.say(words)).await?;
        starting.done(&format!("state in {}", stack.folder().path().display()));
        let verdict = demo::run(&mut stack, &sandbox, options, show).await;
        anyhow::Ok((stack, sandbox, verdict))
    };
    let (mut stack, sandbox, verdict) = tokio::select! {
        done = Box::pin(work) => done.map_err(told)?,
        () = shutdown.stop().cancelled() => return Ok(Exit::Interrupted),
    };
    let told_of = match (&verdict, stay) {
        (Ok(verdict), true) => {
            tell(verdict, env)?;
            env.out.say("Everything still runs; Ctrl-C stops it.");
            tokio::select! {
                () = shutdown.stop().cancelled() => {}
                broken = stack.broken() => env.out.say(&broken),
            }
            true
        }
        _ => false,
    };
    // Whatever came of it, the stack is stopped in order; its data stays.
    tokio::select! {
        stopped = stack.stop() => drop(stopped.map_err(failed)?),
        () = shutdown.now().cancelled() => {}
    }
    drop(sandbox);
    let verdict = verdict.map_err(told)?;
    if !told_of {
        tell(&verdict, env)?;
    }
    Ok(if verdict.totals.promises_broken.is_empty() { Exit::Done } else { Exit::Failed })
}

fn tell(verdict: &Verdict, env: &Env) -> Result<(), Problem> {
    if env.out.json {
        let line = serde_json::to_string(&verdict.totals).map_err(|error| Problem::new(Exit::Failed, error.to_string()))?;
        return env.out.line(&line);
    }
    env.out.line(&show::table(&verdict.lines).to_string())?;
    let kept = if verdict.totals.promises_broken.is_empty() { "Every promise was kept" } else { "PROMISES WERE BROKEN" };
    env.out.line(&format!("{kept}: {} jobs in {:.0} s.\n", verdict.totals.jobs, verdict.totals.seconds))?;
    let longshore = called();
    env.out.line(&format!(
        "Next:\n  {longshore} dev             opens this stack again, for a look around\n  \
         {longshore} demo --fresh    starts over\n  {longshore} kinds           lists what the fleet can do"
    ))?;
    Ok(())
}

/// The stack of this folder, played by this program.
fn stack(env: &Env, port: u16, fresh: bool, settings: Vec<(&'static str, String)>) -> Result<Wanted, Problem> {
    let config = env.config()?;
    let url = config.database.url.as_ref().map(|url| url.expose_secret().to_owned());
    Ok(Wanted {
        here: std::env::current_dir().map_err(failed)?,
        temporary: std::env::temp_dir(),
        executable: std::env::current_exe().map_err(failed)?,
        place: Place { url, programs: config.pg_bin().map(ToOwned::to_owned) },
        port,
        fresh,
        settings,
    })
}

/// How this program is called by somebody who built it here, or installed it.
fn called() -> &'static str {
    let built_here = std::env::current_exe().is_ok_and(|path| path.components().any(|part| part.as_os_str() == "target"));
    if built_here { "cargo run -q --" } else { "longshore" }
}

fn failed(error: impl std::fmt::Display) -> Problem {
    Problem::new(Exit::Failed, error.to_string())
}

fn told(error: anyhow::Error) -> Problem {
    Problem::new(Exit::Failed, format!("{error:#}"))
}
