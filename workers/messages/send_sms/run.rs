//! Sends one message, at most once.
//!
//! Three steps, each of which may be the last one before a crash. The gates: one transaction that holds the campaign, the
//! lead and the message, decides, keeps the evidence and marks the message `dispatching`. The call: under a deadline. The
//! record: what the vendor answered, with the job's completion. A run that finds the mark of an earlier one does not know
//! whether that call was made. It looks the message up at the vendor and never sends.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use super::SendSms;
use crate::{
    ctx::Ctx,
    db::Tx,
    failpoint,
    job::{OrDead as _, Outcome, Stop},
    messages::{
        gates::{self, Consent, Facts, Level, Verdict},
        gateway::{Accepted, OutboundSms, Reconciled},
        opt_out::{self, Reason},
        quiet_hours::Book,
        record,
    },
    telemetry::{self, Send},
    vendors::{VendorError, error::RecipientFault},
};

/// No configuration lets a call to the vendor take longer: the job's own time must not end in the middle of one.
pub const LONGEST_DISPATCH: Duration = Duration::from_secs(15);

/// A message that this run has marked, or found marked.
struct Marked {
    sms: OutboundSms,
    attempted_at: DateTime<Utc>,
    age: Duration,
    looks: usize,
}

/// Where the gates leave a message.
enum Gate {
    /// Marked by this run: call the vendor, before the deadline.
    Call(OutboundSms, Instant),
    /// Marked by an earlier run: ask the vendor.
    Ask(Marked),
    /// Ended already; the transaction only has to be completed.
    Ended(Tx, serde_json::Value),
    /// Ended now, by this rule.
    Suppressed(Tx, String),
}

impl SendSms {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        ctx.check_cancelled()?;
        match self.gate(ctx).await? {
            Gate::Call(sms, deadline) => self.call(ctx, &sms, deadline).await,
            Gate::Ask(marked) => self.ask(ctx, &marked).await,
            Gate::Ended(tx, output) => ctx.complete(tx, output).await,
            Gate::Suppressed(tx, rule) => {
                counted(Send::Suppressed, ctx.complete(tx, json!({ "state": "suppressed", "rule": rule })).await)
            }
        }
    }
}

