//! From a request to an answer, in the order in which Stripe checks: address, key, version,
//! permission, parameters, existence. Limits and faults come before and around it, elsewhere.

use super::endpoints;
use super::list;
use super::page::{self, Page, Paging};
use super::query::Params;
use super::route::{Call, Resource, Route};
use crate::business::Business;
use crate::errors::StripeError;
use crate::expand::Expand;
use crate::ids::Kind;
use crate::json::Json;
use crate::keys::{ApiKey, KeyState, masked};
use crate::model::{Row, Unix};
use crate::render::{Render, Target};
use crate::sim::Sim;
use crate::version::Version;
use crate::world::World;

/// What a request says, as far as it matters.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// The query of a GET, the form of a POST.
    pub params: String,
    pub authorization: Option<String>,
    pub version: Option<String>,
    pub idempotency_key: Option<String>,
}

/// The key a request came with, once it is known to work.
pub struct Caller {
    key: ApiKey,
}

impl Caller {
    pub fn livemode(&self) -> bool {
        self.key.livemode()
    }

    /// Finds the key of an `Authorization` header: Bearer, or Basic with the key as the user.
    pub fn identify(world: &World, authorization: Option<&str>) -> Result<Self, StripeError> {
        let given =
            authorization.and_then(secret_of).filter(|secret| !secret.is_empty()).ok_or_else(StripeError::no_key)?;
        let known = world.keys.iter().find(|key| key.secret == given);
        match known.map(|key| (key, key.state)) {
            Some((key, KeyState::Working)) => Ok(Self { key: key.clone() }),
            Some((_, KeyState::Expired)) => Err(StripeError::expired_key(&masked(&given))),
            Some((_, KeyState::Gone)) | None => Err(StripeError::invalid_key(&masked(&given))),
        }
    }

    fn must(&self, business: &Business, permission: &str) -> Result<(), StripeError> {
        if self.key.may(permission) {
            return Ok(());
        }
        Err(StripeError::permission_missing(
            &masked(&self.key.secret),
            &business.account.id,
            &format!("rak_{permission}"),
        ))
    }
}

fn secret_of(authorization: &str) -> Option<String> {
    let (scheme, rest) = authorization.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = from_base64(rest.trim())?;
    Some(plain.split(':').next().unwrap_or_default().to_owned())
}

fn from_base64(text: &str) -> Option<String> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xFF) as u8);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A good answer, and when what it says was so.
pub struct Good {
    pub body: String,
    pub as_of: Unix,
    /// Whether it is an earlier answer given again.
    pub replayed: bool,
}

/// Answers from one look at the world, so that no change can come between the data and its time.
pub fn answer(sim: &Sim, asked: &Asked, caller: &Caller, route: &Route) -> Result<Good, StripeError> {
    match route.call {
        Call::CreateEndpoint | Call::UpdateEndpoint(_) | Call::DeleteEndpoint(_) => {
            let mut world = sim.world_mut();
            caller.must(&world.business, &route.permission)?;
            version(&world, asked)?;
            endpoints::write(&mut world, asked, caller.livemode(), &route.call)
        }
        _ => {
            let world = sim.world();
            let body = read(&world, asked, caller, route)?;
            Ok(Good { body, as_of: world.now(), replayed: false })
        }
    }
}

/// The version a request is answered in: its header's, else the account's default.
pub fn version(world: &World, asked: &Asked) -> Result<Version, StripeError> {
    match &asked.version {
        None => Ok(world.business.account.api_version.clone()),
        Some(name) => Version::parse(name).ok_or_else(|| StripeError::invalid_version(name)),
    }
}

