//! Lists: `limit`, and a cursor that is bound to its workspace and its list.

use super::Problem;
use super::limits::{PAGE_ROWS, PAGE_ROWS_MAX};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use billfold_core::id::WorkspaceId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

const SEAL_BYTES: usize = 8;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The rows.
    pub(crate) data: Vec<T>,
    /// What `?cursor=` takes for the next page; null after the last.
    pub(crate) next_cursor: Option<String>,
}

/// What every list takes.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Rows of a page.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    pub(crate) limit: Option<String>,
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

impl PageQuery {
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = &self.limit else { return Ok(PAGE_ROWS) };
        let number = text.parse().ok().filter(|limit| (1..=PAGE_ROWS_MAX).contains(limit));
        number
            .ok_or_else(|| Problem::field("limit", "limit_invalid", format!("limit must be from 1 to {PAGE_ROWS_MAX}")))
    }
}

/// Seals a place in a list of a workspace.
pub(crate) fn seal(ws: &WorkspaceId, list: &str, place: &str) -> String {
    let mut bytes = seal_bytes(ws, list, place.as_bytes()).to_vec();
    bytes.extend_from_slice(place.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Opens a cursor; one of another workspace or another list is refused like any other nonsense.
pub(crate) fn open(ws: &WorkspaceId, list: &str, cursor: &str) -> Result<String, Problem> {
    let invalid = || {
        let detail = "The cursor is not one that this list gave out.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "cursor_invalid", detail)
    };
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let (seal, place) = bytes.split_at_checked(SEAL_BYTES).ok_or_else(invalid)?;
    if seal != seal_bytes(ws, list, place) {
        return Err(invalid());
    }
    String::from_utf8(place.to_vec()).map_err(|_| invalid())
}

/// A cursor, for tests that throw anything at the reading of one.
#[doc(hidden)]
#[must_use]
pub fn cursor_of(ws: &WorkspaceId, list: &str, place: &str) -> String {
    seal(ws, list, place)
}

/// What a cursor leads to; `None` if the list did not give it out.
#[doc(hidden)]
#[must_use]
pub fn place_of(ws: &WorkspaceId, list: &str, cursor: &str) -> Option<String> {
    open(ws, list, cursor).ok()
}

fn seal_bytes(ws: &WorkspaceId, list: &str, place: &[u8]) -> [u8; SEAL_BYTES] {
    let mut hasher = Sha256::new();
    for part in [b"cursor".as_slice(), ws.as_str().as_bytes(), list.as_bytes(), place] {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let mut seal = [0; SEAL_BYTES];
    for (to, from) in seal.iter_mut().zip(digest) {
        *to = from;
    }
    seal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_in_its_own_list_and_workspace_only() {
        let ws = |text: &str| WorkspaceId::new(text).unwrap();
        let cursor = seal(&ws("acme"), "runs", "run_1");
        assert_eq!(open(&ws("acme"), "runs", &cursor).unwrap(), "run_1");
        assert!(open(&ws("other"), "runs", &cursor).is_err());
        assert!(open(&ws("acme"), "accounts", &cursor).is_err());
        for bad in ["", "x", "!!!", "AAAAAAAAAAAA", &cursor[1..]] {
            assert!(open(&ws("acme"), "runs", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_from_one_to_a_hundred() {
        let limit = |text: Option<&str>| PageQuery { limit: text.map(str::to_owned), cursor: None }.limit().ok();
        assert_eq!(limit(None), Some(50));
        assert_eq!(limit(Some("1")), Some(1));
        assert_eq!(limit(Some("100")), Some(100));
        for bad in ["0", "101", "-1", "x", "", "1.5"] {
            assert_eq!(limit(Some(bad)), None, "{bad}");
        }
    }
}
