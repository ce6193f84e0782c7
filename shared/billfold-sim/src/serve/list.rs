//! The list endpoints: the filters each knows and what it leaves out unless asked.

use super::page::{self, Page, Paging};
use super::query::{Params, Range};
use super::route::Resource;
use crate::business::Business;
use crate::errors::StripeError;
use crate::ids::{Kind, Part};
use crate::model::{Collection, Idx, InvoiceStatus, PaymentStatus, Row, Subscription, SubscriptionStatus};
use crate::render::Target;

/// Reads the filters from `params` and gives the page they ask for.
pub fn list(
    business: &Business,
    resource: Resource,
    paging: &Paging,
    params: &mut Params,
) -> Result<Page<Target>, StripeError> {
    let asked = Asked { business, resource, paging };
    match resource {
        Resource::Products => asked.products(params),
        Resource::Prices => asked.prices(params),
        Resource::Customers => asked.customers(params),
        Resource::Subscriptions => asked.subscriptions(params),
        Resource::SubscriptionItems => asked.items(params),
        Resource::Invoices => asked.invoices(params),
        Resource::InvoicePayments => asked.payments(params),
        Resource::Coupons => asked.coupons(params),
        Resource::CreditNotes => asked.credit_notes(params),
        Resource::Charges => asked.charges(params),
        Resource::Refunds => asked.refunds(params),
        Resource::Disputes => asked.disputes(params),
        Resource::PromotionCodes => {
            params.ignore(&["active", "code", "coupon", "customer", "customer_account"]);
            params.take_range("created")?;
            asked.none()
        }
        Resource::ActiveEntitlements => {
            let customer = params.take("customer");
            let customer = customer.ok_or_else(|| StripeError::missing_param("customer"))?;
            asked.customer_named(&customer)?;
            asked.none()
        }
        // These two are kept apart from the business and listed by their own modules.
        Resource::Events | Resource::WebhookEndpoints => asked.none(),
    }
}

struct Asked<'a> {
    business: &'a Business,
    resource: Resource,
    paging: &'a Paging,
}

