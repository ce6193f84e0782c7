//! The pure heart of Billfold: ids, money, facts read from Stripe's objects, MRR, account matching,
//! and the state machines of a connection and of a sync run.
//!
//! Nothing here is async, reads a clock, an environment or a file, or knows of AWS or HTTP. Time, randomness
//! and ids come in as arguments; arithmetic is checked; a value that cannot be computed says so.

#![cfg_attr(test, expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should"))]

pub mod audit;
pub mod billing;
pub mod connection;
pub mod event;
pub mod facts;
pub mod fold;
pub mod id;
pub mod key;
pub mod ledger;
pub mod matching;
pub mod money;
pub mod mrr;
pub mod run;
pub mod signal;
pub mod signature;
pub mod stripe;
pub mod text;
pub mod webhook;
pub mod window;
