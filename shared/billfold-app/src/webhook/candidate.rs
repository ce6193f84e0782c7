//! A version of an object that has come in, by whatever way.

use billfold_core::facts::{Fact, Invoice};
use billfold_core::fold::{CLEARLY_APART_S, Decision, Digest, Incoming, Source};
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_store::{FactPlace, FactRow, StoreError, StoredFact, Subject, Write};
use jiff::Timestamp;

/// A version that has come in, and where it belongs.
pub(super) struct Candidate {
    pub(super) place: FactPlace,
    pub(super) customer: Option<CustomerId>,
    pub(super) version: Version,
    pub(super) as_of: Timestamp,
    pub(super) source: Source,
}

pub(super) enum Version {
    Live(Box<FactRow>),
    Gone,
}

impl Candidate {
    pub(super) fn digest(&self) -> Digest {
        match &self.version {
            Version::Live(row) => row.digest,
            Version::Gone => Digest::tombstone(),
        }
    }

    /// Who must be computed again once it is stored.
    pub(super) fn subject(&self) -> Option<Subject> {
        if self.place.is_of_catalogue() {
            return Some(Subject::Everything);
        }
        let customer = self.customer.clone()?;
        Some(if self.place.is_customer() { Subject::Customer(customer) } else { Subject::Facts(customer) })
    }

    pub(super) fn incoming(&self, source: Source) -> Incoming {
        Incoming { as_of: self.as_of, digest: self.digest(), source }
    }

    /// The decision, with what is not part of the content: payments that are news are stored.
    pub(super) fn decided(&self, decision: Decision, stored: Option<&StoredFact>) -> Decision {
        match &self.version {
            Version::Live(row) if row.brings_payments(stored) => Decision::Store,
            _ => decision,
        }
    }

    /// The writes that store it over `stored`, which must still be the stored version.
    pub(super) fn writes(&self, ws: &WorkspaceId, stored: Option<&StoredFact>) -> Result<Vec<Write>, StoreError> {
        match &self.version {
            Version::Live(row) => row.writes(ws, stored),
            Version::Gone => Ok(vec![self.place.tombstone(self.as_of, stored)]),
        }
    }

    pub(super) fn invoice(&self) -> Option<&Invoice> {
        match &self.version {
            Version::Live(row) => match &row.fact {
                Fact::Invoice(invoice) => Some(invoice),
                _ => None,
            },
            Version::Gone => None,
        }
    }

    /// Whether `stored` says something else of the same time, so that it might be newer than this.
    pub(super) fn is_unclear_beside(&self, stored: Option<&StoredFact>) -> bool {
        stored.is_some_and(|stored| {
            let apart_s = self.as_of.as_second().abs_diff(stored.version.as_of.as_second());
            stored.version.digest != self.digest() && apart_s <= CLEARLY_APART_S.unsigned_abs()
        })
    }
}
