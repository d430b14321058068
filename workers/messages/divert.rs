//! What a planned message becomes where its step is more than a plain text: its text is written, or looked at by a person,
//! or it leaves as a mail.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::PgConnection;

use super::{
    channel::{self, Channel},
    content::{self, StepContent},
    email::address,
    template::{self, Brand, TemplateError},
    write_text::WriteText,
};
use crate::{ctx::Ctx, db::Tx, enqueue::Options, ids::CampaignId, job::Stop};

/// What a template may name of a lead.
#[derive(Debug, Clone, Serialize)]
struct Lead {
    first_name: Option<String>,
    last_name: Option<String>,
    company: Option<String>,
    city: Option<String>,
    state: Option<String>,
    zip: Option<String>,
}

/// A planned message, and what its lead's record has for it.
struct Planned {
    message_id: i64,
    step: i16,
    email: Option<String>,
    lead: Lead,
}

/// What becomes of planned messages, as columns.
#[derive(Default)]
struct Become {
    messages: Vec<i64>,
    channels: Vec<String>,
    recipients: Vec<Option<String>>,
    subjects: Vec<Option<String>>,
    approvals: Vec<String>,
}

/// Messages that nobody can get, as columns.
#[derive(Default)]
struct Refused {
    messages: Vec<i64>,
    reasons: Vec<String>,
}

/// Takes messages of a campaign that were just planned, and returns those that are sent as they are: the caller enqueues
/// `send_sms` for them. The others are on another way when the transaction commits, each once however often it is planned:
/// their text is written by a job, or waits for a person, or they leave as mails. Where no step of the campaign is more than a
/// plain text this is one look-up.
pub async fn divert(ctx: &Ctx, tx: &mut Tx, campaign: CampaignId, messages: &[i64]) -> Result<Vec<i64>, Stop> {
    let contents = content::list(tx, ctx.team(), campaign).await?;
    if contents.is_empty() || messages.is_empty() {
        return Ok(messages.to_vec());
    }
    let contents: BTreeMap<i16, StepContent> = contents.into_iter().map(|one| (one.step, one)).collect();
    let steps: Vec<i16> = contents.keys().copied().collect();
    let special = planned(tx, ctx, messages, &steps).await?;
    let brand = ctx.settings(&mut *tx).await?.brand();

    let (mut becomes, mut refused) = (Become::default(), Refused::default());
    let (mut to_write, mut to_send) = (Vec::new(), Vec::new());
    for one in special.iter().filter(|one| one.is_new) {
        let Some(content) = contents.get(&one.planned.step) else { continue };
        match becomes.add(&one.planned, content, &brand) {
            Err(reason) => {
                refused.messages.push(one.planned.message_id);
                refused.reasons.push(reason);
            }
            Ok(()) if content.prompt.is_some() => to_write.push(WriteText { message_id: one.planned.message_id }),
            Ok(()) if content.approval => {}
            Ok(()) => to_send.push((one.planned.message_id, content.channel)),
        }
    }
    becomes.apply(tx, ctx).await?;
    refused.record(tx, ctx).await?;
    let options = Options { correlation: ctx.claim().correlation.clone(), parent: Some(ctx.job()), ..Options::default() };
    channel::send(tx, ctx.team(), to_send, &options).await?;
    if !to_write.is_empty() {
        let keys = to_write.iter().map(|job| format!("planned:{}", job.message_id)).collect();
        ctx.enqueue_many(tx, &to_write, Some(keys)).await?;
    }
    let special: BTreeSet<i64> = special.iter().map(|one| one.planned.message_id).collect();
    Ok(messages.iter().copied().filter(|message| !special.contains(message)).collect())
}

/// A message of a step that is more than a plain text. `is_new`: no run before has sent it on its way.
struct Special {
    planned: Planned,
    is_new: bool,
}

async fn planned(conn: &mut PgConnection, ctx: &Ctx, messages: &[i64], steps: &[i16]) -> Result<Vec<Special>, Stop> {
    let rows = sqlx::query_file!("messages/divert/planned.sql", ctx.team().0, messages, steps).fetch_all(conn).await?;
    let special = rows.into_iter().map(|row| Special {
        is_new: row.is_new,
        planned: Planned {
            message_id: row.message_id,
            step: row.step,
            email: row.email,
            lead: Lead {
                first_name: row.first_name,
                last_name: row.last_name,
                company: row.company,
                city: row.city,
                state: row.state,
                zip: row.zip,
            },
        },
    });
    Ok(special.collect())
}

