//! The OpenAPI document: what the handlers' own types say, completed with what is true of every route, so that no handler
//! has to repeat it. A handler names its role (`security`), its parameters, its answers and the problems that are its own.

use super::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use super::once;
use super::problem::Members;
use axum::http::{Method, StatusCode};
use billfold_core::id::EndpointId;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};

/// The name of the security scheme; its scopes are the roles.
const TOKEN: &str = "token";

const DESCRIPTION: &str = "Exact Stripe billing state for every account.\n\n\
    Times are RFC 3339 in UTC. Money is an integer in the minor unit of its currency. Lists are pages: `limit`, and \
    `cursor` with the `next_cursor` of the page before. Every no is `application/problem+json` (RFC 9457) with a stable \
    `code`. A request that changes something may carry an `Idempotency-Key`: sent again with the same key within a day it \
    is answered as the first time, with `Idempotent-Replayed: true`, and happens once. The workspace comes from the token \
    and is never in a path. `member` reads; `admin` also changes; `owner` also erases: the role that a route needs is the \
    scope of its security requirement.";

/// What the document begins with.
pub(super) fn begin() -> OpenApi {
    let mut token = Http::new(HttpAuthScheme::Bearer);
    token.bearer_format = Some("JWT".to_owned());
    let components: Components = ComponentsBuilder::new()
        .schema_from::<Members>()
        .schema_from::<super::FieldError>()
        .schema_from::<EndpointId>()
        .security_scheme(TOKEN, SecurityScheme::Http(token))
        .build();
    let info = InfoBuilder::new().title("Billfold").version(env!("CARGO_PKG_VERSION")).description(Some(DESCRIPTION));
    OpenApiBuilder::new().info(info.build()).components(Some(components)).build()
}

/// The document as it is served.
pub(super) fn text(described: OpenApi) -> String {
    let mut document = serde_json::to_value(described).unwrap_or_default();
    let answered = answered(&document);
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                complete(path, method, operation);
            }
        }
    }
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for (_, schema) in schemas.iter_mut().filter(|(name, _)| answered.contains(*name)) {
            require_nullable(schema);
        }
    }
    unlink(&mut document);
    unsign(&mut document);
    document["x-limits"] = json!(super::limits::told());
    document.to_string()
}

/// Descriptions come from comments, whose links lead into the source.
fn unlink(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("[`") => *text = text.replace("[`", "`").replace("`]", "`"),
        Value::Object(members) => members.values_mut().for_each(unlink),
        Value::Array(values) => values.iter_mut().for_each(unlink),
        _ => {}
    }
}

/// A number that cannot be negative reaches further than the signed format that it is described with.
fn unsign(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.get("minimum").and_then(Value::as_u64) == Some(0) && members.contains_key("format") {
                let narrow = members.remove("format").is_some_and(|format| format == "int32");
                if narrow {
                    members.entry("maximum").or_insert_with(|| json!(u32::MAX));
                }
            }
            members.values_mut().for_each(unsign);
        }
        Value::Array(values) => values.iter_mut().for_each(unsign),
        _ => {}
    }
}

/// What is true of an operation because of what it is.
fn complete(path: &str, method: &str, operation: &mut Value) {
    let role = operation.pointer(&format!("/security/0/{TOKEN}/0")).and_then(Value::as_str).map(str::to_owned);
    let has_body = operation.get("requestBody").is_some();
    let takes_key =
        Method::from_bytes(method.to_ascii_uppercase().as_bytes()).is_ok_and(|method| once::takes_key(&method, path));
    if takes_key {
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_BYTES_MAX,
            "pattern": "^[!-~]+$" });
        let key = json!({ "name": "Idempotency-Key", "in": "header", "required": false, "schema": schema,
            "description": "The request happens once for each key." });
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.push(key),
            None => operation["parameters"] = json!([key]),
        }
    }
    let has_query = operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["in"] == "query"));
    operation["operationId"] = Value::String(operation_id(path, method));
    operation["tags"] = json!([path.trim_start_matches("/v1").split('/').nth(1).unwrap_or_default()]);
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    let keyed = if takes_key { KEYED.as_slice() } else { &[] };
    for status in problems(path, role.as_deref(), has_body, has_query).iter().chain(keyed) {
        responses.entry(status.as_str()).or_insert_with(|| json!({ "x-usual": true }));
    }
    for (status, response) in responses {
        let Ok(status) = status.parse::<StatusCode>() else { continue };
        describe(status, response);
    }
}

/// The problems that a route can have because it takes an idempotency key.
const KEYED: [StatusCode; 3] =
    [StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::SERVICE_UNAVAILABLE];

/// The problems that a route can have because of what it takes.
fn problems(path: &str, role: Option<&str>, has_body: bool, has_query: bool) -> Vec<StatusCode> {
    let of = |applies: bool, statuses: &[StatusCode]| if applies { statuses.to_vec() } else { Vec::new() };
    [
        of(true, &[StatusCode::TOO_MANY_REQUESTS, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::GATEWAY_TIMEOUT]),
        of(role.is_some() || has_body, &[StatusCode::SERVICE_UNAVAILABLE]),
        of(role.is_some(), &[StatusCode::UNAUTHORIZED]),
        of(role.is_some_and(|role| role != "member"), &[StatusCode::FORBIDDEN]),
        of(path.contains('{'), &[StatusCode::NOT_FOUND]),
        of(has_body, &[StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT]),
        of(has_body && role.is_some(), &[StatusCode::UNSUPPORTED_MEDIA_TYPE]),
        of((has_body && role.is_some()) || has_query, &[StatusCode::UNPROCESSABLE_ENTITY]),
    ]
    .concat()
}

