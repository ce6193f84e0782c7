//! Holds real answers against the document: the status must be one that the route has, the body of the kind and shape that
//! are described, with every member that is required and none that is not described.

use super::{Operation, operations};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

/// A judge of answers.
pub struct Judge {
    document: Value,
    validators: Mutex<HashMap<String, Validator>>,
    answered: Mutex<BTreeSet<String>>,
}

impl Judge {
    /// Judges by a document.
    #[must_use]
    pub fn new(mut document: Value) -> Self {
        let schemas = document["components"]["schemas"].clone();
        if let Some(all) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
            for (_, schema) in all {
                *schema = closed(schema, &schemas);
            }
        }
        Self { document, validators: Mutex::default(), answered: Mutex::default() }
    }

    /// What is wrong with an answer; nothing if it is as described. What is no route of the document is answered 404 or
    /// 405 with a problem.
    ///
    /// # Errors
    /// A sentence.
    pub fn judge(&self, method: &str, path: &str, status: u16, kind: &str, body: &Value) -> Result<(), String> {
        let (path, method) = (path.split('?').next().unwrap_or_default(), method.to_lowercase());
        let operations = operations(&self.document);
        let of_path = || operations.iter().filter(|operation| operation.matches(path));
        // A path without parameters is meant before one with.
        let exact = of_path().find(|operation| operation.path == path && operation.method == method);
        let Some(operation) = exact.or_else(|| of_path().find(|operation| operation.method == method)) else {
            let expected = if of_path().next().is_some() { 405 } else { 404 };
            return if status == expected { self.judge_problem(kind, body) } else { Err(format!("{status}")) };
        };
        let responses = &operation.spec["responses"];
        let response = &responses[status.to_string()];
        if response.is_null() {
            return Err(format!("{status} is not described: {body}"));
        }
        if status < 300 {
            let name = format!("{method} {}", operation.path);
            self.answered.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        }
        let Some(content) = response["content"].as_object() else {
            return if body.is_null() { Ok(()) } else { Err(format!("{status} has no body: {body}")) };
        };
        let essence = kind.split(';').next().unwrap_or_default();
        let Some(content) = content.get(essence) else { return Err(format!("{status} is not {kind}: {body}")) };
        self.valid(&format!("{method} {} {status}", operation.path), &content["schema"], body)
    }

    /// The routes that were never answered with success.
    pub fn unanswered(&self) -> Vec<String> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |operation: &Operation<'_>| format!("{} {}", operation.method, operation.path);
        operations(&self.document).iter().map(name).filter(|name| !answered.contains(name)).collect()
    }

    fn judge_problem(&self, kind: &str, body: &Value) -> Result<(), String> {
        if kind != "application/problem+json" {
            return Err(format!("{kind} is no problem: {body}"));
        }
        self.valid("problem", &json!({ "$ref": "#/components/schemas/ProblemDetails" }), body)
    }

    fn valid(&self, name: &str, schema: &Value, body: &Value) -> Result<(), String> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if !validators.contains_key(name) {
            let whole = json!({ "components": self.document["components"], "allOf": [schema] });
            let options =
                jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
            let validator = options.build(&whole).map_err(|error| format!("the schema of {name}: {error}"))?;
            validators.insert(name.to_owned(), validator);
        }
        let errors = validators.get(name).into_iter().flat_map(|validator| validator.iter_errors(body));
        let errors: Vec<String> = errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
        if errors.is_empty() { Ok(()) } else { Err(format!("{name}: {}", errors.join("; "))) }
    }
}

/// A schema that takes no member that it does not describe, at any depth. Parts are taken in, because a part alone would
/// refuse what its sister describes; which members there are may depend on a choice, which the validator keeps account of.
fn closed(schema: &Value, all: &Value) -> Value {
    let mut whole = schema.clone();
    let composed = ["allOf", "oneOf", "anyOf"].iter().any(|key| schema[*key].is_array());
    if schema["allOf"].is_array() {
        whole = opened(schema, all);
        whole["unevaluatedProperties"] = json!(false);
    } else if schema["properties"].is_object() && schema.get("additionalProperties").is_none() && !composed {
        whole["additionalProperties"] = json!(false);
    }
    for (_, property) in whole.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        *property = closed(property, all);
    }
    if let Some(items) = whole.get_mut("items") {
        *items = closed(items, all);
    }
    whole
}

