//! The data folder of `billfold serve`: private to its owner, and served by one process at a time. Never looks into the
//! files that others keep in it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";
const STORE_FILE: &str = "billfold.db";

/// A data folder that this process alone serves, until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// The operating system gives the lock back when the file is closed, however the process ends.
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It is not there and cannot be made, or cannot be locked.
    #[error("the data folder {path} cannot be used", path = .0.display())]
    Unusable(PathBuf, #[source] io::Error),
    /// Another process has it.
    #[error(
        "the data folder {path} is in use by another Billfold{holder}: stop that one first, or choose another folder \
         with --data",
        path = .path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// ` (process 123)`, where it told.
        holder: String,
    },
    /// A file with a secret can be read by others.
    #[error(
        "{path} can be read by others (mode {mode:o}): make it private with `chmod 600 {path}`",
        path = .path.display()
    )]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl DataDir {
    /// Makes the folder if it is not there, and locks it.
    ///
    /// # Errors
    /// [`DataDirError`] if it cannot be used, or another process serves it.
    pub fn lock(path: &Path) -> Result<Self, DataDirError> {
        make_private_folder(path)?;
        let unusable = |error| DataDirError::Unusable(path.to_owned(), error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = private(&mut options).open(path.join(LOCK_FILE)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::InUse { path: path.to_owned(), holder: holder(&mut lock) });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        sign(&mut lock).map_err(unusable)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the store is.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.path.join(STORE_FILE)
    }
}

/// Makes a folder that only its owner can enter, unless it is there.
///
/// # Errors
/// [`DataDirError::Unusable`] if it cannot be made.
pub fn make_private_folder(path: &Path) -> Result<(), DataDirError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path).map_err(|error| DataDirError::Unusable(path.to_owned(), error))
}

/// Reads a private file; `None` if it is not there.
///
/// # Errors
/// [`DataDirError::NotPrivate`] if others can read it.
pub fn read_private(path: &Path) -> Result<Option<Vec<u8>>, DataDirError> {
    let unusable = |error| DataDirError::Unusable(path.to_owned(), error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error)),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(unusable)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(DataDirError::NotPrivate { path: path.to_owned(), mode });
        }
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unusable)?;
    Ok(Some(bytes))
}

/// Writes a private file that must not be there yet. It appears whole or not at all.
///
/// # Errors
/// [`DataDirError::Unusable`] if it cannot be written, or is there.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = private(&mut options).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A link, unlike a rename, never takes the place of a file that is there.
        let linked = std::fs::hard_link(&fresh, path);
        std::fs::remove_file(&fresh)?;
        linked
    };
    write().map_err(|error| DataDirError::Unusable(path.to_owned(), error))
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Writes who holds the lock into it, for the message that somebody else will get.
fn sign(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(process) => format!(" (process {process})"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_and_the_next_when_it_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("some/where");
        let first = DataDir::lock(&path).unwrap();
        let second = DataDir::lock(&path).unwrap_err();
        let told = second.to_string();
        assert!(matches!(second, DataDirError::InUse { .. }), "{second:?}");
        assert!(told.contains(&format!("(process {})", std::process::id())) && told.contains("--data"), "{told}");
        drop(first);
        assert_eq!(DataDir::lock(&path).unwrap().store_file(), path.join("billfold.db"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_which() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), b"").unwrap();
        let error = DataDir::lock(&root.path().join("file/data")).unwrap_err();
        assert!(error.to_string().contains("file/data cannot be used"), "{error}");
    }

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_and_what_is_private_in_it_are_the_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::lock(&root.path().join("data")).unwrap();
        let file = dir.path().join("secret");
        write_private(&file, b"one").unwrap();
        assert_eq!((mode(dir.path()), mode(&file)), (0o700, 0o600));
        assert_eq!(read_private(&file).unwrap().as_deref(), Some(b"one".as_slice()));
        assert_eq!(read_private(&dir.path().join("other")).unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_way_out() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("secret");
        std::fs::write(&file, b"one").unwrap();
        for open in [0o640, 0o604, 0o644, 0o660] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(open)).unwrap();
            let told = read_private(&file).unwrap_err().to_string();
            assert!(told.contains(&format!("(mode {open:o})")) && told.contains("chmod 600"), "{told}");
        }
    }

    #[test]
    fn a_private_file_that_is_there_is_never_written_over() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("secret");
        write_private(&file, b"one").unwrap();
        assert!(write_private(&file, b"two").is_err());
        assert_eq!(read_private(&file).unwrap().as_deref(), Some(b"one".as_slice()));
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
