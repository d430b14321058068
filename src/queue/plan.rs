//! Makes a plan of dead letters: each payload is brought to this build's version, edited, and checked by the kind's own
//! rules, so that the plan says what would be refused before anything runs.

use longshore_workers::{
    ids::{PlanId, TeamId},
    registry::Registry,
};
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgConnection;

pub use super::edit::Edit;
use crate::store::{
    dead::Filter,
    plans::{self, Entry, Letter, Opening},
};

/// Letters looked at together: their payloads are at most so many times 256 KiB.
const PAGE: i64 = 50;

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Which letters.
    pub filter: Filter,
    /// What is done to each payload.
    pub edit: Option<Edit>,
    /// Replays a second at most.
    pub per_second: Option<f64>,
    /// The oldest so many of them.
    pub limit: Option<i64>,
    /// Why.
    pub note: Option<String>,
}

/// `[dead]`: above one of these a plan needs a second person.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Letters that it would replay.
    pub approve_above_jobs: i64,
    /// Credits that they may cost.
    pub approve_above_credits: i64,
}

/// Makes a plan of the open letters that match, in the caller's transaction; `None` where none does.
pub async fn make(
    conn: &mut PgConnection,
    registry: &Registry,
    (owner, by): (TeamId, &str),
    wanted: &Wanted,
    thresholds: Thresholds,
) -> Result<Option<PlanId>, sqlx::Error> {
    let mut left = wanted.limit.unwrap_or(i64::MAX);
    let mut page = plans::letters(conn, &wanted.filter, None, PAGE.min(left)).await?;
    if page.is_empty() {
        return Ok(None);
    }
    let opening = Opening {
        filter: serde_json::to_value(&wanted.filter).unwrap_or_default(),
        patch: wanted.edit.as_ref().and_then(Edit::written),
        per_second: wanted.per_second,
        note: wanted.note.clone(),
    };
    let plan = plans::open(conn, owner, by, &opening).await?;
    while let Some(last) = page.last().map(|letter| (letter.died_at, letter.job)) {
        left -= page.len() as i64;
        let entries = page.into_iter().map(|letter| entry(registry, letter, wanted.edit.as_ref()));
        plans::add(conn, owner, plan, entries.collect()).await?;
        page = plans::letters(conn, &wanted.filter, Some(last), PAGE.min(left)).await?;
    }
    let Thresholds { approve_above_jobs, approve_above_credits } = thresholds;
    plans::seal(conn, owner, plan, approve_above_jobs, approve_above_credits).await?;
    Ok(Some(plan))
}

fn entry(registry: &Registry, letter: Letter, edit: Option<&Edit>) -> Entry {
    let job = letter.job;
    match prepared(registry, letter, edit) {
        Ok(payload) => Entry { job, payload, problem: None },
        Err(problem) => Entry { job, payload: None, problem: Some(problem) },
    }
}

/// What a letter would run with: its payload as the present version writes it, then edited. `None`: its own, as it is.
fn prepared(registry: &Registry, letter: Letter, edit: Option<&Edit>) -> Result<Option<Value>, String> {
    let Letter { kind, version, payload: own, current, .. } = letter;
    let known = registry.get(&kind).filter(|kind| Some(kind.version) == current);
    let mut payload = own.clone();
    match known {
        Some(kind) => payload = kind.upcast(version, payload).map_err(|invalid| invalid.to_string())?,
        // The shape is checked by the database; a payload of a shape that nobody here knows is not edited.
        None if edit.is_some() && Some(version) != current => {
            return Err(format!("this build can't edit version {version} of {kind}"));
        }
        None => {}
    }
    if let Some(edit) = edit {
        edit.apply(&mut payload)?;
    }
    if let Some(kind) = known {
        kind.check(payload.clone()).map_err(|invalid| invalid.to_string())?;
    }
    Ok((payload != own).then_some(payload))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use longshore_workers::{
        ctx::Ctx,
        ids::JobId,
        job::{Done, Invalid, Job, Outcome},
    };
    use schemars::JsonSchema;
    use serde::Serialize;
    use serde_json::json;

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Paint {
        color: String,
        coats: i64,
    }

    impl Job for Paint {
        const KIND: &'static str = "paint";
        const QUEUE: &'static str = "walls";
        const VERSION: i16 = 2;

        fn upcast(version: i16, mut payload: Value) -> Result<Value, Invalid> {
            if version == 1 {
                payload["coats"] = json!(1);
            }
            Ok(payload)
        }

        fn check(&self) -> Result<(), Invalid> {
            if self.coats < 1 { Err(Invalid::new("coats", "at least one coat")) } else { Ok(()) }
        }

        async fn run(&self, _: &Ctx) -> Outcome {
            Ok(Done::NOTHING)
        }
    }

    fn after(version: i16, payload: Value, edit: Value) -> Result<Option<Value>, String> {
        let letter =
            Letter { job: JobId(1), died_at: DateTime::UNIX_EPOCH, kind: "paint".into(), version, payload, current: Some(2) };
        let edit = edit.is_array().then(|| Edit::read(edit).expect("an edit"));
        prepared(&Registry::new().add::<Paint>(), letter, edit.as_ref())
    }

    #[test]
    fn a_payload_is_edited_and_then_checked() {
        let wall = || json!({ "color": "red", "coats": 2 });
        assert_eq!(after(2, wall(), Value::Null), Ok(None));
        assert_eq!(
            after(2, wall(), json!([{ "op": "replace", "path": "/color", "value": "blue" }])),
            Ok(Some(json!({ "color": "blue", "coats": 2 })))
        );
        for (edit, why) in [
            (json!([{ "op": "replace", "path": "/coats", "value": 0 }]), "coats: at least one coat"),
            (json!([{ "op": "remove", "path": "/coats" }]), "coats: missing field"),
            (json!([{ "op": "replace", "path": "/colour", "value": "blue" }]), "the edit does not fit"),
            (json!([{ "op": "test", "path": "/color", "value": "green" }]), "the edit does not fit"),
        ] {
            let refused = after(2, wall(), edit).expect_err("a refusal");
            assert!(refused.starts_with(why), "{refused}");
        }
        assert!(Edit::read(json!({ "color": "blue" })).is_err() && Edit::read(json!([{ "op": "paint" }])).is_err());
    }

    #[test]
    fn a_letter_of_an_older_version_is_brought_to_the_present_one() {
        assert_eq!(after(1, json!({ "color": "red" }), Value::Null), Ok(Some(json!({ "color": "red", "coats": 1 }))));
        let edit = json!([{ "op": "test", "path": "/coats", "value": 1 }, { "op": "replace", "path": "/coats", "value": 3 }]);
        assert_eq!(after(1, json!({ "color": "red" }), edit), Ok(Some(json!({ "color": "red", "coats": 3 }))));
    }
}
