//! The list of kinds a build knows, with their types erased: what claims, HTTP, SQL and the command line read.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    time::Duration,
};

use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    ctx::Ctx,
    job::{Invalid, Job, Limit, OrDead, Outcome, RetryPolicy},
};

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One kind, its type erased.
pub struct Kind {
    /// The stored name.
    pub name: &'static str,
    /// The version of its payload.
    pub version: i16,
    /// The queue it runs in.
    pub queue: &'static str,
    /// Earlier names.
    pub aliases: &'static [&'static str],
    /// 0 first, 9 last.
    pub priority: i16,
    /// How it is tried again.
    pub retry: RetryPolicy,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// The most credits one run can cost.
    pub price: i64,
    /// JSON Schema of the payload.
    pub schema: Value,
    upcast: fn(i16, Value) -> Result<Value, Invalid>,
    check: fn(Value) -> Result<Option<Limit>, Invalid>,
    run: fn(i16, Box<RawValue>, Ctx) -> Running,
}

impl Kind {
    fn of<J: Job>() -> Self {
        Self {
            name: J::KIND,
            version: J::VERSION,
            queue: J::QUEUE,
            aliases: J::ALIASES,
            priority: J::PRIORITY,
            retry: J::RETRY,
            timeout: J::TIMEOUT,
            price: J::PRICE,
            schema: schemars::schema_for!(J).to_value(),
            upcast: J::upcast,
            check: |payload| parse::<J>(payload).map(|job| job.limit()),
            run: |version, payload, ctx| {
                Box::pin(async move {
                    let job = read::<J>(version, &payload).or_dead()?;
                    drop(payload);
                    job.run(&ctx).await
                })
            },
        }
    }

    /// Turns the payload of an older version into this one's shape.
    pub fn upcast(&self, version: i16, payload: Value) -> Result<Value, Invalid> {
        (self.upcast)(version, payload)
    }

    /// Refuses a payload that could never run, naming the field; else tells the limit that the job itself declares.
    pub fn check(&self, payload: Value) -> Result<Option<Limit>, Invalid> {
        (self.check)(payload)
    }

    /// Decodes a payload of `version` and runs it.
    pub fn run(&self, version: i16, payload: Box<RawValue>, ctx: Ctx) -> impl Future<Output = Outcome> + Send + 'static {
        (self.run)(version, payload, ctx)
    }

    /// The form in which `queue.register` takes a kind.
    pub fn announcement(&self) -> Value {
        let properties = self.schema["properties"].as_object().cloned().unwrap_or_default();
        let fields: Map<String, Value> =
            properties.iter().map(|(name, schema)| (name.clone(), json!(json_types(&self.schema, schema)))).collect();
        json!({
            "kind": self.name,
            "queue": self.queue,
            "version": self.version,
            "priority": self.priority,
            "max_attempts": self.retry.attempts,
            "timeout_seconds": self.timeout.as_secs_f64(),
            "price": self.price,
            "required": self.schema.get("required").cloned().unwrap_or_else(|| json!([])),
            "fields": fields,
            "schema": self.schema,
            "aliases": self.aliases,
        })
    }
}

/// A stored payload of `version`.
fn read<J: Job>(version: i16, payload: &RawValue) -> Result<J, Invalid> {
    if version == J::VERSION
        && let Ok(job) = serde_json::from_str::<J>(payload.get())
    {
        job.check()?;
        return Ok(job);
    }
    let payload = serde_json::from_str(payload.get()).map_err(|error| Invalid::new("payload", error.to_string()))?;
    parse(J::upcast(version, payload)?)
}

