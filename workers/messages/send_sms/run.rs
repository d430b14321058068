//! Sends one message, at most once.
//!
//! Three steps, each of which may be the last one before a crash. The gates: one transaction that holds the campaign, the
//! lead and the message, decides, keeps the evidence and marks the message `dispatching`. The call: under a deadline. The
//! record ([`super::answer`]): what the vendor answered, with the job's completion. A run that finds the mark of an earlier
//! one does not know whether that call was made. It looks the message up at the vendor ([`super::ask`]) and never sends.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::SendSms;
use crate::{
    credits::OUT_OF_CREDIT,
    ctx::Ctx,
    db::Tx,
    failpoint,
    job::{OrDead as _, Outcome, Stop},
    messages::{
        Purpose, Rules,
        gates::{self, Consent, Facts, Level, Sender, Verdict},
        gateway::OutboundSms,
        quiet_hours::Book,
        record::{self, Decision},
        segments,
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
enum Gate {
    /// Marked by this run: call the vendor, before the deadline.
    Call(OutboundSms, Instant),
    /// Marked by an earlier run: ask the vendor.
    Ask(Marked),
    /// Ended already; the transaction only has to be completed.
    Ended(Tx, Value),
    /// Ended now, by this rule.
    Suppressed(Tx, String),
}

/// What a decision is made from and written down with.
struct Case {
    facts: Facts,
    rules: Rules,
    book: &'static Book,
    sms: OutboundSms,
    segments: u32,
}

/// How a run finds its message.
enum Look {
    /// To be decided about.
    Planned(Box<Case>),
    /// Marked by an earlier run.
    Marked(Marked),
    /// Over, as this says.
    Ended(Value),
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

    async fn gate(&self, ctx: &Ctx) -> Result<Gate, Stop> {
        // The lease is asserted last, behind the hotter locks: migration 0120 has the order.
        let mut tx = ctx.tx().await?;
        match self.look(ctx, &mut tx).await? {
            Look::Planned(case) => {
                // From here on the clock runs: what the gates saw must still hold when the vendor has the message.
                let deadline = Instant::now() + ctx.services().rules.messages.dispatch_deadline();
                self.decide(ctx, tx, *case, deadline).await
            }
            Look::Marked(marked) => Ok(Gate::Ask(marked)),
            Look::Ended(output) => Ok(Gate::Ended(tx, output)),
        }
    }

    /// What the gates say of a planned message at this moment; `None` for one that is not planned. Nothing is marked and nothing
    /// is written down: for whoever measures or wonders.
    pub async fn judge(&self, ctx: &Ctx) -> Result<Option<Verdict>, Stop> {
        let mut tx = ctx.tx().await?;
        let verdict = match self.look(ctx, &mut tx).await? {
            Look::Planned(case) => Some(gates::decide(&case.facts, &case.sms.to, &case.rules, case.book, ctx.now())),
            Look::Marked(_) | Look::Ended(_) => None,
        };
        tx.rollback().await?;
        Ok(verdict)
    }

    /// Passes the gates for good, without the call behind them: true where the message is marked. For whoever measures.
    #[doc(hidden)]
    pub async fn mark(&self, ctx: &Ctx) -> Result<bool, Stop> {
        Ok(matches!(self.gate(ctx).await?, Gate::Call(..)))
    }

    /// Holds the message and gathers what its gates ask.
    async fn look(&self, ctx: &Ctx, tx: &mut Tx) -> Result<Look, Stop> {
        let team = ctx.team();
        let row = sqlx::query_file!("messages/send_sms/open_gate.sql", team.0, self.message_id, ctx.now())
            .fetch_optional(&mut **tx)
            .await?;
        let Some(row) = row else {
            return Err(Stop::dead(anyhow::anyhow!("the team has no message {}", self.message_id)));
        };
        let purpose = Purpose::parse(&row.purpose);
        let sms = OutboundSms {
            team,
            message_id: self.message_id,
            to: row.recipient,
            from: row.sender,
            body: row.body,
            valid_for: Duration::ZERO,
        };
        match (row.state.as_str(), row.attempted_at) {
            // Somebody has to look at it first; whoever clears it enqueues the job that sends it.
            ("not_cleared", _) => return Ok(Look::Ended(json!({ "state": "planned" }))),
            ("planned", _) => {}
            ("dispatching" | "unknown", Some(attempted_at)) => {
                let age = Duration::try_from_secs_f64(row.age_seconds.unwrap_or_default()).unwrap_or_default();
                let looks = usize::try_from(row.looks).unwrap_or_default();
                return Ok(Look::Marked(Marked { sms, attempted_at, age, looks, purpose }));
            }
            (ended, _) => {
                // A callback was here first, and settled nothing.
                if row.taken {
                    let price = ctx.services().rules.messages.segment_credits.max(0);
                    record::settle(tx, team, self.message_id, price).await?;
                }
                return Ok(Look::Ended(json!({ "state": ended })));
            }
        }

        let level = row.consent_level.as_deref().and_then(Level::parse);
        let consent = row.consent_id.zip(level).map(|(consent_id, level)| Consent {
            consent_id,
            level,
            proven: row.consent_proven.unwrap_or(false),
            expires_at: row.consent_expires_at,
        });
        let facts = Facts {
            purpose,
            campaign: row.campaign.unwrap_or_default(),
            enrollment: row.enrollment,
            // What can't be read closes the gate.
            lead_stopped: row.lead_stopped.unwrap_or(true),
            same_number: row.same_number.unwrap_or(false),
            suppressed: row.suppressed.unwrap_or_else(|| vec!["UNREADABLE".into()]),
            consent,
            sent_lately: row.sent_lately.unwrap_or(i64::MAX),
            frees_in_seconds: row.frees_in_seconds.unwrap_or_default(),
            lead_state: row.lead_state,
            sender: Sender {
                phone: row.from_sender,
                why: row.from_why,
                closed: row.from_closed,
                wait_seconds: row.from_wait_seconds,
            },
        };
        let segments = u32::try_from(segments::count(&sms.body).segments).unwrap_or(u32::MAX);
        let rules = ctx.services().rules.messages.narrowed(&*ctx.settings_lately(&mut *tx).await?);
        Ok(Look::Planned(Box::new(Case { facts, rules, book: Book::shipped().or_dead()?, sms, segments })))
    }

    async fn decide(&self, ctx: &Ctx, mut tx: Tx, mut case: Case, deadline: Instant) -> Result<Gate, Stop> {
        let (team, now) = (ctx.team(), ctx.now());
        let verdict = gates::decide(&case.facts, &case.sms.to, &case.rules, case.book, now);
        let inputs = self.inputs(ctx, &case);
        let version = case.book.version.as_str();
        match verdict {
            Verdict::Send { closes_at } => {
                let Some(from) = case.facts.sender.phone.take() else {
                    return Err(Stop::dead(anyhow::anyhow!("the gates are open and no number was chosen")));
                };
                case.sms.from = from;
                case.sms.valid_for = (closes_at - now).to_std().unwrap_or_default();
                self.pass(ctx, tx, case, inputs, deadline).await
            }
            Verdict::Wait { until, rule } => {
                let put_off =
                    sqlx::query_file!("messages/send_sms/put_off.sql", team.0, self.message_id, now, rule, version, inputs);
                put_off.fetch_one(&mut *tx).await?;
                ctx.keep_lease(&mut tx).await?;
                tx.commit().await?;
                telemetry::sends(Send::Snoozed, 1);
                Err(Stop::snooze((until - now).to_std().unwrap_or_default(), rule))
            }
            Verdict::Suppress { rule } => {
                let decision = Decision { verdict: "suppress", rule: &rule, version, inputs: &inputs };
                record::decide(&mut tx, ctx, self.message_id, decision).await?;
                record::suppressed(&mut tx, team, self.message_id, &rule).await?;
                Ok(Gate::Suppressed(tx, rule))
            }
        }
    }

    /// The gates that messages share, and the mark.
    async fn pass(&self, ctx: &Ctx, mut tx: Tx, case: Case, inputs: Value, deadline: Instant) -> Result<Gate, Stop> {
        let Case { rules, book, sms, segments, .. } = case;
        let vendor = ctx.services().vendors.sms.name();
        let price = i64::from(segments) * rules.segment_credits.max(0);
        let lease = ctx.claim().lease;
        let passed = sqlx::query_file!(
            "messages/send_sms/pass_gate.sql",
            ctx.team().0,
            self.message_id,
            sms.from,
            i32::try_from(segments).unwrap_or(i32::MAX),
            price,
            rules.team_cap(),
            i32::try_from(rules.carrier_batch.clamp(1, 2000)).unwrap_or(2000),
            f64::from(rules.carrier_pause_seconds),
            vendor,
            lease.boot,
            lease.fence,
            ctx.job().0,
            ctx.now(),
            book.version,
            inputs,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        let Some(closed) = passed.closed else {
            telemetry::credits(vendor, Entry::Hold, u64::try_from(price).unwrap_or(0));
            return Ok(Gate::Call(sms, deadline));
        };
        telemetry::sends(Send::Snoozed, 1);
        if closed == OUT_OF_CREDIT {
            telemetry::credits(vendor, Entry::Refused, u64::try_from(price).unwrap_or(0));
            return Err(Stop::park(format!("{OUT_OF_CREDIT}: needs {price}, has {}", passed.available.unwrap_or(0))));
        }
        let until = gates::after(passed.wait_seconds, &rules, ctx.now());
        Err(Stop::snooze((until - ctx.now()).to_std().unwrap_or_default(), closed))
    }

    /// The evidence: the facts, and where the recipient may be. No phone number, no text.
    fn inputs(&self, ctx: &Ctx, case: &Case) -> Value {
        let place = case.book.atlas.locate(&case.sms.to, case.facts.lead_state.as_deref()).ok();
        let zones: Vec<&str> = place.iter().flat_map(|place| place.zones.iter().map(|zone| zone.name())).collect();
        json!({
            "facts": case.facts,
            "zones": zones,
            "states": place.as_ref().map(|place| &place.states),
            "segments": case.segments,
            "attempt": ctx.attempt(),
        })
    }

    /// Calls the vendor for a message that this run has marked, and records the answer.
    async fn call(&self, ctx: &Ctx, sms: &OutboundSms, deadline: Instant) -> Outcome {
        failpoint!(BeforeEffect);
        // A process that was stopped between the mark and here must not send hours later.
        if ctx.cancel().is_cancelled() || Instant::now() >= deadline {
            let mut tx = ctx.tx().await?;
            record::not_sent(&mut tx, ctx.team(), self.message_id, "cut_off_before_the_call").await?;
            ctx.keep_lease(&mut tx).await?;
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
        self.record(ctx, sms, answer).await
    }
}

/// Counts what was committed.
pub(super) fn counted(what: Send, outcome: Outcome) -> Outcome {
    if outcome.is_ok() {
        telemetry::sends(what, 1);
    }
    outcome
}
