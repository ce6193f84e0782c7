//! Files: accounts in, the table of accounts out.

use super::accounts::AccountsWanted;
use super::{Answer, Client, ClientError};
use reqwest::Method;
use serde::Deserialize;
use std::time::Duration;

/// The server gives up on a file before this.
const TIMEOUT: Duration = Duration::from_secs(16 * 60);

/// What became of a file.
#[derive(Debug, Clone, Deserialize)]
pub struct ImportView {
    /// Accounts that are new.
    pub created: u64,
    /// Accounts that are different now.
    pub updated: u64,
    /// Accounts that are as they were.
    pub unchanged: u64,
    /// Rows that were not taken.
    pub failed: u64,
    /// What is wrong with the first of them.
    pub errors: Vec<RowErrorView>,
    /// How many more there are.
    pub more_errors: u64,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Deserialize)]
pub struct RowErrorView {
    /// Its place among the rows.
    pub row: u64,
    /// The line on which it begins.
    pub line: u64,
    /// Where.
    pub field: String,
    /// What.
    pub message: String,
}

impl Client {
    /// Sends a file of accounts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn import(&self, content_type: &'static str, bytes: Vec<u8>) -> Result<Answer, ClientError> {
        self.exchange(Method::POST, "/v1/accounts", Some((content_type, bytes)), Some(TIMEOUT)).await
    }

    /// The whole table of accounts as CSV.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn accounts_csv(&self, wanted: &AccountsWanted) -> Result<Answer, ClientError> {
        self.exchange(Method::GET, &wanted.csv_path(), None, Some(TIMEOUT)).await
    }
}