fn parse<J: Job>(payload: Value) -> Result<J, Invalid> {
    let job: J = serde_path_to_error::deserialize(payload).map_err(|e| {
        let (path, fault) = (e.path().to_string(), e.into_inner().to_string());
        // An unknown or missing field has no place of its own to point at: its name stands in the message.
        let named = ["unknown field `", "missing field `"].iter().find_map(|start| fault.strip_prefix(start)?.split('`').next());
        let field = match (path.as_str(), named) {
            (".", None) => "payload".to_owned(),
            (".", Some(name)) => name.to_owned(),
            (path, Some(name)) if path.rsplit('.').next() != Some(name) => format!("{path}.{name}"),
            (path, _) => path.to_owned(),
        };
        Invalid::new(field, fault)
    })?;
    job.check()?;
    Ok(job)
}

/// The JSON types a field may have, as `jsonb_typeof` names them; all of them where the schema does not say. `root` is the
/// schema of the whole payload, where `$ref` points into.
fn json_types(root: &Value, schema: &Value) -> BTreeSet<&'static str> {
    let of = |schema: &Value| json_types(root, schema);
    let named = |name: &str| match name {
        "integer" => Some("number"),
        other => JSON_TYPES.into_iter().find(|known| *known == other),
    };
    let pointed_at = schema["$ref"].as_str().and_then(|place| root.pointer(place.strip_prefix('#')?));
    let choices = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
    match (&schema["type"], pointed_at, choices) {
        (Value::String(one), ..) => named(one).into_iter().collect(),
        (Value::Array(many), ..) => many.iter().filter_map(Value::as_str).filter_map(named).collect(),
        (_, Some(definition), _) => of(definition),
        (.., Some(choices)) => choices.iter().flat_map(of).collect(),
        _ => JSON_TYPES.into(),
    }
}

const JSON_TYPES: [&str; 6] = ["string", "number", "boolean", "object", "array", "null"];

/// Every kind a build knows.
#[derive(Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Kind>,
}

impl Registry {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind.
    ///
    /// # Panics
    /// When two kinds share a name or an alias: a mistake in the list, found by the first test or start.
    #[expect(clippy::panic, reason = "a wrong list of kinds must not start")]
    pub fn add<J: Job>(mut self) -> Self {
        for name in std::iter::once(&J::KIND).chain(J::ALIASES) {
            if self.get(name).is_some() {
                panic!("two kinds are called {name}");
            }
        }
        self.kinds.insert(J::KIND, Kind::of::<J>());
        self
    }

    /// The kind of that name or alias.
    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(name).or_else(|| self.kinds.values().find(|kind| kind.aliases.contains(&name)))
    }

    /// All kinds, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values()
    }

    /// The queues these kinds run in, each once, by name.
    pub fn queues(&self) -> Vec<&'static str> {
        let mut queues: Vec<_> = self.iter().map(|kind| kind.queue).collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    /// Every stored name that kinds of `queue` answer to.
    pub fn names_in(&self, queue: &str) -> Vec<String> {
        self.iter()
            .filter(|kind| kind.queue == queue)
            .flat_map(|kind| std::iter::once(kind.name).chain(kind.aliases.iter().copied()))
            .map(str::to_owned)
            .collect()
    }

    /// What `queue.register` takes.
    pub fn announcement(&self) -> Value {
        self.iter().map(Kind::announcement).collect()
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::job::Done;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Id(i64);

    #[derive(Serialize, Deserialize, JsonSchema)]
    enum Size {
        Small,
        Exactly(i64),
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        id: Id,
        maybe: Option<Id>,
        names: Vec<String>,
        size: Size,
        anything: Value,
    }

    impl Job for Sample {
        const KIND: &'static str = "sample";
        const QUEUE: &'static str = "samples";

        async fn run(&self, _: &Ctx) -> Outcome {
            Ok(Done::NOTHING)
        }
    }

    #[test]
    fn a_kind_announces_which_json_types_each_field_may_have() {
        let fields = &Kind::of::<Sample>().announcement()["fields"];
        let types = |name: &str| fields[name].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(types("id"), ["number"]);
        assert_eq!(types("maybe"), ["null", "number"]);
        assert_eq!(types("names"), ["array"]);
        assert_eq!(types("size"), ["object", "string"]);
        assert_eq!(types("anything").len(), 6);
    }
}
