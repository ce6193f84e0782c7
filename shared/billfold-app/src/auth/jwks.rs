//! The public keys of an identity provider: fetched over HTTPS, kept for a while, fetched again when a token names a key
//! that is not among them, and not believed any more when they could not be fetched for too long.
//!
//! Symmetric keys in a set are as if they were not there.

use super::AuthError;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, Url, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::str::FromStr as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// Keys older than this are fetched again when somebody needs them.
pub const REFRESH_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Keys that could not be fetched again for so long are not believed any more.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// However many tokens name keys that are not known, the set is not fetched more often than this.
pub const FETCHES_APART: SignedDuration = SignedDuration::from_secs(15);
/// The most keys of a set that are looked at.
const KEYS_MAX: usize = 100;
const ANSWER_BYTES_MAX: usize = 256 * 1024;
const FETCH_TIME_MAX: Duration = Duration::from_secs(5);

/// Why a set of keys cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The address.
    #[error("the address of the key set must be https://… (http:// only for this machine), without a user name")]
    Address,
}

/// Why a fetch brought nothing.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("it could not be fetched")]
    Http(#[from] reqwest::Error),
    #[error("it was answered with {0}")]
    Status(reqwest::StatusCode),
    #[error("it is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("it is not what it should be")]
    Unreadable(#[from] serde_json::Error),
    #[error("it has no key that could have signed a token")]
    Empty,
    #[error("the issuer calls itself {0:?}")]
    OtherIssuer(String),
    #[error(transparent)]
    Address(#[from] JwksError),
}

/// A set of keys somewhere else.
pub(super) struct Jwks {
    place: Place,
    known: RwLock<Option<Known>>,
    /// Held while the set is fetched; when that was last tried.
    tried_at: Mutex<Option<Timestamp>>,
}

/// Where it is.
enum Place {
    At(Url),
    /// Where the issuer of this name says, at this address.
    DescribedBy(String, Url),
}

/// What an issuer says of itself, as far as it matters here.
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

#[derive(Clone)]
struct Known {
    keys: Arc<[Key]>,
    fetched_at: Timestamp,
}

/// A key that signatures are checked with.
#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// What is known of a key.
enum Look {
    /// It is there, and the set is fresh.
    Fresh(DecodingKey),
    /// It is there, and the set is due.
    Due(DecodingKey),
    /// The set does not have it.
    Unknown,
    /// There is no set that can be believed.
    NoSet,
}

impl Jwks {
    pub(super) fn at(url: &str) -> Result<Self, JwksError> {
        Ok(Self::new(Place::At(address(url)?)))
    }

    pub(super) fn described_by(issuer: &str) -> Result<Self, JwksError> {
        let description = address(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))?;
        Ok(Self::new(Place::DescribedBy(issuer.to_owned(), description)))
    }

    fn new(place: Place) -> Self {
        Self { place, known: RwLock::default(), tried_at: Mutex::default() }
    }

    /// The key that a token's header names.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<DecodingKey, AuthError> {
        match self.look(id, algorithm, now) {
            Look::Fresh(key) => return Ok(key),
            Look::Due(key) => {
                // One of the callers waits for the new set; the others go on with the old one.
                let Ok(mut tried_at) = self.tried_at.try_lock() else { return Ok(key) };
                self.fetch(&mut tried_at, now).await;
            }
            Look::Unknown | Look::NoSet => {
                let mut tried_at = self.tried_at.lock().await;
                if !matches!(self.look(id, algorithm, now), Look::Fresh(_)) {
                    self.fetch(&mut tried_at, now).await;
                }
            }
        }
        match self.look(id, algorithm, now) {
            Look::Fresh(key) | Look::Due(key) => Ok(key),
            Look::Unknown => Err(AuthError::Unauthenticated),
            Look::NoSet => Err(AuthError::KeysUnavailable),
        }
    }

    fn look(&self, id: Option<&str>, algorithm: Algorithm, now: Timestamp) -> Look {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.as_ref() else { return Look::NoSet };
        let age = now.duration_since(known.fetched_at);
        if age > STALE_AFTER {
            return Look::NoSet;
        }
        let fits = |key: &&Key| key.algorithms.contains(&algorithm) && (id.is_none() || key.id.as_deref() == id);
        let mut fitting = known.keys.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            // A token that names no key can only be of a set that leaves no choice.
            (Some(_), Some(_)) if id.is_none() => Look::Unknown,
            (Some(key), _) if age > REFRESH_AFTER => Look::Due(key.key.clone()),
            (Some(key), _) => Look::Fresh(key.key.clone()),
            (None, _) => Look::Unknown,
        }
    }

    async fn fetch(&self, tried_at: &mut Option<Timestamp>, now: Timestamp) {
        if tried_at.is_some_and(|tried| now.duration_since(tried) < FETCHES_APART) {
            return;
        }
        *tried_at = Some(now);
        match self.fetched().await {
            Ok(keys) => {
                let known = Known { keys: keys.into(), fetched_at: now };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
            }
            Err(error) => tracing::warn!(error = %crate::refusal::chain(&error), "the key set was not fetched"),
        }
    }

    async fn fetched(&self) -> Result<Vec<Key>, FetchError> {
        let set = match &self.place {
            Place::At(url) => url.clone(),
            Place::DescribedBy(issuer, url) => {
                let Description { issuer: own, jwks_uri } = get(url.clone()).await?;
                if own != *issuer {
                    return Err(FetchError::OtherIssuer(own));
                }
                address(&jwks_uri)?
            }
        };
        let set: Set = get(set).await?;
        let keys: Vec<Key> = set.keys.into_iter().take(KEYS_MAX).filter_map(usable).collect();
        if keys.is_empty() { Err(FetchError::Empty) } else { Ok(keys) }
    }
}

