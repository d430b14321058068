//! Turns the due steps of an active campaign into messages and the jobs that send them.
//!
//! A chunk is one fenced transaction: message rows, their jobs, and the enrollments moved on commit together, so each
//! step is planned once, however many runs there are and wherever one is cut off. A few walkers of one run share its way, so
//! that one writes its texts while another's statements run; rows that another run has in hand are passed over.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::RunSequence;
use crate::{
    ctx::Ctx,
    db::Tx,
    enrollment::{
        campaigns::{self, Step},
        chunk,
        state::State,
        variants,
    },
    failpoint,
    ids::CampaignId,
    job::{Done, Outcome, Stop},
    messages::{
        plan::{self, Plan},
        send_sms::SendSms,
        template::{Brand, Texts},
    },
};

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Messages planned, each with its job.
    pub planned: usize,
    /// Steps whose text could not be written for the lead; recorded and never sent.
    pub unwritable: usize,
    /// Leads taken out of the sequence: they said stop, or have no phone any more.
    pub stopped: usize,
    /// Steps that were planned before, or that went well in an earlier round.
    pub known: usize,
}

/// What the text of a message may name of its lead.
#[derive(Serialize)]
struct Fields {
    first_name: Option<String>,
    last_name: Option<String>,
    company: Option<String>,
    city: Option<String>,
    state: Option<String>,
    zip: Option<String>,
}

struct Due {
    lead_id: i64,
    step: i16,
    round: i16,
    due_at: DateTime<Utc>,
    stopped: bool,
    phone: Option<String>,
    fields: Fields,
}

/// A place in the order of due steps.
type Place = (DateTime<Utc>, i64);

/// One way through all that is due, which several walk together.
#[derive(Default)]
struct Pass {
    place: Mutex<Option<Place>>,
    found: AtomicBool,
    out_of_time: AtomicBool,
}

impl RunSequence {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let rules = &ctx.services().rules.enrollment;
        let until = Instant::now() + Duration::from_secs(rules.sequence_budget_seconds.into());
        let mut all = Planned::default();
        loop {
            let pass = Pass::default();
            let walks = (0..rules.sequence_walkers.clamp(1, 8)).map(|_| self.walk(ctx, &pass, until));
            // Each to its end: none is dropped in the middle of a transaction because another one failed.
            for did in join_all(walks).await {
                all += did?;
            }
            if pass.out_of_time.into_inner() {
                return Err(Stop::snooze(Duration::ZERO, "more steps are due; other jobs first"));
            }
            // What fell due behind our back (a delay of no minutes), or collided, is met by another pass.
            if !pass.found.into_inner() {
                return Done::with(all);
            }
        }
    }

    async fn walk(&self, ctx: &Ctx, pass: &Pass, until: Instant) -> Result<Planned, Stop> {
        let mut all = Planned::default();
        let mut collisions = 0;
        while !pass.out_of_time.load(Ordering::Relaxed) {
            ctx.check_cancelled()?;
            match self.chunk(ctx, pass).await {
                Ok(None) => break,
                Ok(Some(did)) => {
                    all += did;
                    collisions = 0;
                }
                Err(stop) if collisions < 5 && chunk::only_collided(&stop) => collisions += 1,
                Err(stop) => return Err(stop),
            }
            if Instant::now() >= until {
                pass.out_of_time.store(true, Ordering::Relaxed);
            }
        }
        Ok(all)
    }
}

impl RunSequence {
    /// Plans the next chunk of a pass; `None` when nothing is due there.
    async fn chunk(&self, ctx: &Ctx, pass: &Pass) -> Result<Option<Planned>, Stop> {
        let mut tx = ctx.fenced_tx().await?;
        let Some(campaign) = chunk::hold(&mut tx, ctx.team(), self.campaign_id).await? else { return Ok(None) };
        let is_open = campaign.opens_at.is_some_and(|at| at <= ctx.now());
        if campaign.state != State::Active || !is_open {
            return Ok(None);
        }
        chunk::pin_plans(&mut tx).await?;
        let mut place = pass.place.lock().await;
        let due = self.due(ctx, &mut tx, *place).await?;
        let Some(last) = due.last().map(|last| (last.due_at, last.lead_id)) else { return Ok(None) };
        *place = Some(last);
        drop(place);
        pass.found.store(true, Ordering::Relaxed);
        let steps = campaigns::steps(&mut tx, ctx.team(), self.campaign_id).await?;
        self.advance(ctx, &mut tx, &steps, &due).await?;
        failpoint!(MidChunk);
        let did = self.plan(ctx, &mut tx, &campaign.sender, &steps, due).await?;
        failpoint!(BeforeCommit);
        tx.commit().await?;
        failpoint!(AfterCommit);
        Ok(Some(did))
    }

