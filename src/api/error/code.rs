//! The one table of codes: of each its status, its stored name, its title, and which SQLSTATEs mean it.

use axum::http::StatusCode;

/// Every kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`facts` says of each what it means")]
pub enum Code {
    InvalidJson,
    InvalidRequest,
    Unauthenticated,
    MissingScope,
    WrongTeam,
    BadSignature,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Gone,
    AlreadyEnded,
    AlreadySettled,
    NameTaken,
    WrongState,
    ApprovalNeeded,
    KeyInUse,
    PreconditionFailed,
    PreconditionRequired,
    StillReplacing,
    TooLarge,
    UnsupportedMediaType,
    InvalidField,
    UnknownKind,
    InvalidPayload,
    InvalidKey,
    KeyReused,
    InvalidRunAt,
    InvalidPriority,
    OverLimit,
    RateLimited,
    NotAcceptable,
    Internal,
    Busy,
    NotReady,
    NoKeyring,
}

impl Code {
    /// Status, stored name, title.
    pub(super) const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidJson => (S::BAD_REQUEST, "invalid_json", "The body is not JSON"),
            Self::InvalidRequest => (S::BAD_REQUEST, "invalid_request", "The request can't be understood"),
            Self::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated", "A valid API key is needed"),
            Self::MissingScope => (S::FORBIDDEN, "missing_scope", "The API key may not do this"),
            Self::WrongTeam => (S::FORBIDDEN, "wrong_team", "The API key speaks for another team"),
            Self::BadSignature => (S::FORBIDDEN, "bad_signature", "The request is not signed by whom it claims"),
            Self::NotFound => (S::NOT_FOUND, "not_found", "There is nothing here"),
            Self::MethodNotAllowed => {
                (S::METHOD_NOT_ALLOWED, "method_not_allowed", "This address does not answer to that method")
            }
            Self::RequestTimeout => (S::REQUEST_TIMEOUT, "request_timeout", "The request arrived too slowly"),
            Self::Gone => (S::GONE, "gone", "Its records were dropped"),
            Self::AlreadyEnded => (S::CONFLICT, "already_ended", "The job has ended"),
            Self::AlreadySettled => (S::CONFLICT, "already_settled", "The dead letter or plan is settled already"),
            Self::NameTaken => (S::CONFLICT, "name_taken", "The name is in use"),
            Self::WrongState => (S::CONFLICT, "wrong_state", "Its state does not allow this"),
            Self::ApprovalNeeded => (S::CONFLICT, "approval_needed", "The plan is too large for one person"),
            Self::KeyInUse => (S::CONFLICT, "key_in_use", "The idempotency key is being used by an unfinished request"),
            Self::PreconditionFailed => (S::PRECONDITION_FAILED, "precondition_failed", "It was changed meanwhile"),
            Self::PreconditionRequired => (S::PRECONDITION_REQUIRED, "precondition_required", "If-Match is needed"),
            Self::StillReplacing => (S::CONFLICT, "still_replacing", "The API key is being replaced already"),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too_large", "The request is too large"),
            Self::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body must be JSON"),
            Self::InvalidField => (S::UNPROCESSABLE_ENTITY, "invalid_field", "A field is wrong"),
            Self::UnknownKind => (S::UNPROCESSABLE_ENTITY, "unknown_kind", "There is no such kind of job"),
            Self::InvalidPayload => (S::UNPROCESSABLE_ENTITY, "invalid_payload", "The payload could never run"),
            Self::InvalidKey => (S::UNPROCESSABLE_ENTITY, "invalid_idempotency_key", "The idempotency key can't be used"),
            Self::KeyReused => (S::UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The idempotency key named other work"),
            Self::InvalidRunAt => (S::UNPROCESSABLE_ENTITY, "invalid_run_at", "The moment to run at can't be used"),
            Self::InvalidPriority => (S::UNPROCESSABLE_ENTITY, "invalid_priority", "The priority can't be used"),
            Self::OverLimit => (S::TOO_MANY_REQUESTS, "over_limit", "The team is over its limit"),
            Self::RateLimited => (S::TOO_MANY_REQUESTS, "rate_limited", "The key makes too many requests"),
            Self::NotAcceptable => (S::NOT_ACCEPTABLE, "not_acceptable", "The answer is not to be had in that form"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Something failed on our side"),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "The service is busy"),
            Self::NotReady => (S::SERVICE_UNAVAILABLE, "not_ready", "The service is not ready"),
            Self::NoKeyring => (S::SERVICE_UNAVAILABLE, "no_keyring", "Secrets can't be stored here"),
        }
    }

    /// Its HTTP status.
    pub const fn status(self) -> StatusCode {
        self.facts().0
    }

    /// Its stored name.
    pub const fn name(self) -> &'static str {
        self.facts().1
    }

    /// What an SQLSTATE of class LS means here (migration 0003 and docs/SQL.md).
    pub(super) fn of_sqlstate(sqlstate: &str) -> Option<Self> {
        Some(match sqlstate {
            "LS001" => Self::UnknownKind,
            "LS002" => Self::InvalidPayload,
            "LS003" => Self::TooLarge,
            "LS004" => Self::InvalidKey,
            "LS005" => Self::InvalidRunAt,
            "LS006" => Self::KeyReused,
            "LS007" => Self::WrongTeam,
            "LS008" => Self::OverLimit,
            "LS009" => Self::InvalidPriority,
            "LS012" => Self::NotFound,
            "LS013" => Self::AlreadySettled,
            "LS019" => Self::ApprovalNeeded,
            "LS014" | "LS015" | "LS017" | "LS042" => Self::InvalidField,
            _ => return None,
        })
    }

    /// The code of a refusal that somebody else made, by its status.
    pub(in crate::api) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::NOT_ACCEPTABLE => Self::NotAcceptable,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Self::InvalidField,
            status if status.is_client_error() => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }
}
