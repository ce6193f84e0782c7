//! Why a use case says no, in words for whoever asked; and, where it is our own trouble, with the whole chain for the
//! log.

use crate::queue::QueueError;
use crate::vault::VaultError;
use billfold_core::id::RunId;
use billfold_store::StoreError;
pub use billfold_store::chain;
use std::error::Error;

/// A use case's no.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// What sort of no.
    pub kind: Kind,
    /// A stable word.
    pub code: &'static str,
    /// What happened and what to do.
    pub detail: String,
    /// The field at fault.
    pub field: Option<&'static str>,
    /// The run that is in the way.
    pub run: Option<RunId>,
    /// For the log only.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// Sorts of no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was sent cannot be used.
    Invalid,
    /// It does not fit what is there.
    Conflict,
    /// There is no such thing.
    NotFound,
    /// Stripe cannot be reached, or fails.
    Upstream,
    /// Our own trouble, which may pass.
    Unavailable,
    /// Our own fault.
    Internal,
}

impl Refusal {
    pub(crate) fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, code, detail: detail.into(), field: None, run: None, source: None }
    }

    pub(crate) fn invalid(code: &'static str, field: &'static str, detail: impl Into<String>) -> Self {
        Self { field: Some(field), ..Self::new(Kind::Invalid, code, detail) }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Kind::NotFound, "not_found", format!("There is no such {what}."))
    }

    pub(crate) fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "Something went wrong inside Billfold.";
        Self { source: Some(source.into()), ..Self::new(Kind::Internal, "internal_error", detail) }
    }

    fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "Billfold cannot reach a part of itself right now. Try again in a moment.";
        Self { source: Some(source.into()), ..Self::new(Kind::Unavailable, "unavailable", detail) }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.is_transient() { Self::unavailable(error) } else { Self::internal(error) }
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Self {
        Self::unavailable(error)
    }
}

impl From<QueueError> for Refusal {
    fn from(error: QueueError) -> Self {
        Self::unavailable(error)
    }
}

impl From<crate::clock::NoEntropy> for Refusal {
    fn from(error: crate::clock::NoEntropy) -> Self {
        Self::internal(error)
    }
}

impl From<billfold_core::id::IdError> for Refusal {
    fn from(error: billfold_core::id::IdError) -> Self {
        Self::internal(error)
    }
}
