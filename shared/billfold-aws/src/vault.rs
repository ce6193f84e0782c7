//! The vault in Secrets Manager: for each workspace one secret for the API key and one for the signing secrets, so that a
//! function can be allowed one and not the other. It never writes a secret that is already there, and nothing that it
//! sends beside the secret is made from it.
//!
//! Forgetting puts a mark over the secret and then deletes it, with the days of recovery that AWS gives. So it is
//! forgotten at once, and a workspace that connects again within those days gets the same secret restored, which has the
//! mark and not the old key in it until the new key is there.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_types::SdkConfig;
use billfold_app::clock::random_u64;
use billfold_app::{Secret, Vault, VaultError};
use billfold_core::id::WorkspaceId;
use billfold_store::sdk_error;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a secret is believed by functions that only read.
const BELIEVED_FOR: Duration = Duration::from_secs(300);
/// Days until a forgotten secret is really gone: the fewest that AWS takes.
const RECOVERY_DAYS: i64 = 7;
/// What stands in the place of a forgotten secret.
const FORGOTTEN: &str = "forgotten";
/// How often the state of a secret is looked at again because it has just changed.
const ROUNDS_MAX: u32 = 6;
/// The longest name of a workspace that is written out in the name of a secret.
const READABLE_CHARS_MAX: usize = 300;

/// How long secrets are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Not at all: for the function that writes them, which would otherwise build on what another instance has replaced.
    None,
    /// Five minutes, and not once they were refused: for functions that only read them.
    FiveMinutes,
}

/// Keeps secrets in Secrets Manager.
pub struct SecretsVault {
    client: Client,
    prefix: String,
    key: Option<String>,
    memory: Memory,
    remembered: Mutex<HashMap<String, (Instant, SecretString)>>,
}

/// What there is of a secret.
enum Found {
    Text(SecretString),
    Nothing,
    Deleted,
}

/// The state of a secret changed each time it was looked at.
#[derive(Debug, thiserror::Error)]
#[error("the secret {0} is being changed by others; try again")]
struct Unsettled(String);

impl SecretsVault {
    /// A vault whose secrets' names begin with `prefix`, encrypted with a KMS key or, without one, with the account's.
    #[must_use]
    pub fn new(sdk: &SdkConfig, prefix: String, key: Option<String>, memory: Memory) -> Self {
        Self { client: Client::new(sdk), prefix, key, memory, remembered: Mutex::default() }
    }

    /// The secret's name. Secrets Manager takes fewer signs than a workspace may have.
    #[must_use]
    pub fn name(&self, ws: &WorkspaceId, which: Secret) -> String {
        format!("{}/{}/{}", self.prefix, part(ws.as_str()), which.as_str())
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<String, (Instant, SecretString)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, name: &str) -> Result<Found, VaultError> {
        match self.client.get_secret_value().secret_id(name).send().await {
            Ok(answer) => Ok(match answer.secret_string {
                Some(text) if text != FORGOTTEN => Found::Text(SecretString::from(text)),
                _ => Found::Nothing,
            }),
            Err(error) => match error.as_service_error() {
                Some(GetSecretValueError::ResourceNotFoundException(_)) => Ok(Found::Nothing),
                Some(GetSecretValueError::InvalidRequestException(why)) if is_deleted(why.message()) => {
                    Ok(Found::Deleted)
                }
                _ => Err(failed(error)),
            },
        }
    }

    async fn read(&self, name: String) -> Result<Option<SecretString>, VaultError> {
        if self.memory == Memory::FiveMinutes {
            let known = self.remembered().get(&name).filter(|(at, _)| at.elapsed() < BELIEVED_FOR).cloned();
            if let Some((_, text)) = known {
                return Ok(Some(text));
            }
        }
        let Found::Text(text) = self.look(&name).await? else {
            self.remembered().remove(&name);
            return Ok(None);
        };
        if self.memory == Memory::FiveMinutes {
            self.remembered().insert(name, (Instant::now(), text.clone()));
        }
        Ok(Some(text))
    }

    /// Writes a secret. The token is the same for every try, so that a try whose answer was lost makes no second version;
    /// and what is already there is not written again.
    async fn write(&self, name: String, text: &SecretString) -> Result<(), VaultError> {
        let token = token()?;
        for _ in 0..ROUNDS_MAX {
            match self.look(&name).await? {
                Found::Text(kept) if kept.expose_secret() == text.expose_secret() => return Ok(()),
                Found::Deleted => self.restore(&name).await?,
                Found::Text(_) | Found::Nothing => {
                    if self.overwrite(&name, text.expose_secret(), &token).await? == Written::Yes
                        || self.create(&name, text, &token).await? == Written::Yes
                    {
                        return Ok(());
                    }
                }
            }
        }
        Err(VaultError(Box::new(Unsettled(name))))
    }

