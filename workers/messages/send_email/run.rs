//! Sends one mail, at most once.
//!
//! As a text is sent: gates and mark in one transaction, the call under a deadline, the record with the job's completion. A run
//! that finds the mark of an earlier one does not know whether the server has the mail, and a mail server can't be asked: the
//! job is parked for a person, and the mail is never sent again by itself.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::SendEmail;
use crate::{
    ctx::Ctx,
    db::Tx,
    failpoint,
    job::{OrDead as _, Outcome, Stop},
    messages::{
        email::{
            UNSUBSCRIBE_PATH, address,
            gates::{self, Consent, Facts},
            mailer::OutboundMail,
            opt_out, senders,
        },
        gates::{Level, Verdict},
        quiet_hours::Book,
        record,
        send_sms::parked_as,
    },
    telemetry::{self, Send},
    vendors::VendorError,
};

/// No configuration lets a call to the server take longer: the job's own time must not end in the middle of one.
pub const LONGEST_DISPATCH: Duration = Duration::from_secs(15);

/// Where the gates leave a mail.
enum Gate {
    /// Marked by this run: hand it over, before the deadline.
    Call(Box<OutboundMail>, Instant),
    /// Marked by an earlier run: nobody knows.
    Unknown(Tx),
    /// Not to be sent by this run; the transaction only has to be completed.
    Ended(Tx, serde_json::Value),
    /// Ended now, by this rule.
    Suppressed(Tx, String),
}

