//! What a row of dataset `leads` says: its columns, and the rules each value must pass. A row is taken whole or not at
//! all; only what can't hurt anybody (an unknown engagement, a consent without its date) is put right or left out, and
//! counted.

use std::{collections::BTreeSet, str};

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Utc};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, enums::Region};
use serde::{Deserialize, Serialize};

use super::states;

/// A column this dataset knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Column {
    Phone,
    Email,
    FirstName,
    LastName,
    Company,
    Domain,
    City,
    State,
    Zip,
    Tags,
    Engagement,
    Consent,
    ConsentAt,
}

impl Column {
    const ALL: [(&'static str, Self); 13] = [
        ("phone", Self::Phone),
        ("email", Self::Email),
        ("first_name", Self::FirstName),
        ("last_name", Self::LastName),
        ("company", Self::Company),
        ("domain", Self::Domain),
        ("city", Self::City),
        ("state", Self::State),
        ("zip", Self::Zip),
        ("tags", Self::Tags),
        ("engagement", Self::Engagement),
        ("consent", Self::Consent),
        ("consent_at", Self::ConsentAt),
    ];

    /// As the header row has it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, column)| *column == self).map_or("", |(name, _)| name)
    }
}

/// What each column of a file holds; `None` where this dataset does not know it.
pub type Header = Vec<Option<Column>>;

/// Reads the header row: any order, any case, blanks or hyphens for underscores; other columns are passed over.
/// The error names the column that is missing, and never what stands in the row: without a header that is somebody's data.
pub fn read_header<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Result<Header, String> {
    let mut header = Header::new();
    let mut seen = BTreeSet::new();
    for field in fields {
        if field.starts_with(b"\xff\xfe") || field.starts_with(b"\xfe\xff") || field.contains(&0) {
            return Err("the header row is not UTF-8 text but, it seems, UTF-16: save the file as CSV in UTF-8".into());
        }
        let text = str::from_utf8(field).map_err(|_| "the header row is not UTF-8 text: save the file as CSV in UTF-8")?;
        let name = text.trim().to_lowercase().replace([' ', '-'], "_");
        let column = Column::ALL.iter().find(|(known, _)| *known == name).map(|(_, column)| *column);
        if let Some(column) = column.filter(|column| !seen.insert(*column)) {
            return Err(format!("column {} stands twice in the header row", column.name()));
        }
        header.push(column);
    }
    if !seen.contains(&Column::Phone) {
        let count = header.len();
        return Err(format!("column phone is missing from the header row, which has {count} columns, divided by commas"));
    }
    Ok(header)
}

/// A lead, ready for the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// E.164.
    pub phone: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Employer.
    pub company: Option<String>,
    /// The employer's web domain.
    pub domain: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Postal code of the state.
    pub state: Option<&'static str>,
    /// ZIP.
    pub zip: Option<String>,
    /// Each once, as written.
    pub tags: Vec<String>,
    /// How warm it is.
    pub engagement: Engagement,
    /// Leave to text it, where the row proves one.
    pub consent: Option<Consent>,
    /// The engagement was not one we know: taken as medium.
    pub engagement_unknown: bool,
    /// A consent without its date proves nothing and was left out.
    pub consent_undated: bool,
}

/// How warm a lead is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Engagement {
    High,
    Medium,
    Low,
}

impl Engagement {
    /// Any case and blanks; `None` for what is none of them.
    pub fn read(text: &str) -> Option<Self> {
        match text.trim().to_lowercase().as_str() {
            "green" | "high" => Some(Self::High),
            "yellow" | "medium" => Some(Self::Medium),
            "red" | "low" => Some(Self::Low),
            _ => None,
        }
    }

    /// As the table has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// Leave to text somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// `express` or `express_written`.
    pub level: &'static str,
    /// When it was given.
    pub at: DateTime<Utc>,
}

/// Why a row is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The column at fault.
    pub column: String,
    /// What is wrong there, without the value: that stands in the raw line.
    pub reason: String,
}

impl Unfit {
    fn new(column: Column, reason: impl Into<String>) -> Self {
        Self { column: column.name().into(), reason: reason.into() }
    }
}

/// Reads a row that has as many fields as the header has columns.
pub fn read_lead<'a>(
    header: &[Option<Column>],
    fields: impl Iterator<Item = &'a [u8]>,
    now: DateTime<Utc>,
) -> Result<Lead, Unfit> {
    let mut row = [""; Column::ALL.len()];
    for (at, (field, column)) in fields.zip(header).enumerate() {
        let named = |reason: &str| {
            let name = column.map_or_else(|| format!("column {}", at + 1), |column| column.name().to_owned());
            Unfit { column: name, reason: reason.into() }
        };
        let text = str::from_utf8(field).map_err(|_| named("is not UTF-8 text"))?;
        if text.contains('\0') {
            return Err(named("holds a NUL character"));
        }
        if let Some(column) = column {
            row[*column as usize] = text.trim();
        }
    }
    let value = |column: Column| row[column as usize];
    let text = |column: Column, most: usize| read_text(column, row[column as usize], most);

    let phone = read_phone(value(Column::Phone))?;
    let engagement = Engagement::read(value(Column::Engagement));
    let (consent, consent_undated) = read_consent(value(Column::Consent), value(Column::ConsentAt), now)?;
    Ok(Lead {
        phone,
        email: read_email(value(Column::Email))?,
        first_name: text(Column::FirstName, 100)?,
        last_name: text(Column::LastName, 100)?,
        company: text(Column::Company, 200)?,
        domain: text(Column::Domain, 253)?.map(|domain| domain.to_lowercase()),
        city: text(Column::City, 100)?,
        state: read_state(value(Column::State))?,
        zip: text(Column::Zip, 10)?,
        tags: read_tags(value(Column::Tags))?,
        engagement: engagement.unwrap_or(Engagement::Medium),
        consent,
        engagement_unknown: engagement.is_none() && !value(Column::Engagement).is_empty(),
        consent_undated,
    })
}

