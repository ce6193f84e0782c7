//! A DynamoDB engine inside the process (dynoxide, on SQLite), behind the AWS SDK's own client: the SDK's requests are
//! handed to the engine instead of a socket. So local mode and the tests run the code that runs in the cloud.
//!
//! It answers the operations that Billfold uses and no others; a new one fails loudly here first.

use crate::{Store, StoreError};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
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
use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;

const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// The table's name in an embedded database.
const TABLE: &str = "billfold";

/// Opens an empty store in memory.
///
/// # Errors
/// [`StoreError`] if the engine or the table cannot be made.
pub async fn memory() -> Result<Store, StoreError> {
    open(Database::memory().map_err(engine_error)?).await
}

/// What becomes of a request on its way to the engine.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Served,
    /// Whoever asked dies before it arrives: there is no answer.
    NeverArrives,
    /// Whoever asked dies before the answer arrives.
    NeverAnswered,
    /// DynamoDB has no room for it now.
    Throttled,
    /// Another transaction is at the same rows.
    Conflict,
}

/// Decides on each request, by its operation.
#[doc(hidden)]
pub type Gate = Arc<dyn Fn(&str) -> Fate + Send + Sync>;

/// An empty store in memory whose requests pass a gate, and are not tried again by the SDK. For one purpose: tests of
/// crashes and of trouble at each call.
///
/// # Errors
/// [`StoreError`] if the engine or the table cannot be made.
#[doc(hidden)]
pub async fn memory_behind(gate: Gate) -> Result<Store, StoreError> {
    let engine = Engine { gate: Some(gate), ..Engine::around(Database::memory().map_err(engine_error)?) };
    let config = config(engine).retry_config(RetryConfig::disabled()).build();
    ready(Store::new(aws_sdk_dynamodb::Client::from_conf(config), TABLE)).await
}

/// Opens the store in a file, making it if it is not there. One process at a time: the caller locks the folder.
///
/// # Errors
/// [`StoreError`] if the file cannot be opened or is not such a store.
pub async fn file(path: &Path) -> Result<Store, StoreError> {
    let path = path.to_str().ok_or_else(|| StoreError::Engine("the path of the store is not UTF-8".into()))?;
    let database = Database::new(path).map_err(engine_error)?;
    // The engine's way to say `synchronous = NORMAL`: what is written survives the death of the process at once, and that
    // of the machine within moments. What a power failure could take, the next sync or the events of Stripe bring back.
    database.disable_bulk_loading().map_err(engine_error)?;
    open(database).await
}

fn engine_error(error: DynoxideError) -> StoreError {
    StoreError::Engine(error.to_string())
}

async fn open(database: Database) -> Result<Store, StoreError> {
    let config = config(Engine::around(database)).build();
    ready(Store::new(aws_sdk_dynamodb::Client::from_conf(config), TABLE)).await
}

async fn ready(store: Store) -> Result<Store, StoreError> {
    store.create_table_if_missing().await?;
    Ok(store)
}

/// There is no network that could stall: however long the machine stands still, the engine answers.
fn config(engine: Engine) -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("local"))
        .endpoint_url("http://embedded.invalid")
        .credentials_provider(Credentials::from_keys("embedded", "embedded", None))
        .http_client(engine)
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
    /// Only in tests.
    gate: Option<Gate>,
}

impl Engine {
    fn around(database: Database) -> Self {
        Self { database, places: Arc::new(Semaphore::new(AT_ONCE)), gate: None }
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
        let Self { database, places, gate } = self.clone();
        HttpConnectorFuture::new(async move {
            let fate = gate.map_or(Fate::Served, |gate| gate(operation(&request)));
            match fate {
                Fate::Served | Fate::NeverAnswered => {}
                Fate::NeverArrives => return std::future::pending().await,
                Fate::Throttled => return respond(400, refusal("ThrottlingException", "")),
                Fate::Conflict => return respond(400, refusal("TransactionCanceledException", CONFLICT)),
            }
            let _place = places.acquire_owned().await.map_err(|closed| ConnectorError::other(closed.into(), None))?;
            let answer = tokio::task::spawn_blocking(move || answer(&database, &request));
            let answer = answer.await.map_err(|panic| ConnectorError::other(panic.into(), None))?;
            if fate == Fate::NeverAnswered { std::future::pending().await } else { answer }
        })
    }
}

const CONFLICT: &str = r#","CancellationReasons":[{"Code":"TransactionConflict"}]"#;

fn refusal(code: &str, more: &str) -> String {
    format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"as asked for"{more}}}"#)
}

fn operation(request: &HttpRequest) -> &str {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    target.strip_prefix(TARGET_PREFIX).unwrap_or_default()
}

fn answer(database: &Database, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let operation = operation(request);
    let body = request.body().bytes().unwrap_or_default();
    let (status, body) = match dispatch(database, operation, body) {
        Ok(body) => (200, body),
        Err(error) => (error.status_code(), error.to_json()),
    };
    respond(status, body)
}

fn respond(status: u16, body: String) -> Result<HttpResponse, ConnectorError> {
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