    async fn due(&self, ctx: &Ctx, tx: &mut Tx, place: Option<Place>) -> Result<Vec<Due>, Stop> {
        let (due_at, lead) = place.unwrap_or((DateTime::UNIX_EPOCH, 0));
        let most = i64::from(ctx.services().rules.enrollment.sequence_chunk_steps.max(1));
        let rows = sqlx::query_file!(
            "enrollment/run_sequence/due.sql",
            ctx.team().0,
            self.campaign_id.0,
            ctx.now(),
            due_at,
            lead,
            most,
        )
        .fetch_all(&mut **tx)
        .await?;
        let due = rows.into_iter().map(|row| Due {
            lead_id: row.lead_id,
            step: row.step,
            round: row.round,
            due_at: row.due_at,
            stopped: row.stopped,
            phone: row.phone,
            fields: Fields {
                first_name: row.first_name,
                last_name: row.last_name,
                company: row.company,
                city: row.city,
                state: row.state,
                zip: row.zip,
            },
        });
        Ok(due.collect())
    }

    /// Writes the messages and enqueues their jobs.
    async fn plan(&self, ctx: &Ctx, tx: &mut Tx, sender: &str, steps: &[Step], due: Vec<Due>) -> Result<Planned, Stop> {
        let brand = ctx.settings(&mut *tx).await?.brand();
        let all = due.len();
        let (plans, refused) = self.write(sender, steps, due, &brand);
        let (wanted, unwritable) = (plans.len(), refused.leads.len());
        let mut planned = 0;
        if !plans.is_empty() {
            let messages = plan::plan(tx, plans).await?;
            planned = messages.len();
            chunk::lift_pin(tx).await?;
            let messages = plan::divert(ctx, tx, self.campaign_id, &messages).await?;
            let jobs: Vec<_> = messages.into_iter().map(|message_id| SendSms { message_id }).collect();
            if !jobs.is_empty() {
                ctx.enqueue_many(tx, &jobs, None).await?;
            }
        }
        refused.record(ctx, tx, self.campaign_id, sender).await?;
        Ok(Planned { planned, unwritable, stopped: all - wanted - unwritable, known: wanted - planned })
    }

    /// The texts of due steps, and those that can't be written. No I/O.
    fn write(&self, sender: &str, steps: &[Step], due: Vec<Due>, brand: &Brand) -> (Vec<Plan>, Refused) {
        let script = Script::new(steps, brand);
        let (mut plans, mut refused) = (Vec::with_capacity(due.len()), Refused::default());
        for one in due {
            let Some((line, text)) = script.line(self.campaign_id, &one) else { continue };
            let Some(recipient) = one.recipient() else { continue };
            match text {
                Ok(body) => plans.push(Plan {
                    campaign_id: self.campaign_id.0,
                    lead_id: one.lead_id,
                    step: one.step,
                    variant: line.variant.to_owned(),
                    round: one.round,
                    sender: sender.to_owned(),
                    recipient: recipient.to_owned(),
                    body,
                }),
                Err(error) => refused.push(&one, recipient, line, &error),
            }
        }
        (plans, refused)
    }

