//! Where keys live: a secrets manager, or the local encrypted rows. Nothing else ever holds one for longer than a call
//! (law 9).

use billfold_core::id::WorkspaceId;
use futures::future::BoxFuture;
use secrecy::SecretString;
use std::error::Error;

/// The vault could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("the vault cannot be reached")]
pub struct VaultError(#[source] pub Box<dyn Error + Send + Sync>);

/// The kinds of secret, kept apart so that a function can be allowed one and not the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Secret {
    /// Stripe's API key.
    ApiKey,
    /// The signing secrets of the webhook endpoint, as a JSON list.
    SigningSecrets,
}

impl Secret {
    /// The secret's name in the vault.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::SigningSecrets => "signing-secrets",
        }
    }
}

/// Keeps secrets.
pub trait Vault: Send + Sync {
    /// Keeps a secret in place of the one before.
    fn put<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
        text: SecretString,
    ) -> BoxFuture<'a, Result<(), VaultError>>;
    /// A secret; `None` if there is none.
    fn get<'a>(&'a self, ws: &'a WorkspaceId, which: Secret)
    -> BoxFuture<'a, Result<Option<SecretString>, VaultError>>;
    /// Forgets a secret at once; one that is not there is no error.
    fn forget<'a>(&'a self, ws: &'a WorkspaceId, which: Secret) -> BoxFuture<'a, Result<(), VaultError>>;
    /// A secret was refused: a vault that remembers reads it again. True if it is another one now, so that it is worth
    /// trying once more.
    fn refused<'a>(&'a self, _: &'a WorkspaceId, _: Secret) -> BoxFuture<'a, Result<bool, VaultError>> {
        Box::pin(async { Ok(false) })
    }
}
