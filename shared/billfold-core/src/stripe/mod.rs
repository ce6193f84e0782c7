//! Stripe's JSON, read into facts: the shape that Billfold pins (2026-09-30.endive) and the one from before
//! 2025-03-31.basil alike, because a webhook comes in whatever version its endpoint has (FACTS.md §1).
//!
//! Unknown fields and unknown enum values are tolerated. Nothing here fetches what is missing: it says that it is.

mod catalogue;
mod customer;
mod invoice;
mod money_back;
mod read;
mod subscription;
mod wire;

pub use money_back::read_invoice_of_payment;
pub use read::{Nested, Reading, Unreadable, read, read_item, read_line};