fn read(world: &World, asked: &Asked, caller: &Caller, route: &Route) -> Result<String, StripeError> {
    let business = world.mode(caller.livemode());
    caller.must(business, &route.permission)?;
    let mut params = Params::parse(&asked.params);
    let paths = params.take_all("expand");
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    for permission in Expand::permissions(&paths, route.root()) {
        caller.must(business, &format!("{permission}_read"))?;
    }
    let expand = Expand::parse(&paths, route.root())?;
    let render = Render::new(business, &version(world, asked)?, world.now());
    let reading = Reading { world, render, expand: &expand, path: &asked.path, livemode: caller.livemode() };
    match &route.call {
        Call::List(resource) => reading.list(*resource, params),
        Call::Lines(invoice) => reading.lines(invoice, params),
        Call::Get(resource, id) => {
            params.finish()?;
            reading.one(*resource, id)
        }
        Call::Account => {
            params.finish()?;
            Ok(reading.written(|w| reading.render.account(w)))
        }
        Call::Balance => {
            params.finish()?;
            Ok(reading.written(|w| reading.render.balance(w)))
        }
        Call::CreateEndpoint | Call::UpdateEndpoint(_) | Call::DeleteEndpoint(_) => {
            Err(StripeError::unknown_url(&asked.method, &asked.path))
        }
    }
}

struct Reading<'a> {
    world: &'a World,
    render: Render<'a>,
    expand: &'a Expand,
    path: &'a str,
    livemode: bool,
}

impl Reading<'_> {
    fn written(&self, fill: impl FnOnce(&mut Json)) -> String {
        let mut w = Json::with_capacity(8_192);
        fill(&mut w);
        w.finish()
    }

    fn envelope<T>(&self, page: Page<T>, mut each: impl FnMut(&mut Json, T)) -> String {
        let mut w = Json::with_capacity(4_096 * (page.rows.len() + 1));
        w.object(|w| {
            w.str("object", "list");
            w.str("url", self.path);
            w.bool("has_more", page.has_more);
            w.array_at("data", page.rows, &mut each);
        });
        w.finish()
    }

    /// The other mode has the data that this module keeps outside of businesses.
    fn has_data(&self) -> bool {
        self.livemode == self.world.business.account.livemode
    }

    fn list(&self, resource: Resource, mut params: Params) -> Result<String, StripeError> {
        let paging = Paging::take(&mut params)?;
        match resource {
            Resource::Events if self.has_data() => self.events(&paging, params),
            Resource::WebhookEndpoints if self.has_data() => self.endpoints(&paging, params),
            _ => {
                let business = self.render.business;
                let page = list::list(business, resource, &paging, &mut params)?;
                params.finish()?;
                let below = self.expand.below("data");
                Ok(self.envelope(page, |w, target| self.render.target(w, target, below)))
            }
        }
    }

    fn events(&self, paging: &Paging, mut params: Params) -> Result<String, StripeError> {
        let ids = &self.render.business.ids;
        let now = self.world.now();
        let page = self.world.events.list(ids, now, paging, &mut params)?;
        params.finish()?;
        Ok(self.envelope(page, |w, event| event.render(w, ids, self.livemode)))
    }

    fn endpoints(&self, paging: &Paging, params: Params) -> Result<String, StripeError> {
        params.finish()?;
        let ids = &self.render.business.ids;
        let cursor = paging.resolve("webhook endpoint", |id| {
            self.world.webhooks.find(ids, id).map(|at| self.world.webhooks.endpoints[at].number)
        })?;
        let wanted = self.world.webhooks.live().filter(|endpoint| match cursor {
            page::Cursor::Newest => true,
            page::Cursor::After(number) => endpoint.number < number,
            page::Cursor::Before(number) => endpoint.number > number,
        });
        let wanted: Vec<_> = wanted.collect();
        let page = page::cut(wanted.into_iter(), paging.limit, cursor);
        Ok(self.envelope(page, |w, endpoint| endpoint.render(w, ids, self.livemode, None)))
    }

    fn lines(&self, id: &str, mut params: Params) -> Result<String, StripeError> {
        let business = self.render.business;
        let owner = business.find(Kind::Invoice, id).ok_or_else(|| self.missing(Resource::Invoices, id))?;
        let paging = Paging::take(&mut params)?;
        params.finish()?;
        let cursor = paging.resolve("line item", |id| business.find_line(owner, id))?;
        let count = business.invoices[owner].lines.len();
        let page = page::of_parts(count, paging.limit, cursor);
        let below = self.expand.below("data");
        Ok(self.envelope(page, |w, at| self.render.line(w, owner, at, below)))
    }

    fn one(&self, resource: Resource, id: &str) -> Result<String, StripeError> {
        let found = match resource {
            Resource::Events if self.has_data() => self.one_event(id),
            Resource::WebhookEndpoints if self.has_data() => self.one_endpoint(id),
            _ => find(self.render.business, resource, id).map(|target| self.render.text(target, self.expand)),
        };
        found.ok_or_else(|| self.missing(resource, id))
    }

    fn one_event(&self, id: &str) -> Option<String> {
        let ids = &self.render.business.ids;
        let event = self.world.events.get(ids, id, self.world.now())?;
        Some(self.written(|w| event.render(w, ids, self.livemode)))
    }

    fn one_endpoint(&self, id: &str) -> Option<String> {
        let ids = &self.render.business.ids;
        let at = self.world.webhooks.find(ids, id)?;
        let endpoint = &self.world.webhooks.endpoints[at];
        Some(self.written(|w| endpoint.render(w, ids, self.livemode, None)))
    }

    fn missing(&self, resource: Resource, id: &str) -> StripeError {
        let elsewhere = find(self.world.mode(!self.livemode), resource, id).map(|_| !self.livemode);
        StripeError::no_such(resource.noun(), id, elsewhere)
    }
}

