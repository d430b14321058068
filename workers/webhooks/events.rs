//! The events that webhooks tell of: the one list of their names, and the form of each.
//!
//! What stands in them is written by functions/53_webhooks.sql; a test holds the two against each other, and docs/WEBHOOKS.md
//! against both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{enrichment::enrich_person::EnrichPerson, job::Job as _};

/// One kind of event.
pub struct Event {
    /// Its name.
    pub name: &'static str,
    /// When it is told.
    pub when: &'static str,
    /// Of a job, so that an endpoint's kinds choose among them.
    pub of_job: bool,
    /// An example of its `data`.
    pub sample: fn() -> Value,
    /// JSON Schema of its `data`.
    pub schema: fn() -> Value,
    fits: fn(Value) -> Result<(), serde_json::Error>,
}

impl Event {
    const fn of<D: Data>(name: &'static str, when: &'static str) -> Self {
        Self {
            name,
            when,
            of_job: D::OF_JOB,
            sample: D::sample,
            schema: || schemars::schema_for!(D).to_value(),
            fits: |data| serde_json::from_value::<D>(data).map(drop),
        }
    }

    const fn showing(self, sample: fn() -> Value) -> Self {
        Self { sample, ..self }
    }

    /// Refuses data of another form.
    pub fn check(&self, data: Value) -> Result<(), serde_json::Error> {
        (self.fits)(data)
    }
}

/// Every event that an endpoint may subscribe to.
pub const EVENTS: &[Event] = &[
    Event::of::<JobDone>("job.done", "A job is done."),
    Event::of::<JobDead>("job.dead", "A job has failed for good, and is a dead letter now."),
    Event::of::<JobCancelled>("job.cancelled", "A job was cancelled, or replaced before it ran."),
    Event::of::<BatchEnded>("batch.ended", "A batch was sealed, and the last of its jobs has ended."),
    Event::of::<Message>("message.accepted", "The vendor has a message.").showing(|| message("accepted", None, None, Some(1))),
    Event::of::<Message>("message.delivered", "The vendor says that a message has arrived.")
        .showing(|| message("delivered", None, None, Some(1))),
    Event::of::<Message>("message.failed", "A message was refused, or could not be delivered."),
    Event::of::<Message>("message.suppressed", "A message will not be sent: an opt-out, quiet hours past its time, no consent.")
        .showing(|| message("suppressed", Some("suppressed_opt_out"), None, None)),
    Event::of::<Message>("message.unknown", "Nobody knows yet whether the vendor took a message; it is being looked up.")
        .showing(|| message("unknown", Some("no answer before the deadline"), None, None)),
    Event::of::<Reply>("message.replied", "Somebody has written to one of the team's numbers."),
    Event::of::<CampaignCreated>("campaign.created", "A campaign is there: a draft, created or cloned."),
];

/// What `test` sends, whatever an endpoint subscribes to.
pub const TEST: Event = Event::of::<Test>("webhook.test", "Somebody wants to see whether an endpoint answers.");

/// The event of that name, the test included.
pub fn find(name: &str) -> Option<&'static Event> {
    static SENT_ON_DEMAND: Event = TEST;
    EVENTS.iter().chain(std::iter::once(&SENT_ON_DEMAND)).find(|event| event.name == name)
}

trait Data: DeserializeOwned + JsonSchema {
    const OF_JOB: bool = false;
    fn sample() -> Value;
}

/// A job that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobDone {
    /// The job; `GET /v1/jobs/{id}` has its output.
    pub id: String,
    /// What it did.
    pub kind: String,
    /// In which queue.
    pub queue: String,
    /// The attempt that ended it; 0 for one that never ran.
    pub attempt: i16,
    /// When it was enqueued.
    pub created_at: String,
    /// When it ended.
    pub ended_at: String,
    /// What caused it, as its producer said.
    #[serde(deserialize_with = "Option::deserialize")]
    pub correlation_id: Option<String>,
    /// The job that enqueued it.
    #[serde(deserialize_with = "Option::deserialize")]
    pub parent: Option<String>,
    /// The batch it belonged to.
    #[serde(deserialize_with = "Option::deserialize")]
    pub batch_id: Option<String>,
}

