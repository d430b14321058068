//! `longshore kinds`: what this build can run. Needs no database.

use clap::Args;
use serde_json::Value;

use super::{
    env::Env,
    output::{Column, Table, span},
    problem::{Exit, Problem},
};
use crate::workers;

/// Which kinds.
#[derive(Debug, Args)]
pub struct Arguments {
    /// One kind, with the schema of its payload
    kind: Option<String>,
}

/// Runs `longshore kinds`.
pub fn run(arguments: &Arguments, env: &Env) -> Result<Exit, Problem> {
    let registry = workers::registry();
    if let Some(name) = &arguments.kind {
        let Some(kind) = registry.get(name) else {
            return Err(Problem::new(Exit::NothingMatched, "this build knows no such kind")
                .value(name)
                .remedy("longshore kinds lists them"));
        };
        if env.out.json {
            env.out.json(&kind.announcement())?;
        } else {
            let schema = &kind.schema;
            env.out.fields(&[
                ("kind", kind.name.into()),
                ("queue", kind.queue.into()),
                ("attempts", kind.retry.attempts.to_string()),
                ("timeout", span(kind.timeout.as_secs() as i64)),
                ("price", kind.price.to_string()),
                ("payload", format!("{schema:#}")),
            ])?;
        }
        return Ok(Exit::Done);
    }
    if env.out.json {
        env.out.json(&registry.iter().map(|kind| kind.announcement()).collect::<Vec<Value>>())?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Text("KIND"),
        Column::Text("QUEUE"),
        Column::Number("VERSION"),
        Column::Number("PRIORITY"),
        Column::Number("ATTEMPTS"),
        Column::Number("TIMEOUT"),
        Column::Number("PRICE"),
    ];
    let mut table = Table::new(columns);
    for kind in registry.iter() {
        table.row([
            kind.name.to_owned(),
            kind.queue.to_owned(),
            kind.version.to_string(),
            kind.priority.to_string(),
            kind.retry.attempts.to_string(),
            span(kind.timeout.as_secs() as i64),
            kind.price.to_string(),
        ]);
    }
    env.out.table(&table)?;
    Ok(Exit::Done)
}
