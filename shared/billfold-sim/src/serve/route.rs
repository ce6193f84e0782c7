//! Which endpoint a request means, and the permission it needs. It answers nothing.

use crate::expand::{Node, Object};

/// The kinds of object that can be listed and fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Products,
    Prices,
    Customers,
    Subscriptions,
    SubscriptionItems,
    Invoices,
    InvoicePayments,
    Coupons,
    PromotionCodes,
    CreditNotes,
    Charges,
    Refunds,
    Disputes,
    Events,
    WebhookEndpoints,
    ActiveEntitlements,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    List(Resource),
    Get(Resource, String),
    Lines(String),
    Account,
    Balance,
    CreateEndpoint,
    UpdateEndpoint(String),
    DeleteEndpoint(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Method and path with `{id}` for an id: what a rate limit is counted by.
    pub template: String,
    pub call: Call,
    /// Without `rak_`: the resource and how it is touched.
    pub permission: String,
}

impl Resource {
    const ALL: [Self; 16] = [
        Self::Products,
        Self::Prices,
        Self::Customers,
        Self::Subscriptions,
        Self::SubscriptionItems,
        Self::Invoices,
        Self::InvoicePayments,
        Self::Coupons,
        Self::PromotionCodes,
        Self::CreditNotes,
        Self::Charges,
        Self::Refunds,
        Self::Disputes,
        Self::Events,
        Self::WebhookEndpoints,
        Self::ActiveEntitlements,
    ];

    /// Path below `/v1/`, noun of error messages, permission, object.
    const fn facts(self) -> (&'static str, &'static str, &'static str, Object) {
        match self {
            Self::Products => ("products", "product", "product", Object::Product),
            Self::Prices => ("prices", "price", "plan", Object::Price),
            Self::Customers => ("customers", "customer", "customer", Object::Customer),
            Self::Subscriptions => ("subscriptions", "subscription", "subscription", Object::Subscription),
            Self::SubscriptionItems => ("subscription_items", "subscription_item", "subscription", Object::Item),
            Self::Invoices => ("invoices", "invoice", "invoice", Object::Invoice),
            Self::InvoicePayments => ("invoice_payments", "invoice_payment", "invoice", Object::InvoicePayment),
            Self::Coupons => ("coupons", "coupon", "coupon", Object::Coupon),
            Self::PromotionCodes => ("promotion_codes", "promotion code", "coupon", Object::Other),
            Self::CreditNotes => ("credit_notes", "credit note", "credit_note", Object::CreditNote),
            Self::Charges => ("charges", "charge", "charge", Object::Charge),
            Self::Refunds => ("refunds", "refund", "charge", Object::Refund),
            Self::Disputes => ("disputes", "dispute", "dispute", Object::Dispute),
            Self::Events => ("events", "event", "event", Object::Other),
            Self::WebhookEndpoints => ("webhook_endpoints", "webhook endpoint", "webhook", Object::Other),
            Self::ActiveEntitlements => {
                ("entitlements/active_entitlements", "entitlement", "active_entitlement", Object::Other)
            }
        }
    }

    pub fn path(self) -> &'static str {
        self.facts().0
    }

    pub fn noun(self) -> &'static str {
        self.facts().1
    }

    pub fn object(self) -> Object {
        self.facts().3
    }

    fn permission(self) -> &'static str {
        self.facts().2
    }
}

impl Route {
    pub fn of(method: &str, path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v1/")?;
        if method == "GET" {
            return Self::reading(rest);
        }
        let (call, template) = match (method, rest.split_once('/')) {
            ("POST", None) if rest == "webhook_endpoints" => (Call::CreateEndpoint, ""),
            ("POST", Some(("webhook_endpoints", id))) => (Call::UpdateEndpoint(whole(id)?), "/{id}"),
            ("DELETE", Some(("webhook_endpoints", id))) => (Call::DeleteEndpoint(whole(id)?), "/{id}"),
            _ => return None,
        };
        Some(Self {
            template: format!("{method} /v1/webhook_endpoints{template}"),
            call,
            permission: "webhook_write".to_owned(),
        })
    }

