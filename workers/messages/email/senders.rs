//! From which address a team writes. An operator sets it: the mail server would send in anybody's name.

use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use super::address;
use crate::{ids::TeamId, job::Invalid};

/// Who a team's mails come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sender {
    /// The address.
    pub address: String,
    /// The name beside it.
    pub name: String,
    /// Where answers go; none: to the address.
    pub reply_to: Option<String>,
    /// The postal address that each mail bears.
    pub postal: String,
}

/// Why an address was not set.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// A field breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Sender {
    /// As it is kept, or the field that is wrong.
    pub fn checked(&self) -> Result<Self, Invalid> {
        let read = |field: &str, text: &str| address::read(text).map_err(|reason| Invalid::new(field, reason));
        Ok(Self {
            address: read("address", &self.address)?,
            name: words("name", &self.name, 1, 80, &['\r', '\n', '<', '>', '"'])?,
            reply_to: self.reply_to.as_deref().map(|text| read("reply_to", text)).transpose()?,
            postal: words("postal", &self.postal, 10, 300, &[])?,
        })
    }
}

fn words(field: &str, text: &str, least: usize, most: usize, without: &[char]) -> Result<String, Invalid> {
    let text = text.trim();
    let wrong = |c: char| without.contains(&c) || (c.is_control() && c != '\n');
    match text.chars().count() {
        count if !(least..=most).contains(&count) => {
            Err(Invalid::new(field, format!("has {count} characters; {least} to {most} are possible")))
        }
        _ if text.chars().any(wrong) => Err(Invalid::new(field, "holds a character that can't stand there")),
        _ => Ok(text.to_owned()),
    }
}

/// Who a team's mails come from; `None` where nobody has set it.
pub async fn find(conn: &mut PgConnection, team: TeamId) -> Result<Option<Sender>, sqlx::Error> {
    sqlx::query_file_as!(Sender, "messages/email/senders/find.sql", team.0).fetch_optional(conn).await
}

/// Sets who a team's mails come from. For operators.
pub async fn set(conn: &mut PgConnection, team: TeamId, sender: &Sender, by: &str) -> Result<Sender, SenderError> {
    let new = sender.checked()?;
    sqlx::query_file!("messages/email/senders/set.sql", team.0, new.address, new.name, new.reply_to, new.postal, by)
        .execute(&mut *conn)
        .await?;
    // Not the address: the audit log holds nothing of a person.
    let domain = new.address.rsplit('@').next().unwrap_or_default();
    let after = json!({ "domain": domain, "name": new.name });
    sqlx::query_file!("messages/email/senders/write_down.sql", team.0, after).fetch_one(conn).await?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_names_its_field() {
        let good = Sender {
            address: "Hello@Acme.example.com".into(),
            name: "Acme".into(),
            reply_to: None,
            postal: "1 Main Street, Springfield".into(),
        };
        assert_eq!(good.checked().expect("a sender").address, "hello@acme.example.com");
        for (field, sender) in [
            ("address", Sender { address: "acme".into(), ..good.clone() }),
            ("name", Sender { name: "Acme\r\nBcc: x@example.com".into(), ..good.clone() }),
            ("name", Sender { name: "\"Acme\" <x@example.com>".into(), ..good.clone() }),
            ("name", Sender { name: " ".into(), ..good.clone() }),
            ("reply_to", Sender { reply_to: Some("nobody".into()), ..good.clone() }),
            ("postal", Sender { postal: "here".into(), ..good.clone() }),
        ] {
            assert_eq!(sender.checked().expect_err(field).field, field);
        }
    }
}
