//! A table that leaves keys of a batch unread, as DynamoDB does when it is throttled or an answer is full.

use super::*;
use crate::inside;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// Decides how many keys of a batch are read, by the number of the request.
type Reads = fn(usize) -> usize;

/// A table that holds every row that is looked for.
#[derive(Clone)]
struct Throttled {
    reads: Reads,
    /// When each request came.
    requests: Arc<Mutex<Vec<Instant>>>,
}

impl fmt::Debug for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttled")
    }
}

impl Throttled {
    fn new(reads: Reads) -> Self {
        Self { reads, requests: Arc::default() }
    }

    fn table(&self) -> DynamoDb {
        DynamoDb { client: Client::from_conf(inside::config(self.clone()).build()), table: "t".into() }
    }

    /// The time between each request and the next.
    fn waits(&self) -> Vec<Duration> {
        self.requests.lock().unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    fn answer(&self, body: &[u8]) -> String {
        let request: Json = serde_json::from_slice(body).unwrap();
        let keys = request["RequestItems"]["t"]["Keys"].as_array().unwrap();
        let number = self.requests.lock().unwrap().len();
        self.requests.lock().unwrap().push(Instant::now());
        let (read, left) = keys.split_at((self.reads)(number).min(keys.len()));
        let unread = if left.is_empty() { json!({}) } else { json!({"t": {"Keys": left}}) };
        json!({"Responses": {"t": read}, "UnprocessedKeys": unread}).to_string()
    }
}

impl HttpClient for Throttled {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Throttled {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(inside::respond(200, self.answer(request.body().bytes().unwrap_or_default())))
    }
}

fn keys(count: usize) -> Vec<Key> {
    (0..count).map(|n| Key { partition: "P".into(), sort: format!("{n}") }).collect()
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_never_read_end_as_unavailable_after_growing_waits() {
    let throttled = Throttled::new(|_| 0);
    let error = throttled.table().batch(&keys(3), &[]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)) && error.is_transient(), "{error:?}");
    let waits = throttled.waits();
    assert_eq!(waits.len() + 1, UNREAD_MAX as usize);
    assert!(waits.windows(2).all(|pair| pair[1] == pair[0] * 2) && waits[0] >= UNREAD_WAIT, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_makes_progress_is_read_to_its_end() {
    let throttled = Throttled::new(|request| request % 2);
    let rows = throttled.table().batch(&keys(40), &[]).await.unwrap();
    assert_eq!(rows.len(), 40);
    let waits = throttled.waits();
    assert!(waits.len() > 40 && waits.iter().all(|wait| *wait >= UNREAD_WAIT), "each answer is followed by a wait");
}
