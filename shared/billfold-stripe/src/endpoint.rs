//! Every Stripe address Billfold reads, with what is known about it beforehand: the path
//! template, the permission a restricted key needs, the dashboard's word for that permission,
//! and what to expand. It never names an address that writes.

/// A kind of object that Stripe lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    Account,
    Charges,
    Coupons,
    CreditNoteLines,
    CreditNotes,
    Customers,
    Disputes,
    Events,
    InvoiceLines,
    InvoicePayments,
    Invoices,
    Prices,
    Products,
    PromotionCodes,
    Refunds,
    SubscriptionItems,
    Subscriptions,
    WebhookEndpoints,
}

/// Listing and fetching by id are metered apart by Stripe: a method with a route template
/// counts as one endpoint, whatever the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    List,
    One,
}

/// A route template, the unit of the per-endpoint rate budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Route {
    pub endpoint: Endpoint,
    pub form: Form,
}

impl Endpoint {
    /// All endpoints, in the order of the enum.
    pub const ALL: [Self; 18] = [
        Self::Account,
        Self::Charges,
        Self::Coupons,
        Self::CreditNoteLines,
        Self::CreditNotes,
        Self::Customers,
        Self::Disputes,
        Self::Events,
        Self::InvoiceLines,
        Self::InvoicePayments,
        Self::Invoices,
        Self::Prices,
        Self::Products,
        Self::PromotionCodes,
        Self::Refunds,
        Self::SubscriptionItems,
        Self::Subscriptions,
        Self::WebhookEndpoints,
    ];