impl SendSms {
    async fn gate(&self, ctx: &Ctx) -> Result<Gate, Stop> {
        let team = ctx.team();
        let mut tx = ctx.fenced_tx().await?;
        let Some(fixed) =
            sqlx::query_file!("messages/send_sms/find_message.sql", team.0, self.message_id).fetch_optional(&mut *tx).await?
        else {
            return Err(Stop::dead(anyhow::anyhow!("the team has no message {}", self.message_id)));
        };
        // Always in this order: whoever else takes two of these rows takes them so (migration 0040).
        let campaign = sqlx::query_file_scalar!("messages/send_sms/hold_campaign.sql", team.0, fixed.campaign_id)
            .fetch_one(&mut *tx)
            .await?;
        let lead = sqlx::query_file!("messages/send_sms/hold_lead.sql", team.0, fixed.lead_id).fetch_one(&mut *tx).await?;
        let message =
            sqlx::query_file!("messages/send_sms/hold_message.sql", team.0, self.message_id).fetch_one(&mut *tx).await?;

        let mut sms = OutboundSms {
            team,
            message_id: self.message_id,
            to: message.recipient,
            from: message.sender,
            body: message.body,
            valid_for: Duration::ZERO,
        };
        match (message.state.as_str(), message.attempted_at) {
            ("planned", _) => {}
            ("dispatching" | "unknown", Some(attempted_at)) => {
                let age = Duration::try_from_secs_f64(message.age_seconds.unwrap_or_default()).unwrap_or_default();
                let looks = usize::try_from(message.looks).unwrap_or_default();
                return Ok(Gate::Ask(Marked { sms, attempted_at, age, looks }));
            }
            (ended, _) => return Ok(Gate::Ended(tx, json!({ "state": ended }))),
        }

        // From here on the clock runs: what the gates see must still hold when the vendor has the message.
        let deadline = Instant::now() + ctx.services().rules.messages.dispatch_deadline();
        let others =
            sqlx::query_file!("messages/send_sms/gather_facts.sql", team.0, fixed.campaign_id, fixed.lead_id, sms.to, ctx.now(),)
                .fetch_one(&mut *tx)
                .await?;
        let consent = others.consent_id.zip(others.consent_level.as_deref().and_then(Level::parse));
        let facts = Facts {
            campaign,
            enrollment: others.enrollment,
            lead_stopped: lead.stopped,
            same_number: lead.phone.as_deref() == Some(sms.to.as_str()),
            suppressed: others.suppressed,
            consent: consent.map(|(consent_id, level)| Consent { consent_id, level, expires_at: others.consent_expires_at }),
            sent_lately: others.sent_lately,
            frees_in_seconds: others.frees_in_seconds,
            lead_state: lead.state,
        };
        let book = Book::shipped().or_dead()?;
        let rules = ctx.services().rules.messages.narrowed(&*ctx.settings_lately(&mut tx).await?);
        let verdict = gates::decide(&facts, &sms.to, &rules, book, ctx.now());
        match verdict {
            Verdict::Send { closes_at } => {
                sms.valid_for = (closes_at - ctx.now()).to_std().unwrap_or_default();
                self.keep(ctx, &mut tx, &verdict, &facts, &sms.to, book).await?;
                let vendor = ctx.services().vendors.sms.name();
                sqlx::query_file!("messages/send_sms/mark.sql", team.0, self.message_id, vendor).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Gate::Call(sms, deadline))
            }
            Verdict::Wait { until, ref rule } => {
                let put_off = sqlx::query_file!("messages/send_sms/put_off.sql", team.0, self.message_id, rule);
                if put_off.execute(&mut *tx).await?.rows_affected() > 0 {
                    self.keep(ctx, &mut tx, &verdict, &facts, &sms.to, book).await?;
                }
                tx.commit().await?;
                telemetry::sends(Send::Snoozed, 1);
                Err(Stop::snooze((until - ctx.now()).to_std().unwrap_or_default(), rule.clone()))
            }
            Verdict::Suppress { ref rule } => {
                self.keep(ctx, &mut tx, &verdict, &facts, &sms.to, book).await?;
                record::suppressed(&mut tx, team, self.message_id, rule).await?;
                Ok(Gate::Suppressed(tx, rule.clone()))
            }
        }
    }

    /// Keeps the evidence of a decision: the facts, and where the recipient may be.
    async fn keep(&self, ctx: &Ctx, tx: &mut Tx, verdict: &Verdict, facts: &Facts, to: &str, book: &Book) -> Result<(), Stop> {
        let place = book.atlas.locate(to, facts.lead_state.as_deref()).ok();
        let zones: Vec<&str> = place.iter().flat_map(|place| place.zones.iter().map(|zone| zone.name())).collect();
        let inputs = json!({
            "facts": facts,
            "zones": zones,
            "states": place.as_ref().map(|place| &place.states),
            "attempt": ctx.attempt(),
        });
        sqlx::query_file!(
            "messages/send_sms/decide.sql",
            ctx.team().0,
            self.message_id,
            ctx.now(),
            verdict.name(),
            verdict.rule(),
            book.version,
            inputs,
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Calls the vendor for a message that this run has marked, and records the answer.
    async fn call(&self, ctx: &Ctx, sms: &OutboundSms, deadline: Instant) -> Outcome {
        failpoint!(BeforeEffect);
        // A process that was stopped between the mark and here must not send hours later.
        if ctx.cancel().is_cancelled() || Instant::now() >= deadline {
            let mut tx = ctx.fenced_tx().await?;
            record::not_sent(&mut tx, ctx.team(), self.message_id, "cut_off_before_the_call").await?;
            tx.commit().await?;
            ctx.check_cancelled()?;
            return Err(Stop::snooze(Duration::from_secs(1), "the dispatch deadline passed before the call"));
        }
        let (vendor, started) = (&ctx.services().vendors.sms, Instant::now());
        let answer = match timeout_at(deadline, vendor.send(sms)).await {
            Ok(answer) => answer,
            Err(_) => Err(VendorError::UnknownOutcome { vendor: vendor.name(), reason: "no answer before the deadline".into() }),
        };
        failpoint!(AfterEffect);
        telemetry::vendor_request(vendor.name(), &answer, started.elapsed());
        let mut tx = ctx.fenced_tx().await?;
        match answer {
            Ok(accepted) => self.accepted(ctx, tx, &accepted).await,
            Err(VendorError::UnknownOutcome { reason, .. }) => {
                record::unknown(&mut tx, ctx.team(), self.message_id, &reason, false).await?;
                tx.commit().await?;
                telemetry::sends(Send::Unknown, 1);
                Err(self.unknown(look_at(ctx, 0).unwrap_or_default(), &reason))
            }
            Err(VendorError::Recipient { fault, code, .. }) => self.recipient_fault(ctx, tx, &sms.to, fault, code).await,
            Err(VendorError::Refused { code, reason, .. }) => {
                record::failed(&mut tx, ctx.team(), self.message_id, &reason, i32::try_from(code).ok()).await?;
                counted(Send::Failed, ctx.complete(tx, json!({ "state": "failed", "code": code })).await)
            }
            // Known not to have been taken: the mark is taken back with the reason for it.
            Err(error) => {
                let reason = match &error {
                    VendorError::RateLimited { .. } => "vendor_rate_limit",
                    VendorError::Config { .. } => "vendor_config",
                    _ => "vendor_unreachable",
                };
                record::not_sent(&mut tx, ctx.team(), self.message_id, reason).await?;
                tx.commit().await?;
                Err(match error {
                    VendorError::RateLimited { retry_after: None, .. } => {
                        // Spread out, so that a fleet that was turned away does not come back as one.
                        let wait = Duration::from_secs_f64(1.0 + 3.0 * ctx.services().random.unit());
                        Stop::snooze(wait, format!("vendor_rate_limit: {error}"))
                    }
                    other => other.into_stop(),
                })
            }
        }
    }

    /// Asks the vendor about a message that an earlier run has marked.
    async fn ask(&self, ctx: &Ctx, marked: &Marked) -> Outcome {
        // Behind the last look of the schedule somebody has woken the job: that is a look of its own.
        if let Some(due) = look_at(ctx, marked.looks)
            && marked.age < due
        {
            return Err(self.unknown(due - marked.age, "waiting to look it up"));
        }
        let vendor = &ctx.services().vendors.sms;
        let limit = ctx.services().rules.messages.dispatch_deadline();
        let started = Instant::now();
        let answer = match timeout(limit, vendor.find(&marked.sms, marked.attempted_at)).await {
            Ok(answer) => answer,
            Err(_) => Err(VendorError::Retryable { vendor: vendor.name(), reason: "no answer to the look-up".into() }),
        };
        telemetry::vendor_request(vendor.name(), &answer, started.elapsed());
        let mut tx = ctx.fenced_tx().await?;
        match answer {
            Ok(Reconciled::Found(found)) if !self.belongs_elsewhere(ctx, &mut tx, &found).await? => {
                self.accepted(ctx, tx, &found).await
            }
            Ok(_) => {
                let reason = format!("not found in {} looks", marked.looks + 1);
                let recorded = record::unknown(&mut tx, ctx.team(), self.message_id, &reason, true).await?;
                tx.commit().await?;
                if !recorded {
                    return Err(Stop::snooze(Duration::ZERO, "its outcome became known meanwhile"));
                }
                match look_at(ctx, marked.looks + 1) {
                    Some(due) => Err(self.unknown(due.saturating_sub(marked.age), &reason)),
                    None => Err(Stop::park(format!(
                        "{} {reason} at {}: see whether it was sent; it is never sent again by itself",
                        parked_as(self.message_id),
                        vendor.name(),
                    ))),
                }
            }
            Err(error) => {
                let reason = error.to_string();
                record::unknown(&mut tx, ctx.team(), self.message_id, &reason, false).await?;
                tx.commit().await?;
                match error {
                    VendorError::Config { .. } | VendorError::Refused { .. } => {
                        Err(Stop::park(format!("{} {reason}", parked_as(self.message_id))))
                    }
                    VendorError::RateLimited { retry_after, .. } => {
                        Err(self.unknown(retry_after.unwrap_or(Duration::from_secs(2)), &reason))
                    }
                    _ => Err(self.unknown(Duration::from_secs(15), &reason)),
                }
            }
        }
    }

    async fn accepted(&self, ctx: &Ctx, mut tx: Tx, accepted: &Accepted) -> Outcome {
        let vendor = ctx.services().vendors.sms.name();
        record::accepted(&mut tx, ctx.team(), self.message_id, vendor, accepted).await?;
        counted(Send::Accepted, ctx.complete(tx, json!({ "state": "accepted" })).await)
    }

    async fn recipient_fault(&self, ctx: &Ctx, mut tx: Tx, to: &str, fault: RecipientFault, code: i64) -> Outcome {
        let (team, vendor) = (ctx.team(), ctx.services().vendors.sms.name());
        let reason = Reason::from(fault);
        opt_out::suppress(&mut tx, team, to, reason, &format!("{vendor} {code}")).await?;
        let rule = format!("suppressed_{}", reason.as_str().to_lowercase());
        let (state, outcome) = match fault {
            RecipientFault::OptedOut => {
                record::suppressed(&mut tx, team, self.message_id, &rule).await?;
                ("suppressed", Send::Suppressed)
            }
            RecipientFault::InvalidNumber => {
                record::failed(&mut tx, team, self.message_id, &rule, i32::try_from(code).ok()).await?;
                ("failed", Send::Failed)
            }
        };
        counted(outcome, ctx.complete(tx, json!({ "state": state, "rule": rule, "code": code })).await)
    }

    /// What was found may be another message to the same person with the same words.
    async fn belongs_elsewhere(&self, ctx: &Ctx, tx: &mut Tx, found: &Accepted) -> Result<bool, Stop> {
        let vendor = ctx.services().vendors.sms.name();
        Ok(sqlx::query_file_scalar!("messages/send_sms/is_taken.sql", ctx.team().0, vendor, found.vendor_id, self.message_id)
            .fetch_one(&mut **tx)
            .await?)
    }

    fn unknown(&self, after: Duration, reason: &str) -> Stop {
        Stop::Unknown { after, intent: format!("message {}: {reason}", self.message_id) }
    }
}

/// Counts what was committed.
fn counted(what: Send, outcome: Outcome) -> Outcome {
    if outcome.is_ok() {
        telemetry::sends(what, 1);
    }
    outcome
}

/// When the look number `looks` (from 0) at an unknown outcome is due, since the message was handed over.
fn look_at(ctx: &Ctx, looks: usize) -> Option<Duration> {
    ctx.services().rules.messages.look_seconds.get(looks).copied().map(Duration::from_secs)
}

/// How the job of a message with an unknown outcome is parked: `queue.unpark` wakes it by this.
pub fn parked_as(message: i64) -> String {
    format!("unknown_outcome message {message}:")
}