/// The row that an id names. Deleted customers are found, and rendered as what is left of them;
/// deleted coupons, prices and products are gone but for the stubs that others show.
fn find(business: &Business, resource: Resource, id: &str) -> Option<Target> {
    match resource {
        Resource::Products => business.find(Kind::Product, id).map(Target::Product),
        Resource::Prices => business.find(Kind::Price, id).map(Target::Price),
        Resource::Customers => business.find(Kind::Customer, id).map(Target::Customer),
        Resource::Subscriptions => business.find(Kind::Subscription, id).map(Target::Subscription),
        Resource::SubscriptionItems => business.find_item(id).map(|(owner, at)| Target::Item(owner, at)),
        Resource::Invoices => business.find(Kind::Invoice, id).map(Target::Invoice),
        Resource::InvoicePayments => business.find(Kind::InvoicePayment, id).map(Target::Payment),
        Resource::Coupons => {
            business.find_coupon(id).filter(|&place| business.coupons[place].listed()).map(Target::Coupon)
        }
        Resource::CreditNotes => business.find(Kind::CreditNote, id).map(Target::CreditNote),
        Resource::Charges => business.find(Kind::Charge, id).map(Target::Charge),
        Resource::Refunds => business.find(Kind::Refund, id).map(Target::Refund),
        Resource::Disputes => business.find(Kind::Dispute, id).map(Target::Dispute),
        Resource::PromotionCodes | Resource::ActiveEntitlements | Resource::Events | Resource::WebhookEndpoints => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{from_base64, secret_of};

    #[test]
    fn keys_come_as_bearer_or_basic() {
        assert_eq!(secret_of("Bearer rk_test_1").as_deref(), Some("rk_test_1"));
        assert_eq!(secret_of("bearer rk_test_1").as_deref(), Some("rk_test_1"));
        // `rk_test_1:` in base64.
        assert_eq!(secret_of("Basic cmtfdGVzdF8xOg==").as_deref(), Some("rk_test_1"));
        assert_eq!(secret_of("Digest x"), None);
        assert_eq!(secret_of("rk_test_1"), None);
    }

    #[test]
    fn base64_is_read_or_refused() {
        assert_eq!(from_base64("YQ==").as_deref(), Some("a"));
        assert_eq!(from_base64("YWI=").as_deref(), Some("ab"));
        assert_eq!(from_base64("YWJj").as_deref(), Some("abc"));
        assert_eq!(from_base64("Y!"), None);
    }
}