    /// The permission of a restricted key that opens this endpoint, as keys spell it (`rak_…`).
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Account => "rak_accounts_kyc_basic_read",
            Self::Charges | Self::Refunds => CHARGE_READ,
            Self::Coupons | Self::PromotionCodes => COUPON_READ,
            Self::CreditNotes | Self::CreditNoteLines => "rak_credit_note_read",
            Self::Customers => "rak_customer_read",
            Self::Disputes => "rak_dispute_read",
            Self::Events => "rak_event_read",
            Self::Invoices | Self::InvoiceLines | Self::InvoicePayments => "rak_invoice_read",
            Self::Prices => "rak_plan_read",
            Self::Products => "rak_product_read",
            Self::Subscriptions | Self::SubscriptionItems => "rak_subscription_read",
            Self::WebhookEndpoints => "rak_webhook_read",
        }
    }

    /// What the dashboard's key form calls that permission.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Charges | Self::Refunds => "Charges and Refunds",
            Self::Coupons | Self::PromotionCodes => "Coupons",
            Self::CreditNotes | Self::CreditNoteLines => "Credit notes",
            Self::Customers => "Customers",
            Self::Disputes => "Disputes",
            Self::Events => "Events",
            Self::Invoices | Self::InvoiceLines | Self::InvoicePayments => "Invoices",
            Self::Prices => "Prices",
            Self::Products => "Products",
            Self::Subscriptions | Self::SubscriptionItems => "Subscriptions",
            Self::WebhookEndpoints => "Webhook Endpoints and Event Destinations",
        }
    }

    /// What a list asks Stripe to expand unless the request says otherwise. Stripe allows four
    /// levels, and `data` is the first of them.
    pub const fn expansions(self) -> &'static [&'static str] {
        match self {
            Self::Coupons => &["data.applies_to", "data.currency_options"],
            Self::Customers => &["data.discount.source.coupon"],
            // A refund and a dispute name a payment; the charge knows whose it is, and the invoice which payments are its.
            Self::Disputes | Self::Refunds => &["data.charge"],
            Self::InvoiceLines => &["data.discounts"],
            Self::Invoices => &["data.discounts", "data.payments"],
            Self::Prices => &["data.tiers", "data.currency_options"],
            Self::SubscriptionItems => &["data.discounts.source.coupon"],
            Self::Subscriptions => &["data.discounts.source.coupon", "data.items.data.discounts"],
            Self::Account
            | Self::Charges
            | Self::CreditNoteLines
            | Self::CreditNotes
            | Self::Events
            | Self::InvoicePayments
            | Self::Products
            | Self::PromotionCodes
            | Self::WebhookEndpoints => &[],
        }
    }

    /// What shows the whole coupons of an object's discounts, for the objects that have any.
    pub(crate) const fn discount_expansions(self) -> &'static [&'static str] {
        match self {
            Self::Customers => &["discount.source.coupon.applies_to", "discount.source.coupon.currency_options"],
            Self::Subscriptions | Self::SubscriptionItems => {
                &["discounts.source.coupon.applies_to", "discounts.source.coupon.currency_options"]
            }
            _ => &[],
        }
    }

    /// The address of the list; `{id}` stands for the parent's id.
    pub const fn list_template(self) -> &'static str {
        match self {
            Self::Account => "/v1/account",
            Self::Charges => "/v1/charges",
            Self::Coupons => "/v1/coupons",
            Self::CreditNoteLines => "/v1/credit_notes/{id}/lines",
            Self::CreditNotes => "/v1/credit_notes",
            Self::Customers => "/v1/customers",
            Self::Disputes => "/v1/disputes",
            Self::Events => "/v1/events",
            Self::InvoiceLines => "/v1/invoices/{id}/lines",
            Self::InvoicePayments => "/v1/invoice_payments",
            Self::Invoices => "/v1/invoices",
            Self::Prices => "/v1/prices",
            Self::Products => "/v1/products",
            Self::PromotionCodes => "/v1/promotion_codes",
            Self::Refunds => "/v1/refunds",
            Self::SubscriptionItems => "/v1/subscription_items",
            Self::Subscriptions => "/v1/subscriptions",
            Self::WebhookEndpoints => "/v1/webhook_endpoints",
        }
    }

    /// The address of one object, where it has one of its own.
    pub const fn one_template(self) -> Option<&'static str> {
        Some(match self {
            Self::Account | Self::CreditNoteLines | Self::InvoiceLines => return None,
            Self::Charges => "/v1/charges/{id}",
            Self::Coupons => "/v1/coupons/{id}",
            Self::CreditNotes => "/v1/credit_notes/{id}",
            Self::Customers => "/v1/customers/{id}",
            Self::Disputes => "/v1/disputes/{id}",
            Self::Events => "/v1/events/{id}",
            Self::InvoicePayments => "/v1/invoice_payments/{id}",
            Self::Invoices => "/v1/invoices/{id}",
            Self::Prices => "/v1/prices/{id}",
            Self::Products => "/v1/products/{id}",
            Self::PromotionCodes => "/v1/promotion_codes/{id}",
            Self::Refunds => "/v1/refunds/{id}",
            Self::SubscriptionItems => "/v1/subscription_items/{id}",
            Self::Subscriptions => "/v1/subscriptions/{id}",
            Self::WebhookEndpoints => "/v1/webhook_endpoints/{id}",
        })
    }

    /// The filter that names the parent, for nested lists whose address does not.
    pub(crate) const fn parent_filter(self) -> Option<&'static str> {
        match self {
            Self::SubscriptionItems => Some("subscription"),
            Self::InvoicePayments => Some("invoice"),
            _ => None,
        }
    }

    /// Whether the list's address holds the parent's id.
    pub(crate) fn is_under_parent(self) -> bool {
        self.list_template().contains("{id}")
    }

    /// Finds the list that a path belongs to, and the parent's id where the path has one.
    pub(crate) fn of_list_path(path: &str) -> Option<(Self, Option<&str>)> {
        Self::ALL.into_iter().find_map(|endpoint| {
            let parent = match_template(endpoint.list_template(), path)?;
            Some((endpoint, parent))
        })
    }
}

