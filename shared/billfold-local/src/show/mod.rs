//! What people see: amounts, names, tables, cards and progress, as text. Takes what the API answered and decides nothing.
//!
//! Names come from Stripe and from strangers: none reaches a terminal before [`text::plain`] has seen it.

pub mod amount;
pub mod billing;
pub mod card;
pub mod console;
pub mod progress;
pub mod revenue;
pub mod table;
pub mod text;
pub mod verify;
