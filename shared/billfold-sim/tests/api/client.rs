//! A small client, and simulations to point it at.

use billfold_sim::{Business, Sim, Spec};
use serde_json::Value;

pub const PINNED: &str = "2026-09-30.endive";
/// 2026-11-21T09:00:00Z.
pub const NOW: i64 = 1_795_251_600;

pub struct Client {
    pub base: String,
    pub key: String,
    pub version: Option<String>,
    pub http: reqwest::Client,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub fn data(&self) -> &Vec<Value> {
        self.body["data"].as_array().unwrap_or_else(|| panic!("no list: {}", self.body))
    }

    pub fn ids(&self) -> Vec<String> {
        self.data().iter().map(|row| text(&row["id"])).collect()
    }

    pub fn error(&self) -> &Value {
        &self.body["error"]
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

pub fn spec(customers: u32) -> Spec {
    Spec::new(11, customers, NOW)
}

pub fn business(customers: u32) -> Business {
    Business::generate(&spec(customers))
}

impl Client {
    pub async fn of(sim: &Sim) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = sim.clone().serve(listener);
        Self {
            base,
            key: sim.api_key().to_owned(),
            version: Some(PINNED.to_owned()),
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            server: tokio::spawn(async move {
                serving.await.expect("the listener holds");
            }),
        }
    }

    /// A client of a generated business.
    pub async fn start(customers: u32) -> (Sim, Self) {
        let sim = Sim::generate(&spec(customers));
        let client = Self::of(&sim).await;
        (sim, client)
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        match &self.version {
            Some(version) => request.header("stripe-version", version),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        read(self.request(reqwest::Method::GET, path)).await
    }

    /// A GET that must be answered with 200.
    pub async fn ok(&self, path: &str) -> Answer {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer
    }

    pub async fn post(&self, path: &str, form: &str) -> Answer {
        read(self.request(reqwest::Method::POST, path).body(form.to_owned())).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        read(self.request(reqwest::Method::DELETE, path)).await
    }

    /// All rows of a list, page by page.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut rows: Vec<Value> = Vec::new();
        loop {
            let glue = if path.contains('?') { '&' } else { '?' };
            let cursor = rows.last().map_or(String::new(), |row| format!("&starting_after={}", text(&row["id"])));
            let page = self.ok(&format!("{path}{glue}limit=100{cursor}")).await;
            rows.extend(page.data().clone());
            if page.body["has_more"] == false {
                return rows;
            }
        }
    }
}

pub async fn read(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let bytes = answer.bytes().await.expect("a body");
    Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
}
