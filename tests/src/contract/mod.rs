//! The OpenAPI document as tests read it, and as a judge of real answers.

mod judge;
pub mod markdown;

pub use judge::Judge;

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

    /// The path with something in the place of each parameter.
    #[must_use]
    pub fn path_with(&self, value: impl Fn(&str) -> String) -> String {
        let filled = |part: &str| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')).map(&value);
        self.path.split('/').map(|part| filled(part).unwrap_or_else(|| part.to_owned())).collect::<Vec<_>>().join("/")
    }

    /// Whether a request's path is one of this route's.
    fn matches(&self, path: &str) -> bool {
        let (parts, wanted): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), self.path.split('/').collect());
        parts.len() == wanted.len()
            && parts.iter().zip(wanted).all(|(part, wanted)| wanted.starts_with('{') || *part == wanted)
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
