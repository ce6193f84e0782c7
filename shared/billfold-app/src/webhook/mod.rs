//! Webhooks from Stripe: received in milliseconds, folded by a worker, gaps filled from the list of events.
//!
//! Receiving never asks Stripe anything and never writes a row for a delivery. Folding is right in any order, so nothing
//! here waits for anything else.

mod burst;
mod candidate;
mod endpoint;
pub(crate) mod fold;
mod folding;
pub(crate) mod gaps;
mod managed;
mod money_back;
mod receive;

pub(crate) use endpoint::Endpoints;
pub(crate) use folding::Folding;
pub(crate) use gaps::GapError;
pub use receive::{Received, Unreceived};

use crate::app::App;
use billfold_core::event::{About, Event, is_readable};
use billfold_core::facts::Kind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest object that travels in a message, in bytes: what a queue and a row of it have room for. A longer one is
/// fetched by its id.
const PAYLOAD_BYTES_MAX: usize = 160 * 1024;

/// An event on its way from the endpoint to a worker.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// `evt_…`.
    pub id: String,
    /// When it happened.
    pub created: Timestamp,
    /// What it is about.
    pub about: About,
    /// The object, where it can be read as it came.
    pub payload: Option<String>,
    /// When it was received, in the order of its process.
    ticket: Ticket,
}

/// A place in the order of one process: later tickets have higher numbers. Unlike a clock it never stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    process: u64,
    number: u64,
}

impl Delivered {
    fn new(event: Event, ticket: Ticket) -> Self {
        let fits = match &event.about {
            About::Object(kind, _) | About::Deleted(kind, _) => {
                is_readable(*kind, event.api_version.as_deref()) && event.object.len() <= PAYLOAD_BYTES_MAX
            }
            // What only touches its object does not carry all of it.
            About::Touched(..) | About::Nothing => false,
        };
        Self {
            id: event.id,
            created: event.created,
            about: event.about,
            payload: Some(event.object).filter(|_| fits),
            ticket,
        }
    }

    /// That something may have happened to an object: it is fetched.
    pub(crate) fn touched(app: &App, kind: Kind, id: &str) -> Self {
        let about = About::Touched(kind, id.to_owned());
        let ticket = app.folding().ticket();
        Self { id: format!("{ticket:?}"), created: app.now(), about, payload: None, ticket }
    }

    /// The same news of another object, on which it shows.
    fn touching(&self, kind: Kind, id: String) -> Self {
        let about = About::Touched(kind, id);
        Self { id: format!("{}#shows_on", self.id), created: self.created, about, payload: None, ticket: self.ticket }
    }
}

/// Never the object: messages are logged.
impl fmt::Debug for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivered").field("id", &self.id).field("about", &self.about).finish_non_exhaustive()
    }
}
