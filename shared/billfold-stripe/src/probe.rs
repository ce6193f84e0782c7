//! What a key may read. Stripe has no list of a key's permissions, so each is found out by
//! asking for one row. A probe never costs more than a request that succeeds would.

use crate::client::{Object, read_object};
use crate::{Client, Endpoint, ListRequest, Rejection, Route, Row, StripeError};

/// Whether a key may read an endpoint.
#[derive(Debug)]
pub enum Access {
    /// Yes; with the newest row, if there is one.
    Granted { first: Option<Row> },
    Missing {
        /// As Stripe named it, or else as it is known (`rak_…`).
        permission: String,
        /// The account that the refusal named.
        account: Option<String>,
    },
    /// It could not be found out.
    Unknown { cause: StripeError },
}

impl Client {
    /// Asks an endpoint for one row.
    pub async fn probe(&self, endpoint: Endpoint) -> Access {
        match self.first_row(endpoint).await {
            Ok(first) => Access::Granted { first },
            Err(StripeError::PermissionMissing { permission, account, .. }) => Access::Missing { permission, account },
            Err(StripeError::BadRequest(rejection)) if is_past_the_door(endpoint, &rejection) => {
                Access::Granted { first: None }
            }
            Err(cause) => Access::Unknown { cause },
        }
    }

    async fn first_row(&self, endpoint: Endpoint) -> Result<Option<Row>, StripeError> {
        if endpoint == Endpoint::Account {
            let url = self.transport.base.route(endpoint.list_template(), "");
            let got = self.get(Route::list(endpoint), &url, Vec::new(), read_object).await?;
            return Ok(match got.value {
                Object::Whole(row) => Some(row),
                Object::Deleted => None,
            });
        }
        let mut request = ListRequest::new(endpoint).limit(1).expand(&[]);
        request.parent = endpoint.is_under_parent().then(|| "probe".to_owned());
        Ok(self.list(&request).await?.rows.into_iter().next())
    }
}

/// Stripe checks the permission before it looks for the parent or misses a parameter. So, for a
/// nested list, being told that the parent is wrong means being allowed.
fn is_past_the_door(endpoint: Endpoint, rejection: &Rejection) -> bool {
    let is_nested = endpoint.is_under_parent() || endpoint.parent_filter().is_some();
    let is_about_parent =
        rejection.is_resource_missing() || rejection.code.as_deref().is_some_and(|code| code.starts_with("parameter_"));
    is_nested && is_about_parent
}
