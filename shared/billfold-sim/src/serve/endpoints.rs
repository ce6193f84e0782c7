//! Writing webhook endpoints: the one thing that a sync's key may be allowed to create.

use super::answer::{Asked, Good};
use super::query::Params;
use super::route::Call;
use crate::errors::StripeError;
use crate::ids::Part;
use crate::json::Json;
use crate::render::Render;
use crate::version::Version;
use crate::webhooks::MOST_ENDPOINTS;
use crate::world::{Replay, World};

/// Families of event types that an endpoint can ask for.
const FAMILIES: [&str; 27] = [
    "account.",
    "balance.",
    "billing.",
    "charge.",
    "checkout.",
    "coupon.",
    "credit_note.",
    "customer.",
    "entitlements.",
    "invoice.",
    "invoice_payment.",
    "invoiceitem.",
    "payment_intent.",
    "payment_link.",
    "payment_method.",
    "payout.",
    "plan.",
    "price.",
    "product.",
    "promotion_code.",
    "quote.",
    "refund.",
    "setup_intent.",
    "subscription_schedule.",
    "tax_rate.",
    "test_helpers.",
    "transfer.",
];

/// Carries out a write. A repeated idempotency key gets the first answer again.
pub fn write(world: &mut World, asked: &Asked, livemode: bool, call: &Call) -> Result<Good, StripeError> {
    let as_of = world.now();
    let request = format!("{} {} {}", asked.method, asked.path, asked.params);
    let key = asked.idempotency_key.as_ref().filter(|_| asked.method == "POST");
    if let Some(key) = key
        && let Some(first) = world.idempotent.get(key)
    {
        if first.request == request {
            return Ok(Good { body: first.body.clone(), as_of, replayed: true });
        }
        return Err(StripeError::idempotency(key));
    }
    let params = Params::parse(&asked.params);
    let body = match call {
        Call::CreateEndpoint => create(world, livemode, params)?,
        Call::UpdateEndpoint(id) => update(world, livemode, id, params)?,
        Call::DeleteEndpoint(id) => delete(world, id, params)?,
        _ => return Err(StripeError::unknown_url(&asked.method, &asked.path)),
    };
    if let Some(key) = key {
        world.idempotent.insert(key.clone(), Replay { request, body: body.clone() });
    }
    Ok(Good { body, as_of, replayed: false })
}

fn create(world: &mut World, livemode: bool, mut params: Params) -> Result<String, StripeError> {
    params.take_all("expand");
    let url = params.take("url").ok_or_else(|| StripeError::missing_param("url"))?;
    check_url(&url, livemode)?;
    let events = params.take_all("enabled_events");
    if events.is_empty() {
        return Err(StripeError::missing_param("enabled_events"));
    }
    check_events(&events)?;
    let version = match params.take("api_version") {
        None => None,
        Some(name) => Some(Version::parse(&name).ok_or_else(|| {
            let why = format!("Invalid api_version: {name}");
            StripeError::invalid_value("api_version", &why)
        })?),
    };
    params.take_bool("connect")?;
    let description = params.take("description").filter(|text| !text.is_empty());
    let metadata = params.take_map("metadata");
    params.finish()?;
    if world.webhooks.live().count() >= MOST_ENDPOINTS {
        let why = format!("You have reached the maximum of {MOST_ENDPOINTS} webhook endpoints.");
        return Err(StripeError::invalid_value("url", &why));
    }
    let endpoint = world.add_endpoint(&url, &events, version);
    endpoint.description = description;
    endpoint.metadata = metadata;
    let endpoint = endpoint.clone();
    let mut w = Json::default();
    endpoint.render(&mut w, &world.business.ids, livemode, Some(&endpoint.secret));
    Ok(w.finish())
}

fn update(world: &mut World, livemode: bool, id: &str, mut params: Params) -> Result<String, StripeError> {
    let at = find(world, id)?;
    params.take_all("expand");
    let url = params.take("url");
    if let Some(url) = &url {
        check_url(url, livemode)?;
    }
    let events = params.take_all("enabled_events");
    check_events(&events)?;
    let disabled = params.take_bool("disabled")?;
    let description = params.take("description");
    let metadata = params.take_map("metadata");
    params.finish()?;
    let endpoint = &mut world.webhooks.endpoints[at];
    if let Some(url) = url {
        endpoint.url = url;
    }
    if !events.is_empty() {
        endpoint.enabled_events = events;
    }
    if let Some(disabled) = disabled {
        endpoint.enabled = !disabled;
    }
    if let Some(description) = description {
        endpoint.description = Some(description).filter(|text| !text.is_empty());
    }
    for (key, value) in metadata {
        endpoint.metadata.retain(|(own, _)| *own != key);
        if !value.is_empty() {
            endpoint.metadata.push((key, value));
        }
    }
    let mut w = Json::default();
    endpoint.render(&mut w, &world.business.ids, livemode, None);
    Ok(w.finish())
}

fn delete(world: &mut World, id: &str, params: Params) -> Result<String, StripeError> {
    let at = find(world, id)?;
    params.finish()?;
    world.webhooks.endpoints[at].deleted = true;
    world.webhooks.drop_undeliverable(&world.business.ids);
    let number = world.webhooks.endpoints[at].number;
    let id = world.business.ids.part(Part::WebhookEndpoint, number);
    Ok(Render::stub(&id, "webhook_endpoint"))
}

fn find(world: &World, id: &str) -> Result<usize, StripeError> {
    world.webhooks.find(&world.business.ids, id).ok_or_else(|| StripeError::no_such("webhook endpoint", id, None))
}

/// Live endpoints must be reached over TLS.
fn check_url(url: &str, livemode: bool) -> Result<(), StripeError> {
    let good = url.starts_with("https://") || (!livemode && url.starts_with("http://"));
    if good {
        return Ok(());
    }
    let why = "Invalid URL: An explicit scheme (such as https) must be provided.";
    Err(StripeError::invalid_value("url", why))
}

fn check_events(events: &[String]) -> Result<(), StripeError> {
    let known = |name: &str| {
        name == "*"
            || FAMILIES
                .iter()
                .any(|family| name.strip_prefix(family).is_some_and(|rest| !rest.is_empty() && !rest.contains('*')))
    };
    for (at, name) in events.iter().enumerate() {
        if !known(name) {
            let param = format!("enabled_events[{at}]");
            let why = format!("Invalid enabled_events[{at}]: must be a known event type, not {name}");
            return Err(StripeError::invalid_value(&param, &why));
        }
    }
    Ok(())
}
