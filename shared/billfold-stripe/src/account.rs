//! Which account a key belongs to. A restricted key may usually not read the account, but then
//! the refusal itself names it. It never keeps the account's e-mail or address.

use bytes::Bytes;
use serde::Deserialize;

use crate::judge::Flaw;
use crate::{Client, Endpoint, Route, StripeError};

/// As much as the key may know of its account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountIdentity {
    pub id: Option<String>,
    /// What the account calls itself in public, or else in its dashboard.
    pub name: Option<String>,
    /// Lower case, as Stripe writes it.
    pub default_currency: Option<String>,
    pub country: Option<String>,
    /// An IANA name.
    pub timezone: Option<String>,
}

impl Client {
    /// Asks for the account. A key without the permission still learns the id, if Stripe's
    /// refusal names it.
    pub async fn identify(&self) -> Result<AccountIdentity, StripeError> {
        let route = Route::list(Endpoint::Account);
        let url = self.transport.base.route(Endpoint::Account.list_template(), "");
        match self.get(route, &url, Vec::new(), read_account).await {
            Ok(got) => Ok(got.value),
            Err(StripeError::PermissionMissing { account, .. }) => {
                Ok(AccountIdentity { id: account, ..AccountIdentity::default() })
            }
            Err(error) => Err(error),
        }
    }
}

#[derive(Deserialize)]
struct Account {
    id: String,
    default_currency: Option<String>,
    country: Option<String>,
    business_profile: Option<Named>,
    settings: Option<Settings>,
}

#[derive(Default, Deserialize)]
struct Named {
    name: Option<String>,
}

#[derive(Default, Deserialize)]
struct Settings {
    dashboard: Option<Dashboard>,
}

#[derive(Default, Deserialize)]
struct Dashboard {
    display_name: Option<String>,
    timezone: Option<String>,
}

fn read_account(body: &Bytes) -> Result<AccountIdentity, Flaw> {
    let account: Account = serde_json::from_slice(body).map_err(Flaw::of)?;
    let dashboard = account.settings.unwrap_or_default().dashboard.unwrap_or_default();
    let public_name = account.business_profile.unwrap_or_default().name;
    let is_given = |name: &String| !name.trim().is_empty();
    Ok(AccountIdentity {
        id: Some(account.id),
        name: public_name.filter(is_given).or(dashboard.display_name.filter(is_given)),
        default_currency: account.default_currency,
        country: account.country,
        timezone: dashboard.timezone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_name_comes_before_the_dashboards() {
        let check = |body: &'static str, wanted: Option<&str>| {
            let identity = read_account(&Bytes::from_static(body.as_bytes())).unwrap();
            assert_eq!(identity.name.as_deref(), wanted);
        };
        check(
            r#"{"id":"acct_1","business_profile":{"name":"Acme"},"settings":{"dashboard":{"display_name":"A"}}}"#,
            Some("Acme"),
        );
        check(
            r#"{"id":"acct_1","business_profile":{"name":" "},"settings":{"dashboard":{"display_name":"A"}}}"#,
            Some("A"),
        );
        check(r#"{"id":"acct_1","business_profile":null,"settings":null}"#, None);
    }
}
