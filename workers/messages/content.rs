//! What a campaign's steps are beside a template: their channel, a subject, what a model is told, whether a person looks first.
//!
//! A step without such a row is a text message that is sent as it is rendered. What a step is can be changed until the
//! campaign begins, so that all its leads get the same treatment.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use super::{channel::Channel, template};
use crate::{
    ids::{CampaignId, TeamId},
    job::Invalid,
};

/// What the configuration says to texts and to those who approve them: the section `[rules.content]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// The most tokens of one written text.
    pub max_tokens: u32,
    /// How often an hour one person may have a text written anew.
    pub rewrites_per_hour: i64,
    /// How many messages one approval may cover.
    pub approve_at_once: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { max_tokens: 300, rewrites_per_hour: 10, approve_at_once: 500 }
    }
}

/// What one step is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepContent {
    /// Which step, from 1.
    pub step: i16,
    /// By which channel it leaves.
    #[serde(default)]
    pub channel: Channel,
    /// The subject of a mail: a template, as the text is.
    #[serde(default)]
    pub subject: Option<String>,
    /// What a model is told; none: the template is the text.
    #[serde(default)]
    pub prompt: Option<String>,
    /// A person looks at each message first.
    #[serde(default)]
    pub approval: bool,
}

/// Why what a campaign's steps are could not be set.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// A field breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The team has no such campaign.
    #[error("campaign {0} does not exist")]
    NotFound(CampaignId),
    /// It has begun.
    #[error("campaign {campaign} is {state}; what its steps are can be changed only while it is a draft or scheduled")]
    Begun {
        /// Which.
        campaign: CampaignId,
        /// Where it stands.
        state: String,
    },
    /// The team has no address to write from.
    #[error("the team has no e-mail address to write from; an operator sets it: longshore email sender set")]
    NoSender,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

const LONGEST_SUBJECT: usize = 200;
const LONGEST_PROMPT: usize = 4000;

impl StepContent {
    /// Refuses what could not run, naming the field below `at`.
    fn check(&self, at: &str) -> Result<(), Invalid> {
        let field = |name: &str| format!("{at}.{name}");
        if !(1..=3).contains(&self.step) {
            return Err(Invalid::new(field("step"), format!("is {}; a campaign has steps 1 to 3", self.step)));
        }
        self.channel.offered(&field("channel"))?;
        match (&self.subject, self.channel) {
            (None, Channel::Email) => return Err(Invalid::new(field("subject"), "is missing; a mail has one")),
            (Some(_), Channel::Sms | Channel::Voice) => {
                return Err(Invalid::new(field("subject"), "is given; only a mail has one"));
            }
            (Some(subject), Channel::Email) => {
                words(&field("subject"), subject, LONGEST_SUBJECT)?;
                if subject.chars().any(char::is_control) {
                    return Err(Invalid::new(field("subject"), "holds a line break or another control character"));
                }
                template::check(subject).map_err(|error| Invalid::new(field("subject"), error.to_string()))?;
            }
            (None, _) => {}
        }
        self.prompt.as_ref().map_or(Ok(()), |prompt| words(&field("prompt"), prompt, LONGEST_PROMPT))
    }

    /// It is what a step without a row is.
    fn is_plain(&self) -> bool {
        self.channel == Channel::Sms && self.prompt.is_none() && !self.approval
    }
}

fn words(field: &str, text: &str, most: usize) -> Result<(), Invalid> {
    match text.chars().count() {
        _ if text.trim().is_empty() => Err(Invalid::new(field, "is empty")),
        count if count > most => Err(Invalid::new(field, format!("has {count} characters; {most} are the most"))),
        _ if text.contains('\0') => Err(Invalid::new(field, "contains a NUL character")),
        _ => Ok(()),
    }
}

