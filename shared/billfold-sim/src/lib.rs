//! A simulated Stripe: a stateful HTTP server that a billing sync cannot tell from the real one.
//! It serves the demonstration, the tests and the benchmarks, and never anything else; it knows
//! nothing of the program that reads it, so that its truth is worth comparing with.
//!
//! ```no_run
//! # async fn run() -> std::io::Result<()> {
//! use billfold_sim::{Sim, Spec};
//!
//! let sim = Sim::generate(&Spec::new(7, 250, 1_790_000_000));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let base = format!("http://{}", listener.local_addr()?);
//! let server = tokio::spawn(sim.clone().serve(listener));
//! let key = sim.api_key(); // a restricted key that may read billing
//! let truth = sim.truth(); // what a program that read it all must come to
//! # drop((base, server, key, truth));
//! # Ok(())
//! # }
//! ```
//!
//! - [`Spec`], [`Business`]: what is sold, to whom, and what was paid; generated from a seed or
//!   put together by hand.
//! - [`Sim`]: the running simulation: keys, limits, faults, clock, changes, deliveries, counts.
//! - [`Change`]: one thing that happens, with its events and webhooks.
//! - [`Truth`]: MRR, payment status, counts and the fewest requests, worked out from the model.

mod business;
mod calendar;
mod change;
mod clock;
mod errors;
mod events;
mod expand;
mod faults;
mod fraction;
mod generate;
mod ids;
mod invoicing;
mod json;
mod keys;
mod limits;
pub mod model;
mod pricing;
mod render;
mod requests;
mod serve;
mod sim;
mod truth;
mod version;
mod webhooks;
mod world;

pub use business::{Account, Business};
pub use change::{Applied, Change, ChangeError};
pub use faults::{Fault, Faults};
pub use generate::Spec;
pub use generate::dice::Dice;
pub use ids::{Kind, Part};
pub use keys::{ApiKey, READING};
pub use limits::Limits;
pub use requests::{Request, Requests};
pub use serve::{DeliveryReport, post};
pub use sim::{NewEndpoint, Sim};
pub use truth::{
    AccountTruth, BACKFILL, ByCurrency, CustomerTruth, INVOICE_WINDOW, InvoiceTruth, PaymentStatus, SubscriptionTruth,
    Truth,
};
pub use version::{Shape, Version};
pub use webhooks::{Delivery, signature};