impl Route {
    pub const fn list(endpoint: Endpoint) -> Self {
        Self { endpoint, form: Form::List }
    }

    pub const fn one(endpoint: Endpoint) -> Self {
        Self { endpoint, form: Form::One }
    }

    /// The template as it appears in logs.
    pub const fn template(self) -> &'static str {
        match (self.form, self.endpoint.one_template()) {
            (Form::One, Some(template)) => template,
            (Form::One, None) | (Form::List, _) => self.endpoint.list_template(),
        }
    }

    /// How many different routes there are.
    pub(crate) const COUNT: usize = Endpoint::ALL.len() * 2;

    /// A dense number for the route, below [`Route::COUNT`].
    pub(crate) const fn index(self) -> usize {
        self.endpoint as usize * 2 + self.form as usize
    }
}

/// The permission an expansion needs beside that of its list, as far as it is known.
pub(crate) fn expansion_permission(expansion: &str) -> Option<&'static str> {
    expansion.split('.').find_map(|part| match part {
        "coupon" | "discount" | "discounts" => Some(COUPON_READ),
        "charge" => Some(CHARGE_READ),
        _ => None,
    })
}

const COUPON_READ: &str = "rak_coupon_read";
const CHARGE_READ: &str = "rak_charge_read";

/// `Some(None)` when the path is the template, `Some(Some(id))` when it fills its `{id}`.
fn match_template<'a>(template: &str, path: &'a str) -> Option<Option<&'a str>> {
    match template.split_once("{id}") {
        None => (template == path).then_some(None),
        Some((before, after)) => {
            let id = path.strip_prefix(before)?.strip_suffix(after)?;
            (!id.is_empty() && !id.contains('/')).then_some(Some(id))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_has_its_own_number_and_every_list_its_own_template() {
        let mut numbers = BTreeSet::new();
        let mut templates = BTreeSet::new();
        for endpoint in Endpoint::ALL {
            for route in [Route::list(endpoint), Route::one(endpoint)] {
                assert!(route.index() < Route::COUNT);
                assert!(numbers.insert(route.index()), "{route:?}");
            }
            assert!(templates.insert(endpoint.list_template()));
        }
        assert_eq!(numbers.len(), Route::COUNT);
    }

    #[test]
    fn a_list_path_is_found_again() {
        for endpoint in Endpoint::ALL {
            let path = endpoint.list_template().replace("{id}", "in_1");
            let parent = endpoint.is_under_parent().then_some("in_1");
            assert_eq!(Endpoint::of_list_path(&path), Some((endpoint, parent)));
        }
    }

    #[test]
    fn other_paths_belong_to_no_list() {
        for path in ["/v1/", "/v1/invoices/in_1", "/v1/invoices//lines", "/v1/invoices/a/b/lines", "/v2/prices"] {
            assert_eq!(Endpoint::of_list_path(path), None, "{path}");
        }
    }

    #[test]
    fn expansions_start_at_the_rows_and_stay_within_four_levels() {
        for endpoint in Endpoint::ALL {
            for expansion in endpoint.expansions() {
                assert!(expansion.starts_with("data."), "{expansion}");
                assert!(expansion.split('.').count() <= 4, "{expansion}");
            }
            assert!(endpoint.discount_expansions().iter().all(|expansion| expansion.split('.').count() <= 4));
        }
    }

    #[test]
    fn only_discounts_and_charges_need_another_permission() {
        let check = |expansion, wanted| assert_eq!(expansion_permission(expansion), wanted, "{expansion}");
        check("data.discounts.source.coupon", Some("rak_coupon_read"));
        check("data.discount.source.coupon", Some("rak_coupon_read"));
        check("data.items.data.discounts", Some("rak_coupon_read"));
        check("data.charge", Some("rak_charge_read"));
        check("data.payments", None);
        check("data.tiers", None);
        check("data.currency_options", None);
        check("data.applies_to", None);
    }
}
