//! The local vault: each secret is a row of the embedded store, sealed with a data key of its own, which is sealed with
//! the master key. The master key is a file beside the store and never a row; a secret is never a file.
//!
//! The workspace and the secret's name are authenticated with it, so that a row cannot be moved to another place.

use crate::data_dir::{self, DataDirError};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use billfold_app::{Secret, Vault, VaultError};
use billfold_core::id::WorkspaceId;
use billfold_store::{LocalRow, LocalRows, Store, StoreError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

const KEY_FILE: &str = "key";
const KEY_BYTES: usize = 32;
/// The row that says whether a master key is the one that sealed the others.
const CHECK_ROW: &str = "check";
const CHECK_TEXT: &[u8] = b"billfold vault 1";

/// Why the vault cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultOpenError {
    /// The key file cannot be used.
    #[error(transparent)]
    File(#[from] DataDirError),
    /// There are sealed secrets, and no key file.
    #[error(
        "the key file {path} is missing, and the stored Stripe keys cannot be read without it: put it back, or start \
         with an empty data folder and connect again",
        path = .0.display()
    )]
    Missing(PathBuf),
    /// The key file is not a key, or not the one that sealed the secrets.
    #[error(
        "the key file {path} is not the one that sealed the stored Stripe keys: put the right one back, or start with an \
         empty data folder and connect again",
        path = .0.display()
    )]
    Wrong(PathBuf),
    /// The store failed.
    #[error("the vault's rows cannot be read")]
    Store(#[from] StoreError),
    /// The cryptographic library failed.
    #[error("the operating system gave no random bytes")]
    NoEntropy,
}

/// A sealed row does not open: it was changed, or moved here from another place.
#[derive(Debug, thiserror::Error)]
enum Unsealed {
    #[error("the sealed secret {0} was changed or belongs elsewhere; connect Stripe again")]
    Tampered(String),
    #[error("the secret {0} could not be sealed")]
    NotSealed(String),
}

/// The key that seals the data keys.
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKey {
    /// A new key.
    ///
    /// # Errors
    /// [`VaultOpenError::NoEntropy`] if the operating system has no randomness.
    pub fn random() -> Result<Self, VaultOpenError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| VaultOpenError::NoEntropy)?;
        Ok(Self(bytes))
    }

    fn read(path: &Path) -> Result<Option<Self>, VaultOpenError> {
        let Some(text) = data_dir::read_private(path)?.map(Zeroizing::new) else { return Ok(None) };
        let decoded = BASE64_STANDARD.decode(text.trim_ascii()).map(Zeroizing::new);
        let bytes = decoded.ok().and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok());
        bytes.map(|bytes| Some(Self(Zeroizing::new(bytes)))).ok_or_else(|| VaultOpenError::Wrong(path.to_owned()))
    }

    fn write(&self, path: &Path) -> Result<(), VaultOpenError> {
        let text = Zeroizing::new(format!("{}\n", BASE64_STANDARD.encode(self.0.as_slice())));
        Ok(data_dir::write_private(path, text.as_bytes())?)
    }
}

/// A secret as a row.
#[derive(Serialize, Deserialize)]
struct Envelope {
    /// The data key, sealed with the master key.
    key: String,
    /// The secret, sealed with the data key.
    secret: String,
}

/// Keeps secrets in the embedded store.
pub struct LocalVault {
    rows: LocalRows,
    master: MasterKey,
}

impl fmt::Debug for LocalVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalVault")
    }
}

impl LocalVault {
    /// Opens the vault of a data folder; the first time, makes its key file.
    ///
    /// # Errors
    /// [`VaultOpenError`] if the key file cannot be used or does not fit the rows.
    pub async fn open(store: &Store, folder: &Path) -> Result<Self, VaultOpenError> {
        let path = folder.join(KEY_FILE);
        let check = rows(store).get(CHECK_ROW).await?;
        match (MasterKey::read(&path)?, check) {
            (None, Some(_)) => Err(VaultOpenError::Missing(path)),
            (Some(master), Some(check)) => {
                let opened = Envelope::parse(&check).and_then(|envelope| envelope.open(&master, CHECK_ROW));
                if opened.is_none_or(|text| text.as_slice() != CHECK_TEXT) {
                    return Err(VaultOpenError::Wrong(path));
                }
                Ok(Self { rows: rows(store), master })
            }
            (found, None) => {
                let master = match found {
                    Some(master) => master,
                    None => {
                        let fresh = MasterKey::random()?;
                        fresh.write(&path)?;
                        fresh
                    }
                };
                Self::with_key(store, master).await
            }
        }
    }

