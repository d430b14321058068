//! The ways in which a message can leave.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{send_email::SendEmail, send_sms::SendSms, voice};
use crate::{
    enqueue::{self, EnqueueError, Options},
    ids::TeamId,
    job::Invalid,
};

/// A way in which a message can leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A text message.
    #[default]
    Sms,
    /// A mail.
    Email,
    /// A call. There is a port for it, and no vendor yet.
    Voice,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sms, Self::Email, Self::Voice];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Voice => "voice",
        }
    }

    /// Reads what is stored or asked for.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }

    /// Refuses a channel by which nothing can leave, in words for whoever asked for it.
    pub fn offered(self, field: &str) -> Result<Self, Invalid> {
        if self == Self::Voice { Err(Invalid::new(field, voice::NOT_OFFERED)) } else { Ok(self) }
    }
}

/// Enqueues the jobs that send cleared messages, each once however often it is asked for.
pub async fn send(
    conn: &mut PgConnection,
    team: TeamId,
    messages: impl IntoIterator<Item = (i64, Channel)>,
    options: &Options,
) -> Result<(), EnqueueError> {
    let (mut texts, mut mails) = (Vec::new(), Vec::new());
    for (message_id, channel) in messages {
        match channel {
            Channel::Sms => texts.push(SendSms { message_id }),
            Channel::Email => mails.push(SendEmail { message_id }),
            // The schema lets no such message be cleared: no step can ask for one.
            Channel::Voice => {}
        }
    }
    let key = |message: i64| format!("cleared:{message}");
    if !texts.is_empty() {
        let keys = texts.iter().map(|job| key(job.message_id)).collect();
        enqueue::many(conn, team, &texts, Some(keys), options.clone()).await?;
    }
    if !mails.is_empty() {
        let keys = mails.iter().map(|job| key(job.message_id)).collect();
        enqueue::many(conn, team, &mails, Some(keys), options.clone()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_read_as_it_is_written_and_voice_is_refused_politely() {
        for channel in Channel::ALL {
            assert_eq!(Channel::parse(channel.as_str()), Some(channel));
        }
        assert_eq!(Channel::parse("pigeon"), None);
        let refused = Channel::Voice.offered("steps[0].channel").expect_err("a refusal");
        assert_eq!((refused.field.as_str(), refused.reason.as_str()), ("steps[0].channel", voice::NOT_OFFERED));
    }
}
