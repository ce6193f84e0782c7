//! DynamoDB inside the process (dynoxide, on SQLite), behind the AWS SDK's own client, for tests: the SDK's requests are
//! handed to the engine instead of a socket, so that tests run the code that runs in the cloud, condition expressions and
//! all.
//!
//! It answers the operations that Billfold uses and no others; a new one fails loudly here first.

use crate::{Store, StoreError};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// The table's name.
const TABLE: &str = "billfold";

/// Opens an empty store.
///
/// # Errors
/// [`StoreError`] if the engine or the table cannot be made.
pub async fn memory() -> Result<Store, StoreError> {
    with_table(Client::from_conf(config(Engine::new(None)?).build()), TABLE).await
}

/// Opens an empty store that answers each request after a while; its table counts what DynamoDB would charge for it.
///
/// # Errors
/// [`StoreError`] if the engine or the table cannot be made.
pub async fn metered(latency: Duration) -> Result<(Store, Table), StoreError> {
    let engine = Engine::new(Some(Meter { latency, used: Arc::default() }))?;
    let store = with_table(Client::from_conf(config(engine.clone()).build()), TABLE).await?;
    let table = Table(engine);
    drop(table.take());
    Ok((store, table))
}

/// The table of a store, for who counts what it does and for other processes that ask it.
#[derive(Debug, Clone)]
pub struct Table(Engine);

impl Table {
    /// Its name.
    pub const NAME: &str = TABLE;

    /// What was used since this was asked last.
    #[must_use]
    pub fn take(&self) -> Used {
        self.0.meter.as_ref().map(Meter::take).unwrap_or_default()
    }

    /// Answers a request as DynamoDB does: its status and its body. The target is the header that names the operation.
    #[must_use]
    pub fn answer(&self, target: &str, body: &[u8]) -> (u16, String) {
        self.0.answer(operation(target), body)
    }
}

/// Counts by the engine's own answers (`ReturnConsumedCapacity`).
#[derive(Debug, Clone)]
struct Meter {
    latency: Duration,
    used: Arc<Mutex<Used>>,
}

/// What was asked of the table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Used {
    /// Requests by operation.
    pub requests: BTreeMap<String, u64>,
    /// Read request units.
    pub read_units: f64,
    /// Write request units, those of the indexes as well.
    pub write_units: f64,
}

impl Meter {
    fn take(&self) -> Used {
        std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The request with the wish to be told.
    fn asking(body: &[u8]) -> Vec<u8> {
        [br#"{"ReturnConsumedCapacity":"TOTAL","#, body.strip_prefix(b"{").unwrap_or(body)].concat()
    }

    fn count(&self, operation: &str, answer: &str) {
        let units = units(answer);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used.requests.entry(operation.to_owned()).or_default() += 1;
        if matches!(operation, "GetItem" | "BatchGetItem" | "Query") {
            used.read_units += units;
        } else {
            used.write_units += units;
        }
    }
}

/// The units of an answer: of one table, or of each table.
fn units(answer: &str) -> f64 {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Tables {
        One(Capacity),
        Each(Vec<Capacity>),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Capacity {
        capacity_units: f64,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        consumed_capacity: Option<Tables>,
    }
    match serde_json::from_str(answer) {
        Ok(Answer { consumed_capacity: Some(Tables::One(one)) }) => one.capacity_units,
        Ok(Answer { consumed_capacity: Some(Tables::Each(each)) }) => each.iter().map(|one| one.capacity_units).sum(),
        Ok(Answer { consumed_capacity: None }) | Err(_) => 0.0,
    }
}

/// Makes an empty table in whatever answers for AWS, as the template does there.
///
/// # Errors
/// [`StoreError`] if the table cannot be made.
pub async fn in_new_table(sdk: &SdkConfig, table: &str) -> Result<Store, StoreError> {
    with_table(Client::new(sdk), table).await
}

async fn with_table(client: Client, table: &str) -> Result<Store, StoreError> {
    crate::shape::create_table(&client, table).await?;
    Ok(Store::in_dynamodb(client, table))
}

/// There is no network that could stall: however long the machine stands still, the engine answers.
pub(crate) fn config(client: impl HttpClient + 'static) -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("local"))
        .endpoint_url("http://embedded.invalid")
        .credentials_provider(Credentials::from_keys("embedded", "embedded", None))
        .http_client(client)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
}

/// Requests that are with the engine at once. It does one after the other; the next two may be read and written as JSON
/// meanwhile. More would be threads that wait for each other.
const AT_ONCE: usize = 3;

/// The engine as the SDK's HTTP client.
#[derive(Clone)]
struct Engine {
    database: Database,
    places: Arc<Semaphore>,
    meter: Option<Meter>,
}

impl Engine {
    fn new(meter: Option<Meter>) -> Result<Self, StoreError> {
        let database = Database::memory().map_err(|error| StoreError::Engine(error.to_string()))?;
        Ok(Self { database, places: Arc::new(Semaphore::new(AT_ONCE)), meter })
    }

    fn answer(&self, operation: &str, body: &[u8]) -> (u16, String) {
        let done = match &self.meter {
            None => dispatch(&self.database, operation, body),
            Some(meter) => dispatch(&self.database, operation, &Meter::asking(body))
                .inspect(|answer| meter.count(operation, answer)),
        };
        done.map_or_else(|error| (error.status_code(), error.to_json()), |body| (200, body))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

impl HttpClient for Engine {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Engine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let engine = self.clone();
        HttpConnectorFuture::new(async move {
            if let Some(meter) = &engine.meter {
                tokio::time::sleep(meter.latency).await;
            }
            let place = Arc::clone(&engine.places).acquire_owned().await;
            let _place = place.map_err(|closed| ConnectorError::other(closed.into(), None))?;
            let answer = tokio::task::spawn_blocking(move || {
                let target = request.headers().get("x-amz-target").unwrap_or_default();
                engine.answer(operation(target), request.body().bytes().unwrap_or_default())
            });
            let (status, body) = answer.await.map_err(|panic| ConnectorError::other(panic.into(), None))?;
            respond(status, body)
        })
    }
}

fn operation(target: &str) -> &str {
    target.strip_prefix(TARGET_PREFIX).unwrap_or_default()
}

pub(crate) fn respond(status: u16, body: String) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}

fn dispatch(database: &Database, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
    match operation {
        "GetItem" => serve(body, |request| database.get_item(request)),
        "BatchGetItem" => serve(body, |request| database.batch_get_item(request)),
        "Query" => serve(body, |request| database.query(request)),
        "PutItem" => serve(body, |request| database.put_item(request)),
        "UpdateItem" => serve(body, |request| database.update_item(request)),
        "DeleteItem" => serve(body, |request| database.delete_item(request)),
        "BatchWriteItem" => serve(body, |request| database.batch_write_item(request)),
        "TransactWriteItems" => serve(body, |mut request: TransactWriteItemsRequest| {
            // The token guards against answers lost on the way; none is lost here, and the engine would keep every
            // transaction for ten minutes to compare with.
            request.client_request_token = None;
            database.transact_write_items(request)
        }),
        "CreateTable" => serve(body, |request| database.create_table(request)),
        "DescribeTable" => serve(body, |request| database.describe_table(request)),
        other => Err(DynoxideError::ValidationException(format!("{other} is not used by Billfold"))),
    }
}

fn serve<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    call: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body).map_err(|e| DynoxideError::SerializationException(e.to_string()))?;
    let response = call(request)?;
    serde_json::to_string(&response).map_err(|e| DynoxideError::InternalServerError(e.to_string()))
}
