//! Has a model write the text of one message; where it can't, the template's text stays.
//!
//! A call has no effect but its cost, so a run that is cut off asks again. What is written is stored in the transaction that
//! clears the message or puts it before a person: from there on the stored text is what is sent, and nobody asks again.

use serde_json::json;

use super::WriteText;
use crate::{
    credits::{self, Held, HoldKey, OUT_OF_CREDIT},
    ctx::Ctx,
    db::Tx,
    enqueue::Options,
    failpoint,
    job::{Outcome, Stop},
    messages::{
        channel::{self, Channel},
        generator::{self, Generated, Prompt, Written},
        texts::{self, NewText},
    },
    telemetry::{self, Entry},
    vendors::VendorError,
};

const STEP: &str = "text";
/// The named rate that all calls share (`longshore buckets set text_generator`).
const RATE: &str = "text_generator";
/// An answer that can't be sent is asked for once more; a second one means that this prompt gives none.
const QUESTIONS: usize = 2;

/// What is to be written.
struct Task {
    channel: Channel,
    /// The template's text, which stands in.
    template: String,
    subject: Option<String>,
    prompt: Prompt,
    /// A person looks at it first.
    approval: bool,
}

/// What came of it.
struct Text {
    source: &'static str,
    body: String,
    note: Option<&'static str>,
    generated: Option<Generated>,
}

/// A call's place in the books, and what it may cost.
#[derive(Clone, Copy)]
struct Call {
    number: i32,
    quote: i64,
}

