//! What stands in an address: its parameters, each named when it is wrong.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::error::{ApiError, Code};

/// No parameter is longer.
const LONGEST: usize = 2000;
/// Pages are no longer.
pub(super) const LARGEST_PAGE: i64 = 1000;

/// The parameters behind the question mark; `T` should deny unknown ones.
pub struct Asked<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let all = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(all) = all.map_err(|_| ApiError::new(Code::InvalidRequest, "The parameters of the address can't be read."))?;
        let wrong = |name: &str, why: &str| Err(ApiError::parameter(name, why));
        for (at, (name, value)) in all.iter().enumerate() {
            if value.contains('\0') {
                return wrong(name, "it holds a NUL character, which no value has");
            }
            if value.len() > LONGEST {
                return wrong(name, "it is longer than 2000 bytes");
            }
            if all[..at].iter().any(|(other, _)| other == name) {
                return wrong(name, "it is given twice");
            }
        }
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => {
                let said = rejection.body_text();
                let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(&said);
                let unknown = said.split("unknown field `").nth(1).and_then(|rest| rest.split('`').next());
                let missing = said.split("missing field `").nth(1).and_then(|rest| rest.split('`').next());
                match (unknown.or(missing), said.split_once(": ")) {
                    (Some(name), _) => wrong(name, said),
                    (None, Some((name, why))) if all.iter().any(|(known, _)| known == name) => wrong(name, why),
                    _ => Err(ApiError::new(Code::InvalidRequest, said)),
                }
            }
        }
    }
}

/// How many a page has at most.
pub(super) fn page_limit(limit: i64) -> Result<i64, ApiError> {
    if (1..=LARGEST_PAGE).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::parameter("limit", "a page has 1 to 1,000 of them"))
    }
}

/// An empty value is none: `?kind=`.
pub(super) fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}
