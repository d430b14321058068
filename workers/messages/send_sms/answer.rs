//! Records what the vendor answered to a send: what becomes of the message, of its credits, of the number it left from, and of
//! the job.

use std::time::Duration;

use serde_json::json;

use super::{SendSms, run::counted};
use crate::{
    coalesce,
    ctx::Ctx,
    db::Tx,
    ids::TeamId,
    job::{Done, Outcome, Stop},
    messages::{
        gateway::{Accepted, OutboundSms},
        opt_out::{self, Reason},
        record, senders,
    },
    telemetry::{self, Entry, Send},
    vendors::{VendorError, error::RecipientFault},
};

/// A rate limit that lasts so long is the number's own, not the moment's.
const SENDERS_OWN: Duration = Duration::from_secs(60);

impl SendSms {
    pub(super) async fn record(&self, ctx: &Ctx, sms: &OutboundSms, answer: Result<Accepted, VendorError>) -> Outcome {
        let team = ctx.team();
        let answer = match answer {
            Ok(accepted) => return self.accepted(ctx, accepted).await,
            Err(error) => error,
        };
        let mut tx = ctx.tx().await?;
        match answer {
            VendorError::UnknownOutcome { reason, .. } => {
                record::unknown(&mut tx, team, self.message_id, &reason, false).await?;
                ctx.keep_lease(&mut tx).await?;
                tx.commit().await?;
                telemetry::sends(Send::Unknown, 1);
                Err(self.unknown(super::ask::look_at(ctx, 0).unwrap_or_default(), &reason))
            }
            VendorError::Recipient { fault, code, .. } => self.recipient_fault(ctx, tx, sms, fault, code).await,
            VendorError::Refused { code, reason, .. } => {
                self.heed_sender(ctx, &mut tx, &sms.from, code).await?;
                record::failed(&mut tx, team, self.message_id, &reason, i32::try_from(code).ok()).await?;
                counted(Send::Failed, ctx.complete(tx, json!({ "state": "failed", "code": code })).await)
            }
            error => self.not_taken(ctx, tx, sms, error).await,
        }
    }

    /// Known not to have been taken: the mark is taken back with the reason for it, and another number of the pool tries where
    /// this one is the fault.
    async fn not_taken(&self, ctx: &Ctx, mut tx: Tx, sms: &OutboundSms, error: VendorError) -> Outcome {
        let (reason, of_the_sender) = match &error {
            VendorError::RateLimited { retry_after, .. } => {
                let rests = retry_after.filter(|wait| *wait >= SENDERS_OWN);
                if let Some(wait) = rests {
                    record::hold(&mut tx, ctx.team(), self.message_id).await?;
                    senders::rest(&mut tx, ctx.team(), &sms.from, "vendor_rate_limit", wait).await?;
                }
                ("vendor_rate_limit", rests.is_some())
            }
            VendorError::Config { code, .. } => ("vendor_config", self.heed_sender(ctx, &mut tx, &sms.from, *code).await?),
            _ => ("vendor_unreachable", false),
        };
        record::not_sent(&mut tx, ctx.team(), self.message_id, reason).await?;
        ctx.keep_lease(&mut tx).await?;
        tx.commit().await?;
        Err(match error {
            // The gates choose another number, or say how long to wait.
            error if of_the_sender => Stop::snooze(Duration::ZERO, format!("{reason}: {error}")),
            VendorError::RateLimited { retry_after: None, .. } => {
                // Spread out, so that a fleet that was turned away does not come back as one.
                let wait = Duration::from_secs_f64(1.0 + 3.0 * ctx.services().random.unit());
                Stop::snooze(wait, format!("vendor_rate_limit: {error}"))
            }
            other => other.into_stop(),
        })
    }

    /// The vendor has it: written down with what else of the team it took at that moment.
    pub(super) async fn accepted(&self, ctx: &Ctx, accepted: Accepted) -> Outcome {
        let charge = price(ctx) * i64::from(accepted.segments);
        let one = Taken { ctx: ctx.clone(), message_id: self.message_id, accepted };
        ctx.services().sends.records.submit(ctx.team(), one).await?;
        telemetry::sends(Send::Accepted, 1);
        telemetry::credits(ctx.services().vendors.sms.name(), Entry::Capture, u64::try_from(charge).unwrap_or(0));
        Ok(Done { output: None, settled: true })
    }

    async fn recipient_fault(&self, ctx: &Ctx, mut tx: Tx, sms: &OutboundSms, fault: RecipientFault, code: i64) -> Outcome {
        let (team, vendor) = (ctx.team(), ctx.services().vendors.sms.name());
        let reason = Reason::from(fault);
        opt_out::suppress(&mut tx, team, &sms.to, reason, &format!("{vendor} {code}")).await?;
        self.heed_sender(ctx, &mut tx, &sms.from, code).await?;
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

    /// Heeds what a code says of the number. The message's row comes before the number's (migration 0120).
    async fn heed_sender(&self, ctx: &Ctx, tx: &mut Tx, phone: &str, code: i64) -> Result<bool, Stop> {
        record::hold(tx, ctx.team(), self.message_id).await?;
        Ok(senders::note_code(tx, ctx.team(), phone, ctx.services().vendors.sms.name(), code).await?)
    }

    pub(super) fn unknown(&self, after: Duration, reason: &str) -> Stop {
        Stop::Unknown { after, intent: format!("message {}: {reason}", self.message_id) }
    }
}

fn price(ctx: &Ctx) -> i64 {
    ctx.services().rules.messages.segment_credits.max(0)
}

/// What the vendor took.
pub(super) struct Taken {
    ctx: Ctx,
    message_id: i64,
    accepted: Accepted,
}

/// Writes down what the vendor took of a team's messages at the same moment: the messages, their credits and the ends of their
/// jobs, in one transaction.
#[derive(Debug, Default)]
pub(super) struct Records;

impl coalesce::Write for Records {
    type Item = Taken;
    type Answer = ();
    type Error = Stop;
    const MOST: usize = 64;
    /// Two would wait for the team's books.
    const FLIGHTS: usize = 1;

    async fn write(&self, team: TeamId, all: &[&Taken]) -> Result<Vec<()>, Stop> {
        let Some(first) = all.first() else { return Ok(Vec::new()) };
        let mut tx = first.ctx.tx().await?;
        let taken: Vec<_> = all.iter().map(|one| record::Taken::of(&one.ctx, one.message_id, &one.accepted)).collect();
        let vendor = first.ctx.services().vendors.sms.name();
        let output = json!({ "state": "accepted" });
        record::accepted(&mut tx, team, vendor, price(&first.ctx), first.ctx.claim().lease.boot, &taken, &output).await?;
        first.ctx.completed(tx).await?;
        Ok(vec![(); all.len()])
    }

    fn is_of_one(&self, stop: &Stop) -> bool {
        super::together::is_of_one(stop)
    }

    fn again(&self, stop: &Stop) -> Stop {
        stop.again()
    }

    fn broke_off(&self) -> Stop {
        super::together::broke_off()
    }
}
