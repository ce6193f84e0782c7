//! The store's promises, against the embedded engine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod promises;

use billfold_store::{Store, embedded};

async fn open() -> Store {
    embedded::memory().await.unwrap()
}