    /// Moves each enrollment to its next step, or out of the sequence: a statement for each way on, of which there are few.
    async fn advance(&self, ctx: &Ctx, tx: &mut Tx, steps: &[Step], due: &[Due]) -> Result<(), Stop> {
        let mut ways: BTreeMap<_, (Vec<i64>, Option<&Step>)> = BTreeMap::new();
        for one in due {
            let (state, next) = one.next(steps);
            ways.entry((state, next.map(|step| step.step))).or_insert((Vec::new(), next)).0.push(one.lead_id);
        }
        for ((state, step), (leads, next)) in ways {
            let due_at = next.map(|next| ctx.now() + TimeDelta::minutes(next.delay_minutes.into()));
            sqlx::query_file!(
                "enrollment/run_sequence/advance.sql",
                ctx.team().0,
                self.campaign_id.0,
                &leads,
                state,
                step,
                due_at,
            )
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }
}

/// One of a step's texts.
#[derive(Clone, Copy)]
struct Line<'s> {
    variant: &'s str,
    template: &'s str,
}

/// All texts of a campaign, read once.
struct Script<'s> {
    steps: &'s [Step],
    texts: Texts,
    /// Where each step's texts begin.
    first: Vec<usize>,
}

impl<'s> Script<'s> {
    fn new(steps: &'s [Step], brand: &Brand) -> Self {
        let mut first = Vec::with_capacity(steps.len());
        let mut templates = Vec::new();
        for step in steps {
            first.push(templates.len());
            templates.push(step.template.as_str());
            templates.extend(step.variants.iter().map(|other| other.template.as_str()));
        }
        Self { steps, texts: Texts::new(templates, brand), first }
    }

    /// The text that a lead gets, or why it can't be written; `None` where it leaves the sequence.
    fn line(&self, campaign: CampaignId, due: &Due) -> Option<(Line<'s>, Result<String, String>)> {
        due.recipient()?;
        let at = self.steps.iter().position(|step| step.step == due.step)?;
        let step = &self.steps[at];
        let weights = std::iter::once(step.weight).chain(step.variants.iter().map(|other| other.weight));
        let of = match step.variants.is_empty() {
            true => 0,
            false => variants::assign(campaign, due.lead_id, due.step, weights),
        };
        let line = match of.checked_sub(1).and_then(|other| step.variants.get(other)) {
            Some(other) => Line { variant: &other.variant, template: &other.template },
            None => Line { variant: "a", template: &step.template },
        };
        let text = self.texts.render(self.first[at] + of, &due.fields).map_err(|error| error.to_string());
        Some((line, text))
    }
}

impl Due {
    /// Whom to write to; `None` when the lead left the sequence by itself.
    fn recipient(&self) -> Option<&str> {
        self.phone.as_deref().filter(|_| !self.stopped)
    }

    fn next<'a>(&self, steps: &'a [Step]) -> (&'static str, Option<&'a Step>) {
        if self.recipient().is_none() {
            return ("stopped", None);
        }
        match steps.iter().find(|step| step.step == self.step + 1) {
            Some(next) => ("running", Some(next)),
            None => ("completed", None),
        }
    }
}

impl std::ops::AddAssign for Planned {
    fn add_assign(&mut self, other: Self) {
        self.planned += other.planned;
        self.unwritable += other.unwritable;
        self.stopped += other.stopped;
        self.known += other.known;
    }
}

/// Steps whose text can't be written, as columns.
#[derive(Default)]
struct Refused {
    leads: Vec<i64>,
    steps: Vec<i16>,
    variants: Vec<String>,
    rounds: Vec<i16>,
    recipients: Vec<String>,
    templates: Vec<String>,
    reasons: Vec<String>,
}

impl Refused {
    fn push(&mut self, due: &Due, recipient: &str, line: Line<'_>, reason: &str) {
        self.leads.push(due.lead_id);
        self.steps.push(due.step);
        self.variants.push(line.variant.to_owned());
        self.rounds.push(due.round);
        self.recipients.push(recipient.to_owned());
        self.templates.push(line.template.to_owned());
        self.reasons.push(format!("template: {reason}"));
    }

    async fn record(&self, ctx: &Ctx, tx: &mut Tx, campaign: CampaignId, sender: &str) -> Result<(), Stop> {
        if self.leads.is_empty() {
            return Ok(());
        }
        sqlx::query_file!(
            "enrollment/run_sequence/refuse.sql",
            ctx.team().0,
            campaign.0,
            sender,
            ctx.now(),
            &self.leads,
            &self.steps,
            &self.variants,
            &self.rounds,
            &self.recipients,
            &self.templates,
            &self.reasons,
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
