//! Who asks. API Gateway's JWT authorizer has verified the token's signature, issuer, audience and time, and hands over its
//! claims; here they become a token of this process, signed with a key that nothing else has, in the place of what the
//! sender wrote. So a route that was deployed without its authorizer lets nobody in, instead of everybody.

use crate::deployment::StartError;
use billfold_app::auth::{LocalKeys, Role, Tokens};
use billfold_app::clock::random_u64;
use billfold_core::id::WorkspaceId;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use std::collections::HashMap;
use std::io;

/// How long the token of a request is good: longer than any request.
const VALID_S: i64 = 300;

/// The claims that Billfold reads, each also under the name that Cognito gives to those of one's own.
const WORKSPACE: [&str; 2] = ["billfold_workspace", "custom:billfold_workspace"];
const ROLE: [&str; 2] = ["billfold_role", "custom:billfold_role"];

/// The key of this process.
pub(super) struct Identity(LocalKeys);

impl Identity {
    pub(super) fn new() -> Result<Self, StartError> {
        let number = random_u64().map_err(|error| StartError::Temporary(io::Error::other(error)))?;
        let passing = std::env::temp_dir().join(format!("billfold-{number:016x}"));
        std::fs::create_dir(&passing).map_err(StartError::Temporary)?;
        let keys = LocalKeys::load_or_create(&passing);
        std::fs::remove_dir_all(&passing).map_err(StartError::Temporary)?;
        Ok(Self(keys?))
    }

    pub(super) fn tokens(&self) -> Tokens {
        self.0.tokens()
    }

    /// Puts what the gateway says of the caller in the place of what the caller says.
    pub(super) fn introduce(&self, request: &mut ApiGatewayV2httpRequest, now: Timestamp) {
        request.headers.remove(AUTHORIZATION);
        let verified = request.request_context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
        let Some(jwt) = verified else { return };
        let Some(token) = self.token(&jwt.claims, now) else {
            tracing::info!("a token has no workspace, no subject or no role that is known");
            return;
        };
        if let Ok(value) = HeaderValue::try_from(format!("Bearer {token}")) {
            request.headers.insert(AUTHORIZATION, value);
        }
    }

    fn token(&self, claims: &HashMap<String, String>, now: Timestamp) -> Option<String> {
        let claim = |names: [&str; 2]| names.iter().find_map(|name| claims.get(*name));
        let workspace = WorkspaceId::new(claim(WORKSPACE)?.clone()).ok()?;
        let role: Role = serde_json::from_value(claim(ROLE)?.clone().into()).ok()?;
        self.0.issue(&workspace, role, claims.get("sub")?, now, VALID_S).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn caller(claims: &[(&str, &str)]) -> Option<(String, Role, String)> {
        let identity = Identity::new().unwrap();
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let token = identity.token(&claims, now)?;
        let caller = identity.tokens().verify(Some(&format!("Bearer {token}")), now).await.unwrap();
        Some((caller.workspace.to_string(), caller.role, caller.subject))
    }

    #[tokio::test]
    async fn verified_claims_are_the_caller() {
        let plain = caller(&[("sub", "ann"), ("billfold_workspace", "acme"), ("billfold_role", "admin")]).await;
        assert_eq!(plain, Some(("acme".into(), Role::Admin, "ann".into())));
        let cognito =
            caller(&[("sub", "b"), ("custom:billfold_workspace", "w"), ("custom:billfold_role", "member")]).await;
        assert_eq!(cognito, Some(("w".into(), Role::Member, "b".into())));
    }

    #[tokio::test]
    async fn claims_that_say_too_little_are_nobody() {
        assert_eq!(caller(&[]).await, None);
        assert_eq!(caller(&[("sub", "ann"), ("billfold_workspace", "acme")]).await, None);
        assert_eq!(caller(&[("sub", "ann"), ("billfold_workspace", "acme"), ("billfold_role", "king")]).await, None);
        assert_eq!(caller(&[("billfold_workspace", "acme"), ("billfold_role", "admin")]).await, None);
        assert_eq!(caller(&[("sub", "ann"), ("billfold_workspace", "a b"), ("billfold_role", "admin")]).await, None);
    }
}
