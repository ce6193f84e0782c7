//! The shape of keys and secrets that people paste, checked before anything is sent anywhere (API.md, Connection).

use serde::{Deserialize, Serialize};

/// Longest key or secret that is taken, in bytes. Keys today are about 107 characters (FACTS.md §5.1).
pub const SECRET_BYTES_MAX: usize = 255;

/// Whether a key reaches real money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Real money.
    Live,
    /// Test data and sandboxes.
    Test,
}

impl Mode {
    /// The mode's name, as in a key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// `rk_…`: the permissions that were chosen for it.
    Restricted,
    /// `sk_…`: everything.
    Secret,
}

/// What the text of a key says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyShape {
    /// Restricted or secret.
    pub kind: KeyKind,
    /// Live or test.
    pub mode: Mode,
    /// What may be shown of it: `rk_test_…abcd`.
    pub label: String,
}

/// The text does not look like a key that Billfold can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Enter a Stripe restricted key (rk_…) or secret key (sk_…)")]
pub struct KeyFormat;

/// The text does not look like a signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Webhook signing secrets start with whsec_")]
pub struct SecretFormat;

fn body_is_plain(body: &str) -> bool {
    body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Reads the shape of an API key. Space around it is the caller's to trim.
///
/// # Errors
/// [`KeyFormat`] for publishable keys, signing secrets, blanks, anything with a character that no key has.
pub fn key_shape(key: &str) -> Result<KeyShape, KeyFormat> {
    if key.len() > SECRET_BYTES_MAX {
        return Err(KeyFormat);
    }
    let (kind, rest) = match key.split_at_checked(3) {
        Some(("rk_", rest)) => (KeyKind::Restricted, rest),
        Some(("sk_", rest)) => (KeyKind::Secret, rest),
        _ => return Err(KeyFormat),
    };
    let (mode, body) = match rest.split_at_checked(5) {
        Some(("live_", body)) => (Mode::Live, body),
        Some(("test_", body)) => (Mode::Test, body),
        _ => return Err(KeyFormat),
    };
    if body.len() < 8 || !body_is_plain(body) {
        return Err(KeyFormat);
    }
    let tail = body.get(body.len().saturating_sub(4)..).ok_or(KeyFormat)?;
    let head = key.get(..8).ok_or(KeyFormat)?;
    Ok(KeyShape { kind, mode, label: format!("{head}…{tail}") })
}

/// Checks the shape of a webhook signing secret.
///
/// # Errors
/// [`SecretFormat`] unless it is `whsec_` and at least eight plain characters.
pub fn check_signing_secret(secret: &str) -> Result<(), SecretFormat> {
    match secret.strip_prefix("whsec_") {
        // Secrets of some endpoints are base64, so `+`, `/` and `=` are part of them.
        Some(body) if body.len() >= 8 && secret.len() <= SECRET_BYTES_MAX => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'/' | b'=' | b'-');
            if body.bytes().all(plain) { Ok(()) } else { Err(SecretFormat) }
        }
        _ => Err(SecretFormat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_is_and_never_all_of_itself() {
        let shape = key_shape("rk_test_51Abcdefghijklmnop").unwrap();
        assert_eq!((shape.kind, shape.mode), (KeyKind::Restricted, Mode::Test));
        assert_eq!(shape.label, "rk_test_…mnop");
        let shape = key_shape("sk_live_51Abcdefghijklmnop").unwrap();
        assert_eq!((shape.kind, shape.mode), (KeyKind::Secret, Mode::Live));
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let long = format!("rk_test_{}", "a".repeat(300));
        for bad in [
            "",
            " ",
            "pk_test_51Abcdefghijklmnop",
            "whsec_abcdefghijkl",
            "rk_test_",
            "rk_test_short",
            "rk_prod_51Abcdefghijk",
            "rk_test_51Abc\ndefghijklmnop",
            "rk_test_51Abcdefghijklmn\u{f6}p",
            "rk_test_51Abc defghijklmnop",
            "rk",
            "rk_\u{1F600}test",
            &long,
        ] {
            assert_eq!(key_shape(bad), Err(KeyFormat), "{bad:?}");
        }
    }

    #[test]
    fn signing_secrets_start_with_whsec() {
        assert_eq!(check_signing_secret("whsec_0123456789abcdef"), Ok(()));
        for bad in ["", "whsec_", "whsec_short", "rk_test_0123456789", "whsec_0123456789\n", "whsec_01234567\u{e9}"] {
            assert_eq!(check_signing_secret(bad), Err(SecretFormat), "{bad:?}");
        }
    }
}
