//! Who asks: a bearer token is verified once, and becomes a [`Caller`], the only thing that names a workspace to a use
//! case (law 8). Symmetric algorithms and `none` are never accepted.

mod local;

pub use local::{LocalKeyError, LocalKeys};

use billfold_core::id::WorkspaceId;
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

/// The token is missing, malformed, unsigned, expired, or not for Billfold. Which of these is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Send a valid token in the Authorization header: Bearer <token>")]
pub struct Unauthenticated;

/// Verifies tokens.
pub struct Tokens {
    keys: Vec<DecodingKey>,
    issuer: String,
}

impl Tokens {
    /// Accepts no token at all.
    #[must_use]
    pub fn none() -> Self {
        Self { keys: Vec::new(), issuer: LOCAL_ISSUER.to_owned() }
    }

    pub(crate) fn ed25519(keys: Vec<DecodingKey>) -> Self {
        Self { keys, issuer: LOCAL_ISSUER.to_owned() }
    }

    /// Verifies the value of an `Authorization` header.
    ///
    /// # Errors
    /// [`Unauthenticated`] for anything but a good token.
    pub fn verify(&self, authorization: Option<&str>, now: Timestamp) -> Result<Caller, Unauthenticated> {
        let (scheme, token) = authorization.and_then(|value| value.split_once(' ')).ok_or(Unauthenticated)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Unauthenticated);
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.validate_aud = false;
        // Compared below with the clock that was passed in.
        validation.validate_exp = false;
        let claims = |key| jsonwebtoken::decode::<Claims>(token.trim(), key, &validation).ok().map(|data| data.claims);
        let claims = self.keys.iter().find_map(claims).ok_or(Unauthenticated)?;
        if claims.exp.saturating_add(LEEWAY_S) < now.as_second() {
            return Err(Unauthenticated);
        }
        Ok(Caller { workspace: claims.billfold_workspace, role: claims.billfold_role, subject: claims.sub })
    }
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

    #[test]
    fn a_good_token_names_workspace_and_role() {
        let dir = tempfile::tempdir().unwrap();
        let keys = keys(&dir);
        let header = format!("Bearer {}", issue(&keys, at(1000)));
        let caller = keys.tokens().verify(Some(&header), at(2000)).unwrap();
        assert_eq!((caller.workspace.as_str(), caller.role, caller.subject.as_str()), ("acme", Role::Admin, "ann"));
    }

    #[test]
    fn everything_else_is_refused() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let token = issue(&keys(&dir), at(1000));
        let tokens = keys(&dir).tokens();
        let refused =
            |header: Option<&str>, now| assert_eq!(tokens.verify(header, at(now)), Err(Unauthenticated), "{header:?}");
        refused(None, 1000);
        refused(Some(""), 1000);
        refused(Some(&token), 1000);
        refused(Some(&format!("Basic {token}")), 1000);
        refused(Some(&format!("Bearer {token}x")), 1000);
        refused(Some(&format!("Bearer {token}")), 1000 + 3600 + LEEWAY_S + 1);
        refused(Some(&format!("Bearer {}", issue(&keys(&other), at(1000)))), 1000);
        assert_eq!(Tokens::none().verify(Some(&format!("Bearer {token}")), at(1000)), Err(Unauthenticated));
    }

    #[test]
    fn unsigned_and_symmetric_tokens_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let keys = keys(&dir);
        let claims = issue(&keys, at(1000)).split('.').nth(1).unwrap().to_owned();
        // {"alg":"none","typ":"JWT"}
        let none = format!("Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
        assert_eq!(keys.tokens().verify(Some(&none), at(1000)), Err(Unauthenticated));
        let key = jsonwebtoken::EncodingKey::from_secret(b"billfold");
        let body: Claims = Claims {
            sub: "ann".into(),
            exp: 5000,
            iss: LOCAL_ISSUER.into(),
            billfold_workspace: WorkspaceId::new("acme").unwrap(),
            billfold_role: Role::Owner,
        };
        let hs256 = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &body, &key).unwrap();
        assert_eq!(keys.tokens().verify(Some(&format!("Bearer {hs256}")), at(1000)), Err(Unauthenticated));
    }
}