/// Puts in what a response does not say of itself.
fn describe(status: StatusCode, response: &mut Value) {
    let is_problem = status.is_client_error() || status.is_server_error();
    if response["description"].as_str().is_none_or(str::is_empty) {
        response["description"] = Value::String(status.canonical_reason().unwrap_or("Answer").to_owned());
    }
    if is_problem && response.get("content").is_none() {
        let schema = json!({ "$ref": "#/components/schemas/ProblemDetails" });
        response["content"] = json!({ "application/problem+json": { "schema": schema } });
    }
    let header = match status {
        StatusCode::UNAUTHORIZED => Some("WWW-Authenticate"),
        StatusCode::TOO_MANY_REQUESTS => Some("Retry-After"),
        _ => None,
    };
    if let Some(name) = header {
        response["headers"] = json!({ name: { "schema": { "type": "string" } } });
    }
}

/// `GET /v1/accounts/{id}/billing` is `get_accounts_id_billing`.
fn operation_id(path: &str, method: &str) -> String {
    let words = path.trim_start_matches("/v1").split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = std::iter::once(method).chain(words.filter(|word| !word.is_empty())).collect();
    words.join("_")
}

/// The schemas that are in answers and in no request.
fn answered(document: &Value) -> BTreeSet<String> {
    let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
    let operations =
        document["paths"].as_object().into_iter().flatten().flat_map(|(_, item)| item.as_object()).flatten();
    for (_, operation) in operations {
        reach(document, &operation["responses"], &mut answered);
        reach(document, &operation["requestBody"], &mut asked);
    }
    reach(document, &json!({ "$ref": "#/components/schemas/ProblemDetails" }), &mut answered);
    &answered - &asked
}

fn reach(document: &Value, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let name =
                members.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/components/schemas/"));
            if let Some(name) = name
                && found.insert(name.to_owned())
            {
                reach(document, &document["components"]["schemas"][name], found);
            }
            members.values().for_each(|member| reach(document, member, found));
        }
        Value::Array(values) => values.iter().for_each(|value| reach(document, value, found)),
        _ => {}
    }
}

/// In an answer a member that may be null is always there; one that may be left out is never null.
fn require_nullable(schema: &mut Value) {
    for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        require_nullable(part);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let nullable: BTreeSet<String> = names(properties);
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    schema["required"] = required.chain(nullable).collect::<BTreeSet<String>>().into_iter().collect();
}

fn names(properties: &Map<String, Value>) -> BTreeSet<String> {
    let null = |one: &Value| one == "null" || one["type"] == "null";
    let is_nullable = |property: &Value| {
        ["type", "oneOf", "anyOf"].iter().any(|key| property[*key].as_array().is_some_and(|all| all.iter().any(null)))
    };
    properties.iter().filter(|(_, property)| is_nullable(property)).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        serde_json::from_str(&text(super::super::described())).unwrap()
    }

    #[test]
    fn every_operation_says_what_it_is_and_needs() {
        let document = document();
        assert_eq!(document["openapi"].as_str().map(|version| &version[..4]), Some("3.1."));
        let mut ids = BTreeSet::new();
        let paths = document["paths"].as_object().unwrap();
        for (path, method, operation) in
            paths.iter().flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(m, o)| (path, m, o)))
        {
            assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 5), "{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
            let security = &operation["security"][0];
            let role = security[TOKEN][0].as_str();
            assert!(
                role.is_some() || *security == json!({}),
                "{method} {path} names neither a role nor that it is public"
            );
            assert_eq!(role.is_some(), operation["responses"].get("401").is_some(), "{method} {path}");
            assert_eq!(role.is_some_and(|role| role != "member"), operation["responses"].get("403").is_some());
        }
        assert!(ids.contains("get_accounts_id_billing"), "{ids:?}");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = BTreeSet::new();
        reach(&document, &document["paths"], &mut found);
        let missing: Vec<_> =
            found.iter().filter(|name| document["components"]["schemas"].get(name).is_none()).collect();
        assert!(found.len() > 20 && missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn members_that_may_be_null_are_always_there_in_answers_and_never_needed_in_requests() {
        let document = document();
        let required = |name: &str, member: &str| {
            let schema = &document["components"]["schemas"][name];
            assert!(!schema.is_null(), "{name}");
            schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == member))
        };
        assert!(required("Card", "error") && required("Card", "status") && required("Run", "finished_at"));
        assert!(!required("ProblemDetails", "run_id") && required("ProblemDetails", "code"));
        assert!(!required("GivenAccount", "id") && required("GivenAccount", "name"));
    }

    #[test]
    fn a_null_that_hides_in_a_part_is_seen() {
        let mut schema = json!({"allOf": [{"type": "object", "properties": {
            "a": {"type": ["string", "null"]},
            "b": {"oneOf": [{"type": "null"}, {"$ref": "#/x"}]},
            "c": {"type": "string"},
        }}]});
        require_nullable(&mut schema);
        assert_eq!(schema["allOf"][0]["required"], json!(["a", "b"]));
    }
}
