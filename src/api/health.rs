//! Whether this process lives, and whether it should be sent requests. Both answer without a key.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::{
    Api,
    error::{ApiError, Code},
};

/// A database that takes longer to answer is as good as none.
const PATIENCE: Duration = Duration::from_secs(2);

/// `/livez` and `/readyz`.
pub fn routes() -> Router<Api> {
    Router::new().route("/livez", get(livez)).route("/readyz", get(readyz))
}

pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}

async fn livez() -> Response {
    Json(json!({ "status": "alive" })).into_response()
}

async fn readyz(State(api): State<Api>) -> Result<Response, ApiError> {
    if api.draining.is_cancelled() {
        return Err(ApiError::new(Code::NotReady, "This process is stopping."));
    }
    // The guard of the pool asks the database before it hands a connection out.
    match tokio::time::timeout(PATIENCE, api.pool.acquire()).await {
        Ok(Ok(_)) => Ok(Json(json!({ "status": "ready" })).into_response()),
        _ => Err(ApiError::new(Code::NotReady, "The database does not answer.")),
    }
}
