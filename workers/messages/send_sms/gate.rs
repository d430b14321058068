//! The gates, for the messages of a team that come before them at the same moment: one transaction that holds campaigns, leads
//! and messages, decides about each, keeps the evidence, and marks what may leave.
//!
//! One commit, one wait for the team's books and for a number's line, for all of them: with a transaction each, whoever sends
//! fast waits for the locks of its own messages (docs/SENDING.md has the figures). What is decided about one does not depend on
//! its company: of several to the same person all but one come again, because each has to see the mark of the one before.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::run::{Case, Gate, Look, Marked};
use crate::{
    coalesce,
    credits::OUT_OF_CREDIT,
    ctx::Ctx,
    db::Tx,
    failpoint,
    ids::TeamId,
    job::{Done, OrDead as _, Stop},
    messages::{
        Purpose,
        gates::{self, Consent, Facts, Level, Sender, Verdict},
        gateway::OutboundSms,
        quiet_hours::Book,
        record::{self, Decision},
        segments,
    },
    telemetry::{self, Entry, Send},
};

/// A message before the gates, and the job that sends it.
pub(super) struct Ask {
    pub ctx: Ctx,
    pub message_id: i64,
}

/// Decides about messages of a team and marks those that may leave.
#[derive(Debug, Default)]
pub(super) struct Gates;

/// A message whose own gates are open, before those that messages share.
#[derive(Serialize)]
struct Passing<'a> {
    message: i64,
    phone: &'a str,
    segments: u32,
    credits: i64,
    fence: i64,
    job: i64,
    inputs: &'a Value,
}

/// What the shared gates said.
#[derive(Deserialize)]
struct Passed {
    closed: Option<String>,
    wait_seconds: Option<f64>,
    available: Option<i64>,
}

/// What is done about a message besides its mark, and last, because the lease's lock comes last.
enum Close {
    KeepLease,
    Complete(Value),
}

impl coalesce::Write for Gates {
    type Item = Ask;
    type Answer = Gate;
    type Error = Stop;
    const MOST: usize = 64;
    /// Two would wait for each other's locks.
    const FLIGHTS: usize = 1;

    async fn write(&self, team: TeamId, asks: &[&Ask]) -> Result<Vec<Gate>, Stop> {
        let Some(first) = asks.first() else { return Ok(Vec::new()) };
        let mut tx = first.ctx.tx().await?;
        let ids: Vec<i64> = asks.iter().map(|ask| ask.message_id).collect();
        let free = sqlx::query_file_scalar!("messages/send_sms/hold_free.sql", team.0, &ids).fetch_one(&mut *tx).await?;
        decide(tx, team, asks, &free).await
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

    /// The run that asked is over (its time was up, its process stops), and nobody will call: the mark is taken back. Where that
    /// fails too, the next run finds the mark and asks the vendor.
    async fn unheard(&self, ask: Ask, gate: Gate) {
        if let Gate::Call(..) = gate {
            let _ = super::run::take_back(&ask.ctx, ask.message_id).await;
        }
    }
}

/// One message in a transaction of its own, which waits for whoever has its campaign or its lead in hand.
pub(super) async fn alone(ask: &Ask) -> Result<Gate, Stop> {
    let tx = ask.ctx.tx().await?;
    let answers = decide(tx, ask.ctx.team(), &[ask], &[ask.message_id]).await?;
    answers.into_iter().next().ok_or_else(super::together::broke_off)
}

/// Decides about those that are free, in a transaction in which the lease is asserted last, behind the hotter locks: migration
/// 0120 has the order.
async fn decide(mut tx: Tx, team: TeamId, asks: &[&Ask], free: &[i64]) -> Result<Vec<Gate>, Stop> {
    let answers = asks.iter().map(|ask| (!free.contains(&ask.message_id)).then_some(Gate::Alone)).collect();
    let mut desk = Desk { team, asks, answers, close: Vec::new() };
    let Some(first) = asks.first() else { return Ok(Vec::new()) };
    let looks = look(&first.ctx, &mut tx, team, free).await?;
    // From here on the clock runs: what the gates saw must still hold when the vendor has the message.
    let deadline = Instant::now() + first.ctx.services().rules.messages.dispatch_deadline();
    desk.decide(&mut tx, looks, deadline).await?;
    desk.leave(tx).await
}

/// One transaction's messages.
struct Desk<'a> {
    team: TeamId,
    asks: &'a [&'a Ask],
    answers: Vec<Option<Gate>>,
    close: Vec<(usize, Close)>,
}