impl SendEmail {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        ctx.check_cancelled()?;
        match self.gate(ctx).await? {
            Gate::Call(mail, deadline) => self.call(ctx, &mail, deadline).await,
            Gate::Unknown(tx) => self.unknown(ctx, tx, "a run before ended while it was handed over").await,
            Gate::Ended(tx, output) => ctx.complete(tx, output).await,
            Gate::Suppressed(tx, rule) => {
                counted(Send::Suppressed, ctx.complete(tx, json!({ "state": "suppressed", "rule": rule })).await)
            }
        }
    }

    async fn gate(&self, ctx: &Ctx) -> Result<Gate, Stop> {
        let (team, rules) = (ctx.team(), &ctx.services().rules.email);
        let mut tx = ctx.fenced_tx().await?;
        let Some(fixed) =
            sqlx::query_file!("messages/send_email/find_message.sql", team.0, self.message_id).fetch_optional(&mut *tx).await?
        else {
            return Err(Stop::dead(anyhow::anyhow!("the team has no mail {}", self.message_id)));
        };
        // Always in this order: whoever else takes two of these rows takes them so (migration 0040).
        let campaign = sqlx::query_file_scalar!("messages/send_email/hold_campaign.sql", team.0, fixed.campaign_id)
            .fetch_one(&mut *tx)
            .await?;
        let lead = sqlx::query_file!("messages/send_email/hold_lead.sql", team.0, fixed.lead_id).fetch_one(&mut *tx).await?;
        let message =
            sqlx::query_file!("messages/send_email/hold_message.sql", team.0, self.message_id).fetch_one(&mut *tx).await?;
        match (message.state.as_str(), message.is_cleared) {
            ("planned", true) => {}
            ("planned", false) => return Ok(Gate::Ended(tx, json!({ "state": "planned", "approval": message.approval }))),
            ("dispatching" | "unknown", _) => return Ok(Gate::Unknown(tx)),
            (ended, _) => return Ok(Gate::Ended(tx, json!({ "state": ended }))),
        }
        if rules.public_url.is_empty() {
            return Err(Stop::park("vendor_config: set api.public_url: a mail needs a link to unsubscribe by"));
        }
        let Some(sender) = senders::find(&mut tx, team).await? else {
            return Err(Stop::park("vendor_config: the team has no address to write from: longshore email sender set"));
        };

        // From here on the clock runs: what the gates see must still hold when the server has the mail.
        let deadline = Instant::now() + rules.dispatch_deadline();
        let others = sqlx::query_file!(
            "messages/send_email/gather_facts.sql",
            team.0,
            fixed.campaign_id,
            fixed.lead_id,
            message.recipient,
            ctx.now(),
        )
        .fetch_one(&mut *tx)
        .await?;
        let consent = others.consent_id.zip(others.consent_level.as_deref().and_then(Level::parse));
        let own = lead.email.as_deref().and_then(|email| address::read(email).ok());
        let facts = Facts {
            campaign,
            enrollment: others.enrollment,
            lead_stopped: lead.stopped,
            same_address: own.as_deref() == Some(message.recipient.as_str()),
            suppressed: others.suppressed,
            consent: consent.map(|(consent_id, level)| Consent { consent_id, level, expires_at: others.consent_expires_at }),
            sent_lately: others.sent_lately,
            frees_in_seconds: others.frees_in_seconds,
            lead_state: lead.state,
        };
        let book = Book::shipped().or_dead()?;
        let hours = ctx.services().rules.messages.narrowed(&*ctx.settings_lately(&mut tx).await?).hours;
        let verdict = gates::decide(&facts, lead.phone.as_deref(), rules, hours, book, ctx.now());
        match verdict {
            Verdict::Send { .. } => {
                self.keep(ctx, &mut tx, &verdict, &facts, book).await?;
                let mut link = [0_u8; 16];
                ctx.services().random.fill(&mut link);
                sqlx::query_file!("messages/send_email/keep_link.sql", team.0, self.message_id, &link[..])
                    .execute(&mut *tx)
                    .await?;
                let vendor = ctx.services().vendors.mail.name();
                sqlx::query_file!("messages/send_email/mark.sql", team.0, self.message_id, vendor, sender.address)
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await?;
                let url = format!("{}{UNSUBSCRIBE_PATH}{}", rules.public_url.trim_end_matches('/'), hex::encode(link));
                let body = body(&message.body, &sender, &url);
                Ok(Gate::Call(
                    Box::new(OutboundMail {
                        team,
                        message_id: self.message_id,
                        to: message.recipient,
                        from: sender.address,
                        from_name: sender.name,
                        reply_to: sender.reply_to,
                        subject: message.subject.unwrap_or_default(),
                        body,
                        unsubscribe_url: url,
                        date: ctx.now(),
                    }),
                    deadline,
                ))
            }
            Verdict::Wait { until, ref rule } => {
                let put_off = sqlx::query_file!("messages/send_email/put_off.sql", team.0, self.message_id, rule);
                if put_off.execute(&mut *tx).await?.rows_affected() > 0 {
                    self.keep(ctx, &mut tx, &verdict, &facts, book).await?;
                }
                tx.commit().await?;
                telemetry::sends(Send::Snoozed, 1);
                Err(Stop::snooze((until - ctx.now()).to_std().unwrap_or_default(), rule.clone()))
            }
            Verdict::Suppress { ref rule } => {
                self.keep(ctx, &mut tx, &verdict, &facts, book).await?;
                record::suppressed(&mut tx, team, self.message_id, rule).await?;
                Ok(Gate::Suppressed(tx, rule.clone()))
            }
        }
    }

    /// Keeps the evidence of a decision.
    async fn keep(&self, ctx: &Ctx, tx: &mut Tx, verdict: &Verdict, facts: &Facts, book: &Book) -> Result<(), Stop> {
        let inputs = json!({ "channel": "email", "facts": facts, "attempt": ctx.attempt() });
        let (team, now) = (ctx.team().0, ctx.now());
        let (name, rule) = (verdict.name(), verdict.rule());
        sqlx::query_file!("messages/send_email/decide.sql", team, self.message_id, now, name, rule, book.version, inputs)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Hands over a mail that this run has marked, and records the answer.
    async fn call(&self, ctx: &Ctx, mail: &OutboundMail, deadline: Instant) -> Outcome {
        failpoint!(BeforeEffect);
        let left = deadline.saturating_duration_since(Instant::now());
        // A process that was stopped between the mark and here must not send hours later.
        if ctx.cancel().is_cancelled() || left.is_zero() {
            let mut tx = ctx.fenced_tx().await?;
            record::not_sent(&mut tx, ctx.team(), self.message_id, "cut_off_before_the_call").await?;
            tx.commit().await?;
            ctx.check_cancelled()?;
            return Err(Stop::snooze(Duration::from_secs(1), "the dispatch deadline passed before the call"));
        }
        let server = &ctx.services().vendors.mail;
        let answer = server.send(mail, left).await;
        failpoint!(AfterEffect);
        let (team, mut tx) = (ctx.team(), ctx.fenced_tx().await?);
        match answer {
            Ok(accepted) => {
                let output = json!({ "state": "accepted" });
                // A mail costs nothing.
                let taken = record::Taken::of(ctx, self.message_id, &accepted);
                record::accepted(&mut tx, ctx.team(), server.name(), 0, ctx.claim().lease.boot, &[taken], &output).await?;
                counted(Send::Accepted, ctx.completed(tx).await)
            }
            Err(VendorError::UnknownOutcome { reason, .. }) => {
                telemetry::sends(Send::Unknown, 1);
                self.unknown(ctx, tx, &reason).await
            }
            Err(VendorError::Recipient { code, .. }) => {
                opt_out::bounced(&mut tx, team, &mail.to, &format!("{} {code}", server.name())).await?;
                let rule = "suppressed_invalid_address";
                record::failed(&mut tx, team, self.message_id, rule, i32::try_from(code).ok()).await?;
                counted(Send::Failed, ctx.complete(tx, json!({ "state": "failed", "rule": rule, "code": code })).await)
            }
            Err(VendorError::Refused { code, reason, .. }) => {
                record::failed(&mut tx, team, self.message_id, &reason, i32::try_from(code).ok()).await?;
                counted(Send::Failed, ctx.complete(tx, json!({ "state": "failed", "code": code })).await)
            }
            // Known not to have been taken: the mark is taken back with the reason for it.
            Err(error) => {
                let reason = match &error {
                    VendorError::RateLimited { .. } => "vendor_rate_limit",
                    VendorError::Config { .. } => "vendor_config",
                    _ => "vendor_unreachable",
                };
                record::not_sent(&mut tx, team, self.message_id, reason).await?;
                tx.commit().await?;
                Err(error.into_stop())
            }
        }
    }

    /// Parks the job of a mail that the server may have.
    async fn unknown(&self, ctx: &Ctx, mut tx: Tx, reason: &str) -> Outcome {
        record::unknown(&mut tx, ctx.team(), self.message_id, reason, false).await?;
        tx.commit().await?;
        let parked = parked_as(self.message_id);
        Err(Stop::park(format!("{parked} {reason}: see the mail server's log; it is never sent again by itself")))
    }
}

/// The text with who wrote it, where they live, and the way out.
fn body(text: &str, sender: &senders::Sender, url: &str) -> String {
    format!("{text}\n\n--\n{}\n{}\nUnsubscribe: {url}\n", sender.name, sender.postal)
}

/// Counts what was committed.
fn counted(what: Send, outcome: Outcome) -> Outcome {
    if outcome.is_ok() {
        telemetry::sends(what, 1);
    }
    outcome
}
