//! The queue and the vault of functions that have none: what a function may not do, it cannot try.

use billfold_app::{Message, Queue, QueueError, Secret, Vault, VaultError};
use billfold_core::id::WorkspaceId;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use secrecy::SecretString;
use std::time::Duration;

/// A function was asked for something that it was not given.
#[derive(Debug, thiserror::Error)]
#[error("this function has no {0}")]
struct NotGiven(&'static str);

/// No queue.
pub(crate) struct NoQueue;

impl Queue for NoQueue {
    fn send(&self, _: Message, _: Duration) -> BoxFuture<'_, Result<(), QueueError>> {
        async { Err(QueueError(Box::new(NotGiven("queue")))) }.boxed()
    }
}

/// No vault.
pub(crate) struct NoVault;

fn no_vault<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, VaultError>> {
    async { Err(VaultError(Box::new(NotGiven("vault")))) }.boxed()
}

impl Vault for NoVault {
    fn put<'a>(&'a self, _: &'a WorkspaceId, _: Secret, _: SecretString) -> BoxFuture<'a, Result<(), VaultError>> {
        no_vault()
    }

    fn get<'a>(&'a self, _: &'a WorkspaceId, _: Secret) -> BoxFuture<'a, Result<Option<SecretString>, VaultError>> {
        no_vault()
    }

    fn forget<'a>(&'a self, _: &'a WorkspaceId, _: Secret) -> BoxFuture<'a, Result<(), VaultError>> {
        no_vault()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[tokio::test]
    async fn what_is_not_given_says_so() {
        let ws = WorkspaceId::new("acme").unwrap();
        let message = Message::Recompute { workspace: ws.clone() };
        let error = NoQueue.send(message, Duration::ZERO).await.unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "this function has no queue");
        let error = NoVault.get(&ws, Secret::ApiKey).await.unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "this function has no vault");
        assert!(NoVault.put(&ws, Secret::ApiKey, SecretString::from("x")).await.is_err());
        assert!(NoVault.forget(&ws, Secret::ApiKey).await.is_err());
    }
}
