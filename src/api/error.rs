//! What a caller is told when a request is refused: one table of codes, and problem+json (RFC 9457) for all of them.
//!
//! A handler answers with an [`ApiError`]; [`super::conventions`] gives it an id, logs what must not leave the house, and
//! writes the body. So a rejection that axum or a panic makes looks the same as one of ours.

mod code;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::job_view::Gone;
pub use code::Code;

/// The body of every refusal, `application/problem+json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:longshore:problem:invalid_payload")]
    pub kind: String,
    /// The kind of problem, in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time, and what to do.
    pub detail: String,
    /// The kind of problem, for programs.
    #[schema(example = "invalid_payload")]
    pub code: &'static str,
    /// Names this one refusal in our logs. Quote it when you ask for help.
    #[schema(example = "err_3k9x2m4q8w1z")]
    pub error_id: String,
    /// The fields that were wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// With `gone`: what is left of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Gone>)]
    pub gone: Option<Arc<Gone>>,
}

/// One field that was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it stands in the body (JSON pointer).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/payload/lead_id")]
    pub pointer: Option<String>,
    /// The header, where the field is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<&'static str>,
    /// The parameter of the address, where the field is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong with it.
    pub detail: String,
}

/// A refusal on its way out.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// What kind it is.
    pub code: Code,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<u32>,
    internal: Option<Arc<str>>,
    gone: Option<Arc<Gone>>,
}