/// An address that keys may come from.
fn address(url: &str) -> Result<Url, JwksError> {
    let url = Url::parse(url).map_err(|_| JwksError::Address)?;
    let encrypted = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url));
    if !encrypted || !url.username().is_empty() || url.password().is_some() {
        return Err(JwksError::Address);
    }
    Ok(url)
}

/// The JSON at an address. It is asked for so rarely that nothing is kept for the next time.
async fn get<Answer: DeserializeOwned>(url: Url) -> Result<Answer, FetchError> {
    let builder = Client::builder().redirect(redirect::Policy::none()).referer(false).timeout(FETCH_TIME_MAX);
    let builder = if is_this_machine(&url) { builder.no_proxy() } else { builder };
    let mut response = builder.build()?.get(url).send().await?;
    if !response.status().is_success() {
        return Err(FetchError::Status(response.status()));
    }
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        text.extend_from_slice(&chunk);
        if text.len() > ANSWER_BYTES_MAX {
            return Err(FetchError::TooLong);
        }
    }
    Ok(serde_json::from_slice(&text)?)
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse().map_or(host == "localhost", |ip: std::net::IpAddr| ip.is_loopback())
}

/// A public key that is meant for signatures, with the algorithms that it can have been used with.
fn usable(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let common = &jwk.common;
    let for_signatures = common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
    let verifies = |all: &Vec<KeyOperations>| all.contains(&KeyOperations::Verify);
    if !for_signatures || !common.key_operations.as_ref().is_none_or(verifies) {
        return None;
    }
    let mut algorithms = algorithms(&jwk.algorithm);
    if let Some(only) = common.key_algorithm {
        let only = Algorithm::from_str(&only.to_string()).ok()?;
        algorithms.retain(|algorithm| *algorithm == only);
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then(|| Key { id: jwk.common.key_id, algorithms, key })
}

fn algorithms(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => vec![ES256],
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P384 => vec![ES384],
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => vec![EdDSA],
        // Symmetric keys, and kinds that nobody has heard of yet.
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for good in
            ["https://id.example/jwks.json", "http://127.0.0.1:9/jwks", "http://[::1]/jwks", "http://localhost/"]
        {
            assert!(Jwks::at(good).is_ok(), "{good}");
        }
        for bad in ["http://id.example/jwks.json", "file:///jwks", "https://u:p@id.example/", "jwks", ""] {
            assert!(matches!(Jwks::at(bad), Err(JwksError::Address)), "{bad}");
        }
    }

    #[test]
    fn only_public_keys_for_signatures_are_keys() {
        let ec = json!({
            "kty": "EC", "crv": "P-256", "kid": "a",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
        });
        let with = |more: Value| {
            let mut key = ec.clone();
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            usable(key).map(|key| key.algorithms)
        };
        assert_eq!(with(json!({})), Some(vec![Algorithm::ES256]));
        assert_eq!(with(json!({"use": "sig", "alg": "ES256", "key_ops": ["verify"]})), Some(vec![Algorithm::ES256]));
        for bad in
            [json!({"use": "enc"}), json!({"alg": "RS256"}), json!({"key_ops": ["encrypt"]}), json!({"crv": "P-521"})]
        {
            assert_eq!(with(bad.clone()), None, "{bad}");
        }
        for bad in [json!({"kty": "oct", "k": "c2VjcmV0"}), json!({"kty": "new"}), json!("x"), json!({})] {
            assert!(usable(bad.clone()).is_none(), "{bad}");
        }
    }
}
