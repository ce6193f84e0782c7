//! What follows from a change of the catalogue, in the same transaction: a new revision of the catalogue, so that a copy
//! in memory is known to be old, and the mark of everything, because every account may depend on the row. Both are added
//! here, to every transaction that changes a row of the catalogue, so no caller can forget them.

use crate::client::{Action, Store, When, Write};
use crate::dirty::Subject;
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
pub(crate) fn fresh_revision() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}{:x}", process(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The same as a number, for stamps and first revisions.
pub(crate) fn fresh_stamp() -> i64 {
    let hash = RandomState::new().hash_one(fresh_revision());
    i64::try_from(hash >> 1).unwrap_or(i64::MAX)
}

fn process() -> u64 {
    static PROCESS: OnceLock<u64> = OnceLock::new();
    *PROCESS.get_or_init(|| RandomState::new().hash_one(std::process::id()))
}

/// Actions that [`with_consequences`] adds for one catalogue.
pub(crate) const CONSEQUENCES: usize = 2;

/// Adds a new revision and the mark of everything for each catalogue that the writes change.
pub(crate) fn with_consequences(mut writes: Vec<Write>) -> Vec<Write> {
    let changed: BTreeSet<(WorkspaceId, Key)> = writes.iter().filter_map(changed).collect();
    for (ws, revision) in changed {
        let row = NewRow::bare(&revision).text(attribute::DIGEST, fresh_revision());
        writes.push(Write::put(row, When::Always));
        writes.push(Store::mark(&ws, &Subject::Everything, fresh_stamp()));
    }
    writes
}

/// Whether a write changes the catalogue.
pub(crate) fn changes_it(write: &Write) -> bool {
    changed(write).is_some()
}

fn changed(write: &Write) -> Option<(WorkspaceId, Key)> {
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
    async fn every_write_of_the_catalogue_and_no_other_gives_it_a_revision_and_marks_everything() {
        let store = embedded::memory().await.unwrap();
        let (acme, other) = (ws("acme"), ws("other"));
        assert_eq!(store.catalogue_revision(&acme).await.unwrap(), None);
        let coupon = row(&acme, Kind::Coupon, r#"{"id":"c1","duration":"once"}"#);
        store.write_all(coupon.writes(&acme, None).unwrap()).await.unwrap();
        let first = store.catalogue_revision(&acme).await.unwrap();
        assert!(first.is_some());
        let mark = store.mark_of(&acme, &Subject::Everything).await.unwrap();
        assert!(mark.is_some_and(|mark| mark.subject == Subject::Everything), "every account may depend on it");
        assert_eq!(store.catalogue_revision(&other).await.unwrap(), None);
        let mark = Store::mark(&acme, &Subject::Everything, 1);
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
