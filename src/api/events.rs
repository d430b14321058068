//! A job or a batch as a stream of server-sent events: its state now, each change, and its end.
//!
//! An event's id is how the job looked, so a caller that comes back with `Last-Event-ID` is told only what is news to it. What
//! changed twice between two looks is told once: the stream is about states, not about history.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::{
    Api, ApiState,
    auth::Caller,
    batches::{self, BatchPath},
    error::{ApiError, Code},
    jobs::{JobPath, look},
    openapi::Refusals,
    watch::{Changes, Subject, Ticket},
};
use crate::{store::watch::Mark, tenancy::keys::Scope};

const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// How often the key is asked for again: no longer than it is believed in anywhere else.
const CHECK: Duration = Duration::from_secs(5);
/// So many checks make a heartbeat, which keeps the connection through proxies.
const CHECKS_A_BEAT: u32 = 3;
/// Then the stream ends and the caller comes back, so that processes that were added get their share.
const LONGEST: Duration = Duration::from_secs(3600);

/// Follow a job.
///
/// `event: state` carries the job as `getJob` shows it, at once and with each change; `event: end` follows the last. Comments
/// keep the connection. A caller that comes back sends the last event's id, as browsers do by themselves, and gets 204 when
/// the job had ended with it.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", operation_id = "followJob", tag = "jobs", security(("key" = ["read"])),
    params(
        ("id" = String, Path, description = "The job", example = "job_42", pattern = r"^(job_)?[0-9]{1,19}$", max_length = 23),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard", max_length = 200),
    ),
    responses(
        (status = 200, description = "Events until it ends", body = String, content_type = "text/event-stream"),
        (status = 204, description = "It has ended, and the caller knows"),
        (status = 406, description = "The caller does not take text/event-stream", body = super::error::Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "Its records were dropped; `gone` says what is left of them", body = super::error::Problem,
            content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn of_job(
    State(api): State<Api>,
    caller: Caller,
    JobPath(job): JobPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Read)?;
    let subject = Subject::Job(caller.team(), job);
    follow(api, caller, subject, &headers).await
}

/// Follow a batch.
///
/// As a job: `event: state` carries the batch as `getBatch` shows it, `event: end` follows when all of its jobs have ended.
#[utoipa::path(get, path = "/v1/batches/{id}/events", operation_id = "followBatch", tag = "batches", security(("key" = ["read"])),
    params(
        ("id" = String, Path, description = "The batch", example = "batch_7", pattern = r"^(batch_)?[0-9]{1,19}$", max_length = 25),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard", max_length = 200),
    ),
    responses(
        (status = 200, description = "Events until it ends", body = String, content_type = "text/event-stream"),
        (status = 204, description = "It has ended, and the caller knows"),
        (status = 406, description = "The caller does not take text/event-stream", body = super::error::Problem,
            content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn of_batch(
    State(api): State<Api>,
    caller: Caller,
    BatchPath(batch): BatchPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Read)?;
    let subject = Subject::Batch(caller.team(), batch);
    follow(api, caller, subject, &headers).await
}

async fn follow(api: Api, caller: Caller, subject: Subject, headers: &HeaderMap) -> Result<Response, ApiError> {
    takes_events(headers)?;
    let changes = api.watch.follow(subject);
    let now = Seen::look(&api, subject).await?;
    let known = headers.get(LAST_EVENT).and_then(|id| id.to_str().ok()).is_some_and(|id| id == now.id());
    if known && now.ended {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let ticket = api.watch.enter(caller.team(), caller.key_id())?;
    let mut checks = tokio::time::interval_at(Instant::now() + CHECK, CHECK);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut telling = Telling {
        until: Instant::now() + LONGEST,
        mark: now.mark.clone(),
        over: false,
        said: VecDeque::from(["retry: 3000\n\n".to_owned()]),
        quiet: 0,
        api,
        caller,
        subject,
        changes,
        checks,
        _ticket: ticket,
    };
    if !known {
        telling.tell(&now);
    }
    let events = stream::unfold(telling, |mut telling| async {
        let words = telling.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(words)), telling))
    });
    // Proxies that gather answers before they pass them on would hold events back.
    let said = [(header::CONTENT_TYPE, "text/event-stream"), (HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((said, Body::from_stream(events)).into_response())
}

fn takes_events(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if accepted.peek().is_none() {
        return Ok(());
    }
    let essences = accepted.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or_default().trim());
    let takes = essences.into_iter().any(|one| ["text/event-stream", "text/*", "*/*"].contains(&one));
    let refused = || ApiError::header(Code::NotAcceptable, "Accept", "This is a stream of events: accept text/event-stream.");
    takes.then_some(()).ok_or_else(refused)
}

/// How something looks now.
struct Seen {
    mark: Mark,
    ended: bool,
    data: String,
}

impl Seen {
    async fn look(api: &ApiState, subject: Subject) -> Result<Self, ApiError> {
        match subject {
            Subject::Job(team, job) => {
                let (body, mark) = look::look(api, team, job).await?;
                Self::new(mark, body.has_ended(), &body)
            }
            Subject::Batch(team, batch) => {
                let (body, mark) = batches::look(api, team, batch).await?;
                Self::new(mark, body.has_ended(), &body)
            }
        }
    }

    fn new(mark: Mark, ended: bool, body: &impl serde::Serialize) -> Result<Self, ApiError> {
        Ok(Self { mark, ended, data: serde_json::to_string(body).map_err(ApiError::internal)? })
    }

    fn id(&self) -> String {
        format!("{}~{}", self.mark.place, self.mark.done)
    }
}

/// A stream under way.
struct Telling {
    api: Api,
    caller: Caller,
    subject: Subject,
    changes: Changes,
    checks: Interval,
    until: Instant,
    /// How it looked when it was told last.
    mark: Mark,
    said: VecDeque<String>,
    quiet: u32,
    over: bool,
    _ticket: Ticket,
}

impl Telling {
    fn tell(&mut self, seen: &Seen) {
        self.mark = seen.mark.clone();
        self.quiet = 0;
        let (id, data) = (seen.id(), &seen.data);
        self.said.push_back(format!("event: state\nid: {id}\ndata: {data}\n\n"));
        if seen.ended {
            self.said.push_back(format!("event: end\nid: {id}\ndata: {{}}\n\n"));
            self.over = true;
        }
    }

    /// Ends the stream; the caller comes back, at a moment that others do not share.
    fn leave(&mut self, why: &str) {
        let mut byte = [0];
        self.api.random.fill(&mut byte);
        let milliseconds = 500 + u32::from(byte[0]) * 20;
        self.said.push_back(format!("retry: {milliseconds}\n: {why}\n\n"));
        self.over = true;
    }

    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(words) = self.said.pop_front() {
                return Some(words);
            }
            if self.over {
                return None;
            }
            let draining = self.api.draining.clone();
            tokio::select! {
                () = draining.cancelled() => self.leave("this process is stopping"),
                () = self.changes.news(&self.mark, |before, now| before != now) => {
                    match Seen::look(&self.api, self.subject).await {
                        // It changed and changed back, or the change was seen before it was told.
                        Ok(seen) if seen.mark == self.mark => {}
                        Ok(seen) => self.tell(&seen),
                        Err(_) => self.leave("it can't be looked at now"),
                    }
                }
                _ = self.checks.tick() => self.check().await,
            }
        }
    }

    async fn check(&mut self) {
        self.quiet += 1;
        if self.caller.still_good(&self.api).await.is_err() {
            self.leave("the key can't be checked, or was ended");
        } else if Instant::now() >= self.until {
            self.leave("long enough on one connection");
        } else if self.quiet.is_multiple_of(CHECKS_A_BEAT) {
            self.said.push_back(": still here\n\n".into());
        }
    }
}
