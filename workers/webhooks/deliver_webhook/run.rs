//! Delivers one event to one endpoint: looked up, signed, posted, and what came of it written down.
//!
//! A receiver may get the same event twice (a crash behind the call, an answer that was lost): the `webhook-id` says so.

use std::time::Duration;

use anyhow::anyhow;
use secrecy::SecretString;
use serde_json::json;

use super::DeliverWebhook;
use crate::{
    ctx::Ctx,
    failpoint,
    ids::{DeliveryId, EndpointId},
    job::{Outcome, Stop},
    vendors::receiver::{Answer, Unanswered},
    webhooks::{
        endpoints::{self, EndpointError},
        events, sign,
    },
};

/// A body that is larger is not sent.
const LARGEST: usize = 64 * 1024;
/// A receiver that asks for time gets as much at most.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// And only for so long after the event: then it counts as failing.
const PATIENCE_HOURS: i64 = 24;

/// What is to be delivered, and where to.
struct Letter {
    endpoint: EndpointId,
    url: String,
    event_id: String,
    event: String,
    body: String,
    secrets: Vec<SecretString>,
}

/// What a try means for the delivery.
enum Verdict {
    Taken,
    /// The receiver says that nobody is there any more.
    Gone,
    /// The receiver is well, and wants it later.
    Later(Duration, String),
    Failed(String),
}

impl DeliverWebhook {
    fn id(&self) -> DeliveryId {
        DeliveryId(self.delivery_id)
    }

    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        ctx.check_cancelled()?;
        let letter = match self.open(ctx).await? {
            Ok(letter) => letter,
            Err(skipped) => return skipped,
        };
        let now = ctx.now();
        let timestamp = now.timestamp();
        let headers = [
            ("webhook-id", letter.event_id.clone()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", sign::signatures(&letter.secrets, &letter.event_id, timestamp, &letter.body)),
        ];
        failpoint!(BeforeEffect);
        let answer = ctx.services().receivers.post(&letter.url, &headers, letter.body.clone(), now).await;
        failpoint!(AfterEffect);
        self.record(ctx, &letter, answer).await
    }

    /// What is to be sent; or the end of the job, where nothing is.
    async fn open(&self, ctx: &Ctx) -> Result<Result<Letter, Outcome>, Stop> {
        let team = ctx.team();
        let mut tx = ctx.tx().await?;
        let found = sqlx::query_file!("webhooks/deliver_webhook/find.sql", team.0, self.delivery_id, ctx.job().0);
        let Some(row) = found.fetch_optional(&mut *tx).await? else {
            return Err(Stop::dead(anyhow!("the team has no delivery {}", self.id())));
        };
        // Whoever may enqueue could have us call somebody's server as often and as fast as they like.
        if !row.own {
            tx.commit().await?;
            let output = json!({ "delivered": false, "reason": "another job delivers it" });
            return Ok(Err(ctx.complete(ctx.tx().await?, output).await));
        }
        if row.state == "delivered" {
            tx.commit().await?;
            return Ok(Err(ctx.complete(ctx.tx().await?, json!({ "delivered": true, "earlier": true })).await));
        }
        let problem = match (&row.url, &row.disabled_reason) {
            (None, _) => Some("the endpoint was deleted".to_owned()),
            (_, Some(reason)) => Some(format!("the endpoint is disabled: {reason}")),
            _ => None,
        };
        if let Some(problem) = problem {
            tx.commit().await?;
            return Ok(Err(self.skip(ctx, &problem).await));
        }
        let endpoint = EndpointId(row.endpoint_id);
        let secrets = endpoints::live_secrets(&mut tx, &ctx.services().keyring, team, endpoint).await?;
        tx.commit().await?;
        let body = json!({ "type": row.event, "timestamp": row.at, "data": row.data }).to_string();
        if body.len() > LARGEST {
            return Err(Stop::dead(anyhow!("the event is larger than {} KiB", LARGEST / 1024)));
        }
        let url = row.url.unwrap_or_default();
        Ok(Ok(Letter { endpoint, url, event_id: row.event_id, event: row.event, body, secrets }))
    }

