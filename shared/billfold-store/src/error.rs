//! What can go wrong with the store, and what a caller may do about it.

#[cfg(feature = "dynamodb")]
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A condition did not hold: somebody else wrote first. Read again and decide again.
    #[error("another writer was first")]
    Conflict,
    /// The worker's fencing number is old: another worker has taken over, and this one must stop.
    #[error("another worker has taken over")]
    Fenced,
    /// DynamoDB is busy or out of reach; the SDK has already tried again. Try later.
    #[error("the store cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// DynamoDB refused the request: a fault of Billfold's or of its deployment.
    #[error("the store refused a request")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// A row is not what it should be.
    #[error("the row {row} cannot be read: {reason}")]
    Corrupt {
        /// Its key.
        row: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The embedded engine could not be opened.
    #[error("the embedded store cannot be opened: {0}")]
    Engine(String),
}

impl StoreError {
    /// True when the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict)
    }

    pub(crate) fn corrupt(row: impl Into<String>, reason: impl ToString) -> Self {
        Self::Corrupt { row: row.into(), reason: reason.to_string() }
    }
}

/// Sorts an error of the SDK into what a caller can do about it.
#[cfg(feature = "dynamodb")]
pub(crate) fn from_sdk<E, R>(error: SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
    let text = sdk_error(&error);
    match code.as_deref() {
        Some("ConditionalCheckFailedException" | "TransactionConflictException") => StoreError::Conflict,
        Some(
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TransactionInProgressException"
            | "InternalServerError",
        )
        | None => StoreError::Unavailable(text.into()),
        Some(_) => StoreError::Refused(text.into()),
    }
}

/// What an SDK of AWS says went wrong, in one line: what the service said, or why it was not reached. The SDK's own text
/// would show the whole answer.
#[cfg(feature = "dynamodb")]
pub fn sdk_error<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    if let Some(said) = error.as_service_error().filter(|said| said.code().is_some()) {
        return format!("{}: {}", said.code().unwrap_or_default(), said.message().unwrap_or_default());
    }
    chain(error)
}

/// An error and everything behind it, in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