    fn reading(rest: &str) -> Option<Self> {
        let route = |template: String, call, permission: &str| {
            Some(Self { template: format!("GET /v1/{template}"), call, permission: format!("{permission}_read") })
        };
        match rest {
            "account" => return route(rest.to_owned(), Call::Account, "accounts_kyc_basic"),
            "balance" => return route(rest.to_owned(), Call::Balance, "balance"),
            _ => {}
        }
        for resource in Resource::ALL {
            let Some(after) = rest.strip_prefix(resource.path()) else {
                continue;
            };
            if after.is_empty() {
                let template = resource.path().to_owned();
                return route(template, Call::List(resource), resource.permission());
            }
            let Some(id) = after.strip_prefix('/') else {
                continue;
            };
            if let (Resource::Invoices, Some(invoice)) = (resource, id.strip_suffix("/lines")) {
                let call = Call::Lines(whole(invoice)?);
                return route("invoices/{id}/lines".to_owned(), call, "invoice");
            }
            let call = Call::Get(resource, whole(id)?);
            return route(format!("{}/{{id}}", resource.path()), call, resource.permission());
        }
        None
    }

    /// From where the paths of `expand[]` start.
    pub fn root(&self) -> Node {
        match &self.call {
            Call::List(resource) => Node::List(resource.object()),
            Call::Get(resource, _) => Node::One(resource.object()),
            Call::Lines(_) => Node::List(Object::Line),
            _ => Node::End,
        }
    }
}

/// An id is one segment that is not empty.
fn whole(id: &str) -> Option<String> {
    (!id.is_empty() && !id.contains('/')).then(|| super::query::decode(id))
}

#[cfg(test)]
mod tests {
    use super::{Call, Resource, Route};

    fn check(method: &str, path: &str, expected: Option<(&str, Call, &str)>) {
        let route = Route::of(method, path);
        let route = route.as_ref();
        let seen = route.map(|r| (r.template.as_str(), r.call.clone(), r.permission.as_str()));
        assert_eq!(seen, expected, "{method} {path}");
    }

    #[test]
    fn requests_find_their_endpoint() {
        let get = |resource, id: &str| Call::Get(resource, id.to_owned());
        check("GET", "/v1/prices", Some(("GET /v1/prices", Call::List(Resource::Prices), "plan_read")));
        check(
            "GET",
            "/v1/subscription_items/si_1",
            Some(("GET /v1/subscription_items/{id}", get(Resource::SubscriptionItems, "si_1"), "subscription_read")),
        );
        check(
            "GET",
            "/v1/invoices/in_1/lines",
            Some(("GET /v1/invoices/{id}/lines", Call::Lines("in_1".to_owned()), "invoice_read")),
        );
        check(
            "GET",
            "/v1/coupons/odd%2033%25",
            Some(("GET /v1/coupons/{id}", get(Resource::Coupons, "odd 33%"), "coupon_read")),
        );
        check("GET", "/v1/account", Some(("GET /v1/account", Call::Account, "accounts_kyc_basic_read")));
        check(
            "POST",
            "/v1/webhook_endpoints",
            Some(("POST /v1/webhook_endpoints", Call::CreateEndpoint, "webhook_write")),
        );
    }

    #[test]
    fn everything_else_is_unknown() {
        for (method, path) in [
            ("GET", "/v1/nothing"),
            ("GET", "/v1/customers/"),
            ("GET", "/v1/customers/cus_1/more"),
            ("POST", "/v1/customers"),
            ("DELETE", "/v1/subscriptions/sub_1"),
            ("GET", "/customers"),
            ("PUT", "/v1/webhook_endpoints/we_1"),
        ] {
            check(method, path, None);
        }
    }
}
