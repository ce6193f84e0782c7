//! The key pair of local mode: made on first use, kept in the data folder, readable by its owner alone.

use super::{Claims, LOCAL_ISSUER, Role, Tokens};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use billfold_core::id::WorkspaceId;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const FILE: &str = "token-key.der";

/// The key pair that signs and verifies local tokens.
pub struct LocalKeys {
    signing: EncodingKey,
    public: String,
}

/// Why there is no key pair.
#[derive(Debug, thiserror::Error)]
pub enum LocalKeyError {
    /// The file could not be read or written.
    #[error("the token key {path} cannot be used", path = .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The file is not a key, or a token could not be made with it.
    #[error("the token key is damaged; delete {FILE} in the data folder to make a new one")]
    Damaged,
}

impl LocalKeys {
    /// Reads the key pair of a data folder, or makes it. Whoever comes first makes it; nobody ever sees half of one.
    ///
    /// # Errors
    /// [`LocalKeyError`] if the file cannot be used.
    pub fn load_or_create(dir: &Path) -> Result<Self, LocalKeyError> {
        let path = dir.join(FILE);
        let wrong = |error| LocalKeyError::File(path.clone(), error);
        let der = match std::fs::read(&path) {
            Ok(der) => der,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let fresh = Ed25519KeyPair::generate().map_err(|_| LocalKeyError::Damaged)?;
                let fresh = fresh.to_pkcs8().map_err(|_| LocalKeyError::Damaged)?;
                make(dir, &path, fresh.as_ref()).map_err(wrong)?;
                std::fs::read(&path).map_err(wrong)?
            }
            Err(error) => return Err(wrong(error)),
        };
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| LocalKeyError::Damaged)?;
        let public = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { signing: EncodingKey::from_ed_der(&der), public })
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`LocalKeyError::Damaged`] if the key cannot sign.
    pub fn issue(
        &self,
        workspace: &WorkspaceId,
        role: Role,
        subject: &str,
        now: Timestamp,
        valid_s: i64,
    ) -> Result<String, LocalKeyError> {
        let claims = Claims {
            sub: subject.to_owned(),
            exp: now.as_second().saturating_add(valid_s),
            iss: LOCAL_ISSUER.to_owned(),
            billfold_workspace: workspace.clone(),
            billfold_role: role,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.signing).map_err(|_| LocalKeyError::Damaged)
    }

    /// What verifies them.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens::ed25519(DecodingKey::from_ed_components(&self.public).into_iter().collect())
    }
}

/// Writes a file beside the place and moves it there unless somebody else already has.
fn make(dir: &Path, path: &Path, der: &[u8]) -> io::Result<()> {
    let number = crate::clock::random_u64().map_err(io::Error::other)?;
    let fresh = dir.join(format!("{FILE}.{number:016x}"));
    let mut file = private(&fresh)?;
    file.write_all(der)?;
    file.sync_all()?;
    let linked = match std::fs::hard_link(&fresh, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    std::fs::remove_file(&fresh)?;
    linked
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_folder_has_the_same_key_and_nobody_else_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = LocalKeys::load_or_create(dir.path()).unwrap();
        assert_eq!(first.public, LocalKeys::load_or_create(dir.path()).unwrap().public);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_key_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), b"nonsense").unwrap();
        let error = LocalKeys::load_or_create(dir.path()).err().unwrap();
        assert!(error.to_string().contains("delete token-key.der"), "{error}");
    }

    #[test]
    fn many_at_once_make_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let made: Vec<String> = std::thread::scope(|scope| {
            let make = || LocalKeys::load_or_create(dir.path()).unwrap().public;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|public| *public == made[0]), "{made:?}");
    }
}