impl ApiError {
    /// A refusal with words for the caller.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = match code {
            Code::Busy | Code::KeyInUse | Code::NotReady => Some(1),
            // As often as the backlog is measured.
            Code::OverLimit => Some(5),
            _ => None,
        };
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after, internal: None, gone: None }
    }

    /// A refusal for one field of the body.
    pub fn field(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let detail = shortened(detail.into());
        let error = FieldError { pointer: Some(pointer.into()), header: None, parameter: None, detail: detail.clone() };
        Self { errors: vec![error], ..Self::new(code, detail) }
    }

    /// A refusal for a header.
    pub fn header(code: Code, header: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let error = FieldError { pointer: None, header: Some(header), parameter: None, detail: detail.clone() };
        Self { errors: vec![error], ..Self::new(code, detail) }
    }

    /// A refusal for a parameter of the address.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = shortened(detail.into());
        let parameter = Some(name.chars().take(64).collect());
        let error = FieldError { pointer: None, header: None, parameter, detail: detail.clone() };
        Self { errors: vec![error], ..Self::new(Code::InvalidRequest, detail) }
    }

    /// A refusal that says when another try makes sense.
    pub fn later(code: Code, detail: impl Into<String>, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(code, detail) }
    }

    /// A failure of ours: the caller learns an id, the log learns the rest.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        let detail = "The failure is in our log under the error id. Nothing was changed unless a later look says so.";
        Self { internal: Some(format!("{what:#}").into()), ..Self::new(Code::Internal, detail) }
    }

    /// Secrets can't be kept or opened here. Which keys there are and how they are configured is no caller's business.
    pub fn no_keyring(why: impl std::fmt::Display) -> Self {
        let detail = "No secret can be kept here now. Ask whoever runs this; the error id tells them why.";
        Self { internal: Some(format!("{why:#}").into()), ..Self::new(Code::NoKeyring, detail) }
    }

    /// The database, or a place in its queue, can't be had now.
    fn busy(why: impl std::fmt::Display) -> Self {
        let detail = "Try again in a moment. If this was to enqueue, repeat it with the same idempotency key: the job may have \
                      been accepted.";
        Self { internal: Some(format!("{why:#}").into()), ..Self::new(Code::Busy, detail) }
    }

    /// A job whose history was dropped.
    pub fn gone(detail: impl Into<String>, left: Gone) -> Self {
        Self { gone: Some(left.into()), ..Self::new(Code::Gone, detail) }
    }

    /// What `queue.enqueue_many` and `queue.enqueue_each` say of a row: `SQLSTATE|field|sentence|hint`.
    pub fn from_row(problem: &str) -> Self {
        let mut parts = problem.splitn(4, '|');
        let mut part = || parts.next().unwrap_or_default();
        let (sqlstate, field, sentence, hint) = (part(), part(), part(), part());
        let Some(code) = Code::of_sqlstate(sqlstate) else { return Self::internal(problem) };
        Self::field(code, pointer(field), with_hint(sentence, hint))
    }

    /// Moves the pointers of a refusal below `prefix`.
    pub fn below(mut self, prefix: &str) -> Self {
        for error in &mut self.errors {
            if let Some(pointer) = &mut error.pointer {
                pointer.insert_str(0, prefix);
            }
        }
        self
    }

    /// The fields that were wrong.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// What was wrong, for the caller.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Seconds after which another try makes sense.
    pub fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// What only the log may know.
    pub fn for_the_log(&self) -> Option<&str> {
        self.internal.as_deref()
    }

    /// The body that a caller gets.
    pub fn problem(&self, error_id: String) -> Problem {
        let (status, code, title) = self.code.facts();
        Problem {
            kind: format!("urn:longshore:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: self.detail.clone(),
            code,
            error_id,
            errors: self.errors.clone(),
            gone: self.gone.clone(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        let database = match &error {
            sqlx::Error::Database(database) => database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>(),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => {
                return Self::busy(&error);
            }
            _ => None,
        };
        let Some(database) = database else { return Self::internal(&error) };
        let sqlstate = database.code();
        if let Some(code) = Code::of_sqlstate(sqlstate) {
            let detail = with_hint(database.message(), database.hint().unwrap_or_default());
            // What the address names is no field of the body.
            if matches!(code, Code::NotFound | Code::AlreadySettled | Code::ApprovalNeeded) {
                return Self::new(code, detail);
            }
            return Self::field(code, pointer(database.detail().unwrap_or_default()), detail);
        }
        match (sqlstate, sqlstate.get(..2)) {
            ("55P03", _) => Self::new(Code::KeyInUse, "Another transaction holds what this one needs. Try again in a moment."),
            // Serialization and deadlocks, lost connections, full server, shutting down.
            (_, Some("40" | "08" | "53" | "57")) => Self::busy(&error),
            _ => Self::internal(&error),
        }
    }
}

fn with_hint(sentence: &str, hint: &str) -> String {
    let mut text = sentence.to_owned();
    if !hint.is_empty() {
        text.push_str(". ");
        text.push_str(hint);
    }
    text
}

/// Long enough to say what was wrong; a caller's own text in it may be of any length.
fn shortened(text: String) -> String {
    match text.char_indices().nth(500) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The JSON pointer of a field named `payload.tags[2].name`.
pub(super) fn pointer(path: &str) -> String {
    let mut pointer = String::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (name, indexes) = part.split_once('[').unwrap_or((part, ""));
        push_token(&mut pointer, name);
        for index in indexes.split('[').filter_map(|index| index.strip_suffix(']')) {
            push_token(&mut pointer, index);
        }
    }
    pointer
}

/// Adds one step to a JSON pointer (RFC 6901 escapes).
pub(super) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_becomes_a_pointer() {
        assert_eq!(pointer("payload.tags[2].a/b~c"), "/payload/tags/2/a~1b~0c");
        assert_eq!(pointer("run_at"), "/run_at");
        assert_eq!(pointer(""), "");
    }

    #[test]
    fn a_row_that_was_refused_names_code_and_field() {
        let error = ApiError::from_row("LS005|run_at|run_at must lie within a year from now|Use a schedule.");
        assert_eq!(error.code, Code::InvalidRunAt);
        assert_eq!(error.errors()[0].pointer.as_deref(), Some("/run_at"));
        assert!(error.detail().ends_with("Use a schedule."));
        assert_eq!(ApiError::from_row("nonsense").code, Code::Internal);
    }

    #[test]
    fn words_of_any_length_are_cut_between_characters() {
        assert_eq!(shortened("é".repeat(600)).chars().count(), 501);
    }
}
