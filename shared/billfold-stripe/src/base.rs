//! Where Stripe is: a validated `STRIPE_API_BASE`. It never lets a key travel unencrypted off
//! this machine, and it never repeats the text it refuses, which may hold a password.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

/// Scheme, host and port of Stripe, and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Base(Url);

/// Why a text is no base address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    #[error("the Stripe base address is not a URL; expected for example https://api.stripe.com")]
    NotAUrl,
    #[error("the Stripe base address must start with https:// (or http:// for this machine)")]
    Scheme,
    #[error("the Stripe base address may use http:// only for this machine (127.0.0.1, ::1, localhost)")]
    Unencrypted,
    #[error("the Stripe base address must not contain a user name or password")]
    UserInfo,
    #[error("the Stripe base address must be scheme, host and port only, without path or query")]
    Path,
}

impl Base {
    /// Reads and checks a base address.
    pub fn parse(text: &str) -> Result<Self, BaseError> {
        let url = Url::parse(text).map_err(|_| BaseError::NotAUrl)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(BaseError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseError::UserInfo);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(BaseError::Path);
        }
        let base = Self(url);
        if base.0.scheme() == "http" && !base.is_loopback() {
            return Err(BaseError::Unencrypted);
        }
        Ok(base)
    }

    /// Whether the address is on this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        match address.parse::<std::net::IpAddr>() {
            Ok(ip) => ip.is_loopback(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        }
    }

    /// A path with its query on this host; `None` if it leads anywhere else.
    pub(crate) fn join_path(&self, path: &str) -> Option<Url> {
        let url = self.0.join(path).ok()?;
        (url.origin() == self.0.origin()).then_some(url)
    }

    /// The URL of a route template, its `{id}` filled in and percent-encoded.
    pub(crate) fn route(&self, template: &str, id: &str) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            let segments = template.split('/').skip(1);
            path.clear().extend(segments.map(|part| if part == "{id}" { id } else { part }));
        }
        url
    }
}

impl Default for Base {
    #[expect(clippy::expect_used, reason = "a constant, which a test reads too")]
    fn default() -> Self {
        Self::parse("https://api.stripe.com").expect("a valid constant")
    }
}

impl FromStr for Base {
    type Err = BaseError;

    fn from_str(text: &str) -> Result<Self, BaseError> {
        Self::parse(text)
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses_are_kept() {
        let check = |text: &str, shown: &str| assert_eq!(Base::parse(text).unwrap().to_string(), shown);
        check("https://api.stripe.com", "https://api.stripe.com");
        check("https://api.stripe.com/", "https://api.stripe.com");
        check("https://stripe.internal:8443", "https://stripe.internal:8443");
        check("http://127.0.0.1:12111", "http://127.0.0.1:12111");
        check("http://127.8.9.1:1", "http://127.8.9.1:1");
        check("http://[::1]:12111", "http://[::1]:12111");
        check("http://localhost:12111", "http://localhost:12111");
        assert_eq!(Base::default().to_string(), "https://api.stripe.com");
    }

    #[test]
    fn bad_addresses_are_refused() {
        let check = |text: &str, wanted| assert_eq!(Base::parse(text), Err(wanted), "{text}");
        check("", BaseError::NotAUrl);
        check("api.stripe.com", BaseError::NotAUrl);
        check("ftp://api.stripe.com", BaseError::Scheme);
        check("file:///etc/passwd", BaseError::Scheme);
        check("http://api.stripe.com", BaseError::Unencrypted);
        check("http://10.0.0.1", BaseError::Unencrypted);
        check("http://localhost.example.com", BaseError::Unencrypted);
        check("https://user@api.stripe.com", BaseError::UserInfo);
        check("https://:word@api.stripe.com", BaseError::UserInfo);
        check("https://api.stripe.com/v1", BaseError::Path);
        check("https://api.stripe.com?x=1", BaseError::Path);
        check("https://api.stripe.com/#x", BaseError::Path);
    }

    #[test]
    fn a_refusal_does_not_repeat_a_password() {
        let error = Base::parse("https://user:hunter2@api.stripe.com").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn ids_cannot_leave_their_place_in_the_path() {
        let check = |id: &str, path: &str| {
            assert_eq!(Base::default().route("/v1/invoices/{id}/lines", id).path(), path);
        };
        check("in_1", "/v1/invoices/in_1/lines");
        check("a/b?c#d%2e", "/v1/invoices/a%2Fb%3Fc%23d%252e/lines");
        check("é ", "/v1/invoices/%C3%A9%20/lines");
    }
}
