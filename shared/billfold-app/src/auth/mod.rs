//! Who asks: a bearer token is verified once, and becomes a [`Caller`], the only thing that names a workspace to a use
//! case (law 8). Symmetric algorithms and `none` are never accepted.

mod issuer;
#[cfg(test)]
mod issuer_tests;
mod jwks;
mod local;

pub use issuer::{IssuerConfig, IssuerError, ROLE_CLAIM, WORKSPACE_CLAIM};
pub use jwks::{FETCHES_APART, JwksError, REFRESH_AFTER, STALE_AFTER};
pub use local::{LocalKeyError, LocalKeys};

use billfold_core::id::WorkspaceId;
use issuer::Issuer;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};

/// The issuer of tokens made by `billfold token`.
pub const LOCAL_ISSUER: &str = "billfold-local";

/// Tokens are accepted this many seconds after they end, because clocks differ.
const LEEWAY_S: i64 = 30;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything.
    Member,
    /// Also changes things.
    Admin,
    /// Also erases things.
    Owner,
}

/// Somebody whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// What they may do.
    pub role: Role,
    /// Who they are, in their identity provider's words.
    pub subject: String,
}

/// The claims that Billfold reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Who.
    pub sub: String,
    /// Until when, in Unix seconds.
    pub exp: i64,
    /// Issued by whom.
    pub iss: String,
    /// The workspace.
    pub billfold_workspace: WorkspaceId,
    /// The role.
    pub billfold_role: Role,
}

/// Why nobody knows who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The token is missing, malformed, unsigned, expired, or not for Billfold. Which of these is not told.
    #[error("Send a valid token in the Authorization header: Bearer <token>")]
    Unauthenticated,
    /// The identity provider's keys have not been fetched, or not for so long that they are not believed any more.
    #[error(
        "The identity provider's keys cannot be fetched right now, so no token can be checked; try again in a moment"
    )]
    KeysUnavailable,
}

/// Verifies tokens.
pub struct Tokens(Trust);

/// Whose tokens are good.
enum Trust {
    /// Nobody's.
    Nobody,
    /// Those that this key signed.
    Local(Vec<DecodingKey>),
    /// An identity provider's.
    Issuer(Box<Issuer>),
}

impl Tokens {
    /// Accepts no token at all.
    #[must_use]
    pub fn none() -> Self {
        Self(Trust::Nobody)
    }

    /// Accepts the tokens of an identity provider.
    ///
    /// # Errors
    /// [`IssuerError`] if it cannot be used as it is configured.
    pub fn of_issuer(config: IssuerConfig) -> Result<Self, IssuerError> {
        Ok(Self(Trust::Issuer(Box::new(Issuer::new(config)?))))
    }

    pub(crate) fn ed25519(keys: Vec<DecodingKey>) -> Self {
        Self(Trust::Local(keys))
    }

    /// Verifies the value of an `Authorization` header.
    ///
    /// # Errors
    /// [`AuthError`] for anything but a good token.
    pub async fn verify(&self, authorization: Option<&str>, now: Timestamp) -> Result<Caller, AuthError> {
        let (scheme, token) =
            authorization.and_then(|value| value.split_once(' ')).ok_or(AuthError::Unauthenticated)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AuthError::Unauthenticated);
        }
        let token = token.trim();
        match &self.0 {
            Trust::Nobody => Err(AuthError::Unauthenticated),
            Trust::Local(keys) => local_caller(keys, token, now).ok_or(AuthError::Unauthenticated),
            Trust::Issuer(issuer) => issuer.verify(token, now).await,
        }
    }
}

fn local_caller(keys: &[DecodingKey], token: &str, now: Timestamp) -> Option<Caller> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[LOCAL_ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    validation.validate_aud = false;
    // Compared below with the clock that was passed in.
    validation.validate_exp = false;
    let claims = |key| jsonwebtoken::decode::<Claims>(token, key, &validation).ok().map(|data| data.claims);
    let claims = keys.iter().find_map(claims)?;
    let good = claims.exp.saturating_add(LEEWAY_S) >= now.as_second();
    good.then_some(Caller { workspace: claims.billfold_workspace, role: claims.billfold_role, subject: claims.sub })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn keys(dir: &tempfile::TempDir) -> LocalKeys {
        LocalKeys::load_or_create(dir.path()).unwrap()
    }

    fn issue(keys: &LocalKeys, now: Timestamp) -> String {
        keys.issue(&WorkspaceId::new("acme").unwrap(), Role::Admin, "ann", now, 3600).unwrap()
    }

    #[tokio::test]
    async fn a_good_token_names_workspace_and_role() {
        let dir = tempfile::tempdir().unwrap();
        let keys = keys(&dir);
        let header = format!("Bearer {}", issue(&keys, at(1000)));
        let caller = keys.tokens().verify(Some(&header), at(2000)).await.unwrap();
        assert_eq!((caller.workspace.as_str(), caller.role, caller.subject.as_str()), ("acme", Role::Admin, "ann"));
    }

    #[tokio::test]
    async fn everything_else_is_refused() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let token = issue(&keys(&dir), at(1000));
        let tokens = keys(&dir).tokens();
        let refused = async |header: Option<&str>, now| {
            assert_eq!(tokens.verify(header, at(now)).await, Err(AuthError::Unauthenticated), "{header:?}");
        };
        refused(None, 1000).await;
        refused(Some(""), 1000).await;
        refused(Some(&token), 1000).await;
        refused(Some(&format!("Basic {token}")), 1000).await;
        refused(Some(&format!("Bearer {token}x")), 1000).await;
        refused(Some(&format!("Bearer {token}")), 1000 + 3600 + LEEWAY_S + 1).await;
        refused(Some(&format!("Bearer {}", issue(&keys(&other), at(1000)))), 1000).await;
        assert_eq!(
            Tokens::none().verify(Some(&format!("Bearer {token}")), at(1000)).await,
            Err(AuthError::Unauthenticated)
        );
    }

    #[tokio::test]
    async fn unsigned_and_symmetric_tokens_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let keys = keys(&dir);
        let claims = issue(&keys, at(1000)).split('.').nth(1).unwrap().to_owned();
        // {"alg":"none","typ":"JWT"}
        let none = format!("Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
        assert_eq!(keys.tokens().verify(Some(&none), at(1000)).await, Err(AuthError::Unauthenticated));
        let key = jsonwebtoken::EncodingKey::from_secret(b"billfold");
        let body: Claims = Claims {
            sub: "ann".into(),
            exp: 5000,
            iss: LOCAL_ISSUER.into(),
            billfold_workspace: WorkspaceId::new("acme").unwrap(),
            billfold_role: Role::Owner,
        };
        let hs256 = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &body, &key).unwrap();
        assert_eq!(
            keys.tokens().verify(Some(&format!("Bearer {hs256}")), at(1000)).await,
            Err(AuthError::Unauthenticated)
        );
    }
}
