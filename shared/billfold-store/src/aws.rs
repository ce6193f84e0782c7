//! The table in AWS, or in whatever answers at the endpoint that the configuration names. Never makes the table: the
//! template does.

use crate::client::Store;
use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;

impl Store {
    /// The store in a table that was deployed.
    #[must_use]
    pub fn in_aws(sdk: &SdkConfig, table: impl Into<String>) -> Self {
        Self::new(Client::new(sdk), table)
    }
}
