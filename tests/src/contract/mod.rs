//! The OpenAPI document as tests read it.

pub mod markdown;

use serde_json::Value;

/// A route of the document.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// The path, with its parameters in braces.
    pub path: &'a str,
    /// The method, lowercase.
    pub method: &'a str,
    /// What the document says of it.
    pub spec: &'a Value,
}

impl Operation<'_> {
    /// The role that it needs; `None` if it is public.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.spec["security"][0]["token"][0].as_str()
    }

    /// Its parameters in a place (`path`, `query`, `header`).
    pub fn parameters(&self, place: &'static str) -> impl Iterator<Item = &Value> {
        self.spec["parameters"].as_array().into_iter().flatten().filter(move |one| one["in"] == place)
    }
}

/// Every route.
#[must_use]
pub fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |(method, spec)| (path, method, spec)))
        .map(|(path, method, spec)| Operation { path, method, spec })
        .collect()
}