/// What a campaign's steps are, where they are more than plain text messages.
pub async fn list(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<Vec<StepContent>, sqlx::Error> {
    let rows = sqlx::query_file!("messages/content/list.sql", team.0, campaign.0).fetch_all(conn).await?;
    let contents = rows.into_iter().map(|row| StepContent {
        step: row.step,
        channel: Channel::parse(&row.channel).unwrap_or_default(),
        subject: row.subject,
        prompt: row.prompt,
        approval: row.approval,
    });
    Ok(contents.collect())
}

/// Says what the steps are, in place of what was said before; those that are not named are plain text messages.
pub async fn set(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    contents: &[StepContent],
    by: &str,
) -> Result<Vec<StepContent>, ContentError> {
    for (at, one) in contents.iter().enumerate() {
        one.check(&format!("steps[{at}]"))?;
        if contents[..at].iter().any(|other| other.step == one.step) {
            return Err(Invalid::new(format!("steps[{at}].step"), "is named twice").into());
        }
    }
    // Exclusively: the campaign does not begin meanwhile.
    let held = sqlx::query_file!("messages/content/hold_campaign.sql", team.0, campaign.0).fetch_optional(&mut *conn).await?;
    let Some(held) = held else { return Err(ContentError::NotFound(campaign)) };
    if !matches!(held.state.as_str(), "draft" | "scheduled") {
        return Err(ContentError::Begun { campaign, state: held.state });
    }
    if let Some(at) = contents.iter().position(|one| i64::from(one.step) > held.steps) {
        let reason = format!("is {}; the campaign has {} steps", contents[at].step, held.steps);
        return Err(Invalid::new(format!("steps[{at}].step"), reason).into());
    }
    if contents.iter().any(|one| one.channel == Channel::Email) && !held.has_sender {
        return Err(ContentError::NoSender);
    }
    let kept: Vec<&StepContent> = contents.iter().filter(|one| !one.is_plain()).collect();
    sqlx::query_file!("messages/content/clear.sql", team.0, campaign.0).execute(&mut *conn).await?;
    for one in &kept {
        sqlx::query_file!(
            "messages/content/insert.sql",
            team.0,
            campaign.0,
            one.step,
            one.channel.as_str(),
            one.subject,
            one.prompt,
            one.approval,
            by,
        )
        .execute(&mut *conn)
        .await?;
    }
    let now = list(conn, team, campaign).await?;
    let told: Vec<_> = kept
        .iter()
        .map(|one| json!({ "step": one.step, "channel": one.channel, "generated": one.prompt.is_some(), "approval": one.approval }))
        .collect();
    let target = format!("campaign {campaign}");
    sqlx::query_file!("messages/content/write_down.sql", team.0, target, json!({ "steps": told })).fetch_one(conn).await?;
    Ok(now)
}

/// Gives a campaign's steps what another campaign's are: for a clone.
pub async fn copy(conn: &mut PgConnection, team: TeamId, from: CampaignId, to: CampaignId) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/content/copy.sql", team.0, from.0, to.0).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> StepContent {
        let subject = Some("Hello {{ first_name }}".to_owned());
        StepContent { step: 1, channel: Channel::Email, subject, prompt: None, approval: false }
    }

    #[test]
    fn each_fault_names_its_field() {
        let text = |text: &str| Some(text.to_owned());
        for (field, content) in [
            ("s.step", StepContent { step: 0, ..mail() }),
            ("s.step", StepContent { step: 4, ..mail() }),
            ("s.channel", StepContent { channel: Channel::Voice, ..mail() }),
            ("s.subject", StepContent { subject: None, ..mail() }),
            ("s.subject", StepContent { channel: Channel::Sms, ..mail() }),
            ("s.subject", StepContent { subject: text(" "), ..mail() }),
            ("s.subject", StepContent { subject: text("a\nBcc: b@example.com"), ..mail() }),
            ("s.subject", StepContent { subject: text("{{ fristname }}"), ..mail() }),
            ("s.subject", StepContent { subject: Some("é".repeat(201)), ..mail() }),
            ("s.prompt", StepContent { prompt: text(""), ..mail() }),
            ("s.prompt", StepContent { prompt: Some("x".repeat(4001)), ..mail() }),
            ("s.prompt", StepContent { prompt: text("a\0b"), ..mail() }),
        ] {
            assert_eq!(content.check("s").expect_err(field).field, field, "{content:?}");
        }
        assert_eq!(mail().check("s"), Ok(()));
    }
}
