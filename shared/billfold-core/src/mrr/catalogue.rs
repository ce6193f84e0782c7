//! What is sold, by id: completes what Stripe leaves out of a subscription's payload (tiers, other currencies, the
//! products that a coupon is limited to).
//!
//! It never overrides what a payload carried: an item's own price is what the customer was sold.

use crate::facts::{AppliedDiscount, Coupon, Discount, Fact, Price};
use crate::id::{CouponId, DiscountId, PriceId, ProductId};
use foldhash::HashMap;

/// Prices, coupons, product names and whole discounts, by id. Each subscription looks up several, so the hash is a fast
/// one; the ids are the merchant's own.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    prices: HashMap<PriceId, Price>,
    coupons: HashMap<CouponId, Coupon>,
    product_names: HashMap<ProductId, String>,
    discounts: HashMap<DiscountId, Discount>,
}

impl Catalogue {
    /// Takes products, prices and coupons, and the whole discounts of customers and subscriptions, so that a discount
    /// which another payload only names can be completed. Invoices are passed over.
    #[must_use]
    pub fn from_facts(facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut catalogue = Self::default();
        for fact in facts {
            catalogue.add(fact);
        }
        catalogue
    }

    /// Adds one fact, replacing what was known under its id.
    pub fn add(&mut self, fact: Fact) {
        match fact {
            Fact::Product(product) => {
                self.product_names.insert(product.id, product.name);
            }
            Fact::Price(price) => {
                self.prices.insert(price.id.clone(), *price);
            }
            Fact::Coupon(coupon) => {
                self.coupons.insert(coupon.id.clone(), *coupon);
            }
            Fact::Customer(customer) => self.add_discounts(customer.discount),
            Fact::Subscription(subscription) => {
                self.add_discounts(subscription.discounts);
                self.add_discounts(subscription.items.into_iter().flat_map(|item| item.discounts));
            }
            Fact::Invoice(_) | Fact::Refund(_) | Fact::Dispute(_) | Fact::CreditNote(_) => {}
        }
    }

    fn add_discounts(&mut self, applied: impl IntoIterator<Item = AppliedDiscount>) {
        for discount in applied {
            if let AppliedDiscount::Whole(discount) = discount {
                self.discounts.insert(discount.id.clone(), *discount);
            }
        }
    }

    /// The price with an id.
    #[must_use]
    pub fn price(&self, id: &PriceId) -> Option<&Price> {
        self.prices.get(id)
    }

    /// The coupon with an id.
    #[must_use]
    pub fn coupon(&self, id: &CouponId) -> Option<&Coupon> {
        self.coupons.get(id)
    }

    /// The discount with an id.
    #[must_use]
    pub fn discount(&self, id: &DiscountId) -> Option<&Discount> {
        self.discounts.get(id)
    }

    /// The name of a product.
    #[must_use]
    pub fn product_name(&self, id: &ProductId) -> Option<&str> {
        self.product_names.get(id).map(String::as_str)
    }
}