impl Desk<'_> {
    async fn decide(&mut self, tx: &mut Tx, mut looks: HashMap<i64, Look>, deadline: Instant) -> Result<(), Stop> {
        let (mut passing, mut suppressed, mut late) = (Vec::new(), Vec::new(), Vec::new());
        let mut people = HashSet::new();
        for (n, ask) in self.asks.iter().enumerate().filter(|(n, _)| self.answers[*n].is_none()).collect::<Vec<_>>() {
            let now = ask.ctx.now();
            let mut case = match looks.remove(&ask.message_id) {
                // Nothing, or another job of the same message is at this desk: that one comes first.
                None if self.asks[..n].iter().any(|other| other.message_id == ask.message_id) => {
                    self.answers[n] = Some(Gate::Again);
                    continue;
                }
                None => {
                    let none = anyhow::anyhow!("the team has no message {}", ask.message_id);
                    self.answers[n] = Some(Gate::Over(Err(Stop::dead(none)), None));
                    continue;
                }
                Some(Look::Marked(marked)) => {
                    self.answers[n] = Some(Gate::Ask(marked));
                    continue;
                }
                Some(Look::Ended { output, taken }) => {
                    if taken {
                        late.push(n);
                    }
                    self.complete(n, output, None);
                    continue;
                }
                Some(Look::Planned(case)) => case,
            };
            if !people.insert(case.sms.to.clone()) {
                self.answers[n] = Some(Gate::Again);
                continue;
            }
            let verdict = gates::decide(&case.facts, &case.sms.to, &case.rules, case.book, now);
            let inputs = case.inputs(&ask.ctx);
            match verdict {
                Verdict::Send { closes_at } => {
                    let Some(from) = case.facts.sender.phone.take() else {
                        return Err(Stop::dead(anyhow::anyhow!("the gates are open and no number was chosen")));
                    };
                    case.sms.from = from;
                    case.sms.valid_for = (closes_at - now).to_std().unwrap_or_default();
                    passing.push((n, *case, inputs));
                }
                Verdict::Wait { until, rule } => {
                    let (team, message, version) = (self.team.0, ask.message_id, case.book.version.as_str());
                    let put_off = sqlx::query_file!("messages/send_sms/put_off.sql", team, message, now, rule, version, inputs);
                    put_off.fetch_one(&mut **tx).await?;
                    let stop = Stop::snooze((until - now).to_std().unwrap_or_default(), rule);
                    self.answers[n] = Some(Gate::Over(Err(stop), Some(Send::Snoozed)));
                    self.close.push((n, Close::KeepLease));
                }
                Verdict::Suppress { rule } => suppressed.push((n, rule, case.book.version.clone(), inputs)),
            }
        }
        self.pass(tx, passing, deadline).await?;
        for (n, rule, version, inputs) in suppressed {
            let ask = self.asks[n];
            let decision = Decision { verdict: "suppress", rule: &rule, version: &version, inputs: &inputs };
            record::decide(tx, &ask.ctx, ask.message_id, decision).await?;
            record::suppressed(tx, self.team, ask.message_id, &rule).await?;
            self.complete(n, json!({ "state": "suppressed", "rule": rule }), Some(Send::Suppressed));
        }
        for n in late {
            // A callback was here first, and settled nothing.
            let price = self.asks[n].ctx.services().rules.messages.segment_credits.max(0);
            record::settle(tx, self.team, self.asks[n].message_id, price).await?;
        }
        Ok(())
    }

    fn complete(&mut self, n: usize, output: Value, counts: Option<Send>) {
        self.answers[n] = Some(Gate::Over(Ok(Done { output: None, settled: true }), counts));
        self.close.push((n, Close::Complete(output)));
    }

    /// The gates that messages share, and the marks.
    async fn pass(&mut self, tx: &mut Tx, passing: Vec<(usize, Case, Value)>, deadline: Instant) -> Result<(), Stop> {
        let Some((_, case, _)) = passing.first() else { return Ok(()) };
        let (rules, version) = (case.rules.clone(), case.book.version.clone());
        let ctx = &self.asks[0].ctx;
        let vendor = ctx.services().vendors.sms.name();
        let price = |case: &Case| i64::from(case.segments) * rules.segment_credits.max(0);
        let items: Vec<Passing> = passing
            .iter()
            .map(|(n, case, inputs)| Passing {
                message: self.asks[*n].message_id,
                phone: &case.sms.from,
                segments: case.segments,
                credits: price(case),
                fence: self.asks[*n].ctx.claim().lease.fence,
                job: self.asks[*n].ctx.job().0,
                inputs,
            })
            .collect();
        let rows = sqlx::query_file!(
            "messages/send_sms/pass_gates.sql",
            self.team.0,
            serde_json::to_value(&items)?,
            rules.team_cap(),
            i32::try_from(rules.carrier_batch.clamp(1, 2000)).unwrap_or(2000),
            f64::from(rules.carrier_pause_seconds),
            vendor,
            ctx.claim().lease.boot,
            ctx.now(),
            version,
        )
        .fetch_all(&mut **tx)
        .await?;
        let mut passed: HashMap<i64, Passed> = rows
            .into_iter()
            .map(|row| {
                let said = Passed { closed: row.closed, wait_seconds: row.wait_seconds, available: row.available };
                (row.message, said)
            })
            .collect();
        for (n, case, _) in passing {
            let Some(said) = passed.remove(&self.asks[n].message_id) else {
                return Err(Stop::retry(anyhow::anyhow!("the gates gave no answer for a message")));
            };
            let price = price(&case);
            self.answers[n] = Some(match said.closed {
                None => Gate::Call(case.sms, deadline, price),
                Some(closed) if closed == OUT_OF_CREDIT => {
                    let has = said.available.unwrap_or(0);
                    let stop = Stop::park(format!("{OUT_OF_CREDIT}: needs {price}, has {has}"));
                    telemetry::credits(vendor, Entry::Refused, u64::try_from(price).unwrap_or(0));
                    Gate::Over(Err(stop), Some(Send::Snoozed))
                }
                Some(closed) => {
                    let now = self.asks[n].ctx.now();
                    let until = gates::after(said.wait_seconds, &rules, now);
                    Gate::Over(Err(Stop::snooze((until - now).to_std().unwrap_or_default(), closed)), Some(Send::Snoozed))
                }
            });
        }
        Ok(())
    }

    /// The leases, which come last, and the commit.
    async fn leave(mut self, mut tx: Tx) -> Result<Vec<Gate>, Stop> {
        // As everybody takes them who takes several.
        self.close.sort_by_key(|(n, _)| (self.asks[*n].ctx.claim().lease.fence, self.asks[*n].ctx.job().0));
        let completes = self.close.iter().any(|(_, close)| matches!(close, Close::Complete(_)));
        for (n, close) in self.close {
            let ctx = &self.asks[n].ctx;
            match close {
                Close::KeepLease => ctx.keep_lease(&mut tx).await?,
                Close::Complete(output) => ctx.completes(&mut tx, Some(output)).await?,
            }
        }
        if completes {
            failpoint!(BeforeCommit);
        }
        tx.commit().await?;
        if completes {
            failpoint!(AfterCommit);
        }
        let answers: Option<Vec<Gate>> = self.answers.into_iter().collect();
        answers.ok_or_else(|| Stop::retry(anyhow::anyhow!("a message was not decided about")))
    }
}