    /// A vault without a file, for a store that is gone when the process is.
    ///
    /// # Errors
    /// [`VaultOpenError`] if the store fails.
    pub async fn with_key(store: &Store, master: MasterKey) -> Result<Self, VaultOpenError> {
        let check = Envelope::seal(&master, CHECK_ROW, CHECK_TEXT).ok_or(VaultOpenError::NoEntropy)?;
        rows(store).put(&[LocalRow { key: CHECK_ROW.to_owned(), body: check.text() }]).await?;
        Ok(Self { rows: rows(store), master })
    }

    async fn write(&self, place: String, text: SecretString) -> Result<(), VaultError> {
        let sealed = Envelope::seal(&self.master, &place, text.expose_secret().as_bytes());
        let sealed = sealed.ok_or_else(|| VaultError(Box::new(Unsealed::NotSealed(place.clone()))))?;
        self.rows.put(&[LocalRow { key: place, body: sealed.text() }]).await.map_err(failed)
    }

    async fn read(&self, place: String) -> Result<Option<SecretString>, VaultError> {
        let Some(row) = self.rows.get(&place).await.map_err(failed)? else { return Ok(None) };
        let opened = Envelope::parse(&row).and_then(|envelope| envelope.open(&self.master, &place));
        let text = opened.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| VaultError(Box::new(Unsealed::Tampered(place))))?;
        Ok(Some(SecretString::from(text)))
    }
}

impl Vault for LocalVault {
    fn put<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
        text: SecretString,
    ) -> BoxFuture<'a, Result<(), VaultError>> {
        self.write(place(ws, which), text).boxed()
    }

    fn get<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
    ) -> BoxFuture<'a, Result<Option<SecretString>, VaultError>> {
        self.read(place(ws, which)).boxed()
    }

    fn forget<'a>(&'a self, ws: &'a WorkspaceId, which: Secret) -> BoxFuture<'a, Result<(), VaultError>> {
        async move { self.rows.delete(&place(ws, which)).await.map_err(failed) }.boxed()
    }
}

fn rows(store: &Store) -> LocalRows {
    store.local_rows("vault")
}

/// Where a secret lives. A workspace's id has no `#`, so that no two places are written alike.
fn place(ws: &WorkspaceId, which: Secret) -> String {
    format!("W#{ws}#{}", which.as_str())
}

fn failed(error: StoreError) -> VaultError {
    VaultError(Box::new(error))
}

impl Envelope {
    fn parse(row: &str) -> Option<Self> {
        serde_json::from_str(row).ok()
    }

    fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// `None` if the operating system gives no randomness.
    fn seal(master: &MasterKey, place: &str, text: &[u8]) -> Option<Self> {
        let mut data_key = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(data_key.as_mut_slice()).ok()?;
        let secret = seal(&data_key, &format!("secret#{place}"), text)?;
        let key = seal(&master.0, &format!("key#{place}"), data_key.as_slice())?;
        Some(Self { key, secret })
    }

    /// `None` if anything is not as it was sealed, or was sealed for another place.
    fn open(&self, master: &MasterKey, place: &str) -> Option<Zeroizing<Vec<u8>>> {
        let data_key = open(&master.0, &format!("key#{place}"), &self.key)?;
        let data_key = Zeroizing::new(<[u8; KEY_BYTES]>::try_from(data_key.as_slice()).ok()?);
        open(&data_key, &format!("secret#{place}"), &self.secret)
    }
}

fn seal(key: &[u8; KEY_BYTES], bound_to: &str, text: &[u8]) -> Option<String> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    let mut sealed = text.to_vec();
    let nonce = key.seal_in_place_append_tag(Aad::from(bound_to.as_bytes()), &mut sealed).ok()?;
    let mut bytes = nonce.as_ref().to_vec();
    bytes.append(&mut sealed);
    Some(BASE64_STANDARD.encode(bytes))
}

fn open(key: &[u8; KEY_BYTES], bound_to: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    let bytes = BASE64_STANDARD.decode(sealed).ok()?;
    let (nonce, rest) = bytes.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = Zeroizing::new(rest.to_vec());
    let length = key.open_in_place(nonce, Aad::from(bound_to.as_bytes()), &mut text).ok()?.len();
    text.truncate(length);
    Some(text)
}

#[cfg(test)]
mod tests;
