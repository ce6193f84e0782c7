//! Webhook endpoints: whose one is, what came to it, and how far a workspace's facts are known.

use crate::client::{Store, When, Write};
use crate::error::StoreError;
use crate::item::NewRow;
use crate::key;
use billfold_core::id::{EndpointId, WorkspaceId};
use billfold_core::webhook::{Endpoint, Known, Webhook};

impl Store {
    /// Whose an endpoint is; `None` if there is no such endpoint.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn endpoint(&self, id: &EndpointId) -> Result<Option<Endpoint>, StoreError> {
        self.get(&key::endpoint(id)).await?.map(|row| row.body()).transpose()
    }

    /// Says whose an endpoint is.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn put_endpoint(&self, id: &EndpointId, endpoint: &Endpoint) -> Result<(), StoreError> {
        self.write(Write::put(NewRow::new(&key::endpoint(id), endpoint)?, When::Always)).await
    }

    /// Forgets an endpoint; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn delete_endpoint(&self, id: &EndpointId) -> Result<(), StoreError> {
        self.write(Write::delete(key::endpoint(id), When::Always)).await
    }

    /// A workspace's webhook.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn webhook(&self, ws: &WorkspaceId) -> Result<Webhook, StoreError> {
        Ok(self.read(&key::webhook(ws)).await?.0)
    }

    /// Changes a workspace's webhook. The closure may run several times.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn change_webhook(
        &self,
        ws: &WorkspaceId,
        mut change: impl FnMut(&mut Webhook),
    ) -> Result<Webhook, StoreError> {
        Ok(self.change(&key::webhook(ws), |webhook| change(webhook)).await?.0)
    }

    /// How far a workspace's facts are known.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn known(&self, ws: &WorkspaceId) -> Result<Known, StoreError> {
        Ok(self.read(&key::known(ws)).await?.0)
    }

    /// Changes how far a workspace's facts are known. The closure may run several times.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn change_known(
        &self,
        ws: &WorkspaceId,
        mut change: impl FnMut(&mut Known),
    ) -> Result<Known, StoreError> {
        Ok(self.change(&key::known(ws), |known| change(known)).await?.0)
    }
}
