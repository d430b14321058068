//! What every operation has in common is said of it here, once: headers, 304, and which refusals can't happen to it.

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// Completes the document.
pub(super) fn finish(document: &mut Value) {
    components(document);
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, operations) in paths.into_iter().flatten() {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                complete(path, method, operation);
            }
        }
    }
}

fn complete(path: &str, method: &str, operation: &mut Object) {
    let has_body = operation.contains_key("requestBody");
    let never_shed = path.ends_with("/cancel");
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    let impossible = |status: &str| match status {
        // Only a body can be too large, too slow, or of the wrong kind.
        "408" | "413" | "415" => !has_body,
        "404" => !path.contains('{'),
        "409" | "422" => method == "get",
        "429" => never_shed,
        _ => false,
    };
    responses.retain(|status, _| !impossible(status));
    let polled =
        method == "get" && responses.get("200").is_some_and(|found| found.pointer("/content/application~1json").is_some());
    if polled {
        responses.insert("304".into(), json!({ "description": "The caller has it already: `If-None-Match` named this ETag" }));
    }
    for (status, response) in responses.iter_mut() {
        let Some(response) = response.as_object_mut() else { continue };
        let headers = response.entry("headers").or_insert_with(|| json!({}));
        let Some(headers) = headers.as_object_mut() else { continue };
        let mut add = |name: &str| headers.insert(name.into(), json!({ "$ref": format!("#/components/headers/{name}") }));
        add("X-Request-Id");
        if !never_shed && status != "401" {
            for name in ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "RateLimit"] {
                add(name);
            }
        }
        if polled && ["200", "304"].contains(&status.as_str()) {
            add("ETag");
        }
        if ["429", "503"].contains(&status.as_str()) {
            add("Retry-After");
        }
        if status == "401" {
            add("WWW-Authenticate");
        }
    }
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    let Some(parameters) = parameters.as_array_mut() else { return };
    parameters.push(json!({ "$ref": "#/components/parameters/X-Request-Id" }));
    if polled {
        parameters.push(json!({ "$ref": "#/components/parameters/If-None-Match" }));
    }
}

fn components(document: &mut Value) {
    let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) else { return };
    let header = |description: &str, schema: Value| json!({ "description": description, "schema": schema });
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    components.insert(
        "headers".into(),
        json!({
            "X-Request-Id": header("Names the request in our logs: the caller's own id where it sent one", text.clone()),
            "ETag": header("Names how it looks; send it back as `If-None-Match`", text.clone()),
            "Retry-After": header("Seconds after which another try makes sense", number.clone()),
            "WWW-Authenticate": header("`Bearer`", text.clone()),
            "RateLimit-Limit": header("Requests that this process gives the key at once", number.clone()),
            "RateLimit-Remaining": header("So many of them are left", number.clone()),
            "RateLimit-Reset": header("Seconds until all of them are there again", number),
            "RateLimit-Policy": header("The same as the IETF's draft 10 writes it: `\"key\";q=2000;w=2`", text.clone()),
            "RateLimit": header("What is left, as the IETF's draft 10 writes it: `\"key\";r=1999;t=1`", text),
        }),
    );
    components.insert(
        "parameters".into(),
        json!({
            "X-Request-Id": {
                "name": "X-Request-Id", "in": "header", "required": false,
                "description": "Names the request, and the jobs it causes, in our logs; others than of this form are replaced",
                "schema": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9_.:/+=@-]+$" },
            },
            "If-None-Match": {
                "name": "If-None-Match", "in": "header", "required": false,
                "description": "ETags that the caller has", "schema": { "type": "string", "maxLength": 1000 },
            },
        }),
    );
    let example = json!({
        "type": "urn:longshore:problem:invalid_payload",
        "title": "The payload could never run",
        "status": 422,
        "detail": "missing field `lead_id`",
        "code": "invalid_payload",
        "error_id": "err_1f0c5a7f3b2d4e6a8c90",
        "errors": [{ "pointer": "/payload/lead_id", "detail": "missing field `lead_id`" }],
    });
    if let Some(problem) = components.get_mut("schemas").and_then(|all| all.get_mut("Problem")).and_then(Value::as_object_mut) {
        problem.insert("examples".into(), json!([example]));
    }
}
