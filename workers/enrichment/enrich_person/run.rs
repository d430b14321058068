//! Looks one lead up at the vendor for people, and keeps what it knows.
//!
//! Nothing is spent twice unnoticed. The intent and its hold are committed before the call; the facts, the charge and the
//! job's completion are committed together after it. An intent that a later attempt finds without an answer belongs to a
//! worker that ended during the call: it may have been charged, so its hold stays, and is charged in full if nobody
//! settles it in time. The vendor offers no way to look such a call up and it has no effect but its cost; so it is made
//! once more, under a hold of its own. A second unknown outcome is the end: a person decides.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::EnrichPerson;
use crate::{
    credits::{Held, HoldKey, OUT_OF_CREDIT},
    ctx::Ctx,
    enrichment::{
        calls::{self, Call, Ending},
        provider::{PersonFound, PersonQuery},
    },
    failpoint,
    job::{Done, Outcome, Stop},
    telemetry::{self, Entry},
    vendors::VendorError,
};

const STEP: &str = "person";
/// Calls of unknown outcome that one job may make.
const MOST_UNKNOWN: i64 = 2;
/// An unanswered call older than this no longer keeps other jobs from the lead: it is longer than a job may run.
const BUSY_MINUTES: i32 = 10;
/// When to come back to a lead that another job is looking up.
const BUSY_DELAY: Duration = Duration::from_secs(5);
/// When to repeat a call of unknown outcome.
const REPEAT_DELAY: Duration = Duration::from_secs(15);
/// Pauses between tries to record an answer: it is paid for, so a passing fault of the database should not lose it.
const RECORD_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];

/// What a look at the lead and its history calls for.
enum Next {
    /// This call, reserved and written down; so many earlier ones of this job had an unknown outcome.
    Call(Call, i64),
    /// Nothing: the job is done, and why.
    Nothing(&'static str),
    /// Another look: a call that an earlier attempt left unanswered is now on record.
    LookAgain,
}

impl EnrichPerson {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let (call, earlier_unknown) = loop {
            ctx.check_cancelled()?;
            match self.prepare(ctx).await? {
                Next::Call(call, earlier_unknown) => break (call, earlier_unknown),
                Next::Nothing(why) => return Done::with(json!({ "outcome": why, "credits": 0 })),
                Next::LookAgain => {}
            }
        };
        // The vendor may charge from here on: a wish to cancel waits until the answer is on record.
        failpoint!(BeforeEffect);
        let started = Instant::now();
        let answer = ctx.services().vendors.people.find(&call.query).await;
        failpoint!(AfterEffect);
        let latency = started.elapsed();
        let done = record_surely(ctx, &call, &answer, latency).await?;
        if let Some(charged) = Ending::of(&answer).credits {
            count(call.vendor, Entry::Capture, charged);
            count(call.vendor, Entry::Release, call.quote - charged);
        }
        answer.map(|_| done).map_err(|error| meaning(error, earlier_unknown))
    }
}

impl EnrichPerson {
    /// Looks at the lead and what was done for it, and reserves the call if there is one to make.
    async fn prepare(&self, ctx: &Ctx) -> Result<Next, Stop> {
        let (team, job, people) = (ctx.team(), ctx.job(), &ctx.services().vendors.people);
        let mut tx = ctx.tx().await?;
        let lead =
            sqlx::query_file!("enrichment/enrich_person/lock_lead.sql", team.0, self.lead_id).fetch_optional(&mut *tx).await?;
        let Some(lead) = lead else {
            return Err(Stop::dead(anyhow::anyhow!("the team has no lead {}", self.lead_id)));
        };
        let query =
            PersonQuery { first_name: lead.first_name, last_name: lead.last_name, email: lead.email, domain: lead.domain };
        let days = ctx.services().rules.enrichment.fresh_days;
        let standing = sqlx::query_file!(
            "enrichment/enrich_person/standing.sql",
            team.0,
            self.lead_id,
            people.name(),
            job.0,
            STEP,
            days,
            BUSY_MINUTES
        )
        .fetch_one(&mut *tx)
        .await?;

        if let Some(number) = standing.unanswered {
            calls::end(&mut tx, HoldKey { team, job, step: STEP, call: number }, Ending::UNKNOWN, None).await?;
            ctx.keep_lease(&mut tx).await?;
            tx.commit().await?;
            return Ok(Next::LookAgain);
        }
        if standing.unknown >= MOST_UNKNOWN {
            return Err(Stop::dead(anyhow::anyhow!(
                "{} calls ended with an unknown outcome; their holds stay",
                standing.unknown
            )));
        }
        if !is_enough(&query) {
            return Ok(Next::Nothing("too_little_known"));
        }
        if standing.fresh {
            return Ok(Next::Nothing("fresh"));
        }
        if standing.busy {
            return Err(Stop::snooze(BUSY_DELAY, "lead_busy: another job is looking this lead up"));
        }

        let quote = people.quote(&query);
        let call = Call { step: STEP, number: standing.calls + 1, vendor: people.name(), lead: self.lead_id, query, quote };
        match calls::begin(&mut tx, ctx, &call).await? {
            Held::Held => {}
            Held::Insufficient { available } => {
                tx.rollback().await?;
                count(call.vendor, Entry::Refused, quote);
                return Err(Stop::park(format!("{OUT_OF_CREDIT}: needs {quote}, has {available}")));
            }
            Held::AlreadyHeld(state) => {
                return Err(Stop::dead(anyhow::anyhow!("call {} has a hold ({state:?}) but no intent", call.number)));
            }
        }
        ctx.keep_lease(&mut tx).await?;
        tx.commit().await?;
        count(call.vendor, Entry::Hold, quote);
        Ok(Next::Call(call, standing.unknown))
    }
}

