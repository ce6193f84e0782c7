//! Everything a simulation holds behind its lock: both modes of the account, keys, events,
//! webhooks and the clock. What happens to it is written here once: rendered, kept, queued.

use std::collections::HashMap;

use serde_json::Value;

use crate::business::Business;
use crate::clock::Clock;
use crate::events::{Event, EventLog};
use crate::expand::NOTHING;
use crate::ids::{mix, secret_text};
use crate::json::Json;
use crate::keys::ApiKey;
use crate::model::Unix;
use crate::render::{Render, Target};
use crate::version::Version;
use crate::webhooks::{Delivery, Endpoint, Webhooks};

pub struct World {
    pub clock: Clock,
    /// The mode with data.
    pub business: Business,
    /// The same account's other mode, which holds nothing.
    pub other: Business,
    pub keys: Vec<ApiKey>,
    pub events: EventLog,
    pub webhooks: Webhooks,
    pub idempotent: HashMap<String, Replay>,
    pub seed: u64,
    next_endpoint: u64,
}

/// A first answer that the same idempotency key gets again.
#[derive(Clone, Debug)]
pub struct Replay {
    pub request: String,
    pub body: String,
}

/// An object's JSON in each version that somebody wants it in.
pub struct Snapshot(Vec<(Version, String)>);

impl Snapshot {
    fn in_version(&self, version: &Version) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == version).map(|(_, json)| json.as_str())
    }
}

impl World {
    pub fn new(business: Business, seed: u64, now: Unix) -> Self {
        let other = Business::empty(seed, !business.account.livemode, business.account.created);
        Self {
            clock: Clock::standing(now),
            business,
            other,
            keys: Vec::new(),
            events: EventLog::default(),
            webhooks: Webhooks::default(),
            idempotent: HashMap::new(),
            seed,
            next_endpoint: 0,
        }
    }

    pub fn now(&self) -> Unix {
        self.clock.now()
    }

    /// The business that a key of this mode sees.
    pub fn mode(&self, livemode: bool) -> &Business {
        if self.business.account.livemode == livemode { &self.business } else { &self.other }
    }

    pub fn key_mut(&mut self, secret: &str) -> Option<&mut ApiKey> {
        self.keys.iter_mut().find(|key| key.secret == secret)
    }

    /// Makes an endpoint with a secret of its own.
    pub fn add_endpoint(
        &mut self,
        url: &str,
        enabled_events: &[String],
        api_version: Option<Version>,
    ) -> &mut Endpoint {
        self.next_endpoint += 1;
        let number = self.next_endpoint;
        let secret = secret_text(mix(self.seed ^ number << 32), 32);
        self.webhooks.endpoints.push(Endpoint {
            number,
            url: url.to_owned(),
            enabled_events: enabled_events.to_vec(),
            api_version,
            description: None,
            metadata: Vec::new(),
            secret: format!("whsec_{secret}"),
            enabled: true,
            created: self.clock.now(),
            deleted: false,
        });
        let last = self.webhooks.endpoints.len() - 1;
        &mut self.webhooks.endpoints[last]
    }

    /// How an object stands now, in every version that events may be rendered in.
    pub fn snapshot(&self, target: Target) -> Snapshot {
        self.snapshot_of(|render, w| render.target(w, target, &NOTHING))
    }

    /// As [`World::snapshot`], for whatever can be rendered.
    pub fn snapshot_of(&self, write: impl Fn(&Render<'_>, &mut Json)) -> Snapshot {
        let mut versions = vec![self.business.account.api_version.clone()];
        for endpoint in self.webhooks.live() {
            versions.extend(endpoint.api_version.clone());
        }
        versions.sort();
        versions.dedup();
        let now = self.now();
        let text = |version: Version| {
            let mut w = Json::with_capacity(4_096);
            write(&Render::new(&self.business, &version, now), &mut w);
            (version, w.finish())
        };
        Snapshot(versions.into_iter().map(text).collect())
    }

    /// Whether an object is no longer as it was.
    pub fn differs(&self, target: Target, before: &Snapshot) -> bool {
        self.snapshot(target).0 != before.0
    }

    /// Records that something happened to an object. With how it stood before, the event says
    /// what changed. Gives the event's number.
    pub fn emit(&mut self, kind: &str, target: Target, before: Option<&Snapshot>) -> u64 {
        let after = self.snapshot(target);
        self.emit_rendered(kind, &after, before)
    }

    /// As [`World::emit`], for an object whose last state is no longer in the tables.
    pub fn emit_rendered(&mut self, kind: &str, after: &Snapshot, before: Option<&Snapshot>) -> u64 {
        let number = self.events.next_number();
        let default = self.business.account.api_version.clone();
        let wanting: Vec<Endpoint> = self.webhooks.live().filter(|endpoint| endpoint.wants(kind)).cloned().collect();
        let pending = u32::try_from(wanting.len()).unwrap_or(u32::MAX);
        let event = |version: &Version| Event {
            number,
            created: self.clock.now(),
            kind: kind.to_owned(),
            api_version: version.as_str().to_owned(),
            object: after.in_version(version).unwrap_or("null").to_owned(),
            previous: before.and_then(|before| difference(before.in_version(version)?, after.in_version(version)?)),
            pending,
            request: Some(number),
        };
        let livemode = self.business.account.livemode;
        for endpoint in &wanting {
            let version = endpoint.api_version.as_ref().unwrap_or(&default);
            let mut w = Json::with_capacity(4_096);
            event(version).render(&mut w, &self.business.ids, livemode);
            let ids = &self.business.ids;
            let delivery = Delivery::new(endpoint, ids, number, kind, w.finish());
            self.webhooks.waiting.push_back(delivery);
        }
        let kept = event(&default);
        self.events.push(kept);
        number
    }
}

/// What `before` held where `after` differs: the `previous_attributes` of an event.
fn difference(before: &str, after: &str) -> Option<String> {
    let before: Value = serde_json::from_str(before).ok()?;
    let after: Value = serde_json::from_str(after).ok()?;
    let changed = changed(&before, &after)?;
    serde_json::to_string(&changed).ok()
}

fn changed(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return Some(before.clone());
    };
    let mut parts: serde_json::Map<String, Value> = old
        .iter()
        .filter_map(|(key, value)| {
            let part = match new.get(key) {
                Some(now) => changed(value, now)?,
                None => value.clone(),
            };
            Some((key.clone(), part))
        })
        .collect();
    // A key that is new now was null before.
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        parts.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(parts))
}

#[cfg(test)]
mod tests {
    use super::difference;
    use serde_json::{Value, json};

    fn check(before: &Value, after: &Value, expected: Option<Value>) {
        let found = difference(&before.to_string(), &after.to_string())
            .map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
        assert_eq!(found, expected);
    }

    #[test]
    fn only_what_changed_is_named_with_its_old_value() {
        check(
            &json!({"a": 1, "b": 2, "h": {"x": 1, "y": 2}}),
            &json!({"a": 1, "b": 3, "h": {"x": 1, "y": 5}}),
            Some(json!({"b": 2, "h": {"y": 2}})),
        );
        check(&json!({"a": 1}), &json!({"a": 1}), None);
    }

    #[test]
    fn arrays_are_given_whole_and_new_keys_were_null() {
        check(
            &json!({"list": [1, 2], "gone": "x"}),
            &json!({"list": [1, 3], "new": "y"}),
            Some(json!({"list": [1, 2], "gone": "x", "new": null})),
        );
    }
}
