//! Turns the due steps of an active campaign into messages and the jobs that send them.
//!
//! A chunk is one fenced transaction: message rows, their jobs, and the enrollments moved on commit together, so each
//! step is planned once, however many runs there are and wherever one is cut off. The rows are locked and passed over
//! when locked, so that two runs of one campaign share its work.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::RunSequence;
use crate::{
    ctx::Ctx,
    db::Tx,
    enrollment::{
        campaigns::{self, Step},
        chunk,
        state::State,
    },
    failpoint,
    ids::CampaignId,
    job::{Done, Outcome, Stop},
    messages::{
        plan::{self, Plan},
        send_sms::SendSms,
        template,
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
    due_at: DateTime<Utc>,
    stopped: bool,
    phone: Option<String>,
    fields: Fields,
}

/// A place in the order of due steps.
type Place = (DateTime<Utc>, i64);

impl RunSequence {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let budget = Duration::from_secs(ctx.services().rules.enrollment.sequence_budget_seconds.into());
        let started = Instant::now();
        let mut all = Planned::default();
        let mut place = None;
        let mut pass_did_nothing = true;
        let mut collisions = 0;
        loop {
            ctx.check_cancelled()?;
            let chunk = match self.chunk(ctx, place).await {
                Err(stop) if collisions < 5 && chunk::only_collided(&stop) => {
                    collisions += 1;
                    continue;
                }
                other => other?,
            };
            collisions = 0;
            match chunk {
                Some((last, did)) => {
                    all += did;
                    place = Some(last);
                    pass_did_nothing = false;
                }
                None if pass_did_nothing => return Done::with(all),
                // What fell due behind our back (a delay of no minutes) is met by another pass.
                None => {
                    place = None;
                    pass_did_nothing = true;
                }
            }
            if started.elapsed() >= budget {
                return Err(Stop::snooze(Duration::ZERO, "more steps are due; other jobs first"));
            }
        }
    }
}

impl RunSequence {
    /// Plans one chunk behind `place`; `None` when nothing is due there.
    async fn chunk(&self, ctx: &Ctx, place: Option<Place>) -> Result<Option<(Place, Planned)>, Stop> {
        let mut tx = ctx.fenced_tx().await?;
        let Some(campaign) = chunk::hold(&mut tx, ctx.team(), self.campaign_id).await? else { return Ok(None) };
        let is_open = campaign.opens_at.is_some_and(|at| at <= ctx.now());
        if campaign.state != State::Active || !is_open {
            return Ok(None);
        }
        chunk::pin_plans(&mut tx).await?;
        let due = self.due(ctx, &mut tx, place).await?;
        let Some(last) = due.last().map(|last| (last.due_at, last.lead_id)) else { return Ok(None) };
        let steps = campaigns::steps(&mut tx, ctx.team(), self.campaign_id).await?;
        self.advance(ctx, &mut tx, &steps, &due).await?;
        failpoint!(MidChunk);
        let did = self.plan(ctx, &mut tx, &campaign.sender, &steps, &due).await?;
        failpoint!(BeforeCommit);
        tx.commit().await?;
        failpoint!(AfterCommit);
        Ok(Some((last, did)))
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
    async fn plan(&self, ctx: &Ctx, tx: &mut Tx, sender: &str, steps: &[Step], due: &[Due]) -> Result<Planned, Stop> {
        let mut plans = Vec::with_capacity(due.len());
        let mut refused = Refused::default();
        let brand = ctx.settings(&mut *tx).await?.brand();
        for one in due {
            let (Some(recipient), Some(step)) = (one.recipient(), one.step_of(steps)) else { continue };
            match template::render(&step.template, &one.fields, &brand) {
                Ok(body) => plans.push(Plan {
                    campaign_id: self.campaign_id.0,
                    lead_id: one.lead_id,
                    step: one.step,
                    sender: sender.to_owned(),
                    recipient: recipient.to_owned(),
                    body,
                }),
                Err(error) => refused.push(one, recipient, step, &error.to_string()),
            }
        }
        if !plans.is_empty() {
            let messages = plan::plan(tx, &plans).await?;
            let jobs: Vec<_> = messages.iter().map(|&message_id| SendSms { message_id }).collect();
            let keys = plans.iter().map(|plan| format!("{}:{}:{}:a", plan.campaign_id, plan.lead_id, plan.step)).collect();
            chunk::lift_pin(tx).await?;
            ctx.enqueue_many(tx, &jobs, Some(keys)).await?;
        }
        refused.record(ctx, tx, self.campaign_id, sender).await?;
        let unwritable = refused.leads.len();
        Ok(Planned { planned: plans.len(), unwritable, stopped: due.len() - plans.len() - unwritable })
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

impl Due {
    /// Whom to write to; `None` when the lead left the sequence by itself.
    fn recipient(&self) -> Option<&str> {
        self.phone.as_deref().filter(|_| !self.stopped)
    }

    fn step_of<'a>(&self, steps: &'a [Step]) -> Option<&'a Step> {
        steps.iter().find(|step| step.step == self.step)
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
    }
}

/// Steps whose text can't be written, as columns.
#[derive(Default)]
struct Refused {
    leads: Vec<i64>,
    steps: Vec<i16>,
    recipients: Vec<String>,
    templates: Vec<String>,
    reasons: Vec<String>,
}

impl Refused {
    fn push(&mut self, due: &Due, recipient: &str, step: &Step, reason: &str) {
        self.leads.push(due.lead_id);
        self.steps.push(due.step);
        self.recipients.push(recipient.to_owned());
        self.templates.push(step.template.clone());
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
            &self.recipients,
            &self.templates,
            &self.reasons,
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
