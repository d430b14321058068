//! Finds out what became of a message that an earlier run has marked: by the vendor's records, at set times behind the mark;
//! then by the setting for its purpose. A status callback may say so first, and wakes the job.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout};

use super::{SendSms, run::Marked};
use crate::{
    ctx::Ctx,
    db::Tx,
    job::{Outcome, Stop},
    messages::{
        AfterLooks,
        gateway::{Accepted, Reconciled},
        record::{self, Decision},
    },
    telemetry,
    vendors::VendorError,
};

impl SendSms {
    pub(super) async fn ask(&self, ctx: &Ctx, marked: &Marked) -> Outcome {
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
        let mut tx = ctx.tx().await?;
        match answer {
            Ok(Reconciled::Found(found)) if !self.belongs_elsewhere(ctx, &mut tx, &found).await? => {
                tx.commit().await?;
                self.accepted(ctx, found).await
            }
            Ok(_) => self.missed(ctx, tx, marked).await,
            Err(error) => {
                let reason = error.to_string();
                record::unknown(&mut tx, ctx.team(), self.message_id, &reason, false).await?;
                ctx.keep_lease(&mut tx).await?;
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

    /// A look that did not find it: another one later, or the end of looking.
    async fn missed(&self, ctx: &Ctx, mut tx: Tx, marked: &Marked) -> Outcome {
        let looks = marked.looks + 1;
        let reason = format!("not found in {looks} looks");
        let recorded = record::unknown(&mut tx, ctx.team(), self.message_id, &reason, true).await?;
        if !recorded {
            tx.rollback().await?;
            return Err(Stop::snooze(Duration::ZERO, "its outcome became known meanwhile"));
        }
        if let Some(due) = look_at(ctx, looks) {
            ctx.keep_lease(&mut tx).await?;
            tx.commit().await?;
            return Err(self.unknown(due.saturating_sub(marked.age), &reason));
        }
        let after = ctx.services().rules.messages.after_looks(marked.purpose);
        let (verdict, rule) = match after {
            AfterLooks::Park => ("park", "absent_parked"),
            AfterLooks::Resend => ("resend", "absent_sent_again"),
        };
        let inputs = json!({ "looks": looks, "attempted_at": marked.attempted_at, "purpose": marked.purpose });
        let decision = Decision { verdict, rule, version: "settings", inputs: &inputs };
        record::decide(&mut tx, ctx, self.message_id, decision).await?;
        if after == AfterLooks::Resend {
            record::again(&mut tx, ctx.team(), self.message_id, rule).await?;
        }
        ctx.keep_lease(&mut tx).await?;
        tx.commit().await?;
        Err(match after {
            AfterLooks::Resend => Stop::snooze(Duration::ZERO, format!("{reason}: it goes through the gates again")),
            AfterLooks::Park => Stop::park(format!(
                "{} {reason} at {}: see whether it was sent; it is never sent again by itself",
                parked_as(self.message_id),
                ctx.services().vendors.sms.name(),
            )),
        })
    }

    /// What was found may be another message to the same person with the same words.
    async fn belongs_elsewhere(&self, ctx: &Ctx, tx: &mut Tx, found: &Accepted) -> Result<bool, Stop> {
        let vendor = ctx.services().vendors.sms.name();
        Ok(sqlx::query_file_scalar!("messages/send_sms/is_taken.sql", ctx.team().0, vendor, found.vendor_id, self.message_id)
            .fetch_one(&mut **tx)
            .await?)
    }
}

/// When the look number `looks` (from 0) at an unknown outcome is due, since the message was handed over.
pub(super) fn look_at(ctx: &Ctx, looks: usize) -> Option<Duration> {
    ctx.services().rules.messages.look_seconds.get(looks).copied().map(Duration::from_secs)
}

/// How the job of a message with an unknown outcome is parked: `queue.unpark` wakes it by this.
pub fn parked_as(message: i64) -> String {
    format!("unknown_outcome message {message}:")
}
