//! Which account a Stripe customer belongs to: by hand, then by its id where an account names it, then by the domain in
//! its `metadata`, then by its e-mail domain; a personal address never joins people together.

use crate::facts::Customer;
use crate::id::{AccountId, CustomerId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The `metadata` key whose value names the company's domain.
pub const DOMAIN_METADATA_KEY: &str = "domain";

/// The system in whose name a given account names customers of Stripe: `external_ids: {"stripe": "cus_…"}`.
pub const STRIPE_SYSTEM: &str = "stripe";

/// Mail providers whose addresses belong to people and not to a company.
const PERSONAL_DOMAINS: [&str; 44] = [
    "163.com",
    "126.com",
    "aol.com",
    "btinternet.com",
    "comcast.net",
    "duck.com",
    "fastmail.com",
    "free.fr",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.fr",
    "icloud.com",
    "laposte.net",
    "libero.it",
    "live.com",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "naver.com",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "pm.me",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "t-online.de",
    "tutanota.com",
    "web.de",
    "yahoo.co.uk",
    "yahoo.com",
    "yahoo.fr",
    "yandex.ru",
    "ymail.com",
];

/// How a customer was matched; the order is the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MatchRule {
    /// A person said so; wins over every rule and survives a re-sync.
    ByHand,
    /// A given account names the customer among its external ids.
    ExternalId,
    /// `metadata.domain`.
    MetadataDomain,
    /// The domain of the e-mail address.
    EmailDomain,
    /// Neither is known or usable: the customer is an account of its own.
    OwnAccount,
}

/// What a customer's own data says of the account it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belongs {
    /// To whichever account has this domain.
    ToDomain {
        /// Lowercase, without a leading `www.`.
        domain: String,
        /// Which rule found it.
        rule: MatchRule,
    },
    /// To nobody else.
    Alone,
}

/// What a customer's own data says, before anything a person said.
#[must_use]
pub fn belongs(customer: &Customer) -> Belongs {
    if let Some(domain) = customer.metadata.get(DOMAIN_METADATA_KEY).and_then(|text| clean_domain(text)) {
        return Belongs::ToDomain { domain, rule: MatchRule::MetadataDomain };
    }
    match customer.email.as_deref().and_then(email_domain) {
        Some(domain) if !is_personal(&domain) => Belongs::ToDomain { domain, rule: MatchRule::EmailDomain },
        _ => Belongs::Alone,
    }
}

/// The domain of an e-mail address, lowercase; `None` if it has none that could be a host name.
#[must_use]
pub fn email_domain(email: &str) -> Option<String> {
    let (local, domain) = email.trim().rsplit_once('@')?;
    if local.is_empty() { None } else { clean_domain(domain) }
}

/// A domain as people type it (`https://www.Acme.com/`), as a lowercase host name; `None` if it is none.
#[must_use]
pub fn clean_domain(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(&text);
    let host = text.split(['/', '?', ':']).next().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.');
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    (host.len() <= 253 && host.contains('.') && host.split('.').all(label)).then(|| host.to_owned())
}

/// True for domains of mail providers whose addresses belong to people.
#[must_use]
pub fn is_personal(domain: &str) -> bool {
    PERSONAL_DOMAINS.contains(&domain)
}

/// The id of the account that is made for a domain: the same every time, so that derived rows can be made again.
#[must_use]
pub fn account_of_domain(domain: &str) -> Option<AccountId> {
    account_id("domain", domain)
}

/// The id of the account that is made for a customer who belongs to nobody else.
#[must_use]
pub fn account_of_customer(customer: &CustomerId) -> Option<AccountId> {
    account_id("customer", customer.as_str())
}

/// The id of an account that was given with a name and nothing else to know it by.
#[must_use]
pub fn account_of_name(name: &str) -> Option<AccountId> {
    account_id("name", name)
}

/// What a system other than Billfold calls an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId {
    system: Box<str>,
    value: Box<str>,
}

/// The text is not the name of a system, or not an id in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a system's name has from 1 to 64 letters, digits, dots, hyphens or underscores, and an id in it from 1 to 255 \
     characters without control characters"
)]
pub struct ExternalIdError;

impl ExternalId {
    /// Takes a system's name and an id in it.
    ///
    /// # Errors
    /// [`ExternalIdError`] if either is not one.
    pub fn new(system: &str, value: &str) -> Result<Self, ExternalIdError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let system_is_one = (1..=64).contains(&system.len()) && system.chars().all(plain);
        let value_is_one = !value.is_empty() && value.chars().count() <= 255 && !value.chars().any(char::is_control);
        if system_is_one && value_is_one {
            Ok(Self { system: system.into(), value: value.into() })
        } else {
            Err(ExternalIdError)
        }
    }

    /// A customer of Stripe, as an account names it.
    #[must_use]
    pub fn of_customer(customer: &CustomerId) -> Self {
        Self { system: STRIPE_SYSTEM.into(), value: customer.as_str().into() }
    }

    /// The customer that it names, if it names one.
    #[must_use]
    pub fn customer(&self) -> Option<CustomerId> {
        Some(()).filter(|()| &*self.system == STRIPE_SYSTEM).and_then(|()| CustomerId::new(self.value()).ok())
    }

    /// The system's name.
    #[must_use]
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The id in it.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