/// A schema with its parts in it and not referred to, as open as they were described.
fn opened(schema: &Value, all: &Value) -> Value {
    let mut whole = schema.clone();
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
        return opened(&all[name], all);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for part in whole.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            *part = opened(part, all);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge() -> Judge {
        let thing = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "integer"}, "at": {"type": ["string", "null"], "format": "date-time"}}});
        let whole = json!({"allOf": [{"$ref": "#/components/schemas/Thing"},
            {"type": "object", "required": ["b"], "properties": {"b": {"type": "string"}}}]});
        let problem = json!({"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}});
        let answer = |name: &str| {
            let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
            json!({ "content": { "application/json": { "schema": schema } } })
        };
        Judge::new(json!({
            "paths": {
                "/things/{id}": { "get": { "responses": { "200": answer("Thing") } } },
                "/things/all": { "get": { "responses": { "200": answer("Whole"), "204": {} } } },
            },
            "components": { "schemas": { "Thing": thing, "Whole": whole, "ProblemDetails": problem } },
        }))
    }

    #[test]
    fn what_is_not_described_is_wrong_and_so_is_what_is_missing() {
        let judge = judge();
        let check = |path: &str, status, body: Value, good: bool| {
            let found = judge.judge("GET", path, status, "application/json", &body);
            assert_eq!(found.is_ok(), good, "{path} {status} {body}: {found:?}");
        };
        check("/things/1", 200, json!({"a": 1}), true);
        check("/things/1?x=y", 200, json!({"a": 1, "at": "2026-11-21T00:00:00Z"}), true);
        check("/things/1", 200, json!({"a": 1, "at": "yesterday"}), false);
        check("/things/1", 200, json!({"a": 1, "more": 1}), false);
        check("/things/1", 200, json!({}), false);
        check("/things/1", 201, json!({"a": 1}), false);
        check("/things/all", 200, json!({"a": 1, "b": "x"}), true);
        check("/things/all", 200, json!({"a": 1}), false);
        check("/things/all", 200, json!({"a": 1, "b": "x", "c": 1}), false);
        check("/things/all", 204, Value::Null, true);
        check("/things/all", 204, json!({}), false);
        assert_eq!(judge.unanswered(), Vec::<String>::new());
    }

    #[test]
    fn members_of_a_choice_are_described_by_the_choice_that_is_made() {
        let all = json!({"Choice": {"oneOf": [
            {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["a"]}, "a": {"type": "integer"}}},
            {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["b"]}}},
        ]}});
        let part = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}});
        let schema = closed(&json!({"allOf": [{"$ref": "#/components/schemas/Choice"}, part]}), &all);
        let validator = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(&schema).unwrap();
        let check = |body: Value, good: bool| assert_eq!(validator.is_valid(&body), good, "{body}");
        check(json!({"id": "x", "kind": "a", "a": 1}), true);
        check(json!({"id": "x", "kind": "b"}), true);
        check(json!({"id": "x", "kind": "b", "a": 1}), false);
        check(json!({"id": "x", "kind": "a", "more": 1}), false);
        check(json!({"kind": "a"}), false);
    }

    #[test]
    fn what_is_nowhere_is_a_problem() {
        let judge = judge();
        let check = |method: &str, path: &str, status, kind: &str, good: bool| {
            let found = judge.judge(method, path, status, kind, &json!({"code": "x"}));
            assert_eq!(found.is_ok(), good, "{method} {path} {status} {kind}: {found:?}");
        };
        check("GET", "/nowhere", 404, "application/problem+json", true);
        check("GET", "/nowhere", 404, "text/plain", false);
        check("GET", "/nowhere", 200, "application/problem+json", false);
        check("PUT", "/things/1", 405, "application/problem+json", true);
        check("PUT", "/things/1", 404, "application/problem+json", false);
        check("GET", "/things/1", 200, "text/plain", false);
        assert_eq!(judge.unanswered(), ["get /things/all"], "even a wrong body was an answer");
    }
}
