//! Sends one message, at most once.
//!
//! Three steps, each of which may be the last one before a crash. The gates ([`super::gate`]): one transaction that holds the
//! campaign, the lead and the message, decides, keeps the evidence and marks the message `dispatching`. The call: under a
//! deadline. The record ([`super::answer`]): what the vendor answered, with the job's completion. A run that finds the mark of an earlier
//! one does not know whether that call was made. It looks the message up at the vendor ([`super::ask`]) and never sends.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{
    SendSms,
    gate::{self, Ask},
};
use crate::{
    ctx::Ctx,
    failpoint,
    job::{Outcome, Stop},
    messages::{
        Purpose, Rules,
        gates::{self, Facts, Verdict},
        gateway::OutboundSms,
        quiet_hours::Book,
        record,
    },
    telemetry::{self, Entry, Send},
    vendors::VendorError,
};

/// No configuration lets a call to the vendor take longer: the job's own time must not end in the middle of one.
pub const LONGEST_DISPATCH: Duration = Duration::from_secs(15);

/// A message that an earlier run has marked.
pub(super) struct Marked {
    pub sms: OutboundSms,
    pub attempted_at: DateTime<Utc>,
    pub age: Duration,
    pub looks: usize,
    pub purpose: Purpose,
}

/// Where the gates leave a message.
pub(super) enum Gate {
    /// Marked by this run: call the vendor, before the deadline. So much is held for it.
    Call(OutboundSms, Instant, i64),
    /// Marked by an earlier run: ask the vendor.
    Ask(Marked),
    /// Over for now, as this says; what is counted by it.
    Over(Outcome, Option<Send>),
    /// Another message to the same person was decided about at the same moment: once more.
    Again,
    /// Somebody has its campaign, its lead or itself in hand: in a transaction of its own, which waits for them.
    Alone,
}

/// What a decision is made from and written down with.
pub(super) struct Case {
    pub facts: Facts,
    pub rules: Rules,
    pub book: &'static Book,
    pub sms: OutboundSms,
    pub segments: u32,
}

/// How a run finds its message.
pub(super) enum Look {
    /// To be decided about.
    Planned(Box<Case>),
    /// Marked by an earlier run.
    Marked(Marked),
    /// Over, as this says. `taken`: the vendor has it.
    Ended { output: Value, taken: bool },
}

impl SendSms {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        ctx.check_cancelled()?;
        match self.gate(ctx).await? {
            Gate::Call(sms, deadline, _) => self.call(ctx, &sms, deadline).await,
            Gate::Ask(marked) => self.ask(ctx, &marked).await,
            Gate::Over(outcome, _) => outcome,
            Gate::Again | Gate::Alone => Err(Stop::snooze(Duration::ZERO, "somebody has it in hand")),
        }
    }

    async fn gate(&self, ctx: &Ctx) -> Result<Gate, Stop> {
        loop {
            let ask = || Ask { ctx: ctx.clone(), message_id: self.message_id };
            let mut gate = ctx.services().sends.gates.submit(ctx.team(), ask()).await?;
            if let Gate::Alone = gate {
                gate = gate::alone(&ask()).await?;
            }
            match gate {
                Gate::Again => ctx.check_cancelled()?,
                gate => {
                    match &gate {
                        Gate::Call(_, _, held) => {
                            let vendor = ctx.services().vendors.sms.name();
                            telemetry::credits(vendor, Entry::Hold, u64::try_from(*held).unwrap_or(0));
                        }
                        Gate::Over(_, Some(what)) => telemetry::sends(*what, 1),
                        _ => {}
                    }
                    return Ok(gate);
                }
            }
        }
    }

    /// What the gates say of a planned message at this moment; `None` for one that is not planned. Nothing is marked and nothing
    /// is written down: for whoever measures or wonders.
    pub async fn judge(&self, ctx: &Ctx) -> Result<Option<Verdict>, Stop> {
        let mut tx = ctx.tx().await?;
        let verdict = match gate::look(ctx, &mut tx, ctx.team(), &[self.message_id]).await?.remove(&self.message_id) {
            Some(Look::Planned(case)) => Some(gates::decide(&case.facts, &case.sms.to, &case.rules, case.book, ctx.now())),
            _ => None,
        };
        tx.rollback().await?;
        Ok(verdict)
    }

    /// Passes the gates for good, without the call behind them: true where the message is marked. For whoever measures.
    #[doc(hidden)]
    pub async fn mark(&self, ctx: &Ctx) -> Result<bool, Stop> {
        Ok(matches!(self.gate(ctx).await?, Gate::Call(..)))
    }

    /// Calls the vendor for a message that this run has marked, and records the answer.
    async fn call(&self, ctx: &Ctx, sms: &OutboundSms, deadline: Instant) -> Outcome {
        failpoint!(BeforeEffect);
        // A process that was stopped between the mark and here must not send hours later.
        if ctx.cancel().is_cancelled() || Instant::now() >= deadline {
            take_back(ctx, self.message_id).await?;
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
        self.record(ctx, sms, answer).await
    }
}

/// Takes a mark back behind which nobody called.
pub(super) async fn take_back(ctx: &Ctx, message: i64) -> Result<(), Stop> {
    let mut tx = ctx.tx().await?;
    record::not_sent(&mut tx, ctx.team(), message, "cut_off_before_the_call").await?;
    ctx.keep_lease(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Counts what was committed.
pub(super) fn counted(what: Send, outcome: Outcome) -> Outcome {
    if outcome.is_ok() {
        telemetry::sends(what, 1);
    }
    outcome
}