    /// `No` if there is no such secret, or a deleted one.
    async fn overwrite(&self, name: &str, text: &str, token: &str) -> Result<Written, VaultError> {
        let put = self.client.put_secret_value().secret_id(name).secret_string(text).client_request_token(token);
        match put.send().await {
            Ok(_) => Ok(Written::Yes),
            Err(error) if is_absent(&error) => Ok(Written::No),
            Err(error) => Err(failed(error)),
        }
    }

    /// `No` if there is one already; a deleted one is restored.
    async fn create(&self, name: &str, text: &SecretString, token: &str) -> Result<Written, VaultError> {
        let create = self.client.create_secret().name(name).secret_string(text.expose_secret());
        let create = create.client_request_token(token).set_kms_key_id(self.key.clone());
        let Err(error) = create.send().await else { return Ok(Written::Yes) };
        match error.code() {
            // In AWS a deleted secret answers InvalidRequest here; others say that it exists.
            Some("ResourceExistsException" | "InvalidRequestException") => {
                self.restore(name).await?;
                Ok(Written::No)
            }
            _ => Err(failed(error)),
        }
    }

    /// A secret that is not deleted, or no longer there, is no trouble: whoever calls looks again.
    async fn restore(&self, name: &str) -> Result<(), VaultError> {
        match self.client.restore_secret().secret_id(name).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    async fn delete(&self, name: String) -> Result<(), VaultError> {
        self.remembered().remove(&name);
        match self.look(&name).await? {
            Found::Deleted => return Ok(()),
            Found::Nothing => {}
            Found::Text(_) => {
                self.overwrite(&name, FORGOTTEN, &token()?).await?;
            }
        }
        let delete = self.client.delete_secret().secret_id(&name).recovery_window_in_days(RECOVERY_DAYS);
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    async fn read_again(&self, name: String) -> Result<bool, VaultError> {
        let before = self.remembered().remove(&name).map(|(_, text)| text);
        let now = self.read(name).await?;
        let plain = |text: &Option<SecretString>| text.as_ref().map(|text| text.expose_secret().to_owned());
        Ok(before.is_some() && plain(&before) != plain(&now))
    }
}

/// Whether a call wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Yes,
    No,
}

impl Vault for SecretsVault {
    fn put<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
        text: SecretString,
    ) -> BoxFuture<'a, Result<(), VaultError>> {
        async move {
            let name = self.name(ws, which);
            self.remembered().remove(&name);
            self.write(name, &text).await
        }
        .boxed()
    }

    fn get<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
    ) -> BoxFuture<'a, Result<Option<SecretString>, VaultError>> {
        self.read(self.name(ws, which)).boxed()
    }

    fn forget<'a>(&'a self, ws: &'a WorkspaceId, which: Secret) -> BoxFuture<'a, Result<(), VaultError>> {
        self.delete(self.name(ws, which)).boxed()
    }

    fn refused<'a>(&'a self, ws: &'a WorkspaceId, which: Secret) -> BoxFuture<'a, Result<bool, VaultError>> {
        self.read_again(self.name(ws, which)).boxed()
    }
}

/// A workspace's id in the signs that the name of a secret may have. No two are written alike: `=` stands for itself in
/// none, and a long one is its digest.
fn part(id: &str) -> String {
    let mut written = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'@' | b'-' => written.push(char::from(byte)),
            // A String takes whatever is written to it.
            other => write!(written, "={other:02x}").unwrap_or_default(),
        }
    }
    if written.len() <= READABLE_CHARS_MAX { written } else { format!("=sha256={}", hex::encode(Sha256::digest(id))) }
}

fn token() -> Result<String, VaultError> {
    let number = || random_u64().map_err(|error| VaultError(Box::new(error)));
    Ok(format!("billfold-{:016x}{:016x}", number()?, number()?))
}

fn is_deleted(message: Option<&str>) -> bool {
    message.is_some_and(|message| message.contains("deletion") || message.contains("deleted"))
}

fn is_absent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let Some(error) = error.as_service_error() else { return false };
    match error.code() {
        Some("ResourceNotFoundException") => true,
        Some("InvalidRequestException") => is_deleted(error.message()),
        _ => false,
    }
}

fn failed<E, R>(error: SdkError<E, R>) -> VaultError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    VaultError(sdk_error(&error).into())
}

#[cfg(test)]
mod tests;
