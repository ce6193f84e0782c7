//! `docs/API.md`, written from the OpenAPI document. Says nothing that the document does not say.

use super::{Operation, operations};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const HEAD: &str = "<!-- Written by `cargo xtask api` from the OpenAPI document. Do not edit. -->\n";

/// The page.
///
/// # Errors
/// Never in practice: text is written into text.
pub fn page(document: &Value) -> Result<String, std::fmt::Error> {
    let mut page = String::from(HEAD);
    let info = &document["info"];
    write!(page, "\n# {} API\n\n{}\n\n", text(&info["title"]), text(&info["description"]))?;
    page.push_str("The same as OpenAPI 3.1, for programs: `GET /openapi.json`.\n");
    limits(&mut page, &document["x-limits"])?;
    let mut tags: BTreeMap<&str, Vec<Operation<'_>>> = BTreeMap::new();
    for operation in operations(document) {
        tags.entry(text(&operation.spec["tags"][0])).or_default().push(operation);
    }
    for (tag, operations) in &tags {
        write!(page, "\n## {tag}\n")?;
        for operation in operations {
            describe(&mut page, operation)?;
        }
    }
    page.push_str("\n## Schemas\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        schema_section(&mut page, name, schema)?;
    }
    Ok(page)
}

fn limits(page: &mut String, limits: &Value) -> std::fmt::Result {
    page.push_str("\n## Limits\n\n| limit | value | what is over it |\n|---|---|---|\n");
    for limit in limits.as_array().into_iter().flatten() {
        writeln!(page, "| {} | {} | {} |", text(&limit["what"]), text(&limit["value"]), text(&limit["answer"]))?;
    }
    Ok(())
}

fn describe(page: &mut String, operation: &Operation<'_>) -> std::fmt::Result {
    let (method, spec) = (operation.method.to_uppercase(), operation.spec);
    write!(page, "\n### `{method} {}`\n\n{}.", operation.path, text(&spec["summary"]))?;
    let role = operation.role().map_or_else(|| "Public".to_owned(), |role| format!("Role: `{role}`"));
    writeln!(page, " {role}.")?;
    if let Some(more) = spec["description"].as_str() {
        write!(page, "\n{more}\n")?;
    }
    parameters(page, spec)?;
    for (kind, content) in spec["requestBody"]["content"].as_object().into_iter().flatten() {
        write!(page, "\nBody (`{kind}`): {}\n", type_of(&content["schema"]))?;
    }
    responses(page, spec)
}

/// What is particular to a route as a table; problems that say no more than their status in a line.
fn responses(page: &mut String, spec: &Value) -> std::fmt::Result {
    page.push_str("\n| status | what | body |\n|---|---|---|\n");
    let mut usual = Vec::new();
    for (status, response) in spec["responses"].as_object().into_iter().flatten() {
        if response["x-usual"] == true {
            usual.push(status.as_str());
            continue;
        }
        let bodies: Vec<String> = response["content"].as_object().into_iter().flatten().map(content).collect();
        writeln!(page, "| {status} | {} | {} |", text(&response["description"]), bodies.join(", "))?;
    }
    writeln!(page, "\nAs everywhere: {}.", usual.join(", "))
}

fn content((kind, content): (&String, &Value)) -> String {
    match kind.as_str() {
        "application/json" => type_of(&content["schema"]),
        "application/problem+json" => "problem".to_owned(),
        _ => format!("{} (`{kind}`)", type_of(&content["schema"])),
    }
}

fn parameters(page: &mut String, spec: &Value) -> std::fmt::Result {
    let parameters = spec["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if parameters.is_empty() {
        return Ok(());
    }
    page.push_str("\n| parameter | in | type | |\n|---|---|---|---|\n");
    for one in parameters {
        let required = if one["required"] == true { "" } else { "?" };
        let (name, place, about) = (text(&one["name"]), text(&one["in"]), text(&one["description"]));
        writeln!(page, "| `{name}`{required} | {place} | {} | {about} |", type_of(&one["schema"]))?;
    }
    Ok(())
}

fn schema_section(page: &mut String, name: &str, schema: &Value) -> std::fmt::Result {
    write!(page, "\n### {name}\n\n")?;
    if let Some(about) = schema["description"].as_str() {
        write!(page, "{about}\n\n")?;
    }
    let parts = schema["allOf"].as_array().map_or_else(|| vec![schema], |parts| parts.iter().collect());
    if parts.iter().all(|part| part.get("properties").is_none()) {
        return choices(page, schema);
    }
    for part in &parts {
        if part.get("$ref").is_some() {
            write!(page, "Everything of {}, and:\n\n", type_of(part))?;
        }
    }
    page.push_str("| member | type | |\n|---|---|---|\n");
    for part in parts {
        let required = part["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (member, schema) in part["properties"].as_object().into_iter().flatten() {
            let mark = if required.iter().any(|one| one == member) { "" } else { "?" };
            writeln!(page, "| `{member}`{mark} | {} | {} |", type_of(schema), about(schema))?;
        }
    }
    Ok(())
}

/// A type that is not an object with members: its values, where they are listed, else its type.
fn choices(page: &mut String, schema: &Value) -> std::fmt::Result {
    let Some(choices) = schema["oneOf"].as_array() else { return writeln!(page, "{}", type_of(schema)) };
    for choice in choices {
        writeln!(page, "- {}: {}", type_of(choice), about(choice))?;
    }
    Ok(())
}

/// The description of a schema, or of the part of it that says something.
fn about(schema: &Value) -> String {
    let parts = ["oneOf", "allOf", "anyOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten();
    let found = std::iter::once(schema).chain(parts).find_map(|one| one["description"].as_str());
    found.unwrap_or_default().replace('\n', " ")
}

/// A type in a few words.
fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{}`", text(value))).collect::<Vec<_>>().join(", ");
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[key].as_array() {
            return parts.iter().map(type_of).collect::<Vec<_>>().join(" or ");
        }
    }
    let name = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        Value::String(name) => name.clone(),
        _ => "anything".to_owned(),
    };
    if name.starts_with("array") {
        return name.replacen("array", &format!("list of {}", type_of(&schema["items"])), 1);
    }
    if let Some(values) = schema["additionalProperties"].as_object() {
        return format!("map to {}", type_of(&Value::Object(values.clone())));
    }
    let members: Vec<String> = schema["properties"].as_object().into_iter().flatten().map(member).collect();
    if !members.is_empty() {
        return format!("{{{}}}", members.join(", "));
    }
    format!("{name}{}", range(schema))
}

fn member((name, schema): (&String, &Value)) -> String {
    format!("`{name}`: {}", type_of(schema))
}

fn range(schema: &Value) -> String {
    let names = ["format", "minimum", "maximum", "minLength", "maxLength", "default"];
    let said = |name: &&str| schema.get(*name).map(|value| format!("{name} {}", shown(value)));
    let said: Vec<String> = names.iter().filter_map(said).collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