    /// Ends a delivery that is not to be made any more.
    async fn skip(&self, ctx: &Ctx, problem: &str) -> Outcome {
        let mut tx = ctx.fenced_tx().await?;
        sqlx::query_file!("webhooks/deliver_webhook/skip.sql", ctx.team().0, self.delivery_id, problem).execute(&mut *tx).await?;
        ctx.complete(tx, json!({ "delivered": false, "reason": problem })).await
    }

    /// Writes down what came of a try, together with the end of the job where that is one.
    async fn record(&self, ctx: &Ctx, letter: &Letter, answer: Result<Answer, Unanswered>) -> Outcome {
        let (team, rules) = (ctx.team(), ctx.services().receivers.rules());
        let status = answer.as_ref().ok().and_then(|answer| i16::try_from(answer.status).ok());
        let verdict = judge(answer);
        let test = letter.event == events::TEST.name;
        let problem = match &verdict {
            Verdict::Taken => None,
            Verdict::Gone => Some("the receiver answered 410: nobody is there any more".to_owned()),
            Verdict::Later(_, problem) | Verdict::Failed(problem) => Some(problem.clone()),
        };
        let ended = match &verdict {
            Verdict::Taken => Some("delivered"),
            Verdict::Gone => Some("skipped"),
            // A test is over with its first try: somebody waits for the answer.
            _ if test => Some("failed"),
            _ => None,
        };
        let mut tx = ctx.fenced_tx().await?;
        sqlx::query_file!("webhooks/deliver_webhook/tried.sql", team.0, self.delivery_id, status, problem, ended, ctx.job().0)
            .execute(&mut *tx)
            .await?;
        let output = json!({ "delivered": problem.is_none(), "status": status, "reason": problem });
        match verdict {
            Verdict::Taken => {
                endpoints::note(&mut tx, team, letter.endpoint, true, 0).await?;
                ctx.complete(tx, output).await
            }
            Verdict::Gone => {
                // What audits comes last but for the completion, which takes locks of this job alone.
                endpoints::disable(&mut tx, team, letter.endpoint, "the receiver answered 410 Gone").await.map_err(stop)?;
                ctx.complete(tx, output).await
            }
            Verdict::Later(..) | Verdict::Failed(_) if test => ctx.complete(tx, output).await,
            Verdict::Later(wait, problem) => {
                let age = ctx.now() - ctx.claim().created_at;
                tx.commit().await?;
                let wait = wait.clamp(Duration::from_secs(1), LONGEST_WAIT);
                if age.num_hours() < PATIENCE_HOURS {
                    return Err(Stop::snooze(wait, problem));
                }
                Err(Stop::Retry { error: anyhow!(problem), after: Some(wait) })
            }
            Verdict::Failed(problem) => {
                let days = rules.disable_after_days;
                if endpoints::note(&mut tx, team, letter.endpoint, false, days).await? {
                    let reason = format!("nothing was taken for {days} days; at last: {problem}");
                    endpoints::disable(&mut tx, team, letter.endpoint, &reason).await.map_err(stop)?;
                }
                tx.commit().await?;
                Err(Stop::retry(anyhow!(problem)))
            }
        }
    }
}

fn judge(answer: Result<Answer, Unanswered>) -> Verdict {
    match answer {
        Ok(Answer { status: 200..=299, .. }) => Verdict::Taken,
        Ok(Answer { status: 410, .. }) => Verdict::Gone,
        Ok(Answer { status: status @ (429 | 503), retry_after: Some(wait) }) => {
            Verdict::Later(wait, format!("the receiver answered {status} and asked for time"))
        }
        Ok(Answer { status: status @ 300..=399, .. }) => {
            Verdict::Failed(format!("the receiver answered {status}: redirects are not followed"))
        }
        Ok(Answer { status, .. }) => Verdict::Failed(format!("the receiver answered {status}")),
        Err(unanswered) => Verdict::Failed(unanswered.to_string()),
    }
}

fn stop(error: EndpointError) -> Stop {
    match error {
        EndpointError::Database(error) => error.into(),
        EndpointError::Secret(error) => error.into(),
        other => Stop::retry(other),
    }
}
