//! What to ask of a list: bounds, cursor, filters and expansions, and how they are spelled in a
//! URL. It knows Stripe's spelling and never sends anything.

use std::borrow::Cow;

use reqwest::Url;

use crate::{Base, Endpoint, Route, StripeError};

/// One page of one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest {
    pub endpoint: Endpoint,
    /// The parent's id, for lists whose address holds it.
    pub parent: Option<String>,
    pub created: Created,
    /// The id of the last row already read.
    pub starting_after: Option<String>,
    /// Rows a page, 1 to 100.
    pub limit: u8,
    pub filters: Vec<(Cow<'static, str>, String)>,
    /// Paths to expand, beginning with `data.`.
    pub expand: Vec<&'static str>,
}

/// Bounds on the creation time, in Unix seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Created {
    pub gt: Option<i64>,
    pub gte: Option<i64>,
    pub lt: Option<i64>,
    pub lte: Option<i64>,
}

/// A list inside another object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nested<'a> {
    /// The `url` that came with the list. Only its path and its filters are used.
    Url(&'a str),
    Of {
        endpoint: Endpoint,
        parent: &'a str,
    },
}

impl ListRequest {
    /// The first page of the whole list, 100 rows, with the endpoint's expansions.
    /// Subscriptions are asked for in every status, since Stripe hides canceled ones otherwise.
    pub fn new(endpoint: Endpoint) -> Self {
        let request = Self {
            endpoint,
            parent: None,
            created: Created::default(),
            starting_after: None,
            limit: 100,
            filters: Vec::new(),
            expand: endpoint.expansions().to_vec(),
        };
        match endpoint {
            Endpoint::Subscriptions => request.filter("status", "all"),
            _ => request,
        }
    }

    /// The first page of a nested list.
    pub fn nested(nested: Nested<'_>) -> Result<Self, StripeError> {
        match nested {
            Nested::Of { endpoint, parent } => Self::of_parent(endpoint, parent),
            Nested::Url(url) => Self::of_url(url),
        }
    }

    /// Only rows created within the bounds.
    #[must_use]
    pub fn created(mut self, created: Created) -> Self {
        self.created = created;
        self
    }

    /// The page after the row with this id.
    #[must_use]
    pub fn after(mut self, id: impl Into<String>) -> Self {
        self.starting_after = Some(id.into());
        self
    }

    /// Pages of another size.
    #[must_use]
    pub fn limit(mut self, limit: u8) -> Self {
        self.limit = limit;
        self
    }

    /// Sets a filter. A name that ends in `[]` may be set several times; any other replaces
    /// what it was before.
    #[must_use]
    pub fn filter(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        let name = name.into();
        if !name.ends_with("[]") {
            self.filters.retain(|(other, _)| *other != name);
        }
        self.filters.push((name, value.into()));
        self
    }

    /// Other expansions than the endpoint's own.
    #[must_use]
    pub fn expand(mut self, paths: &[&'static str]) -> Self {
        self.expand = paths.to_vec();
        self
    }

    pub(crate) fn route(&self) -> Route {
        Route::list(self.endpoint)
    }

    /// The URL without its expansions, which the client may have to take back.
    pub(crate) fn url(&self, base: &Base) -> Result<Url, StripeError> {
        let parent = match (&self.parent, self.endpoint.is_under_parent()) {
            (Some(parent), true) => checked_id(parent)?,
            (None, true) => return Err(StripeError::Misuse("this list needs the id of its parent")),
            (_, false) => "",
        };
        if !(1..=100).contains(&self.limit) {
            return Err(StripeError::Misuse("a page holds 1 to 100 rows"));
        }
        let mut url = base.route(self.endpoint.list_template(), parent);
        let mut query = url.query_pairs_mut();
        query.append_pair("limit", &self.limit.to_string());
        for (name, bound) in self.created.bounds() {
            query.append_pair(name, &bound.to_string());
        }
        for (name, value) in &self.filters {
            query.append_pair(name, value);
        }
        if let Some(id) = &self.starting_after {
            query.append_pair("starting_after", checked_id(id)?);
        }
        drop(query);
        Ok(url)
    }

    fn of_parent(endpoint: Endpoint, parent: &str) -> Result<Self, StripeError> {
        let request = Self::new(endpoint);
        match endpoint.parent_filter() {
            Some(filter) => Ok(request.filter(filter, parent)),
            None if endpoint.is_under_parent() => Ok(Self { parent: Some(parent.to_owned()), ..request }),
            None => Err(StripeError::Misuse("this list is not nested in another object")),
        }
    }

    /// Trusts a URL out of a body no further than a known path on the host already spoken to.
    fn of_url(text: &str) -> Result<Self, StripeError> {
        const FOREIGN: StripeError = StripeError::Misuse("a nested list's url is not one of Stripe's lists");
        if !text.starts_with("/v1/") {
            return Err(FOREIGN);
        }
        let url = Base::default().join_path(text).ok_or(FOREIGN)?;
        let (endpoint, parent) = Endpoint::of_list_path(url.path()).ok_or(FOREIGN)?;
        if parent.is_some_and(|id| id.contains('%')) {
            return Err(FOREIGN);
        }
        let request = Self { parent: parent.map(str::to_owned), ..Self::new(endpoint) };
        let pages = ["limit", "starting_after", "ending_before"];
        Ok(url
            .query_pairs()
            .filter(|(name, _)| !pages.contains(&&**name) && !name.starts_with("expand"))
            .fold(request, |request, (name, value)| request.filter(name.into_owned(), value)))
    }
}

impl Created {
    /// From `start` (included) to `end` (excluded).
    pub const fn between(start: i64, end: i64) -> Self {
        Self { gt: None, gte: Some(start), lt: Some(end), lte: None }
    }