fn count(vendor: &'static str, entry: Entry, credits: i64) {
    telemetry::credits(vendor, entry, u64::try_from(credits).unwrap_or(0));
}

/// Names alone find strangers: an e-mail address, or a full name and where they work.
fn is_enough(query: &PersonQuery) -> bool {
    let has = |field: &Option<String>| field.as_deref().is_some_and(|text| !text.trim().is_empty());
    has(&query.email) || has(&query.first_name) && has(&query.last_name) && has(&query.domain)
}

/// What an error means for the job, once it is on record.
fn meaning(error: VendorError, earlier_unknown: i64) -> Stop {
    match error {
        VendorError::UnknownOutcome { .. } if earlier_unknown + 1 >= MOST_UNKNOWN => {
            Stop::dead(anyhow::Error::new(error).context("the repeated call ended unknown too; both holds stay"))
        }
        VendorError::UnknownOutcome { .. } => Stop::Unknown { after: REPEAT_DELAY, intent: error.to_string() },
        other => other.into(),
    }
}

/// Records an answer, through passing faults of the database too. If a commit succeeded whose answer was lost, the next
/// try finds the lease gone and ends there.
async fn record_surely(
    ctx: &Ctx,
    call: &Call,
    answer: &Result<PersonFound, VendorError>,
    latency: Duration,
) -> Result<Done, Stop> {
    for pause in RECORD_PAUSES {
        match record(ctx, call, answer, latency).await {
            Err(Stop::Retry { .. }) => tokio::time::sleep(pause).await,
            settled => return settled,
        }
    }
    record(ctx, call, answer, latency).await
}

/// Facts, charge and completion in one transaction; for a call without an answer, what is known of it.
async fn record(ctx: &Ctx, call: &Call, answer: &Result<PersonFound, VendorError>, latency: Duration) -> Result<Done, Stop> {
    let ending = Ending::of(answer);
    let mut tx = ctx.tx().await?;
    if let Ok(found) = answer {
        let facts = found.person.clone().map(storable);
        sqlx::query_file!("enrichment/enrich_person/store_facts.sql", ctx.team().0, call.lead, call.vendor, facts, ctx.job().0)
            .execute(&mut *tx)
            .await?;
    }
    calls::end(&mut tx, call.hold(ctx), ending, Some(latency)).await?;
    if answer.is_ok() {
        return ctx.complete(tx, json!({ "outcome": ending.outcome, "credits": ending.credits })).await;
    }
    ctx.keep_lease(&mut tx).await?;
    tx.commit().await?;
    Ok(Done::NOTHING)
}

/// A NUL can't be stored as `jsonb`, and must not cost an answer that is paid for.
fn storable(value: Value) -> Value {
    let clean = |text: String| if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(items) => items.into_iter().map(storable).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (clean(name), storable(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_is_not_enough_to_pay_for() {
        let query = |first: &str, last: &str, email: &str, domain: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            PersonQuery { first_name: some(first), last_name: some(last), email: some(email), domain: some(domain) }
        };
        assert!(is_enough(&query("", "", "a@example.com", "")));
        assert!(is_enough(&query("A", "B", "", "example.com")));
        for (first, last, email, domain) in
            [("A", "B", "", ""), ("A", "", "", "example.com"), ("", "", " ", ""), ("A", "B", "", " ")]
        {
            assert!(!is_enough(&query(first, last, email, domain)));
        }
    }

    #[test]
    fn a_nul_in_an_answer_is_replaced_wherever_it_stands() {
        let kept = storable(json!({ "a\0": ["x\0y", { "b": "\0" }], "n": 1 }));
        assert_eq!(kept, json!({ "a\u{fffd}": ["x\u{fffd}y", { "b": "\u{fffd}" }], "n": 1 }));
    }

    #[test]
    fn a_call_of_unknown_outcome_is_repeated_once() {
        let unknown = || VendorError::UnknownOutcome { vendor: "apollo", reason: "timed out".into() };
        assert!(matches!(meaning(unknown(), 0), Stop::Unknown { .. }));
        assert!(matches!(meaning(unknown(), 1), Stop::Dead(_)));
    }
}
