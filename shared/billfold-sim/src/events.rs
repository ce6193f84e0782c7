//! Events: what happened, kept for thirty days and rendered in the version of its time.

use std::collections::VecDeque;

use crate::calendar::DAY;
use crate::errors::StripeError;
use crate::ids::{Ids, Part};
use crate::json::Json;
use crate::model::Unix;
use crate::serve::page::{self, Cursor, Page, Paging};
use crate::serve::query::Params;

/// An event as the account's default version shows it.
#[derive(Clone, Debug)]
pub struct Event {
    pub number: u64,
    pub created: Unix,
    pub kind: String,
    pub api_version: String,
    /// The object's JSON, and of what changed the JSON before.
    pub object: String,
    pub previous: Option<String>,
    /// Endpoints that have not taken it yet.
    pub pending: u32,
    /// Nothing when it happened by itself, like a renewal.
    pub request: Option<u64>,
}

impl Event {
    pub fn render(&self, w: &mut Json, ids: &Ids, livemode: bool) {
        w.object(|w| {
            w.id("id", ids, Part::Event, self.number);
            w.fields(r#""object":"event""#);
            w.str("api_version", &self.api_version);
            w.time("created", self.created);
            w.object_at("data", |w| {
                w.raw("object", &self.object);
                if let Some(previous) = &self.previous {
                    w.raw("previous_attributes", previous);
                }
            });
            w.bool("livemode", livemode);
            w.int("pending_webhooks", i64::from(self.pending));
            w.object_at("request", |w| {
                match self.request {
                    Some(number) => w.id("id", ids, Part::Request, number),
                    None => w.null("id"),
                }
                w.null("idempotency_key");
            });
            w.str("type", &self.kind);
        });
    }
}

#[derive(Debug, Default)]
pub struct EventLog {
    events: VecDeque<Event>,
    next: u64,
}

/// How long events can be fetched.
const KEPT: Unix = 30 * DAY;
const MOST_TYPES: usize = 20;

impl EventLog {
    pub fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Keeps an event and forgets those too old to be asked for.
    pub fn push(&mut self, event: Event) {
        let oldest = event.created - KEPT;
        while self.events.front().is_some_and(|first| first.created < oldest) {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub fn get(&self, ids: &Ids, id: &str, now: Unix) -> Option<&Event> {
        let number = ids.number(Part::Event, id)?;
        let at = self.events.binary_search_by_key(&number, |event| event.number).ok()?;
        self.events.get(at).filter(|event| event.created >= now - KEPT)
    }

    pub fn delivered(&mut self, ids: &Ids, id: &str) {
        let number = ids.number(Part::Event, id);
        let event = self.events.iter_mut().rev().find(|event| Some(event.number) == number);
        if let Some(event) = event {
            event.pending = event.pending.saturating_sub(1);
        }
    }

    pub fn list(
        &self,
        ids: &Ids,
        now: Unix,
        paging: &Paging,
        params: &mut Params,
    ) -> Result<Page<&Event>, StripeError> {
        let range = params.take_range("created")?;
        let kind = params.take("type");
        let kinds = params.take_all("types");
        if kinds.len() > MOST_TYPES {
            let why = "You may only specify up to 20 event types.";
            return Err(StripeError::invalid_value("types", why));
        }
        if kind.is_some() && !kinds.is_empty() {
            return Err(StripeError::exclusive_params("type", "types"));
        }
        let success = params.take_bool("delivery_success")?;
        let cursor = paging.resolve("event", |id| self.get(ids, id, now).map(|e| e.number))?;
        let wanted = self.events.iter().filter(|event| {
            let beyond = match cursor {
                Cursor::Newest => true,
                Cursor::After(number) => event.number < number,
                Cursor::Before(number) => event.number > number,
            };
            beyond
                && event.created >= now - KEPT
                && range.holds(event.created)
                && kind.as_deref().is_none_or(|pattern| matches(pattern, &event.kind))
                && (kinds.is_empty() || kinds.contains(&event.kind))
                && success.is_none_or(|success| success == (event.pending == 0))
        });
        Ok(page::cut(wanted, paging.limit, cursor))
    }
}

/// `*` at the end of a type stands for everything that follows.
fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => pattern == kind,
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, Event, EventLog};
    use crate::ids::{Ids, Part};
    use crate::serve::page::Paging;
    use crate::serve::query::Params;

    fn log(kinds: &[&str]) -> EventLog {
        let mut log = EventLog::default();
        for (at, kind) in (0..).zip(kinds) {
            let number = log.next_number();
            log.push(Event {
                number,
                created: at,
                kind: (*kind).to_owned(),
                api_version: "2026-09-30.endive".to_owned(),
                object: "{}".to_owned(),
                previous: None,
                pending: u32::from(kind.starts_with("charge")),
                request: None,
            });
        }
        log
    }

    fn listed(log: &EventLog, query: &str, now: i64) -> (Vec<u64>, bool) {
        let mut params = Params::parse(query);
        let paging = Paging::take(&mut params).expect("paging");
        let ids = Ids::new(1);
        let page = log.list(&ids, now, &paging, &mut params).expect("a page");
        (page.rows.iter().map(|event| event.number).collect(), page.has_more)
    }

    #[test]
    fn events_are_listed_newest_first_by_type() {
        let log = log(&["invoice.paid", "charge.refunded", "invoice.voided", "invoice.paid"]);
        assert_eq!(listed(&log, "", 9), (vec![4, 3, 2, 1], false));
        assert_eq!(listed(&log, "limit=1", 9), (vec![4], true));
        assert_eq!(listed(&log, "type=invoice.*", 9), (vec![4, 3, 1], false));
        assert_eq!(listed(&log, "types[]=invoice.voided", 9), (vec![3], false));
        assert_eq!(listed(&log, "delivery_success=false", 9), (vec![2], false));
        assert_eq!(listed(&log, "created[gte]=2", 9), (vec![4, 3], false));
    }

    #[test]
    fn the_gap_since_an_event_is_what_comes_before_it_in_the_list() {
        let log = log(&["a", "b", "c", "d"]);
        let second = Ids::new(1).part(Part::Event, 2);
        assert_eq!(listed(&log, &format!("ending_before={second}"), 9), (vec![4, 3], false));
        assert_eq!(listed(&log, &format!("starting_after={second}"), 9), (vec![1], false));
    }

    #[test]
    fn events_are_gone_after_thirty_days() {
        let log = log(&["a", "b"]);
        assert_eq!(listed(&log, "", 30 * DAY + 1), (vec![2], false));
        let id = Ids::new(1).part(Part::Event, 1);
        assert!(log.get(&Ids::new(1), &id, 30 * DAY).is_some());
        assert!(log.get(&Ids::new(1), &id, 30 * DAY + 1).is_none());
    }
}
