//! The documentation page: Swagger UI over our own OpenAPI document, with nothing from anywhere else.
//!
//! Its two files are those of `swagger-ui-dist` 5.35.0 (Apache-2.0, see NOTICE), as gzip makes them of the package's own less
//! the line that names a source map. The page has a policy of its own, which allows what comes from here and nothing that
//! stands in the page itself.

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use super::{
    Api,
    error::{ApiError, Code},
};

const SCRIPT: &[u8] = include_bytes!("docs/swagger-ui-bundle.js.gz");
const STYLE: &[u8] = include_bytes!("docs/swagger-ui.css.gz");
const PAGE: &str = include_str!("docs/page.html");
const START: &str = include_str!("docs/start.js");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/docs`, and what the page needs.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/docs", get(|| async { said("text/html; charset=utf-8", PAGE) }))
        .route("/docs/", get(|| async { Redirect::permanent("/docs") }))
        .route("/docs/start.js", get(|| async { said("text/javascript; charset=utf-8", START) }))
        .route(
            "/docs/swagger-ui.js",
            get(|headers: HeaderMap| async move { packed(&headers, "text/javascript; charset=utf-8", SCRIPT) }),
        )
        .route(
            "/docs/swagger-ui.css",
            get(|headers: HeaderMap| async move { packed(&headers, "text/css; charset=utf-8", STYLE) }),
        )
}

fn headers(media: &'static str) -> [(HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static(media)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ]
}

fn said(media: &'static str, text: &'static str) -> Response {
    (headers(media), text).into_response()
}

/// They are kept packed, and no browser minds.
fn packed(asked: &HeaderMap, media: &'static str, bytes: &'static [u8]) -> Result<Response, ApiError> {
    let mut codings = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).peekable();
    let any = codings.peek().is_none();
    let takes = codings.flat_map(|value| value.split(',')).any(|one| {
        let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
        ["gzip", "*"].contains(&coding.trim()) && weight.trim().trim_start_matches("q=").parse::<f32>() != Ok(0.0)
    });
    if !any && !takes {
        return Err(ApiError::header(Code::NotAcceptable, "Accept-Encoding", "This is kept packed: accept gzip."));
    }
    let coding = [(header::CONTENT_ENCODING, "gzip"), (header::VARY, "accept-encoding")];
    Ok((headers(media), coding, bytes).into_response())
}
