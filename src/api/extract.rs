//! What stands in an address: its parameters, each named when it is wrong.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::error::{ApiError, Code};

/// No parameter is longer.
const LONGEST: usize = 2000;
/// No address has more of them: each is held against those before it.
const MOST: usize = 32;
/// Pages are no longer.
pub(super) const LARGEST_PAGE: i64 = 1000;

/// The parameters behind the question mark; `T` should deny unknown ones.
pub struct Asked<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let all = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(all) = all.map_err(|_| ApiError::new(Code::InvalidRequest, "The parameters of the address can't be read."))?;
        if all.len() > MOST {
            return Err(ApiError::new(Code::InvalidRequest, format!("The address has more than {MOST} parameters.")));
        }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::Request;

    use super::*;

    async fn ask(query: &str) -> Result<usize, ApiError> {
        let (mut parts, ()) = Request::builder().uri(format!("/v1/jobs?{query}")).body(()).expect("a request").into_parts();
        Asked::<BTreeMap<String, String>>::from_request_parts(&mut parts, &()).await.map(|Asked(all)| all.len())
    }

    #[tokio::test]
    async fn an_address_has_few_parameters_and_each_once() {
        let many = |count: usize| (0..count).map(|n| format!("p{n}=")).collect::<Vec<_>>().join("&");
        assert_eq!(ask(&many(MOST)).await.ok(), Some(MOST));
        let refused = ask(&many(MOST + 1)).await.expect_err("too many");
        assert!(refused.code == Code::InvalidRequest && refused.errors().is_empty(), "before any is looked at: {refused:?}");
        assert!(ask("a=1&a=2").await.is_err() && ask("a=%00").await.is_err());
        assert!(ask(&format!("a={}", "x".repeat(LONGEST + 1))).await.is_err());
    }
}
