#![allow(missing_docs)]
use serde::{Deserialize, Serialize};
use crate::money::{Currency, Money};
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Rates;
#[derive(Debug, thiserror::Error)] #[error("x")] pub struct RatesError;
impl Rates { pub fn check(&self) -> Result<(), RatesError> { Ok(()) } }
pub struct Settings { pub currency: Currency, pub policy: crate::mrr::Policy, pub rates: Option<Rates> }
#[derive(Debug, Clone)] pub struct CustomerFacts { pub customer: Option<crate::facts::Customer>, pub subscriptions: Vec<crate::facts::Subscription>, pub invoices: Vec<crate::facts::Invoice> }
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub enum PaymentStatus { None }
impl PaymentStatus { pub fn as_str(&self) -> &'static str { "none" } }
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct AccountBilling { pub mrr: Money, pub arr: Money, pub payment_status: PaymentStatus, pub plan: Option<String>, pub renews_at: Option<jiff::Timestamp>, pub health: Option<u8> }
pub fn account(s: &Settings, _: &crate::mrr::Catalogue, _: &[CustomerFacts], _: jiff::Timestamp) -> AccountBilling { AccountBilling { mrr: Money::new(0, s.currency), arr: Money::new(0, s.currency), payment_status: PaymentStatus::None, plan: None, renews_at: None, health: None } }
