//! The client: lists, nested lists and single objects of one Stripe account, read with one
//! key. Cheap to clone. It can only read, and its debug form never shows the key.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use crate::backoff::Jitter;
use crate::endpoint::expansion_permission;
use crate::judge::Flaw;
use crate::page::read_list;
use crate::request::{checked_id, with_expansions};
use crate::send::Effort;
use crate::{Budget, Endpoint, ListRequest, Nested, Page, Patience, Route, Row, StripeError, Transport};

/// Reads one Stripe account.
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Transport,
    pub(crate) authorization: HeaderValue,
    pub(crate) budget: Arc<Budget>,
    pub(crate) jitter: Arc<Jitter>,
    pub(crate) patience: Patience,
    pub(crate) deadline: Option<Instant>,
}

/// The key holds characters that cannot be sent, such as line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Stripe API key holds characters that no key has")]
pub struct KeyNotSendable;

/// What Stripe has under an id. `date` is Stripe's clock when it answered.
#[derive(Debug, Clone)]
pub enum Retrieved {
    Found {
        row: Row,
        date: Timestamp,
        /// Expansions the key may not have, without which the object was read after all.
        dropped_expansions: Vec<&'static str>,
    },
    /// The object was deleted; Stripe still knows the id.
    Deleted { date: Timestamp },
    /// Stripe knows no such id.
    Missing { date: Timestamp },
}

/// A good answer, and what it took.
pub(crate) struct Got<T> {
    pub(crate) value: T,
    pub(crate) date: Timestamp,
    pub(crate) requests: u32,
    pub(crate) dropped_expansions: Vec<&'static str>,
}

impl Client {
    /// A client for one key. `budget` is shared by all clients of the same account, and `seed`
    /// spreads the waits between tries.
    pub fn new(
        transport: Transport,
        key: &SecretString,
        budget: Arc<Budget>,
        seed: u64,
    ) -> Result<Self, KeyNotSendable> {
        let bearer = SecretString::from(format!("Bearer {}", key.expose_secret()));
        let mut authorization = HeaderValue::from_str(bearer.expose_secret()).map_err(|_| KeyNotSendable)?;
        authorization.set_sensitive(true);
        Ok(Self {
            transport,
            authorization,
            budget,
            jitter: Arc::new(Jitter::new(seed)),
            patience: Patience::default(),
            deadline: None,
        })
    }

    /// The same client with another patience.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same client, which answers [`StripeError::Unavailable`] rather than wait past the
    /// deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// One page of a list.
    pub async fn list(&self, request: &ListRequest) -> Result<Page, StripeError> {
        let url = request.url(&self.transport.base)?;
        let got = self.get(request.route(), &url, request.expand.clone(), read_list).await;
        let got = got.map_err(|error| cursor_gone(error, request))?;
        let (rows, next_cursor) = got.value;
        Ok(Page {
            rows,
            has_more: next_cursor.is_some(),
            next_cursor,
            date: got.date,
            requests: got.requests,
            dropped_expansions: got.dropped_expansions,
        })
    }

    /// One page of a list inside another object, after the row with the id `starting_after`.
    pub async fn follow(&self, nested: Nested<'_>, starting_after: Option<&str>) -> Result<Page, StripeError> {
        let mut request = ListRequest::nested(nested)?;
        request.starting_after = starting_after.map(str::to_owned);
        self.list(&request).await
    }

    /// One object by id, with the same expansions as in its list.
    pub async fn retrieve(&self, endpoint: Endpoint, id: &str) -> Result<Retrieved, StripeError> {
        let listed = endpoint.expansions().iter();
        self.retrieve_with(endpoint, id, listed.filter_map(|path| path.strip_prefix("data.")).collect()).await
    }

    /// One object by id with its discounts, and with all that Stripe still knows of their coupons. A list cannot say it:
    /// it would be a level too deep.
    pub async fn retrieve_discounted(&self, endpoint: Endpoint, id: &str) -> Result<Retrieved, StripeError> {
        self.retrieve_with(endpoint, id, endpoint.discount_expansions().to_vec()).await
    }

    async fn retrieve_with(
        &self,
        endpoint: Endpoint,
        id: &str,
        expand: Vec<&'static str>,
    ) -> Result<Retrieved, StripeError> {
        let Some(template) = endpoint.one_template() else {
            return Err(StripeError::Misuse("objects of this kind have no address of their own"));
        };
        let url = self.transport.base.route(template, checked_id(id)?);
        match self.get(Route::one(endpoint), &url, expand, read_object).await {
            Ok(Got { value: Object::Deleted, date, .. }) => Ok(Retrieved::Deleted { date }),
            Ok(Got { value: Object::Whole(row), date, dropped_expansions, .. }) => {
                Ok(Retrieved::Found { row, date, dropped_expansions })
            }
            Err(error) => missing(error),
        }
    }

