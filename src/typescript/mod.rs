//! The TypeScript client: one file without dependencies, made of the kinds' schemas and the OpenAPI document.
//!
//! `runtime.ts` beside this file is the part that people write; what stands before and behind it is generated, so that an
//! unknown kind, a wrong payload or a wrong parameter is an error of the compiler. `clients/typescript/longshore.ts` is what
//! this build prints, and a test keeps it so.

mod operations;
mod schema;

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value};

use crate::{api::openapi, workers::registry::Registry};
use schema::{Names, documented, pascal};

const RUNTIME: &str = include_str!("runtime.ts");

/// The client for the kinds of `registry` and the HTTP API of this build.
pub fn client(registry: &Registry) -> String {
    let document: Value = serde_json::from_str(&openapi::document()).unwrap_or_default();
    let empty = Map::new();
    let schemas = document["components"]["schemas"].as_object().unwrap_or(&empty);
    let mut text = format!(
        "// Longshore's client. Made by `longshore export ts` (version {}); changes to this file are lost.\n\
         // Types of the kinds' payloads, enqueueing inside your own transaction, and the HTTP API: docs/TYPESCRIPT.md.\n\n\
         /* eslint-disable */\n\n",
        env!("CARGO_PKG_VERSION"),
    );
    rule(&mut text, "The kinds and their payloads");
    kinds(&mut text, registry, schemas);
    rule(&mut text, "What the HTTP API takes and gives");
    let names = Names::of(schemas.keys().map(|name| (name.clone(), name.clone())));
    for (name, schema) in schemas {
        text.push_str(&names.declaration(name, schema));
        text.push('\n');
    }
    text.push_str(RUNTIME);
    text.push('\n');
    operations::write(&mut text, &document, &names);
    text
}

fn rule(text: &mut String, title: &str) {
    let _ = writeln!(text, "// {}\n// {title}\n", "-".repeat(114));
}

/// A type for each payload, and `Payloads`, which leads from a kind to its own.
fn kinds(text: &mut String, registry: &Registry, taken: &Map<String, Value>) {
    let mut listed = String::new();
    let shared = shared(registry);
    for kind in registry.iter() {
        let mut schema = kind.schema.clone();
        let parts = schema.as_object_mut().and_then(|schema| schema.remove("$defs"));
        let parts = parts.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        let own = pascal(kind.name);
        let own = if taken.contains_key(&own) { format!("{own}Payload") } else { own };
        // Where two kinds, or the API, mean two things by one name, it bears the kind's name too.
        let alone = |name: &String| shared.get(name).is_some_and(Option::is_some) && !taken.contains_key(name);
        let called = |name: &String| if alone(name) { name.clone() } else { format!("{own}{}", pascal(name)) };
        let names = Names::of(parts.keys().map(|name| (name.clone(), called(name))));
        for (name, part) in &parts {
            let declaration = names.declaration(name, part);
            if !text.contains(&declaration) {
                text.push_str(&declaration);
                text.push('\n');
            }
        }
        text.push_str(&names.declaration(&own, &schema));
        text.push('\n');
        let queue = format!("Queue `{}`, {} attempts.", kind.queue, kind.retry.attempts);
        listed.push_str(&documented(&queue, "  "));
        let _ = writeln!(listed, "  {}: {own};", kind.name);
    }
    let _ = write!(
        text,
        "/** Every kind of job, and what it takes. */\nexport interface Payloads {{\n{listed}}}\n\n\
         /** The name of a kind. */\nexport type Kind = keyof Payloads;\n\n"
    );
}

/// What payloads are made of, by name: an id, an enum. None where two kinds mean two things by one name.
fn shared(registry: &Registry) -> BTreeMap<String, Option<Value>> {
    let mut all: BTreeMap<String, Option<Value>> = BTreeMap::new();
    for (name, part) in registry.iter().filter_map(|kind| kind.schema["$defs"].as_object()).flatten() {
        let known = all.entry(name.clone()).or_insert_with(|| Some(part.clone()));
        if known.as_ref() != Some(part) {
            *known = None;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_every_kind_and_every_operation() {
        let registry = crate::workers::registry();
        let text = client(&registry);
        for kind in registry.iter() {
            assert!(text.contains(&format!("\n  {}: {};\n", kind.name, pascal(kind.name))), "{} is missing", kind.name);
        }
        let document: Value = serde_json::from_str(&openapi::document()).expect("JSON");
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for operation in methods.as_object().expect("methods").values() {
                let name = operation["operationId"].as_str().expect("an id");
                assert!(text.contains(&format!("  {name}(")), "{name} of {path} is missing");
            }
        }
    }
}
