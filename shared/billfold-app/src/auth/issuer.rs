//! Tokens of an identity provider: signed with one of its published keys, made by it, for Billfold, and neither over nor
//! still to come. What the provider calls a workspace and a role is configuration.

use super::jwks::{Jwks, JwksError};
use super::{AuthError, Caller, LEEWAY_S, Role};
use billfold_core::id::WorkspaceId;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// The claim that names the workspace, unless the provider calls it something else.
pub const WORKSPACE_CLAIM: &str = "billfold_workspace";
/// The claim that names the role, unless the provider calls it something else.
pub const ROLE_CLAIM: &str = "billfold_role";

/// Nothing that a key shared with the provider could sign: no `HS…`, and `none` is no algorithm at all.
const ASYMMETRIC: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// An identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// Where its public keys are; without it, where its own description says (OpenID Connect Discovery 1.0, §4).
    pub jwks_url: Option<String>,
    /// What it calls itself: `iss`.
    pub issuer: String,
    /// What it calls Billfold: `aud`.
    pub audience: String,
    /// The claim that names the workspace.
    pub workspace_claim: String,
    /// The claim that names the role, or several of which the highest counts.
    pub role_claim: String,
    /// Whether both may instead come as Cognito writes the attributes of its users: `custom:…`.
    pub cognito: bool,
}

/// Why an identity provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Something that must be said is blank.
    #[error("the {0} of tokens must not be blank")]
    Blank(&'static str),
    /// Its keys.
    #[error(transparent)]
    Keys(#[from] JwksError),
}

/// Verifies the tokens of one provider.
pub(super) struct Issuer {
    config: IssuerConfig,
    keys: Jwks,
}

impl Issuer {
    pub(super) fn new(config: IssuerConfig) -> Result<Self, IssuerError> {
        let said = [
            ("issuer", &config.issuer),
            ("audience", &config.audience),
            ("workspace claim", &config.workspace_claim),
            ("role claim", &config.role_claim),
        ];
        if let Some((what, _)) = said.into_iter().find(|(_, text)| text.trim().is_empty()) {
            return Err(IssuerError::Blank(what));
        }
        let keys = match &config.jwks_url {
            Some(url) => Jwks::at(url)?,
            None => Jwks::described_by(&config.issuer)?,
        };
        Ok(Self { keys, config })
    }

    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, AuthError> {
        let bad = AuthError::Unauthenticated;
        let header = decode_header(token).map_err(|_| bad)?;
        if !ASYMMETRIC.contains(&header.alg) || header.crit.is_some() {
            return Err(bad);
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg, now).await?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        // Compared below with the clock that was passed in.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        let claims = decode::<Map<String, Value>>(token, &key, &validation).map_err(|_| bad)?.claims;
        if !is_of_now(&claims, now) {
            return Err(bad);
        }
        self.caller(&claims).ok_or(bad)
    }

    fn caller(&self, claims: &Map<String, Value>) -> Option<Caller> {
        let text = |claim: Option<&Value>| claim?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let named = [self.config.workspace_claim.as_str(), self.config.role_claim.as_str()];
        let custom = named.map(|name| format!("custom:{name}"));
        let of_cognito = self.config.cognito && named.iter().all(|name| !claims.contains_key(*name));
        // Both from one place: who may write one of them could else give themselves what the other lacks.
        let [workspace, role_name] = if of_cognito { custom.each_ref().map(String::as_str) } else { named };
        let workspace = WorkspaceId::new(text(claims.get(workspace))?).ok()?;
        let role = role(claims.get(role_name)?)?;
        Some(Caller { workspace, role, subject: text(claims.get("sub"))? })
    }
}

fn is_of_now(claims: &Map<String, Value>, now: Timestamp) -> bool {
    // Providers may say fractions of a second; whole seconds of any clock fit a float.
    let (now, leeway) = (now.as_second() as f64, LEEWAY_S as f64);
    let ends = claims.get("exp").and_then(Value::as_f64);
    let begins = claims.get("nbf").map(Value::as_f64);
    ends.is_some_and(|ends| now <= ends + leeway)
        && begins.is_none_or(|begins| begins.is_some_and(|begins| begins - leeway <= now))
}

/// A role by its name, or the highest of several; a name that Billfold does not know gives nothing.
fn role(claim: &Value) -> Option<Role> {
    match claim {
        Value::String(name) => serde_json::from_value(Value::String(name.clone())).ok(),
        Value::Array(names) => names.iter().filter(|name| name.is_string()).filter_map(role).max(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roles_are_names_or_lists_of_names() {
        let check = |claim: Value, expected| assert_eq!(role(&claim), expected, "{claim}");
        check(json!("admin"), Some(Role::Admin));
        check(json!(["staff", "member", "owner"]), Some(Role::Owner));
        for none in [json!("root"), json!("Admin"), json!([]), json!([["owner"]]), json!({}), json!(null), json!(1)] {
            check(none, None);
        }
    }

    #[test]
    fn a_token_is_good_between_its_times() {
        let now = Timestamp::from_second(1000).unwrap();
        let check =
            |claims: Value, expected| assert_eq!(is_of_now(claims.as_object().unwrap(), now), expected, "{claims}");
        check(json!({"exp": 1000}), true);
        check(json!({"exp": 1000 - LEEWAY_S}), true);
        check(json!({"exp": 999 - LEEWAY_S}), false);
        check(json!({"exp": 2000.5, "nbf": 1000 + LEEWAY_S}), true);
        check(json!({"exp": 2000, "nbf": 1001 + LEEWAY_S}), false);
        for odd in [json!({}), json!({"exp": "2000"}), json!({"exp": null}), json!({"exp": 2000, "nbf": "0"})] {
            check(odd, false);
        }
    }

    #[test]
    fn nothing_may_be_blank() {
        let config = IssuerConfig {
            jwks_url: Some("https://id.example/jwks".into()),
            issuer: "https://id.example".into(),
            audience: " ".into(),
            workspace_claim: WORKSPACE_CLAIM.into(),
            role_claim: ROLE_CLAIM.into(),
            cognito: false,
        };
        let error = Issuer::new(config.clone()).err().unwrap();
        assert_eq!(error.to_string(), "the audience of tokens must not be blank");
        let plain =
            IssuerConfig { audience: "billfold".into(), jwks_url: Some("http://id.example/jwks".into()), ..config };
        assert!(matches!(Issuer::new(plain), Err(IssuerError::Keys(JwksError::Address))));
    }
}