    /// A good answer, if need be without the expansions that the key has no permission for: an
    /// optional permission must not stand in the way of the list itself.
    pub(crate) async fn get<T>(
        &self,
        route: Route,
        url: &Url,
        mut expand: Vec<&'static str>,
        read: fn(&Bytes) -> Result<T, Flaw>,
    ) -> Result<Got<T>, StripeError> {
        let mut effort = Effort::default();
        let mut dropped_expansions = Vec::new();
        loop {
            let expanded = with_expansions(url, &expand);
            match self.send(route, &expanded, &mut effort, read).await {
                Ok((value, date)) => {
                    let requests = effort.requests;
                    return Ok(Got { value, date, requests, dropped_expansions });
                }
                Err(error) => {
                    let dropped = drop_refused(&mut expand, &error);
                    if dropped.is_empty() {
                        return Err(error);
                    }
                    dropped_expansions.extend(dropped);
                }
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.transport.base).finish_non_exhaustive()
    }
}

/// An object's body: the object, or the stub that is left of a deleted one.
pub(crate) enum Object {
    Whole(Row),
    Deleted,
}

pub(crate) fn read_object(body: &Bytes) -> Result<Object, Flaw> {
    #[derive(Deserialize)]
    struct Head {
        deleted: Option<bool>,
        #[serde(rename = "object")]
        _object: String,
    }
    let head: Head = serde_json::from_slice(body).map_err(Flaw::of)?;
    Ok(match head.deleted {
        Some(true) => Object::Deleted,
        Some(false) | None => Object::Whole(Row::whole(body.clone())),
    })
}

/// Takes back the expansions that a refusal is about, and gives them. None if the refusal is
/// about the list itself, or about no permission at all.
fn drop_refused(expand: &mut Vec<&'static str>, error: &StripeError) -> Vec<&'static str> {
    let StripeError::PermissionMissing { permission, endpoint, .. } = error else {
        return Vec::new();
    };
    if permission == endpoint.permission() {
        return Vec::new();
    }
    let mut dropped: Vec<_> = expand.extract_if(.., |path| expansion_permission(path) == Some(permission)).collect();
    if dropped.is_empty() {
        // A permission nobody expected: no expansion is worth failing for.
        dropped.append(expand);
    }
    dropped
}

fn cursor_gone(error: StripeError, request: &ListRequest) -> StripeError {
    let Some(cursor) = &request.starting_after else { return error };
    match error {
        StripeError::BadRequest(rejection)
            if rejection.is_resource_missing()
                && (rejection.param.as_deref() == Some("starting_after")
                    || rejection.message.contains(&format!("'{cursor}'"))) =>
        {
            StripeError::CursorGone
        }
        error => error,
    }
}

fn missing(error: StripeError) -> Result<Retrieved, StripeError> {
    match error {
        StripeError::BadRequest(rejection) if rejection.status == 404 && rejection.is_resource_missing() => {
            match rejection.date {
                Some(date) => Ok(Retrieved::Missing { date }),
                None => Err(StripeError::BadRequest(rejection)),
            }
        }
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(permission: &str) -> StripeError {
        StripeError::PermissionMissing {
            permission: permission.to_owned(),
            endpoint: Endpoint::Subscriptions,
            account: None,
        }
    }

    #[test]
    fn only_the_refused_expansions_are_dropped() {
        let check = |error: StripeError, dropped: &[&str], kept: &[&str]| {
            let mut expand = vec!["data.discounts.source.coupon", "data.latest_invoice"];
            assert_eq!(drop_refused(&mut expand, &error), dropped);
            assert_eq!(expand, kept);
        };
        let (coupon, invoice) = ("data.discounts.source.coupon", "data.latest_invoice");
        check(lacking("rak_coupon_read"), &[coupon], &[invoice]);
        check(lacking("rak_invoice_read"), &[coupon, invoice], &[]);
        check(lacking("rak_subscription_read"), &[], &[coupon, invoice]);
        check(StripeError::InvalidKey, &[], &[coupon, invoice]);
    }

    #[test]
    fn a_stub_is_told_from_an_object() {
        let read = |body: &'static str| read_object(&Bytes::from_static(body.as_bytes()));
        assert!(matches!(read(r#"{"id":"a","object":"customer","deleted":true}"#), Ok(Object::Deleted)));
        assert!(matches!(read(r#"{"id":"a","object":"customer","deleted":null}"#), Ok(Object::Whole(_))));
        assert!(matches!(read(r#"{"id":"a","object":"customer"}"#), Ok(Object::Whole(_))));
        assert!(matches!(read("{}"), Err(Flaw::Shape)));
        assert!(matches!(read(r#"{"id":"a","obj"#), Err(Flaw::CutShort)));
    }

    fn client(key: &str) -> Result<Client, KeyNotSendable> {
        let transport = Transport::new(crate::Base::default()).unwrap();
        let budget = Arc::new(Budget::new(crate::Limits::test(), 0));
        Client::new(transport, &SecretString::from(key.to_owned()), budget, 0)
    }

    #[test]
    fn the_key_is_marked_as_not_to_be_shown() {
        let client = client("rk_test_abc").unwrap();
        assert!(client.authorization.is_sensitive());
        assert!(!format!("{client:?} {:?}", client.authorization).contains("rk_test"));
    }

    #[test]
    fn keys_with_line_breaks_are_refused_without_being_shown() {
        let refused = client("rk_test_abc\r\nX: y").unwrap_err();
        assert!(!format!("{refused:?} {refused}").contains("rk_test"));
    }
}