impl Become {
    fn add(&mut self, one: &Planned, content: &StepContent, brand: &Brand) -> Result<(), String> {
        let (recipient, subject) = match content.channel {
            Channel::Email => {
                let email = one.email.as_deref().ok_or("no_email")?;
                let email = address::read(email).map_err(|_| "no_email")?;
                let template = content.subject.as_deref().unwrap_or_default();
                (Some(email), Some(self::subject(template, &one.lead, brand)?))
            }
            Channel::Sms | Channel::Voice => (None, None),
        };
        let approval = match (content.prompt.is_some(), content.approval) {
            (true, _) => "draft",
            (false, true) => "preview",
            (false, false) => "none",
        };
        self.messages.push(one.message_id);
        self.channels.push(content.channel.as_str().to_owned());
        self.recipients.push(recipient);
        self.subjects.push(subject);
        self.approvals.push(approval.to_owned());
        Ok(())
    }

    /// Changes the messages, and keeps what was planned as the first wording of each.
    async fn apply(&self, conn: &mut PgConnection, ctx: &Ctx) -> Result<(), sqlx::Error> {
        if self.messages.is_empty() {
            return Ok(());
        }
        sqlx::query_file!(
            "messages/divert/become.sql",
            ctx.team().0,
            &self.messages,
            &self.channels,
            &self.recipients as &[Option<String>],
            &self.subjects as &[Option<String>],
            &self.approvals,
        )
        .execute(&mut *conn)
        .await?;
        let by = format!("job {}", ctx.job().0);
        sqlx::query_file!("messages/divert/keep_texts.sql", ctx.team().0, &self.messages, by).execute(conn).await?;
        Ok(())
    }
}

impl Refused {
    async fn record(&self, conn: &mut PgConnection, ctx: &Ctx) -> Result<(), sqlx::Error> {
        if !self.messages.is_empty() {
            sqlx::query_file!("messages/divert/refuse.sql", ctx.team().0, &self.messages, &self.reasons).execute(conn).await?;
        }
        Ok(())
    }
}

/// The subject of one lead's mail: one line of at most 200 characters.
fn subject(template: &str, lead: &impl Serialize, brand: &Brand) -> Result<String, String> {
    let told = |error: TemplateError| format!("subject: {error}");
    let subject = template::render(template, lead, brand).map_err(told)?;
    if let Some(control) = subject.chars().find(|c| c.is_control()) {
        return Err(told(TemplateError::Control(control.into())));
    }
    let length = subject.chars().count();
    if length > 200 { Err(format!("subject: it has {length} characters; 200 are the most")) } else { Ok(subject) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(email: Option<&str>) -> Planned {
        let none = || None;
        let lead = Lead {
            first_name: Some("Ada".into()),
            last_name: None,
            company: Some("Engines\nBcc: all@example.com".into()),
            city: none(),
            state: none(),
            zip: none(),
        };
        Planned { message_id: 7, step: 1, email: email.map(str::to_owned), lead }
    }

    fn mail(subject: &str) -> StepContent {
        StepContent { step: 1, channel: Channel::Email, subject: Some(subject.into()), prompt: None, approval: false }
    }

    #[test]
    fn each_step_becomes_what_was_said_of_it() {
        let text = StepContent { step: 1, channel: Channel::Sms, subject: None, prompt: None, approval: true };
        let written = StepContent { prompt: Some("Be kind".into()), ..text.clone() };
        let mut becomes = Become::default();
        becomes.add(&planned(None), &text, &Brand::new()).expect("a text to look at");
        becomes.add(&planned(None), &written, &Brand::new()).expect("a text to write");
        becomes.add(&planned(Some(" Ada@Example.com ")), &mail("Hi {{ first_name }}"), &Brand::new()).expect("a mail");
        assert_eq!(becomes.approvals, ["preview", "draft", "none"]);
        assert_eq!(becomes.channels, ["sms", "sms", "email"]);
        assert_eq!(becomes.recipients, [None, None, Some("ada@example.com".into())]);
        assert_eq!(becomes.subjects, [None, None, Some("Hi Ada".into())]);
    }

    #[test]
    fn a_mail_that_nobody_can_get_is_refused_with_the_reason() {
        let refused = |email: Option<&str>, subject: &str| {
            Become::default().add(&planned(email), &mail(subject), &Brand::new()).expect_err("a refusal")
        };
        assert_eq!(refused(None, "Hi"), "no_email");
        assert_eq!(refused(Some("not an address"), "Hi"), "no_email");
        assert!(refused(Some("a@example.com"), "Hi {{ last_name }}").starts_with("subject: "));
        // A lead's own data can't add a line to the head of a mail.
        assert_eq!(refused(Some("a@example.com"), "Hi {{ company }}"), "subject: the text holds the control character U+000A");
    }
}