impl Asked<'_> {
    fn none(&self) -> Result<Page<Target>, StripeError> {
        self.paging.resolve::<()>(self.resource.noun(), |_| None)?;
        Ok(Page { rows: Vec::new(), has_more: false })
    }

    fn cursor<T: Row>(&self, table: &crate::model::Table<T>, kind: Kind) -> Result<page::Cursor<Idx>, StripeError> {
        self.paging.resolve(self.resource.noun(), |id| {
            self.business.find(kind, id).filter(|&place| table.get(place).is_some_and(Row::listed))
        })
    }

    fn products(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.products;
        let range = params.take_range("created")?;
        let active = params.take_bool("active")?;
        let ids = params.take_all("ids");
        let url = params.take("url");
        let kind = params.take("type");
        let shippable = params.take_bool("shippable")?;
        let cursor = self.cursor(table, Kind::Product)?;
        let rows = page::of_table(table, self.paging.limit, cursor, range, |place, row| {
            active.is_none_or(|active| row.active == active)
                && (ids.is_empty() || ids.contains(&self.business.id(Kind::Product, place)))
                && url.is_none()
                && kind.as_deref().is_none_or(|kind| kind == "service")
                && shippable != Some(true)
        });
        Ok(targets(rows, Target::Product))
    }

    /// Inline prices are never listed, inactive ones only when asked for.
    fn prices(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.prices;
        let range = params.take_range("created")?;
        let active = params.take_bool("active")?.unwrap_or(true);
        let currency = params.take("currency");
        let product = params.take("product");
        let keys = params.take_all("lookup_keys");
        let interval = params.take("recurring[interval]");
        let usage = params.take("recurring[usage_type]");
        params.ignore(&["recurring[meter]"]);
        let kind = params.take("type");
        let cursor = self.cursor(table, Kind::Price)?;
        let rows = page::of_table(table, self.paging.limit, cursor, range, |_, row| {
            let kept = |wanted: &Option<String>, own: &str| wanted.as_deref().is_none_or(|wanted| wanted == own);
            let own_interval = row.recurring.map_or("", |every| every.interval.name());
            let own_usage = if row.is_metered() { "metered" } else { "licensed" };
            let own_kind = if row.recurring.is_some() { "recurring" } else { "one_time" };
            let own_key = row.lookup_key.as_ref();
            row.active == active
                && kept(&currency, row.currency.code())
                && kept(&product, &self.business.id(Kind::Product, row.product))
                && (keys.is_empty() || own_key.is_some_and(|key| keys.contains(key)))
                && kept(&interval, own_interval)
                && (usage.is_none() || row.recurring.is_some() && kept(&usage, own_usage))
                && kept(&kind, own_kind)
        });
        Ok(targets(rows, Target::Price))
    }

    /// Customers of a test clock appear only when their clock is named.
    fn customers(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.customers;
        let range = params.take_range("created")?;
        let email = params.take("email");
        let clock = params.take("test_clock");
        let cursor = self.cursor(table, Kind::Customer)?;
        let rows = page::of_table(table, self.paging.limit, cursor, range, |place, row| {
            self.on_clock(clock.as_deref(), row.test_clock, place)
                && email.as_ref().is_none_or(|email| row.email.as_ref() == Some(email))
        });
        Ok(targets(rows, Target::Customer))
    }

    fn on_clock(&self, wanted: Option<&str>, has: bool, customer: Idx) -> bool {
        match wanted {
            None => !has,
            Some(id) => has && self.business.ids.number(Part::TestClock, id) == Some(u64::from(customer)),
        }
    }

    fn subscriptions(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.subscriptions;
        let range = params.take_range("created")?;
        let starts = params.take_range("current_period_start")?;
        let ends = params.take_range("current_period_end")?;
        let status = StatusFilter::take(params)?;
        let collection = take_collection(params)?;
        let customer = self.take_customer(params)?;
        let clock = params.take("test_clock");
        let price = params.take("price").or(params.take("plan"));
        let price = price.map(|id| self.business.find(Kind::Price, &id));
        params.ignore(&["automatic_tax[enabled]"]);
        let keep = |row: &Subscription| {
            let period = row.period();
            let priced = |own: Idx| row.items.iter().any(|item| item.price == own);
            status.keeps(row.status)
                && starts.holds(period.start)
                && ends.holds(period.end)
                && collection.is_none_or(|sent| sent == is_sent(row.collection))
                && price.is_none_or(|price| price.is_some_and(priced))
        };
        let cursor = self.cursor(table, Kind::Subscription)?;
        let limit = self.paging.limit;
        let rows = match customer {
            // A customer's own are shown whether on a test clock or not.
            Some(customer) => {
                let own = self.business.customers[customer].subscriptions.clone();
                page::of_rows(table, own, limit, cursor, range, |_, row| keep(row))
            }
            None => page::of_table(table, limit, cursor, range, |_, row| {
                self.on_clock(clock.as_deref(), row.test_clock, row.customer) && keep(row)
            }),
        };
        Ok(targets(rows, Target::Subscription))
    }

    fn items(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let id = params.take("subscription").ok_or_else(|| StripeError::missing_param("subscription"))?;
        let owner = self
            .business
            .find(Kind::Subscription, &id)
            .ok_or_else(|| StripeError::no_such_in("subscription", &id, "subscription"))?;
        let cursor = self.paging.resolve(self.resource.noun(), |id| {
            let (own, at) = self.business.find_item(id)?;
            (own == owner).then_some(at)
        })?;
        let count = self.business.subscriptions[owner].items.len();
        let rows = page::of_parts(count, self.paging.limit, cursor);
        Ok(Page { rows: rows.rows.into_iter().map(|at| Target::Item(owner, at)).collect(), has_more: rows.has_more })
    }

    fn invoices(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.invoices;
        let range = params.take_range("created")?;
        let due = params.take_range("due_date")?;
        let status =
            match params.take("status") {
                None => None,
                Some(name) => Some(InvoiceStatus::parse(&name).ok_or_else(|| {
                    StripeError::invalid_choice("status", "draft, open, paid, uncollectible, or void")
                })?),
            };
        let collection = take_collection(params)?;
        let customer = self.take_customer(params)?;
        let subscription = match params.take("subscription") {
            None => None,
            Some(id) => Some(
                self.business
                    .find(Kind::Subscription, &id)
                    .ok_or_else(|| StripeError::no_such_in("subscription", &id, "subscription"))?,
            ),
        };
        let keep = |row: &crate::model::Invoice| {
            status.is_none_or(|status| row.status == status)
                && (due == Range::ALL || row.due_date.is_some_and(|at| due.holds(at)))
                && collection.is_none_or(|sent| sent == is_sent(row.collection))
                && subscription.is_none_or(|own| row.subscription == Some(own))
        };
        let owner = customer.or(subscription.map(|s| self.business.subscriptions[s].customer));
        let cursor = self.cursor(table, Kind::Invoice)?;
        let limit = self.paging.limit;
        let rows = match owner {
            Some(owner) => {
                let own = self.business.customers[owner].invoices.clone();
                page::of_rows(table, own, limit, cursor, range, |_, row| {
                    customer.is_none_or(|customer| row.customer == customer) && keep(row)
                })
            }
            None => page::of_table(table, limit, cursor, range, |_, row| !row.test_clock && keep(row)),
        };
        Ok(targets(rows, Target::Invoice))
    }

    fn payments(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.payments;
        let range = params.take_range("created")?;
        let invoice = self.take_invoice(params)?;
        params.ignore(&["payment[type]", "payment[payment_record]"]);
        let intent = params.take("payment[payment_intent]");
        let intent = intent.map(|id| self.business.find(Kind::PaymentIntent, &id));
        let status = params.take("status");
        let known = [PaymentStatus::Open, PaymentStatus::Paid, PaymentStatus::Canceled];
        let status = match status {
            None => None,
            Some(name) => Some(
                known
                    .into_iter()
                    .find(|status| status.name() == name)
                    .ok_or_else(|| StripeError::invalid_choice("status", "canceled, open, or paid"))?,
            ),
        };
        let cursor = self.cursor(table, Kind::InvoicePayment)?;
        let keep = |place: Idx, row: &crate::model::InvoicePayment| {
            status.is_none_or(|status| row.status == status) && intent.is_none_or(|intent| intent == Some(place))
        };
        let limit = self.paging.limit;
        let rows = match invoice {
            Some(invoice) => {
                let own = self.business.invoices[invoice].payments.clone();
                page::of_rows(table, own, limit, cursor, range, keep)
            }
            None => page::of_table(table, limit, cursor, range, keep),
        };
        Ok(targets(rows, Target::Payment))
    }

    fn coupons(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.coupons;
        let range = params.take_range("created")?;
        let cursor = self
            .paging
            .resolve(self.resource.noun(), |id| self.business.find_coupon(id).filter(|&place| table[place].listed()))?;
        let rows = page::of_table(table, self.paging.limit, cursor, range, |_, _| true);
        Ok(targets(rows, Target::Coupon))
    }

    fn credit_notes(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.credit_notes;
        let range = params.take_range("created")?;
        let invoice = self.take_invoice(params)?;
        let customer = self.take_customer(params)?;
        let cursor = self.cursor(table, Kind::CreditNote)?;
        let rows = page::of_table(table, self.paging.limit, cursor, range, |_, row| {
            let owner = self.business.invoices[row.invoice].customer;
            invoice.is_none_or(|invoice| row.invoice == invoice) && customer.is_none_or(|customer| owner == customer)
        });
        Ok(targets(rows, Target::CreditNote))
    }

    fn charges(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.charges;
        let range = params.take_range("created")?;
        let customer = self.take_customer(params)?;
        let intent = self.take_intent(params);
        params.ignore(&["transfer_group"]);
        let cursor = self.cursor(table, Kind::Charge)?;
        let rows = page::of_table(table, self.paging.limit, cursor, range, |_, row| {
            customer.is_none_or(|customer| row.customer == customer)
                && intent.is_none_or(|intent| intent == Some(row.payment))
        });
        Ok(targets(rows, Target::Charge))
    }

    fn refunds(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.refunds;
        let range = params.take_range("created")?;
        let charge = self.take_charge(params)?;
        let intent = self.take_intent(params);
        let cursor = self.cursor(table, Kind::Refund)?;
        let rows = page::of_table(table, self.paging.limit, cursor, range, |_, row| {
            let payment = self.business.charges[row.charge].payment;
            charge.is_none_or(|charge| row.charge == charge) && intent.is_none_or(|intent| intent == Some(payment))
        });
        Ok(targets(rows, Target::Refund))
    }

    fn disputes(&self, params: &mut Params) -> Result<Page<Target>, StripeError> {
        let table = &self.business.disputes;
        let range = params.take_range("created")?;
        let charge = self.take_charge(params)?;
        let intent = self.take_intent(params);
        let cursor = self.cursor(table, Kind::Dispute)?;
        let rows = page::of_table(table, self.paging.limit, cursor, range, |_, row| {
            let payment = self.business.charges[row.charge].payment;
            charge.is_none_or(|charge| row.charge == charge) && intent.is_none_or(|intent| intent == Some(payment))
        });
        Ok(targets(rows, Target::Dispute))
    }

    fn customer_named(&self, id: &str) -> Result<Idx, StripeError> {
        self.business.find(Kind::Customer, id).ok_or_else(|| StripeError::no_such_in("customer", id, "customer"))
    }

    fn take_customer(&self, params: &mut Params) -> Result<Option<Idx>, StripeError> {
        params.ignore(&["customer_account"]);
        params.take("customer").map(|id| self.customer_named(&id)).transpose()
    }

    fn take_invoice(&self, params: &mut Params) -> Result<Option<Idx>, StripeError> {
        let Some(id) = params.take("invoice") else {
            return Ok(None);
        };
        let found = self.business.find(Kind::Invoice, &id);
        let found = found.ok_or_else(|| StripeError::no_such_in("invoice", &id, "invoice"))?;
        Ok(Some(found))
    }

    fn take_charge(&self, params: &mut Params) -> Result<Option<Idx>, StripeError> {
        let Some(id) = params.take("charge") else {
            return Ok(None);
        };
        let found = self.business.find(Kind::Charge, &id);
        let found = found.ok_or_else(|| StripeError::no_such_in("charge", &id, "charge"))?;
        Ok(Some(found))
    }

    /// A payment intent; one that does not exist matches nothing.
    fn take_intent(&self, params: &mut Params) -> Option<Option<Idx>> {
        let id = params.take("payment_intent")?;
        Some(self.business.find(Kind::PaymentIntent, &id))
    }
}