/// One line, blanks in a row made one: these values end up in messages.
fn read_text(column: Column, text: &str, most: usize) -> Result<Option<String>, Unfit> {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let text = words.collect::<Vec<_>>().join(" ");
    match text.chars().count() {
        0 => Ok(None),
        n if n > most => Err(Unfit::new(column, format!("has {n} characters; {most} are the most"))),
        _ => Ok(Some(text)),
    }
}

/// A telephone number in E.164, from any form that a file may have; or why it is none.
pub fn phone(text: &str) -> Result<String, String> {
    read_phone(text).map_err(|unfit| unfit.reason)
}

/// An e-mail as it is stored; or why it is none.
pub fn email(text: &str) -> Result<String, String> {
    read_email(text).map_err(|unfit| unfit.reason)?.ok_or_else(|| "is empty".into())
}

fn read_phone(text: &str) -> Result<String, Unfit> {
    let wrong = |reason: &str| Err(Unfit::new(Column::Phone, reason));
    if text.is_empty() {
        return wrong("is missing");
    }
    // 1.55512E+10: the digits are gone, and what is left may be somebody else's number.
    if text.contains(['e', 'E']) && text.contains('+') && text.contains(|c: char| c.is_ascii_digit()) && text.contains('.') {
        return wrong("was rounded by a spreadsheet: format that column as text and export it again");
    }
    match PHONE_NUMBER_UTIL.parse(text, Some(Region::US)) {
        Ok(number) if number.is_valid() && number.extension.is_none() => {
            Ok(number.format_as(PhoneNumberFormat::E164).into_owned())
        }
        Ok(number) if number.is_valid() => wrong("has an extension, which takes no texts"),
        _ => wrong("is not a telephone number of the US, nor an international one that starts with +"),
    }
}

fn read_email(text: &str) -> Result<Option<String>, Unfit> {
    if text.is_empty() {
        return Ok(None);
    }
    let sound = |(name, host): (&str, &str)| {
        let label = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
        !name.is_empty() && name.len() <= 64 && host.contains('.') && host.split('.').all(label) && !host.contains('@')
    };
    let plain = text.len() <= 254 && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>()[]\\,;:\"".contains(c));
    if plain && text.rsplit_once('@').is_some_and(|(name, host)| sound((name, host)) && !name.contains('@')) {
        return Ok(Some(text.to_lowercase()));
    }
    Err(Unfit::new(Column::Email, "is not an e-mail address"))
}

fn read_state(text: &str) -> Result<Option<&'static str>, Unfit> {
    if text.is_empty() {
        return Ok(None);
    }
    states::read(text).map(Some).ok_or_else(|| Unfit::new(Column::State, "is not a state of the US, by name or postal code"))
}

fn read_tags(text: &str) -> Result<Vec<String>, Unfit> {
    let mut tags = Vec::new();
    for tag in text.split([';', '|']) {
        if let Some(tag) = read_text(Column::Tags, tag, 100)?.filter(|tag| !tags.contains(tag)) {
            tags.push(tag);
        }
    }
    if tags.len() > 100 { Err(Unfit::new(Column::Tags, "has more than 100 tags")) } else { Ok(tags) }
}

/// The consent, and whether one was named that has no date.
fn read_consent(level: &str, at: &str, now: DateTime<Utc>) -> Result<(Option<Consent>, bool), Unfit> {
    let level = match level.to_lowercase().replace([' ', '-'], "_").as_str() {
        "" | "none" | "no" | "false" => return Ok((None, false)),
        "express" => "express",
        "express_written" => "express_written",
        _ => return Err(Unfit::new(Column::Consent, "is none of express, express_written, none")),
    };
    if at.is_empty() {
        return Ok((None, true));
    }
    let Some(at) = read_moment(at) else {
        return Err(Unfit::new(Column::ConsentAt, "is not a date: write 2026-01-31, 2026-01-31T18:00:00Z or 1/31/2026"));
    };
    if at > now + Duration::days(1) || at < DateTime::UNIX_EPOCH {
        return Err(Unfit::new(Column::ConsentAt, "lies in the future, or before 1970"));
    }
    Ok((Some(Consent { level, at }), false))
}

/// A moment; UTC where no offset is given, midnight where no time is.
fn read_moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    let moments = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M"];
    let moment = moments.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let days = ["%Y-%m-%d", "%m/%d/%Y"];
    let day = || days.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
    moment.or_else(|| day()?.and_hms_opt(0, 0, 0)).map(|at| at.and_utc())
}

#[cfg(test)]
mod tests;
