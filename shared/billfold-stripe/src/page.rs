//! What a list answers: rows that share the answer's one buffer, the cursor of the next page
//! and the moment Stripe answered. Rows stay raw JSON; this module never looks into an object
//! further than its id and its creation time.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ListRequest;
use crate::judge::Flaw;

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    pub rows: Vec<Row>,
    pub has_more: bool,
    /// The id to start the next page after; present exactly when there is more.
    pub next_cursor: Option<String>,
    /// Stripe's clock when it answered: the rows are as of this second.
    pub date: Timestamp,
    /// Requests this page took, counting the ones that were refused or failed.
    pub requests: u32,
    /// Expansions the key may not have, without which the page was read after all.
    pub dropped_expansions: Vec<&'static str>,
}

/// The JSON of one object. Its debug form shows the size only.
#[derive(Clone, PartialEq, Eq)]
pub struct Row(Bytes);

/// What every object has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RowKey {
    pub id: String,
    #[serde(default)]
    pub created: Option<i64>,
}

impl Page {
    /// The request for the next page, if there is one, without the expansions that were
    /// refused.
    pub fn next_request(&self, request: &ListRequest) -> Option<ListRequest> {
        let mut next = request.clone().after(self.next_cursor.clone()?);
        next.expand.retain(|path| !self.dropped_expansions.contains(path));
        Some(next)
    }
}

impl Row {
    pub(crate) const fn whole(body: Bytes) -> Self {
        Self(body)
    }

    /// The JSON text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads the JSON into a type, which may borrow from the row.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// The id, and the creation time where the object has one.
    pub fn key(&self) -> Result<RowKey, serde_json::Error> {
        self.parse()
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({} bytes)", self.0.len())
    }
}

/// The rows of a list's body, without copying them, and the cursor of the next page.
pub(crate) fn read_list(body: &Bytes) -> Result<(Vec<Row>, Option<String>), Flaw> {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow)]
        object: Cow<'a, str>,
        has_more: bool,
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
    }
    let list: List<'_> = serde_json::from_slice(body).map_err(Flaw::of)?;
    if list.object != "list" {
        return Err(Flaw::Shape);
    }
    let rows: Vec<Row> = list.data.iter().map(|raw| Row(body.slice_ref(raw.get().as_bytes()))).collect();
    let cursor = match (list.has_more, rows.last()) {
        (false, _) => None,
        // "More" after an empty page would be asked for again and again, or taken for the end.
        (true, None) => return Err(Flaw::Shape),
        (true, Some(row)) => Some(row.key().map_err(|_| Flaw::Shape)?.id),
    };
    Ok((rows, cursor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endpoint;

    fn read(body: &'static str) -> Result<(Vec<Row>, Option<String>), Flaw> {
        read_list(&Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn rows_share_the_body_and_keep_their_text() {
        let body = Bytes::from_static(
            br#"{"object":"list","url":"/v1/x","has_more":true,"data":[{"id":"a","created":5}, {"id" : "b"}]}"#,
        );
        let (rows, cursor) = read_list(&body).unwrap();
        assert_eq!(rows[0].as_bytes(), br#"{"id":"a","created":5}"#);
        assert_eq!(rows[1].as_bytes(), br#"{"id" : "b"}"#);
        assert_eq!(cursor.as_deref(), Some("b"));
        assert_eq!(rows[0].key().unwrap(), RowKey { id: "a".to_owned(), created: Some(5) });
        assert_eq!(rows[1].key().unwrap().created, None);
        let inside = body.as_ptr_range();
        assert!(inside.contains(&rows[1].as_bytes().as_ptr()), "a row was copied");
    }

    #[test]
    fn a_last_page_has_no_cursor() {
        let (rows, cursor) = read(r#"{"object":"list","has_more":false,"data":[{"id":"a"}]}"#).unwrap();
        assert_eq!((rows.len(), cursor), (1, None));
        let (rows, cursor) = read(r#"{"object":"list","has_more":false,"data":[]}"#).unwrap();
        assert_eq!((rows.len(), cursor), (0, None));
    }

    #[test]
    fn bodies_that_are_no_list_are_told_from_cut_ones() {
        let check = |body, wanted: Flaw| assert_eq!(read(body).unwrap_err(), wanted, "{body}");
        check(r#"{"object":"list","has_more":false,"data":[{"id""#, Flaw::CutShort);
        check("", Flaw::CutShort);
        check("<html>", Flaw::CutShort);
        check("{}", Flaw::Shape);
        check(r#"{"object":"customer","has_more":false,"data":[]}"#, Flaw::Shape);
        check(r#"{"object":"list","has_more":true,"data":[]}"#, Flaw::Shape);
        check(r#"{"object":"list","has_more":true,"data":[{"id":7}]}"#, Flaw::Shape);
    }

    #[test]
    fn the_next_request_moves_on_and_asks_no_refused_expansion_again() {
        let request = ListRequest::new(Endpoint::Prices);
        let mut page = Page {
            rows: Vec::new(),
            has_more: true,
            next_cursor: Some("price_1".to_owned()),
            date: Timestamp::UNIX_EPOCH,
            requests: 1,
            dropped_expansions: vec!["data.tiers"],
        };
        let next = page.next_request(&request).unwrap();
        assert_eq!(next, request.clone().after("price_1").expand(&["data.currency_options"]));
        page.next_cursor = None;
        assert_eq!(page.next_request(&request), None);
    }

    #[test]
    fn debug_shows_no_body() {
        assert_eq!(format!("{:?}", Row::whole(Bytes::from_static(b"secret"))), "Row(6 bytes)");
    }
}
