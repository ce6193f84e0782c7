//! Talks to a running `billfold serve`, like any other program would: over HTTP, with a token. Knows nothing of the store
//! and prints nothing.

pub mod accounts;
pub mod files;
pub mod follow;
pub mod revenue;
pub mod view;

use billfold_app::auth::{LocalKeyError, LocalKeys, Role};
use billfold_app::{Clock, SystemClock};
use billfold_core::id::WorkspaceId;
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use view::ProblemView;

/// Tokens are made anew for each request, so that a sync can be followed for hours.
const TOKEN_VALID_S: i64 = 300;
/// Connecting a key asks Stripe a dozen things; the server gives up before this.
const TIMEOUT: Duration = Duration::from_secs(75);

/// Who the client is.
pub enum Credentials {
    /// Nobody.
    Nobody,
    /// A token that was given.
    Token(SecretString),
    /// The data folder's own key.
    Keys {
        /// The key.
        keys: Box<LocalKeys>,
        /// For which workspace.
        workspace: WorkspaceId,
    },
}

/// A way to a running Billfold.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    credentials: Credentials,
}

/// What the API answered.
#[derive(Debug, Clone)]
pub struct Answer {
    body: String,
}

/// Why there is no answer, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("{0:?} is not an address like http://127.0.0.1:8787")]
    Address(String),
    /// Nobody is there.
    #[error("cannot reach Billfold at {url}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// The API says no.
    #[error("{}", .0.detail)]
    No(Box<ProblemView>),
    /// The answer is not Billfold's.
    #[error("the answer of {0} is not one of Billfold's: is something else listening there?")]
    Unreadable(String),
    /// No token could be made.
    #[error(transparent)]
    Keys(#[from] LocalKeyError),
    /// The client could not be made.
    #[error("the HTTP client could not be made")]
    Setup(#[source] reqwest::Error),
}

impl Answer {
    /// The answer as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.body
    }

    /// The answer, read.
    ///
    /// # Errors
    /// [`ClientError::Unreadable`] if it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.body).map_err(|_| ClientError::Unreadable("this address".to_owned()))
    }
}

impl Client {
    /// A way to the Billfold at an address.
    ///
    /// # Errors
    /// [`ClientError::Address`] if it is none.
    pub fn new(base: &str, credentials: Credentials) -> Result<Self, ClientError> {
        let wrong = || ClientError::Address(base.to_owned());
        let url = Url::parse(base).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() || url.query().is_some() {
            return Err(wrong());
        }
        let mut builder = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if is_this_machine(&url) {
            // A proxy that the environment names would look for this address on its own machine.
            builder = builder.no_proxy();
        }
        Ok(Self { http: builder.build().map_err(ClientError::Setup)?, base: url, credentials })
    }

    /// True if what is sent stays on this machine or is encrypted.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.base.scheme() == "https" || is_this_machine(&self.base)
    }

    /// Reads.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.call(Method::GET, path, None).await
    }

    /// Sends.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post(&self, path: &str, body: Option<Value>) -> Result<Answer, ClientError> {
        self.call(Method::POST, path, body).await
    }

    /// Changes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn patch(&self, path: &str, body: Value) -> Result<Answer, ClientError> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// Takes away.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer, ClientError> {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.exchange(method, path, body, None).await
    }

    /// Sends a body of a type, with more patience than usual where it is said.
    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Vec<u8>)>,
        timeout: Option<Duration>,
    ) -> Result<Answer, ClientError> {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut request = self.http.request(method, &url);
        if let Some(token) = self.token()? {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let base = self.base.as_str().trim_end_matches('/');
        let unreachable = |source: reqwest::Error| ClientError::Unreachable {
            url: base.to_owned(),
            // The path may hold an account's id, which is nothing to print in an error.
            source: source.without_url(),
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.text().await.map_err(unreachable)?;
        if status.is_success() { Ok(Answer { body }) } else { Err(no(base, status, &body)) }
    }

    fn token(&self) -> Result<Option<SecretString>, ClientError> {
        match &self.credentials {
            Credentials::Nobody => Ok(None),
            Credentials::Token(token) => Ok(Some(token.clone())),
            Credentials::Keys { keys, workspace } => {
                let token = keys.issue(workspace, Role::Admin, "cli", SystemClock.now(), TOKEN_VALID_S)?;
                Ok(Some(SecretString::from(token)))
            }
        }
    }
}

fn no(base: &str, status: StatusCode, body: &str) -> ClientError {
    match serde_json::from_str::<ProblemView>(body) {
        Ok(problem) if !problem.code.is_empty() => {
            ClientError::No(Box::new(ProblemView { status: status.as_u16(), ..problem }))
        }
        _ => ClientError::Unreadable(base.to_owned()),
    }
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or(host == "localhost", |ip| ip.is_loopback())
}

/// A text as a part of a path or a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(base: &str) -> Result<Client, ClientError> {
        Client::new(base, Credentials::Token("token".into()))
    }

    #[test]
    fn an_address_is_checked_before_anything_is_sent() {
        for good in ["http://127.0.0.1:8787", "https://billfold.example/prod/", "http://[::1]:1"] {
            assert!(client(good).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:8787", "ftp://x", "mailto:a@b.c", "http://", "http://x/?q=1"] {
            assert!(matches!(client(bad), Err(ClientError::Address(_))), "{bad}");
        }
    }

    #[test]
    fn a_key_may_travel_on_this_machine_or_encrypted() {
        let check =
            |base: &str, expected: bool| assert_eq!(client(base).unwrap().is_confidential(), expected, "{base}");
        check("http://127.0.0.1:8787", true);
        check("http://localhost:8787", true);
        check("http://[::1]:8787", true);
        check("https://billfold.example", true);
        check("http://billfold.example", false);
        check("http://10.0.0.1:8787", false);
        check("http://localhost.example", false);
    }

    #[test]
    fn a_problem_is_told_from_a_strangers_answer() {
        let body = r#"{"type":"about:blank","title":"Conflict","status":409,"detail":"d","code":"c","run_id":"run_1"}"#;
        match no("http://x", StatusCode::CONFLICT, body) {
            ClientError::No(problem) => assert_eq!((problem.status, problem.code.as_str()), (409, "c")),
            other => panic!("{other:?}"),
        }
        for strange in ["", "<html>", "{}", "[]", r#"{"error":"x"}"#] {
            assert!(matches!(no("http://x", StatusCode::NOT_FOUND, strange), ClientError::Unreadable(_)), "{strange}");
        }
    }

    #[test]
    fn parts_of_an_address_are_encoded() {
        assert_eq!(encoded("acc_1-2.3~"), "acc_1-2.3~");
        assert_eq!(encoded("a/b?c&d e#é"), "a%2Fb%3Fc%26d%20e%23%C3%A9");
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable_and_names_no_path() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = client(&base).unwrap().get("/v1/accounts/acc_secret").await.unwrap_err();
        assert!(matches!(&error, ClientError::Unreachable { url, .. } if *url == base), "{error:?}");
        assert!(!format!("{error:?}").contains("acc_secret"), "{error:?}");
    }
}