/// A job that is dead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobDead {
    /// The job; `GET /v1/dead/{id}` has all of it.
    pub id: String,
    /// What it should have done.
    pub kind: String,
    /// In which queue.
    pub queue: String,
    /// The last attempt.
    pub attempt: i16,
    /// When it was enqueued.
    pub created_at: String,
    /// When it ended.
    pub ended_at: String,
    /// What caused it, as its producer said.
    #[serde(deserialize_with = "Option::deserialize")]
    pub correlation_id: Option<String>,
    /// The job that enqueued it.
    #[serde(deserialize_with = "Option::deserialize")]
    pub parent: Option<String>,
    /// The batch it belonged to.
    #[serde(deserialize_with = "Option::deserialize")]
    pub batch_id: Option<String>,
    /// What it died of: the beginning, without what looks like a phone number or an e-mail.
    pub error: String,
}

/// A job that was cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobCancelled {
    /// The job.
    pub id: String,
    /// What it should have done.
    pub kind: String,
    /// In which queue.
    pub queue: String,
    /// The attempt in which it was stopped; 0 for one that never ran.
    pub attempt: i16,
    /// When it was enqueued.
    pub created_at: String,
    /// When it ended.
    pub ended_at: String,
    /// What caused it, as its producer said.
    #[serde(deserialize_with = "Option::deserialize")]
    pub correlation_id: Option<String>,
    /// The job that enqueued it.
    #[serde(deserialize_with = "Option::deserialize")]
    pub parent: Option<String>,
    /// The batch it belonged to.
    #[serde(deserialize_with = "Option::deserialize")]
    pub batch_id: Option<String>,
    /// By whom, or by what it was replaced, where that is known.
    #[serde(deserialize_with = "Option::deserialize")]
    pub reason: Option<String>,
}

/// A batch that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchEnded {
    /// The batch; `GET /v1/batches/{id}` has the same counts.
    pub id: String,
    /// Jobs that belonged to it.
    pub jobs: i64,
    /// Of those, done.
    pub done: i64,
    /// Dead.
    pub dead: i64,
    /// Cancelled.
    pub cancelled: i64,
    /// When it was opened.
    pub created_at: String,
    /// When the last of its jobs had ended.
    pub ended_at: String,
    /// What caused it, as its producer said.
    #[serde(deserialize_with = "Option::deserialize")]
    pub correlation_id: Option<String>,
    /// The job that was enqueued behind it.
    #[serde(deserialize_with = "Option::deserialize")]
    pub then_job: Option<String>,
}

/// A message, as it stands now. Neither its text nor a phone number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The message.
    pub message_id: i64,
    /// Its campaign.
    pub campaign_id: i64,
    /// Its recipient.
    pub lead_id: i64,
    /// Which message of the campaign.
    pub step: i16,
    /// In which wording.
    pub variant: String,
    /// Its state: the event's name behind the point.
    pub state: String,
    /// Why, where there is a reason.
    #[serde(deserialize_with = "Option::deserialize")]
    pub reason: Option<String>,
    /// The vendor's code, where it gave one.
    #[serde(deserialize_with = "Option::deserialize")]
    pub error_code: Option<i32>,
    /// Segments that the vendor counts, where it has said.
    #[serde(deserialize_with = "Option::deserialize")]
    pub segments: Option<i32>,
    /// When it came into this state.
    pub at: String,
}

/// A text that somebody wrote. Neither the text nor a phone number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The text that came in.
    pub inbound_id: i64,
    /// What it was taken for: `stop`, `start`, `help`, `wrong_number`, `legal` or `other`.
    pub meaning: String,
    /// Who wrote, where the team has texted them.
    #[serde(deserialize_with = "Option::deserialize")]
    pub lead_id: Option<i64>,
    /// The last message that they had got.
    #[serde(deserialize_with = "Option::deserialize")]
    pub message_id: Option<i64>,
    /// And its campaign.
    #[serde(deserialize_with = "Option::deserialize")]
    pub campaign_id: Option<i64>,
    /// When it came in.
    pub at: String,
}

