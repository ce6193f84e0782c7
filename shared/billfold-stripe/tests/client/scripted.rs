//! A Stripe that answers what a script says, byte by byte, so that it can also be cut short,
//! silent or gone. It writes down what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use billfold_stripe::{Base, Budget, Client, Limits, Patience, Transport};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The key every test uses; it must never be seen anywhere but in the request.
pub const KEY: &str = "rk_test_51SecretSecretSecretSecret";
pub const DATE: &str = "Sat, 21 Nov 2026 08:52:01 GMT";

/// What the scripted Stripe does with one request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sends these bytes and keeps the connection.
    Answer(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Cut(Vec<u8>),
    /// Closes the connection with a reset, without a word.
    Reset,
    /// Says nothing at all.
    Silence,
}

impl Act {
    pub fn status(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let mut text = format!("HTTP/1.1 {status} X\r\ndate: {DATE}\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        Self::Answer(format!("{text}\r\n{body}").into_bytes())
    }

    pub fn ok(body: &str) -> Self {
        Self::status(200, &[("request-id", "req_ok")], body)
    }

    /// A page with objects of these ids.
    pub fn page(ids: &[&str], has_more: bool) -> Self {
        let rows: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}","object":"x","created":7}}"#)).collect();
        Self::ok(&format!(r#"{{"object":"list","url":"/v1/x","has_more":{has_more},"data":[{}]}}"#, rows.join(",")))
    }

    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::status(status, &[("request-id", "req_bad")], &error_body(code, message))
    }

    pub fn lacking(permission: &str) -> Self {
        let message = format!(
            "The provided key 'rk_test_****' does not have the required permissions for this endpoint on account \
             'acct_1A2b3C4d5E'. Having the '{permission}' permission would allow this request to continue."
        );
        Self::error(403, "more_permissions_required", &message)
    }
}

pub fn error_body(code: &str, message: &str) -> String {
    format!(r#"{{"error":{{"type":"invalid_request_error","code":"{code}","message":"{message}"}}}}"#)
}

/// One request as it came in.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET /v1/…`
    pub line: String,
    pub headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The query, decoded enough to be read in a test.
    pub fn query(&self) -> String {
        let query = self.line.split_once('?').map_or("", |(_, query)| query);
        query.replace("%5B", "[").replace("%5D", "]")
    }
}

/// The scripted Stripe. When the script is over, the last act is played again and again.
#[derive(Clone)]
pub struct Stripe {
    pub base: Base,
    script: Arc<Mutex<Script>>,
}

struct Script {
    acts: VecDeque<Act>,
    asked: Vec<Asked>,
}

impl Stripe {
    pub async fn plays(acts: impl IntoIterator<Item = Act>) -> Self {
        crate::logged::listen();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Base::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let script = Script { acts: acts.into_iter().collect(), asked: Vec::new() };
        let stripe = Self { base, script: Arc::new(Mutex::new(script)) };
        let serving = stripe.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().converse(stream));
            }
        });
        stripe
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }

    /// A client that waits a millisecond where the real one waits a second.
    pub fn client(&self) -> Client {
        let patience = Patience {
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(2),
            ..Patience::default()
        };
        self.client_with(Arc::new(fast_budget())).with_patience(patience)
    }

    pub fn client_with(&self, budget: Arc<Budget>) -> Client {
        let transport = Transport::new(self.base.clone()).unwrap();
        Client::new(transport, &SecretString::from(KEY.to_owned()), budget, 5).unwrap()
    }

    async fn converse(self, mut stream: TcpStream) {
        while let Some(asked) = hear(&mut stream).await {
            match self.next(asked) {
                Act::Answer(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Act::Cut(bytes) => {
                    stream.write_all(&bytes).await.unwrap();
                    return;
                }
                Act::Reset => {
                    stream.set_zero_linger().unwrap();
                    return;
                }
                Act::Silence => std::future::pending().await,
            }
        }
    }

    fn next(&self, asked: Asked) -> Act {
        let mut script = self.script.lock().unwrap();
        script.asked.push(asked);
        if script.acts.len() > 1 {
            return script.acts.pop_front().unwrap();
        }
        script.acts.front().unwrap().clone()
    }
}

/// A budget that no test has to wait for.
pub fn fast_budget() -> Budget {
    Budget::new(Limits { total_per_s: 1e6, endpoint_per_s: 1e6, share: 1.0 }, 3)
}

/// Reads one request; `None` when the other side has gone.
async fn hear(stream: &mut TcpStream) -> Option<Asked> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(text).unwrap();
    let mut lines = text.lines();
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Some(Asked { line, headers })
}
