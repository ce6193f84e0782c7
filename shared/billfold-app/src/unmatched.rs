//! Why customers have no account, in words, for the card: what they have in common, and what to do about it.

use crate::app::App;
use crate::refusal::Refusal;
use crate::settings::AccountsMode;
use billfold_core::connection::Connection;
use billfold_core::id::WorkspaceId;
use billfold_core::matching::{email_domain, is_personal};
use billfold_store::{Direction, ListQuery, Matched, SortBy};
use serde::Serialize;

/// Unmatched customers that are counted; more than these are told as at least so many.
pub const COUNTED_MAX: usize = 1000;
/// Accounts that are looked at for their domains.
const ACCOUNTS_LOOKED_AT: usize = 100;

/// How customers find their accounts, on the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MatchingCard {
    /// Customers that no account takes, counted up to [`COUNTED_MAX`].
    pub unmatched: u64,
    /// True if there are more than were counted.
    pub at_least: bool,
    /// Why; `None` if every customer has an account.
    pub explanation: Option<String>,
    /// What to do about it; `None` if nothing need be done.
    pub fix: Option<String>,
}

/// What customers without an account have in common.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    all: u64,
    personal: u64,
    no_address: u64,
    company: u64,
}

/// What is known of the accounts that could take them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Accounts {
    any: bool,
    without_domain: u64,
}

impl Tally {
    fn of(customers: &[Matched]) -> Self {
        let mut tally = Self::default();
        for customer in customers {
            let counter = match customer.email.as_deref().and_then(email_domain) {
                None => &mut tally.no_address,
                Some(domain) if is_personal(&domain) => &mut tally.personal,
                Some(_) => &mut tally.company,
            };
            *counter = counter.saturating_add(1);
            tally.all = tally.all.saturating_add(1);
        }
        tally
    }
}

impl App {
    /// Why customers have no account.
    pub(crate) async fn matching_card(
        &self,
        ws: &WorkspaceId,
        connection: &Connection,
    ) -> Result<MatchingCard, Refusal> {
        let (customers, more) = self.store().unmatched_customers(ws, None, COUNTED_MAX).await?;
        let tally = Tally::of(&customers);
        if tally.all == 0 {
            return Ok(MatchingCard { unmatched: 0, at_least: false, explanation: None, fix: None });
        }
        let accounts = self.accounts_to_match(ws).await?;
        let mode = self.settings(ws).await?.accounts;
        let at_least = more.is_some();
        Ok(MatchingCard {
            unmatched: tally.all,
            at_least,
            explanation: Some(explanation(tally, at_least, accounts, connection.customers_matched)),
            fix: Some(fix(accounts, mode)),
        })
    }

    async fn accounts_to_match(&self, ws: &WorkspaceId) -> Result<Accounts, Refusal> {
        let query = ListQuery {
            sort: SortBy::Name,
            direction: Direction::Ascending,
            payment_status: None,
            search: None,
            after: None,
            limit: ACCOUNTS_LOOKED_AT,
        };
        let (rows, _) = self.store().list_accounts(ws, &query).await?;
        let without = rows.iter().filter(|row| row.domain.is_none()).count();
        Ok(Accounts { any: !rows.is_empty(), without_domain: u64::try_from(without).unwrap_or(u64::MAX) })
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn explanation(tally: Tally, at_least: bool, accounts: Accounts, matched: u64) -> String {
    let mut text = String::new();
    if matched == 0 {
        text.push_str("0 customers matched. ");
    }
    let how_many = if at_least { "At least " } else { "" };
    text.push_str(&format!("{how_many}{} no account: ", counted(tally.all, "customer has", "customers have")));
    let reasons = [
        (tally.personal, "pays with a personal e-mail address", "pay with personal e-mail addresses"),
        (tally.no_address, "has no e-mail address", "have no e-mail address"),
        (tally.company, "has a company domain that no account has", "have company domains that no account has"),
    ];
    let told = reasons.iter().filter(|(number, _, _)| *number > 0);
    text.push_str(&told.map(|(number, one, many)| counted(*number, one, many)).collect::<Vec<_>>().join(", "));
    text.push('.');
    if !accounts.any {
        text.push_str(" There are no accounts that could take them.");
    } else if accounts.without_domain > 0 {
        let one = "account has no domain, so no rule can find it";
        let many = "accounts have no domain, so no rule can find them";
        text.push_str(&format!(" {}.", counted(accounts.without_domain, one, many)));
    }
    text
}

fn fix(accounts: Accounts, mode: AccountsMode) -> String {
    let first = if accounts.any {
        "Give the accounts their customers' domains (PATCH /v1/accounts/{id}, or a column `domain` in an import), or their \
         Stripe customer ids (`external_ids.stripe`)."
    } else {
        "Import your accounts with their domains (POST /v1/accounts, or `billfold import FILE`)."
    };
    let by_hand = " Match the others by hand: GET /v1/customers?matched=false lists them, and PUT \
                   /v1/customers/{id}/account says whose each is.";
    let made = match mode {
        AccountsMode::MatchOnly => {
            " Or set `accounts` to \"create\" in the settings, and each of them gets an account."
        }
        AccountsMode::Create => "",
    };
    format!("{first}{by_hand}{made}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_core::id::CustomerId;

    fn customer(email: Option<&str>) -> Matched {
        Matched {
            customer: CustomerId::new("cus_1").unwrap(),
            account: None,
            rule: None,
            name: None,
            email: email.map(str::to_owned),
            unknown: false,
        }
    }

    #[test]
    fn customers_are_told_apart_by_their_addresses() {
        let customers =
            [Some("a@gmail.com"), Some("b@acme.com"), Some("c@GMX.de"), Some("nonsense"), None].map(customer);
        assert_eq!(Tally::of(&customers), Tally { all: 5, personal: 2, no_address: 2, company: 1 });
    }

    #[test]
    fn the_explanation_says_how_many_why_and_what_is_missing() {
        let tally = Tally { all: 3, personal: 2, no_address: 1, company: 0 };
        let none = Accounts::default();
        assert_eq!(
            explanation(tally, false, none, 0),
            "0 customers matched. 3 customers have no account: 2 pay with personal e-mail addresses, 1 has no e-mail address. \
             There are no accounts that could take them."
        );
        let tally = Tally { all: 1000, personal: 0, no_address: 0, company: 1000 };
        assert_eq!(
            explanation(tally, true, Accounts { any: true, without_domain: 1 }, 7),
            "At least 1000 customers have no account: 1000 have company domains that no account has. 1 account has no \
             domain, so no rule can find it."
        );
        assert!(
            fix(none, AccountsMode::MatchOnly).contains("billfold import")
                && fix(none, AccountsMode::MatchOnly).contains("\"create\"")
        );
        assert!(!fix(Accounts { any: true, without_domain: 0 }, AccountsMode::Create).contains("\"create\""));
    }
}