fn targets(page: Page<Idx>, make: impl Fn(Idx) -> Target) -> Page<Target> {
    Page { rows: page.rows.into_iter().map(make).collect(), has_more: page.has_more }
}

fn is_sent(collection: Collection) -> bool {
    collection != Collection::Automatic
}

/// `collection_method`: whether it asks for sent invoices.
fn take_collection(params: &mut Params) -> Result<Option<bool>, StripeError> {
    match params.take("collection_method").as_deref() {
        None => Ok(None),
        Some("send_invoice") => Ok(Some(true)),
        Some("charge_automatically") => Ok(Some(false)),
        Some(_) => Err(StripeError::invalid_choice("collection_method", "charge_automatically or send_invoice")),
    }
}

enum StatusFilter {
    /// Without a status everything but what is canceled.
    NotCanceled,
    All,
    Ended,
    Only(SubscriptionStatus),
}

impl StatusFilter {
    fn take(params: &mut Params) -> Result<Self, StripeError> {
        match params.take("status").as_deref() {
            None => Ok(Self::NotCanceled),
            Some("all") => Ok(Self::All),
            Some("ended") => Ok(Self::Ended),
            Some(name) => SubscriptionStatus::parse(name).map(Self::Only).ok_or_else(|| {
                StripeError::invalid_choice(
                    "status",
                    "active, past_due, unpaid, canceled, incomplete, incomplete_expired, \
                     trialing, paused, all, or ended",
                )
            }),
        }
    }

    fn keeps(&self, status: SubscriptionStatus) -> bool {
        match self {
            Self::NotCanceled => status != SubscriptionStatus::Canceled,
            Self::All => true,
            Self::Ended => status.is_ended(),
            Self::Only(only) => status == *only,
        }
    }
}
