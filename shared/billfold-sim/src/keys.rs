//! API keys: what they may do, whether they still work, and how they are masked in messages.

use std::collections::BTreeSet;

/// What a restricted key needs for a full read of billing, without the `rak_` prefix.
pub const READING: [&str; 10] = [
    "product_read",
    "plan_read",
    "customer_read",
    "subscription_read",
    "invoice_read",
    "coupon_read",
    "credit_note_read",
    "charge_read",
    "dispute_read",
    "event_read",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    Working,
    Expired,
    /// Rolled or deleted: Stripe no longer knows it.
    Gone,
}

#[derive(Clone, Debug)]
pub struct ApiKey {
    pub secret: String,
    pub state: KeyState,
    /// Nothing for a secret key, which may do everything.
    permissions: Option<BTreeSet<String>>,
}

impl ApiKey {
    /// A key as its own text describes it: `sk_` may do everything, `rk_` what is granted.
    pub fn new(secret: &str, permissions: &[&str]) -> Self {
        let restricted = !secret.starts_with("sk_");
        Self {
            secret: secret.to_owned(),
            state: KeyState::Working,
            permissions: restricted.then(|| permissions.iter().map(|name| plain(name)).collect()),
        }
    }

    pub fn livemode(&self) -> bool {
        self.secret.split('_').nth(1) == Some("live")
    }

    /// Whether the key may do what `permission` names; writing includes reading.
    pub fn may(&self, permission: &str) -> bool {
        let Some(granted) = &self.permissions else {
            return true;
        };
        let writing = permission.strip_suffix("_read").map(|name| format!("{name}_write"));
        granted.contains(permission) || writing.is_some_and(|name| granted.contains(&name))
    }

    pub fn grant(&mut self, permission: &str) {
        if let Some(granted) = &mut self.permissions {
            granted.insert(plain(permission));
        }
    }

    pub fn revoke(&mut self, permission: &str) {
        if let Some(granted) = &mut self.permissions {
            granted.remove(&plain(permission));
        }
    }
}

fn plain(permission: &str) -> String {
    permission.strip_prefix("rak_").unwrap_or(permission).to_owned()
}

/// A key as messages show it: kind, mode and the last four characters.
pub fn masked(secret: &str) -> String {
    let mut parts = secret.splitn(3, '_');
    let prefix = match (parts.next(), parts.next(), parts.next()) {
        (Some(kind), Some(mode), Some(_)) => format!("{kind}_{mode}_"),
        _ => String::new(),
    };
    let letters: Vec<char> = secret.chars().collect();
    let tail: String = letters[letters.len().saturating_sub(4)..].iter().collect();
    format!("{prefix}****{tail}")
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, masked};

    #[test]
    fn writing_includes_reading_but_not_the_reverse() {
        let key = ApiKey::new("rk_test_abc_def", &["rak_webhook_write", "invoice_read"]);
        assert!(key.may("webhook_read") && key.may("webhook_write"));
        assert!(key.may("invoice_read") && !key.may("invoice_write"));
    }

    #[test]
    fn secret_keys_may_do_everything_and_nothing_can_be_taken() {
        let mut key = ApiKey::new("sk_live_abc_def", &[]);
        key.revoke("invoice_read");
        assert!(key.may("invoice_write") && key.livemode());
    }

    #[test]
    fn grants_come_and_go() {
        let mut key = ApiKey::new("rk_test_abc_def", &[]);
        assert!(!key.may("coupon_read"));
        key.grant("rak_coupon_read");
        assert!(key.may("coupon_read"));
        key.revoke("coupon_read");
        assert!(!key.may("coupon_read") && !key.livemode());
    }

    #[test]
    fn only_the_end_of_a_key_is_shown() {
        assert_eq!(masked("rk_live_secret_1234"), "rk_live_****1234");
        assert_eq!(masked("nonsense"), "****ense");
        assert_eq!(masked(""), "****");
    }
}