    fn bounds(self) -> impl Iterator<Item = (&'static str, i64)> {
        [("created[gt]", self.gt), ("created[gte]", self.gte), ("created[lt]", self.lt), ("created[lte]", self.lte)]
            .into_iter()
            .filter_map(|(name, bound)| Some((name, bound?)))
    }
}

/// Adds `expand[]` for each path.
pub(crate) fn with_expansions(url: &Url, paths: &[&str]) -> Url {
    let mut url = url.clone();
    if !paths.is_empty() {
        url.query_pairs_mut().extend_pairs(paths.iter().map(|path| ("expand[]", path)));
    }
    url
}

/// Stripe's ids are opaque and at most 255 characters; dots alone would change the path.
pub(crate) fn checked_id(id: &str) -> Result<&str, StripeError> {
    if matches!(id, "" | "." | "..") || id.len() > 255 {
        return Err(StripeError::Misuse("an id of a Stripe object is 1 to 255 characters"));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(request: &ListRequest) -> String {
        let url = request.url(&Base::default()).unwrap();
        let url = with_expansions(&url, &request.expand);
        let query: Vec<String> = url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", url.path(), query.join("&"))
    }

    #[test]
    fn a_request_is_spelled_the_way_stripe_reads_it() {
        let check = |request: ListRequest, wanted: &str| assert_eq!(spelled(&request), wanted);
        check(ListRequest::new(Endpoint::Products), "/v1/products limit=100");
        check(
            ListRequest::new(Endpoint::Prices).filter("active", "false").after("price_9"),
            "/v1/prices limit=100&active=false&starting_after=price_9&expand[]=data.tiers&expand[]=data.currency_options",
        );
        check(
            ListRequest::new(Endpoint::Invoices).expand(&[]).limit(7).created(Created::between(10, 20)),
            "/v1/invoices limit=7&created[gte]=10&created[lt]=20",
        );
        let bounds = Created { gt: Some(-1), lte: Some(5), ..Created::default() };
        check(
            ListRequest::new(Endpoint::Events).created(bounds).filter("types[]", "a.*").filter("types[]", "b"),
            "/v1/events limit=100&created[gt]=-1&created[lte]=5&types[]=a.*&types[]=b",
        );
    }

    #[test]
    fn subscriptions_come_in_every_status_unless_one_is_named() {
        let all = ListRequest::new(Endpoint::Subscriptions).expand(&[]);
        assert_eq!(spelled(&all), "/v1/subscriptions limit=100&status=all");
        assert_eq!(spelled(&all.filter("status", "ended")), "/v1/subscriptions limit=100&status=ended");
    }

    #[test]
    fn nested_lists_are_found_by_url_or_by_parent() {
        let check = |nested, wanted: &str| {
            let request = ListRequest::nested(nested).unwrap().expand(&[]);
            assert_eq!(spelled(&request), wanted);
        };
        let of = |endpoint, parent| Nested::Of { endpoint, parent };
        check(Nested::Url("/v1/invoices/in_1/lines"), "/v1/invoices/in_1/lines limit=100");
        check(of(Endpoint::InvoiceLines, "in_1"), "/v1/invoices/in_1/lines limit=100");
        check(of(Endpoint::CreditNoteLines, "a/b"), "/v1/credit_notes/a%2Fb/lines limit=100");
        let items = "/v1/subscription_items limit=100&subscription=sub_1";
        check(Nested::Url("/v1/subscription_items?subscription=sub_1"), items);
        check(Nested::Url("/v1/subscription_items?limit=3&subscription=sub_1&starting_after=si_1&expand[]=x"), items);
        check(of(Endpoint::SubscriptionItems, "sub_1"), items);
    }

    #[test]
    fn urls_that_lead_elsewhere_are_refused() {
        for url in [
            "",
            "https://evil.example/v1/invoices/in_1/lines",
            "//evil.example/v1/invoices/in_1/lines",
            "https://api.stripe.com/v1/invoices/in_1/lines",
            "v1/invoices/in_1/lines",
            "/v1/../v1x/invoices",
            "/v1/unknown",
            "/v1/invoices/in_1",
            "/v1/invoices/%2e%2e/lines",
            "/v1/invoices/a%2Fb/lines",
            "/v2/invoices",
        ] {
            let refused = ListRequest::nested(Nested::Url(url));
            assert!(matches!(refused, Err(StripeError::Misuse(_))), "{url}: {refused:?}");
        }
    }

    #[test]
    fn a_list_that_cannot_be_spelled_is_refused_before_it_is_sent() {
        let misused = |request: ListRequest| {
            assert!(matches!(request.url(&Base::default()), Err(StripeError::Misuse(_))), "{request:?}");
        };
        misused(ListRequest::new(Endpoint::InvoiceLines));
        misused(ListRequest::new(Endpoint::Prices).limit(0));
        misused(ListRequest::new(Endpoint::Prices).limit(101));
        misused(ListRequest { parent: Some("..".to_owned()), ..ListRequest::new(Endpoint::InvoiceLines) });
        misused(ListRequest::new(Endpoint::Prices).after(""));
        misused(ListRequest::new(Endpoint::Prices).after("x".repeat(256)));
        let flat = Nested::Of { endpoint: Endpoint::Products, parent: "x" };
        assert!(matches!(ListRequest::nested(flat), Err(StripeError::Misuse(_))));
    }
}