fn account_id(what: &str, value: &str) -> Option<AccountId> {
    let digest = Sha256::digest(format!("{what}:{value}"));
    let short = hex::encode(digest.get(..12)?);
    AccountId::new(format!("acc_{short}")).ok()
}

/// A name for an account made from a customer: its name, else its domain, else its address, else its id.
#[must_use]
pub fn account_name(customer: &Customer, domain: Option<&str>) -> String {
    let name = customer.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    name.or(domain).or(customer.email.as_deref()).unwrap_or(customer.id.as_str()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn customer(email: Option<&str>, domain: Option<&str>) -> Customer {
        Customer {
            id: CustomerId::new("cus_1").unwrap(),
            name: None,
            email: email.map(str::to_owned),
            created: Timestamp::UNIX_EPOCH,
            delinquent: false,
            discount: None,
            test_clock: false,
            metadata: domain.map(|d| (DOMAIN_METADATA_KEY.to_owned(), d.to_owned())).into_iter().collect(),
        }
    }

    #[test]
    fn metadata_wins_over_the_address_and_people_stay_alone() {
        let check = |email, domain, expected: Option<(&str, MatchRule)>| {
            let expected =
                expected.map_or(Belongs::Alone, |(domain, rule)| Belongs::ToDomain { domain: domain.into(), rule });
            assert_eq!(belongs(&customer(email, domain)), expected, "{email:?} {domain:?}");
        };
        check(Some("ann@Acme.com"), None, Some(("acme.com", MatchRule::EmailDomain)));
        check(
            Some("ann@acme.com"),
            Some("https://www.initech.io/about"),
            Some(("initech.io", MatchRule::MetadataDomain)),
        );
        check(Some("ann@acme.com"), Some("not a domain"), Some(("acme.com", MatchRule::EmailDomain)));
        check(Some("ann@gmail.com"), None, None);
        check(Some("ann@gmail.com"), Some("acme.com"), Some(("acme.com", MatchRule::MetadataDomain)));
        check(Some("@acme.com"), None, None);
        check(Some("ann"), None, None);
        check(Some("ann@localhost"), None, None);
        check(None, None, None);
    }

    #[test]
    fn account_ids_are_functions_of_what_they_stand_for() {
        assert_eq!(account_of_domain("acme.com"), account_of_domain("acme.com"));
        assert_ne!(account_of_domain("acme.com"), account_of_domain("acme.org"));
        let same_text = CustomerId::new("acme.com").unwrap();
        assert_ne!(account_of_domain("acme.com"), account_of_customer(&same_text));
    }

    #[test]
    fn an_external_id_has_a_system_and_a_value_that_fit_a_key() {
        let check = |system: &str, value: &str, good: bool| {
            assert_eq!(ExternalId::new(system, value).is_ok(), good, "{system:?} {value:?}");
        };
        check("stripe", "cus_1", true);
        check("crm.eu-1", "a#b c 🎉", true);
        for system in ["", "a b", "a#b", "ä", &"x".repeat(65)] {
            check(system, "1", false);
        }
        for value in ["", "a\nb", "\u{0}", &"x".repeat(256)] {
            check("crm", value, false);
        }
        let customer = CustomerId::new("cus_1").unwrap();
        assert_eq!(ExternalId::new("stripe", "cus_1").unwrap().customer(), Some(customer.clone()));
        assert_eq!(ExternalId::of_customer(&customer), ExternalId::new("stripe", "cus_1").unwrap());
        assert_eq!(ExternalId::new("crm", "cus_1").unwrap().customer(), None);
    }

    #[test]
    fn an_account_has_a_name_whatever_is_known() {
        let mut who = customer(Some("ann@acme.com"), None);
        assert_eq!(account_name(&who, Some("acme.com")), "acme.com");
        assert_eq!(account_name(&who, None), "ann@acme.com");
        who.name = Some(" Acme Inc ".into());
        assert_eq!(account_name(&who, None), "Acme Inc");
        who.name = Some("  ".into());
        who.email = None;
        assert_eq!(account_name(&who, None), "cus_1");
    }

    #[test]
    fn the_list_of_personal_domains_has_no_typing_errors() {
        for domain in PERSONAL_DOMAINS {
            assert_eq!(clean_domain(domain).as_deref(), Some(domain));
        }
    }
}