/// Holds messages of a team until the transaction ends, and gathers what their gates ask. What the team does not have is left out.
pub(super) async fn look(ctx: &Ctx, tx: &mut Tx, team: TeamId, messages: &[i64]) -> Result<HashMap<i64, Look>, Stop> {
    let rows = sqlx::query_file!("messages/send_sms/open_gates.sql", team.0, messages, ctx.now()).fetch_all(&mut **tx).await?;
    let settings = ctx.settings_lately(&mut *tx).await?;
    let rules = ctx.services().rules.messages.narrowed(&settings);
    let book = Book::shipped().or_dead()?;
    let mut looks = HashMap::with_capacity(rows.len());
    for row in rows {
        let message_id = row.message_id;
        let purpose = Purpose::parse(&row.purpose);
        let sms =
            OutboundSms { team, message_id, to: row.recipient, from: row.sender, body: row.body, valid_for: Duration::ZERO };
        match (row.state.as_str(), row.attempted_at) {
            // Somebody has to look at it first; whoever clears it enqueues the job that sends it.
            ("not_cleared", _) => {
                looks.insert(message_id, Look::Ended { output: json!({ "state": "planned" }), taken: false });
                continue;
            }
            ("planned", _) => {}
            ("dispatching" | "unknown", Some(attempted_at)) => {
                let age = Duration::try_from_secs_f64(row.age_seconds.unwrap_or_default()).unwrap_or_default();
                let seen = usize::try_from(row.looks).unwrap_or_default();
                looks.insert(message_id, Look::Marked(Marked { sms, attempted_at, age, looks: seen, purpose }));
                continue;
            }
            (ended, _) => {
                looks.insert(message_id, Look::Ended { output: json!({ "state": ended }), taken: row.taken });
                continue;
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
        looks.insert(message_id, Look::Planned(Box::new(Case { facts, rules: rules.clone(), book, sms, segments })));
    }
    Ok(looks)
}

impl Case {
    /// The evidence: the facts, and where the recipient may be. No phone number, no text.
    fn inputs(&self, ctx: &Ctx) -> Value {
        let place = self.book.atlas.locate(&self.sms.to, self.facts.lead_state.as_deref()).ok();
        let zones: Vec<&str> = place.iter().flat_map(|place| place.zones.iter().map(|zone| zone.name())).collect();
        json!({
            "facts": self.facts,
            "zones": zones,
            "states": place.as_ref().map(|place| &place.states),
            "segments": self.segments,
            "attempt": ctx.attempt(),
        })
    }
}
