//! Changes of products, prices and coupons.

use super::{Change, ChangeError, Changing, Outcome, missing};
use crate::ids::Kind;
use crate::model::Idx;
use crate::render::Target;

impl Changing<'_> {
    pub(super) fn catalog_change(&mut self, change: &Change) -> Outcome {
        match change {
            Change::UpdateProduct { product, name, active } => {
                let place = self.product(product)?;
                let now = self.now;
                self.update("product.updated", Target::Product(place), |business| {
                    let row = &mut business.products[place];
                    row.name = name.clone().unwrap_or_else(|| row.name.clone());
                    row.active = active.unwrap_or(row.active);
                    row.updated = now;
                });
            }
            Change::DeleteProduct { product } => {
                let place = self.product(product)?;
                if self.has_prices(place) {
                    return Err(ChangeError::Impossible("a product with prices stays"));
                }
                self.delete("product.deleted", Target::Product(place), |changing| {
                    changing.business_mut().products[place].deleted = true;
                });
            }
            Change::UpdatePrice { price, active, nickname } => {
                let place = self.price(price)?;
                self.update("price.updated", Target::Price(place), |business| {
                    let row = &mut business.prices[place];
                    row.active = active.unwrap_or(row.active);
                    if let Some(nickname) = nickname {
                        row.nickname = Some(nickname.clone());
                    }
                });
            }
            Change::DeletePrice { price } => {
                let place = self.price(price)?;
                if self.is_used(place) {
                    return Err(ChangeError::Impossible("a price in use stays"));
                }
                self.delete("price.deleted", Target::Price(place), |changing| {
                    changing.business_mut().prices[place].deleted = true;
                });
            }
            Change::DeleteCoupon { coupon } => {
                let place = self.coupon(coupon)?;
                self.delete("coupon.deleted", Target::Coupon(place), |changing| {
                    changing.business_mut().coupons[place].deleted = true;
                });
            }
            _ => return Err(ChangeError::Impossible("this is no change of the catalog")),
        }
        Ok(None)
    }

    /// The event of a deletion carries the object as it was.
    fn delete(&mut self, kind: &str, target: Target, change: impl FnOnce(&mut Self)) {
        let last = self.world.snapshot(target);
        change(self);
        let number = self.world.emit_rendered(kind, &last, None);
        self.events.push(number);
    }

    fn product(&self, id: &str) -> Result<Idx, ChangeError> {
        self.business()
            .find(Kind::Product, id)
            .filter(|&place| !self.business().products[place].deleted)
            .ok_or_else(|| missing("product", id))
    }

    fn has_prices(&self, product: Idx) -> bool {
        let mut prices = self.business().prices.iter();
        prices.any(|(_, price)| price.product == product && !price.deleted)
    }

    fn is_used(&self, price: Idx) -> bool {
        let business = self.business();
        let billed = business.subscriptions.iter().any(|(_, row)| row.items.iter().any(|item| item.price == price));
        billed || business.invoices.iter().any(|(_, row)| row.lines.iter().any(|line| line.price == price))
    }
}