impl WriteText {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        ctx.check_cancelled()?;
        let mut tx = ctx.tx().await?;
        let task = self.task(ctx, &mut tx).await?;
        tx.commit().await?;
        let Some(task) = task else {
            let tx = ctx.fenced_tx().await?;
            return ctx.complete(tx, json!({ "outcome": "not_wanted" })).await;
        };
        let mut question = 0;
        loop {
            question += 1;
            ctx.permit(RATE, 1).await?;
            let call = self.hold(ctx, &task.prompt).await?;
            failpoint!(BeforeEffect);
            let answer = ctx.services().vendors.texts.generate(&task.prompt).await;
            failpoint!(AfterEffect);
            let written = match answer {
                Ok(written) => written,
                // Its answer is lost: nobody knows what it cost, so it counts in full. Asking again is safe.
                Err(error @ VendorError::UnknownOutcome { .. }) => {
                    self.settle(ctx, call, call.quote).await?;
                    return Err(Stop::retry(error));
                }
                Err(error) => {
                    self.settle(ctx, call, 0).await?;
                    return Err(error.into());
                }
            };
            let price = |tokens: i64| ctx.services().vendors.texts.price(tokens).min(call.quote);
            match written {
                Written::Filtered { tokens } => {
                    let text = Text::template(&task, "content_filter");
                    return self.record(ctx, &task, text, call, price(tokens)).await;
                }
                Written::Text(generated) => {
                    let cost = price(i64::from(generated.prompt_tokens) + i64::from(generated.completion_tokens));
                    match generator::usable(&generated, task.channel, &task.template) {
                        Ok(body) => {
                            let text = Text { source: "generated", body, note: None, generated: Some(generated) };
                            return self.record(ctx, &task, text, call, cost).await;
                        }
                        Err(reason) if question >= QUESTIONS => {
                            return self.record(ctx, &task, Text::template(&task, reason), call, cost).await;
                        }
                        Err(_) => self.settle(ctx, call, cost).await?,
                    }
                }
            }
        }
    }

    /// What is to be written; `None` when nobody wants it any more.
    async fn task(&self, ctx: &Ctx, tx: &mut Tx) -> Result<Option<Task>, Stop> {
        let team = ctx.team();
        let found = sqlx::query_file!("messages/write_text/find.sql", team.0, self.message_id).fetch_optional(&mut **tx).await?;
        let Some(found) = found else {
            return Err(Stop::dead(anyhow::anyhow!("the team has no message {}", self.message_id)));
        };
        let Some(instructions) = found.prompt.filter(|_| found.state == "planned" && found.approval == "draft") else {
            return Ok(None);
        };
        let lead = json!({
            "first_name": found.first_name,
            "last_name": found.last_name,
            "company": found.company,
            "city": found.city,
            "state": found.us_state,
        });
        let brand = ctx.settings(&mut *tx).await?.brand();
        let channel = Channel::parse(&found.channel).unwrap_or_default();
        let most = ctx.services().rules.content.max_tokens;
        let prompt = generator::prompt(channel, &instructions, &lead, &brand, &found.template, most);
        Ok(Some(Task { channel, template: found.template, subject: found.subject, prompt, approval: found.wants_approval }))
    }

    /// Reserves what a call may cost. A hold that an earlier run left open stays: nobody knows what its call cost.
    async fn hold(&self, ctx: &Ctx, prompt: &Prompt) -> Result<Call, Stop> {
        let texts = &ctx.services().vendors.texts;
        let quote = texts.quote(prompt);
        if quote == 0 {
            return Ok(Call { number: 0, quote });
        }
        let mut tx = ctx.tx().await?;
        for number in 1.. {
            match credits::hold(&mut tx, key(ctx, number), texts.name(), quote).await? {
                Held::AlreadyHeld(credits::HoldState::Held) => {
                    credits::mark_unknown(&mut tx, key(ctx, number)).await?;
                }
                Held::AlreadyHeld(_) => {}
                Held::Held => {
                    ctx.keep_lease(&mut tx).await?;
                    tx.commit().await?;
                    count(ctx, Entry::Hold, quote);
                    return Ok(Call { number, quote });
                }
                Held::Insufficient { available } => {
                    tx.rollback().await?;
                    count(ctx, Entry::Refused, quote);
                    return Err(Stop::park(format!("{OUT_OF_CREDIT}: needs {quote}, has {available}")));
                }
            }
        }
        Err(Stop::dead(anyhow::anyhow!("the books have no place for another call")))
    }

    /// Enters what a call cost that gave no text.
    async fn settle(&self, ctx: &Ctx, call: Call, cost: i64) -> Result<(), Stop> {
        if call.quote > 0 {
            let mut tx = ctx.tx().await?;
            credits::capture(&mut tx, key(ctx, call.number), cost).await?;
            ctx.keep_lease(&mut tx).await?;
            tx.commit().await?;
            counted(ctx, call, cost);
        }
        Ok(())
    }

    /// Stores the text, clears the message or puts it before a person, enters the cost, and completes the job: together.
    async fn record(&self, ctx: &Ctx, task: &Task, text: Text, call: Call, cost: i64) -> Outcome {
        let team = ctx.team();
        let mut tx = ctx.tx().await?;
        let approval = if task.approval { "preview" } else { "none" };
        let wanted = sqlx::query_file!("messages/write_text/store.sql", team.0, self.message_id, text.body, approval);
        // An opt-out or an erasure that came meanwhile has the last word.
        let wanted = wanted.execute(&mut *tx).await?.rows_affected() > 0;
        if wanted {
            let by = format!("job {}", ctx.job().0);
            let model = text.generated.as_ref().map(|one| (one.model.as_str(), one.prompt_tokens, one.completion_tokens));
            let new = NewText {
                source: text.source,
                subject: task.subject.as_deref(),
                body: &text.body,
                written_by: &by,
                note: text.note,
                model,
            };
            texts::keep(&mut tx, team, self.message_id, &new).await?;
            if !task.approval {
                let options =
                    Options { correlation: ctx.claim().correlation.clone(), parent: Some(ctx.job()), ..Options::default() };
                channel::send(&mut tx, team, [(self.message_id, task.channel)], &options).await?;
            }
        }
        if call.quote > 0 {
            credits::capture(&mut tx, key(ctx, call.number), cost).await?;
        }
        let outcome = if wanted { text.source } else { "not_wanted" };
        let done = ctx.complete(tx, json!({ "outcome": outcome, "note": text.note, "credits": cost })).await;
        if done.is_ok() && call.quote > 0 {
            counted(ctx, call, cost);
        }
        done
    }
}

impl Text {
    fn template(task: &Task, note: &'static str) -> Self {
        Self { source: "template", body: task.template.clone(), note: Some(note), generated: None }
    }
}

fn key<'a>(ctx: &Ctx, call: i32) -> HoldKey<'a> {
    HoldKey { team: ctx.team(), job: ctx.job(), step: STEP, call }
}

fn counted(ctx: &Ctx, call: Call, cost: i64) {
    count(ctx, Entry::Capture, cost);
    count(ctx, Entry::Release, call.quote - cost);
}

fn count(ctx: &Ctx, entry: Entry, credits: i64) {
    telemetry::credits(ctx.services().vendors.texts.name(), entry, u64::try_from(credits).unwrap_or(0));
}
