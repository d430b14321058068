//! The OpenAPI document: generated from the handlers, served as it is.

mod finish;

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{
    IntoResponses, OpenApi, PartialSchema as _, ToSchema as _,
    openapi::{
        ComponentsBuilder, ContentBuilder, InfoBuilder, Ref, RefOr, ResponseBuilder,
        response::Response as Documented,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::error::{FieldError, Problem};

/// What every operation may refuse with.
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let said = [
            ("400", "The request is not JSON, or can't be understood"),
            ("401", "No valid API key"),
            ("403", "The key may not do this"),
            ("404", "Not there, or another team's"),
            ("408", "The body arrived too slowly"),
            ("409", "Ended or settled already, in use, or not approved yet"),
            ("413", "Too large"),
            ("415", "Not JSON"),
            ("422", "A field is wrong; `errors` names it"),
            ("429", "More requests than the key's rate allows, or over a limit; see Retry-After"),
            ("500", "Our failure; quote the error id"),
            ("503", "Busy; see Retry-After"),
        ];
        let problem = || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        said.into_iter()
            .map(|(status, text)| {
                let response = ResponseBuilder::new().description(text).content("application/problem+json", problem());
                (status.to_owned(), response.build().into())
            })
            .collect()
    }
}

#[derive(OpenApi)]
#[openapi(tags(
    (name = "jobs", description = "Put jobs in, look at them, cancel them"),
    (name = "batches", description = "Jobs that belong together"),
    (name = "queues", description = "What the team has in each queue"),
    (name = "dead", description = "Jobs that ended dead: look at them, replay them, one by one or as a plan"),
    (name = "campaigns", description = "Campaigns: who is in them, what leaves when, what became of it (docs/CAMPAIGNS.md)"),
    (name = "settings", description = "What the team has set, the flags it has, and what it may have"),
    (name = "approvals", description = "What messages say: texts that a model writes, and messages that a person looks at first (docs/CONTENT.md)"),
    (name = "people", description = "What a team knows of a person: erased, or handed over"),
    (name = "audit", description = "What somebody with power did for the team or to it"),
    (name = "schedules", description = "Jobs that come back by the clock: set them, hold them, run them now, take them away"),
    (name = "keys", description = "The team's own API keys: look at them, make them, replace them, end them (scope `admin`)"),
    (name = "webhooks", description = "Where the team's events go to, and what became of each (docs/WEBHOOKS.md)"),
))]
struct Base;

/// The document before the routes.
pub(super) fn base() -> utoipa::openapi::OpenApi {
    let mut document = Base::openapi();
    document.info = InfoBuilder::new()
        .title("Longshore")
        .version("1")
        .description(Some(
            "Durable jobs for multi-tenant outreach. The team comes from the API key. Every refusal is \
             application/problem+json (RFC 9457) with a code for programs and an error id for people. Reads that are polled have \
             an ETag. docs/API.md has the bounds.",
        ))
        .build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("lsk_live_<id>_<secret>_<checksum>")
        .description(Some("An API key of the team (`longshore keys create`). An operation names the scope that the key needs."))
        .build();
    document.components = Some(
        ComponentsBuilder::new()
            .schema(Problem::name(), Problem::schema())
            .schema(FieldError::name(), FieldError::schema())
            .security_scheme("key", SecurityScheme::Http(bearer))
            .build(),
    );
    document
}

/// The document as text.
pub(super) fn render(document: utoipa::openapi::OpenApi) -> Bytes {
    // Through a value, so that its fields have one order; it is built at start, once.
    let mut value = serde_json::to_value(document).unwrap_or_default();
    finish::finish(&mut value);
    format!("{value:#}").into()
}

/// The document of this build, without a server.
pub fn document() -> String {
    let (_, document) = super::documented().split_for_parts();
    String::from_utf8_lossy(&render(document)).into_owned()
}

pub(super) async fn answer(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}
