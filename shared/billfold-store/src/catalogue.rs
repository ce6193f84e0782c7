//! The revision of a workspace's catalogue: who has read the catalogue asks with one small read whether it is still the
//! one. Every transaction that puts a row of the catalogue gives it a new revision, so none can be forgotten.

use crate::client::{Action, Store, When, Write};
use crate::error::StoreError;
use crate::item::{NewRow, attribute};
use crate::key::{self, Key};
use billfold_core::id::WorkspaceId;
use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A text that is not used again, by this process or another. A number that goes up would come again after an erasure.
fn fresh_revision() -> String {
    static PROCESS: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(|| RandomState::new().hash_one(std::process::id()));
    format!("{process:016x}{:x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Adds a new revision of each catalogue that the writes change.
pub(crate) fn with_revisions(mut writes: Vec<Write>) -> Vec<Write> {
    let changed: BTreeSet<Key> = writes.iter().filter_map(changed).collect();
    writes.extend(changed.iter().map(|key| {
        let row = NewRow::bare(key).text(attribute::DIGEST, fresh_revision());
        Write::put(row, When::Always)
    }));
    writes
}

/// Whether a write changes the catalogue.
pub(crate) fn changes_it(write: &Write) -> bool {
    changed(write).is_some()
}

fn changed(write: &Write) -> Option<Key> {
    match &write.0 {
        Action::Put(row, _) | Action::Set(row, _) => key::catalogue_revision_of(row.partition()?),
        Action::Delete(..) | Action::Check(..) => None,
    }
}

impl Store {
    /// The revision of the catalogue; `None` if nothing of it was ever written.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn catalogue_revision(&self, ws: &WorkspaceId) -> Result<Option<String>, StoreError> {
        let row = self.get(&key::catalogue_revision(ws)).await?;
        Ok(row.and_then(|row| row.text(attribute::DIGEST).map(str::to_owned)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FactRow, embedded};
    use billfold_core::facts::{Fact, Kind};
    use jiff::Timestamp;

    fn ws(text: &str) -> WorkspaceId {
        WorkspaceId::new(text).unwrap()
    }

    fn row(ws: &WorkspaceId, kind: Kind, json: &str) -> FactRow {
        FactRow::new(ws, Fact::from_json(kind, json).unwrap(), Timestamp::UNIX_EPOCH).unwrap()
    }

    #[tokio::test]
    async fn every_write_of_the_catalogue_and_no_other_gives_it_a_revision() {
        let store = embedded::memory().await.unwrap();
        let (acme, other) = (ws("acme"), ws("other"));
        assert_eq!(store.catalogue_revision(&acme).await.unwrap(), None);
        let coupon = row(&acme, Kind::Coupon, r#"{"id":"c1","duration":"once"}"#);
        store.write_all(coupon.writes(&acme, None).unwrap()).await.unwrap();
        let first = store.catalogue_revision(&acme).await.unwrap();
        assert!(first.is_some());
        assert_eq!(store.catalogue_revision(&other).await.unwrap(), None);
        let mark = Store::mark(&acme, &crate::Subject::Everything, 1);
        store.write_all(vec![mark]).await.unwrap();
        assert_eq!(store.catalogue_revision(&acme).await.unwrap(), first);
        let stored = store.stored_versions(std::slice::from_ref(&coupon)).await.unwrap().remove(0);
        store.bury(&acme, &coupon.fact, Timestamp::UNIX_EPOCH, stored.as_ref(), None).await.unwrap();
        let second = store.catalogue_revision(&acme).await.unwrap();
        assert!(second.is_some() && second != first);
        // The revision is no row of the catalogue, and goes with it.
        assert_eq!(store.catalogue(&acme).await.unwrap(), []);
        store.erase(&acme, crate::Erase::Synced, Timestamp::MAX).await.unwrap();
        assert_eq!(store.catalogue_revision(&acme).await.unwrap(), None);
    }

    #[test]
    fn no_revision_comes_again() {
        let all: BTreeSet<String> = (0..1000).map(|_| fresh_revision()).collect();
        assert_eq!(all.len(), 1000);
    }

    #[tokio::test]
    async fn a_deleted_coupon_is_gone_and_still_says_what_it_took_off() {
        let (store, acme) = (embedded::memory().await.unwrap(), ws("acme"));
        let coupon = row(&acme, Kind::Coupon, r#"{"id":"TEN","percent_off":"10","duration":"forever"}"#);
        store.write_all(coupon.writes(&acme, None).unwrap()).await.unwrap();
        let stored = store.stored_versions(std::slice::from_ref(&coupon)).await.unwrap().remove(0);
        store.bury(&acme, &coupon.fact, Timestamp::UNIX_EPOCH, stored.as_ref(), None).await.unwrap();
        let buried = store.stored_versions(std::slice::from_ref(&coupon)).await.unwrap().remove(0).unwrap();
        assert!(buried.gone);
        assert_eq!(store.catalogue(&acme).await.unwrap(), []);
        assert_eq!(store.catalogue_ever(&acme).await.unwrap(), std::slice::from_ref(&coupon.fact));
        store.write_all(coupon.writes(&acme, Some(&buried)).unwrap()).await.unwrap();
        assert_eq!(store.catalogue(&acme).await.unwrap(), [coupon.fact]);
    }

    #[tokio::test]
    async fn what_was_learned_of_a_coupon_after_its_death_lies_below_its_tombstone() {
        let (store, acme) = (embedded::memory().await.unwrap(), ws("acme"));
        let coupon = row(&acme, Kind::Coupon, r#"{"id":"TEN","percent_off":"10","duration":"forever"}"#);
        store.bury(&acme, &coupon.fact, Timestamp::UNIX_EPOCH, None, None).await.unwrap();
        assert_eq!(store.catalogue_ever(&acme).await.unwrap(), []);
        let bare = store.stored_versions(std::slice::from_ref(&coupon)).await.unwrap().remove(0).unwrap();
        store.write_all(vec![coupon.below(&bare)]).await.unwrap();
        assert_eq!(store.catalogue(&acme).await.unwrap(), []);
        assert_eq!(store.catalogue_ever(&acme).await.unwrap(), std::slice::from_ref(&coupon.fact));
        let known = store.stored_versions(std::slice::from_ref(&coupon)).await.unwrap().remove(0).unwrap();
        assert_eq!((known.gone, known.version), (true, bare.version));
        assert!(store.write_all(vec![coupon.below(&bare)]).await.is_err(), "it was written meanwhile");
    }
}
