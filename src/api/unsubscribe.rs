//! The way out that stands in each mail (RFC 8058). The link is the credential: 128 random bits, of which a digest is kept.
//!
//! Looking at the link changes nothing, because mail servers look at links before people do; the button on its page, and the
//! one click of a mail program, post to it.

use axum::{
    Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use longshore_workers::{
    db,
    messages::email::{UNSUBSCRIBE_PATH, opt_out},
};
use tracing::info;

use super::{
    Api,
    error::{ApiError, Code},
};

/// Where the links lead, as a route.
pub const ROUTE: &str = "/v1/unsubscribe/{token}";

/// The page asks nothing of anybody, and its button comes back here.
const POLICY: &str = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The routes. To be merged under the conventions of the API.
pub fn routes() -> Router<Api> {
    debug_assert!(ROUTE.starts_with(UNSUBSCRIBE_PATH));
    Router::new().route(ROUTE, get(ask).post(leave))
}

async fn ask(State(api): State<Api>, Path(token): Path<String>) -> Result<Response, ApiError> {
    let mut tx = db::begin(&api.reserve).await?;
    let found = match bytes(&token) {
        Some(token) => opt_out::of_link(&mut tx, &token).await?,
        None => None,
    };
    tx.commit().await?;
    found.ok_or_else(unknown)?;
    Ok(page("<p>Do you want no more messages?</p><form method=\"post\"><button>Unsubscribe</button></form>"))
}

async fn leave(State(api): State<Api>, Path(token): Path<String>) -> Result<Response, ApiError> {
    let token = bytes(&token).ok_or_else(unknown)?;
    // In a task of its own: a caller that goes away has still left.
    let left = tokio::spawn(async move {
        let mut tx = db::begin(&api.reserve).await?;
        let (team, message) = opt_out::of_link(&mut tx, &token).await?.ok_or_else(unknown)?;
        db::act_as(&mut tx, team).await?;
        let stopped = opt_out::unsubscribe(&mut tx, team, message).await?;
        tx.commit().await?;
        info!(team.id = %team, message, stopped = stopped.messages, "somebody unsubscribed");
        Ok::<_, ApiError>(())
    });
    left.await.map_err(ApiError::internal)??;
    Ok(page("<p>You get no more messages from us.</p>"))
}

fn bytes(token: &str) -> Option<Vec<u8>> {
    hex::decode(token).ok().filter(|bytes| bytes.len() == 16)
}

fn unknown() -> ApiError {
    ApiError::new(Code::NotFound, "This link is not one of ours. Use the one in the last message that you got.")
}

fn page(words: &str) -> Response {
    let text = format!("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Unsubscribe</title>{words}</html>");
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_of_ours_is_looked_up() {
        assert_eq!(bytes(&"ab".repeat(16)).map(|bytes| bytes.len()), Some(16));
        for wrong in ["", "ab", "zz".repeat(16).as_str(), "ab".repeat(17).as_str()] {
            assert_eq!(bytes(wrong), None);
        }
    }
}