/// A campaign is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignCreated {
    /// The campaign; `GET /v1/campaigns/{id}` has the rest.
    pub campaign_id: i64,
    /// Where it stands by now.
    pub state: String,
    /// Which campaign it was made after.
    #[serde(deserialize_with = "Option::deserialize")]
    pub cloned_from: Option<i64>,
    /// When it was created.
    pub created_at: String,
    /// When this was told.
    pub at: String,
}

/// Nothing has happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The endpoint.
    pub endpoint: String,
    /// When somebody asked.
    pub at: String,
}

fn message(state: &str, reason: Option<&str>, error_code: Option<i32>, segments: Option<i32>) -> Value {
    json!({
        "message_id": 118, "campaign_id": 3, "lead_id": 51, "step": 1, "variant": "a", "state": state, "reason": reason,
        "error_code": error_code, "segments": segments, "at": "2026-11-17T18:00:02.418000Z",
    })
}

fn job_sample(more: Value) -> Value {
    let mut sample = json!({
        "id": "job_42", "kind": EnrichPerson::KIND, "queue": EnrichPerson::QUEUE, "attempt": 1,
        "created_at": "2026-11-17T18:00:00.000000Z", "ended_at": "2026-11-17T18:00:02.418000Z",
        "correlation_id": "req_7d1c", "parent": null, "batch_id": null,
    });
    if let (Value::Object(sample), Value::Object(more)) = (&mut sample, more) {
        sample.extend(more);
    }
    sample
}

impl Data for JobDone {
    const OF_JOB: bool = true;
    fn sample() -> Value {
        job_sample(json!({}))
    }
}

impl Data for JobDead {
    const OF_JOB: bool = true;
    fn sample() -> Value {
        job_sample(json!({ "attempt": 10, "error": "apollo: refused (422): no such domain" }))
    }
}

impl Data for JobCancelled {
    const OF_JOB: bool = true;
    fn sample() -> Value {
        job_sample(json!({ "attempt": 0, "reason": "cancelled before it ran, by key k3v9x2m4q8w1" }))
    }
}

impl Data for BatchEnded {
    fn sample() -> Value {
        json!({
            "id": "batch_7", "jobs": 1000, "done": 990, "dead": 8, "cancelled": 2,
            "created_at": "2026-11-17T18:00:00.000000Z", "ended_at": "2026-11-17T18:04:10.100000Z",
            "correlation_id": null, "then_job": "job_1043",
        })
    }
}

impl Data for Message {
    fn sample() -> Value {
        message("failed", Some("twilio undelivered 30003"), Some(30003), Some(1))
    }
}

impl Data for Reply {
    fn sample() -> Value {
        json!({
            "inbound_id": 9, "meaning": "stop", "lead_id": 51, "message_id": 118, "campaign_id": 3,
            "at": "2026-11-17T18:05:00.000000Z",
        })
    }
}

impl Data for CampaignCreated {
    fn sample() -> Value {
        json!({
            "campaign_id": 3, "state": "draft", "cloned_from": null, "created_at": "2026-11-17T18:00:02.418000Z",
            "at": "2026-11-17T18:00:02.418000Z",
        })
    }
}

impl Data for Test {
    fn sample() -> Value {
        json!({ "endpoint": "ep_1", "at": "2026-11-17T18:00:00.000000Z" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_the_form_of_its_event() {
        for event in EVENTS.iter().chain([&TEST]) {
            let sample = (event.sample)();
            event.check(sample.clone()).unwrap_or_else(|error| panic!("{}: {error}", event.name));
            assert_eq!(event.of_job, event.name.starts_with("job."), "{}", event.name);
            let mut less = sample;
            let first = less.as_object().and_then(|fields| fields.keys().next().cloned()).expect("a field");
            less.as_object_mut().expect("an object").remove(&first);
            assert!(event.check(less).is_err(), "{} does without {first}", event.name);
        }
    }
}
