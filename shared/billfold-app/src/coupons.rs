//! Coupons that Stripe deleted before they were read. No list shows them, and the discounts that they left go on. Whoever
//! computes an account with such a discount asks for its coupon, which is then learned from the discount: by its holder's
//! id, because only that answer is deep enough to hold the whole coupon.

use crate::app::App;
use crate::asked;
use crate::queue::{Handled, Message};
use crate::refusal::Refusal;
use crate::sync::page::reading;
use crate::webhook::fold::{self, FoldError};
use billfold_core::facts::{AppliedDiscount, Coupon, Discount, Discounted, Fact, Kind, Subscription};
use billfold_core::id::{CouponId, WorkspaceId};
use billfold_core::mrr::Catalogue;
use billfold_core::stripe::{self, Reading};
use billfold_store::{CustomerRows, FactPlace, FactRow, StoreError};
use billfold_stripe::{Client, Endpoint, Retrieved, Row};
use std::collections::BTreeMap;
use std::time::Duration;

/// Asks for the coupons of customers' discounts that the catalogue has never had.
pub(crate) async fn ask(
    app: &App,
    ws: &WorkspaceId,
    catalogue: &Catalogue,
    customers: impl IntoIterator<Item = &CustomerRows>,
) -> Result<(), Refusal> {
    for (coupon, holder) in unknown(catalogue, customers) {
        let id = coupon.as_str().to_owned();
        let message = Message::Coupon { workspace: ws.clone(), coupon, holder };
        asked::ask(app, ws, Kind::Coupon, &id, message).await?;
    }
    Ok(())
}

fn unknown<'a>(
    catalogue: &Catalogue,
    customers: impl IntoIterator<Item = &'a CustomerRows>,
) -> BTreeMap<CouponId, Discounted> {
    let mut unknown = BTreeMap::new();
    for rows in customers {
        let own = rows.customer.iter().filter_map(|customer| {
            let discount = customer.discount.as_ref().and_then(AppliedDiscount::whole)?;
            Some((Discounted::Customer(customer.id.clone()), discount))
        });
        for (holder, discount) in own.chain(rows.subscriptions.iter().flat_map(Subscription::discounts)) {
            if catalogue.coupon(&discount.coupon_id).is_none() {
                unknown.insert(discount.coupon_id.clone(), holder);
            }
        }
    }
    unknown
}

/// Learns of a coupon: from Stripe's own row of it, or from a discount that it left.
pub(crate) async fn work(
    app: &App,
    ws: &WorkspaceId,
    coupon: &CouponId,
    holder: &Discounted,
) -> Result<Handled, Refusal> {
    let Some(stripe) = app.connected_stripe(ws).await? else { return Ok(Handled::Done) };
    match learn(app, ws, &stripe, coupon, holder).await {
        Ok(Learned::Something) => {
            app.queue().send(Message::Recompute { workspace: ws.clone() }, Duration::ZERO).await?;
        }
        Ok(Learned::Nothing) => {
            tracing::warn!(workspace = %ws, coupon = coupon.as_str(), "nothing is known of the coupon of a discount");
        }
        Err(error) => return fold::failed(app, ws, coupon.as_str(), error).await,
    }
    Ok(Handled::Done)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Learned {
    Something,
    Nothing,
}

async fn learn(
    app: &App,
    ws: &WorkspaceId,
    stripe: &Client,
    id: &CouponId,
    holder: &Discounted,
) -> Result<Learned, FoldError> {
    let Some(place) = FactPlace::by_id(ws, Kind::Coupon, id.as_str()) else { return Ok(Learned::Nothing) };
    let mut stored = app.store().stored_version(&place).await?;
    if stored.is_none() {
        // Perhaps it is only newer than the list of coupons.
        fold::fold_fetched(app, ws, Kind::Coupon, id.as_str()).await?;
        stored = app.store().stored_version(&place).await?;
    }
    let Some(stored) = stored else { return Ok(Learned::Nothing) };
    if !stored.gone {
        return Ok(Learned::Something);
    }
    let (endpoint, holder_id) = match holder {
        Discounted::Customer(id) => (Endpoint::Customers, id.as_str()),
        Discounted::Subscription(id) => (Endpoint::Subscriptions, id.as_str()),
        Discounted::Item(id) => (Endpoint::SubscriptionItems, id.as_str()),
    };
    let Retrieved::Found { row, .. } = stripe.retrieve_discounted(endpoint, holder_id).await? else {
        return Ok(Learned::Nothing);
    };
    let Some(coupon) = coupon_in(holder, &row, id) else { return Ok(Learned::Nothing) };
    let row = FactRow::new(ws, Fact::Coupon(Box::new(coupon)), stored.version.as_of)?;
    match app.store().write_all(vec![row.below(&stored)]).await {
        // Whoever was first has learned as much.
        Ok(()) | Err(StoreError::Conflict) => Ok(Learned::Something),
        Err(error) => Err(error.into()),
    }
}

/// The coupon as one of the holder's discounts shows it.
fn coupon_in(holder: &Discounted, row: &Row, id: &CouponId) -> Option<Coupon> {
    let of = |discount: &Discount| (discount.coupon_id == *id).then(|| discount.coupon.clone()).flatten();
    let applied = match holder {
        Discounted::Item(_) => stripe::read_item(std::str::from_utf8(row.as_bytes()).ok()?).ok()?.discounts,
        Discounted::Customer(_) => match reading(Kind::Customer, row).ok()? {
            Reading::Live { fact: Fact::Customer(customer), .. } => customer.discount.into_iter().collect(),
            _ => return None,
        },
        Discounted::Subscription(_) => match reading(Kind::Subscription, row).ok()? {
            Reading::Live { fact: Fact::Subscription(subscription), .. } => subscription.discounts,
            _ => return None,
        },
    };
    applied.iter().filter_map(AppliedDiscount::whole).find_map(of)
}
