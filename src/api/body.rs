//! Reads a request's body: its size decided before it is decoded, its faults named by field.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, header},
};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use super::{
    error::{ApiError, Code, pointer, push_token},
    json,
};

/// A payload of 256 KiB, and room for the rest of a job.
pub const SINGLE_LIMIT: usize = (256 + 16) * 1024;
/// A batch in all.
pub const BATCH_LIMIT: usize = 2 * 1024 * 1024;
/// A body that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(15);
/// How much of a body that is too large is still read, so that its sender can hear the answer.
const COURTESY: usize = 2 * 1024 * 1024;

/// Reads the body as text.
pub async fn text(request: Request, limit: usize) -> Result<String, ApiError> {
    let (parts, body) = request.into_parts();
    is_json(&parts.headers)?;
    let read = tokio::time::timeout(PATIENCE, collect(&parts.headers, body, limit)).await;
    let bytes =
        read.map_err(|_| ApiError::new(Code::RequestTimeout, format!("The body did not arrive within {PATIENCE:?}.")))??;
    String::from_utf8(bytes).map_err(|_| ApiError::new(Code::InvalidJson, "The body is not UTF-8."))
}

/// Decodes a text that was inspected before; `T` should deny unknown fields.
pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    // A decoder would take an array for a struct, field by field.
    if text.trim_start().starts_with('[') {
        return Err(ApiError::field(Code::InvalidField, "", "this must be a JSON object, not an array"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        refused(&path, error.into_inner())
    })?;
    reader.end().map_err(|error| refused(".", error))?;
    Ok(value)
}

/// Inspects and decodes.
pub fn parse<T: DeserializeOwned>(text: &str, max_depth: usize) -> Result<T, ApiError> {
    json::inspect(text, max_depth)?;
    decode(text)
}

fn refused(path: &str, error: serde_json::Error) -> ApiError {
    let fault = error.to_string();
    let mut place = pointer(path);
    if !error.is_data() {
        return if place.is_empty() {
            ApiError::new(Code::InvalidJson, fault)
        } else {
            ApiError::field(Code::InvalidJson, place, fault)
        };
    }
    // An unknown or missing field stands in the message; the path ends where it was looked for.
    let named = ["unknown field `", "missing field `"].iter().find_map(|start| fault.strip_prefix(start)?.split('`').next());
    if let Some(name) = named
        && place.rsplit('/').next() != Some(name)
    {
        push_token(&mut place, name);
    }
    if named == Some("queue") {
        let detail = "the queue follows from the kind and can't be chosen; leave `queue` out";
        return ApiError::field(Code::InvalidField, place, detail);
    }
    ApiError::field(Code::InvalidField, place, fault)
}

fn is_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !json {
        return Err(ApiError::header(Code::UnsupportedMediaType, "Content-Type", "Send application/json."));
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => {
            Err(ApiError::header(Code::UnsupportedMediaType, "Content-Encoding", "Send the body uncompressed."))
        }
        _ => Ok(()),
    }
}

async fn collect(headers: &HeaderMap, body: Body, limit: usize) -> Result<Vec<u8>, ApiError> {
    let too_large = || ApiError::new(Code::TooLarge, format!("The body is larger than {} KiB.", limit / 1024));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0_usize);
    if announced > limit + COURTESY {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(announced.min(limit));
    let mut over = announced.saturating_sub(limit);
    let mut seen = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| ApiError::new(Code::InvalidRequest, "The body ended before it was complete."))?;
        seen += chunk.len();
        if over > 0 || seen > limit {
            over = over.max(1);
            bytes = Vec::new();
            if seen > limit + COURTESY {
                break;
            }
            continue;
        }
        bytes.extend_from_slice(&chunk);
    }
    if over > 0 { Err(too_large()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code)]
        name: String,
        #[expect(dead_code)]
        inner: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code)]
        count: i16,
    }

    #[test]
    fn the_wrong_field_is_named() {
        for (text, code, place) in [
            (r#"{}"#, Code::InvalidField, "/name"),
            (r#"{"name":1}"#, Code::InvalidField, "/name"),
            (r#"{"name":"x","queue":"fast"}"#, Code::InvalidField, "/queue"),
            (r#"{"name":"x","inner":[{"count":1},{"count":70000}]}"#, Code::InvalidField, "/inner/1/count"),
            (r#"{"name":"x","inner":[{"count":1,"more":2}]}"#, Code::InvalidField, "/inner/0/more"),
            (r#"{"name":"x","inner":[{"count":1e400000}]}"#, Code::InvalidJson, "/inner/0/count"),
        ] {
            let error = decode::<Sample>(text).expect_err(text);
            assert_eq!(error.code, code, "{text}");
            assert_eq!(error.errors()[0].pointer.as_deref(), Some(place), "{text}");
        }
        for text in ["", "{", "nonsense", r#"{"name":"x"} {}"#, "[1]"] {
            assert!(decode::<Sample>(text).is_err(), "{text} was accepted");
        }
    }
}
