//! The HTTP server: connections, keys, limits, faults, and the answers around them. It keeps no
//! state of its own.

mod answer;
mod control;
mod deliver;
mod endpoints;
mod list;
pub(crate) mod page;
pub(crate) mod query;
mod route;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::http_date;
use crate::errors::StripeError;
use crate::faults::Fault;
use crate::ids::Part;
use crate::requests::Request;
use crate::sim::Sim;
use answer::{Asked, Caller, Good};
use route::Route;

pub use deliver::{DeliveryReport, post};

/// Why a connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on request")]
pub struct Closed;

/// A request's body larger than this is not read.
const BODY_MOST: usize = 1 << 20;

impl Sim {
    /// Serves until the future is dropped, and then closes every connection.
    ///
    /// # Errors
    /// Only when the listener itself fails.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<Infallible> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    connections.spawn(self.clone().connection(stream));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    /// Serves one client for as long as it keeps the connection. A client that goes away, and a
    /// connection closed on request, are no errors of the simulation.
    async fn connection(self, stream: TcpStream) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let service = service_fn(|request| {
            let sim = self.clone();
            async move { sim.handle(request).await }
        });
        let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        drop(served);
    }

    async fn handle(self, request: http::Request<Incoming>) -> Result<http::Response<Answer>, Closed> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let body = match Limited::new(body, BODY_MOST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return Err(Closed),
        };
        if let Some(control) = path.strip_prefix("/_sim/") {
            return Ok(control::answer(&self, &head.method, control, &body).await);
        }
        let header = |name: &str| {
            let value = head.headers.get(name)?;
            Some(value.to_str().unwrap_or_default().to_owned())
        };
        let asked = Asked {
            method: head.method.to_string(),
            params: parameters(&head.method, &query, &body),
            authorization: header(AUTHORIZATION.as_str()),
            version: header("stripe-version"),
            idempotency_key: header("idempotency-key"),
            path,
        };
        self.stripe(&asked, &query).await
    }

    /// One request to the API, with whatever trouble was asked for. Half of a delay comes before
    /// the answer is worked out and half after, so that late answers are old ones too.
    async fn stripe(&self, asked: &Asked, query: &str) -> Result<http::Response<Answer>, Closed> {
        let route = Route::of(&asked.method, &asked.path);
        let endpoint = route.as_ref().map_or("unknown", |route| route.template.as_str());
        let verdict = self.fault_plan().judge(endpoint);
        let admitted = self.admit(asked, endpoint);
        let running = admitted.is_ok().then(|| Running(self));
        wait(verdict.delay / 2).await;
        let outcome = match (admitted, verdict.fault) {
            (Err(error), _) => Err(error),
            (Ok(_), Some(Fault::InternalError)) => Err(StripeError::stripe_trouble(500)),
            (Ok(_), Some(Fault::LockTimeout)) => Err(StripeError::lock_timeout()),
            (Ok(caller), _) => match &route {
                Some(route) => answer::answer(self, asked, &caller, route),
                None => Err(StripeError::unknown_url(&asked.method, &asked.path)),
            },
        };
        let good = outcome.is_ok();
        let response = self.respond(asked, outcome);
        wait(verdict.delay / 2).await;
        drop(running);
        let response = match verdict.fault {
            Some(Fault::Reset) => Err(Closed),
            Some(Fault::BadGateway) if good => Ok(bad_gateway()),
            Some(Fault::Truncated) if good => Ok(truncated(response)),
            _ => Ok(response),
        };
        self.note(asked, query, endpoint, response.as_ref().map_or(0, |r| r.status().as_u16()));
        response
    }

    /// The key first, then the limits, which a request with a bad key does not use up.
    fn admit(&self, asked: &Asked, endpoint: &str) -> Result<Caller, StripeError> {
        let caller = Caller::identify(&self.world(), asked.authorization.as_deref())?;
        self.limiter()
            .admit(endpoint, Instant::now())
            .map_err(|reason| StripeError::rate_limit(reason, caller.livemode()))?;
        Ok(caller)
    }

    fn respond(&self, asked: &Asked, outcome: Result<Good, StripeError>) -> http::Response<Answer> {
        let world = self.world();
        let count = self.request_log().issue_id();
        let request_id = world.business.ids.part(Part::Request, count);
        let version = answer::version(&world, asked).unwrap_or_else(|_| world.business.account.api_version.clone());
        let mut headers = vec![("request-id", request_id.clone()), ("stripe-version", version.to_string())];
        headers.extend(asked.idempotency_key.clone().map(|key| ("idempotency-key", key)));
        let (status, as_of, body) = match outcome {
            Ok(good) => {
                headers.extend(good.replayed.then(|| ("idempotent-replayed", "true".to_owned())));
                (200, good.as_of, good.body)
            }
            Err(mut error) => {
                let mode = if world.business.account.livemode { "" } else { "test/" };
                error.detail.request_log_url = Some(format!("https://dashboard.stripe.com/{mode}logs/{request_id}"));
                headers.extend(error.rate_limited.map(|why| ("stripe-rate-limited-reason", why.to_owned())));
                (error.status, world.now(), error.body())
            }
        };
        headers.push((DATE.as_str(), http_date(as_of)));
        let mut response = json(status, body);
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn note(&self, asked: &Asked, query: &str, endpoint: &str, status: u16) {
        let path = if query.is_empty() { asked.path.clone() } else { format!("{}?{query}", asked.path) };
        let request = Request { method: asked.method.clone(), path, status };
        self.request_log().record(endpoint, request);
    }
}

async fn wait(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// Holds a place under the concurrency limit.
struct Running<'a>(&'a Sim);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.limiter().done();
    }
}

/// A form comes in the body; everything else in the query.
fn parameters(method: &http::Method, query: &str, body: &Bytes) -> String {
    if method == http::Method::POST { String::from_utf8_lossy(body).into_owned() } else { query.to_owned() }
}

pub(crate) fn json(status: u16, body: String) -> http::Response<Answer> {
    let mut response = http::Response::new(Answer::whole(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn bad_gateway() -> http::Response<Answer> {
    let page = "<html><head><title>502 Bad Gateway</title></head><body></body></html>";
    let mut response = json(502, page.to_owned());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// Promises the whole length and breaks off in the middle.
fn truncated(response: http::Response<Answer>) -> http::Response<Answer> {
    let (mut head, mut body) = response.into_parts();
    let whole = body.data.take().unwrap_or_default();
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = whole.slice(..whole.len() / 2);
    http::Response::from_parts(head, Answer { data: Some(half), end: End::Flush })
}

/// A body that is sent whole, or breaks off after what it has.
pub struct Answer {
    data: Option<Bytes>,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// What there is must reach the client before the connection breaks.
    Flush,
    Break,
}

impl Answer {
    fn whole(text: String) -> Self {
        Self { data: Some(Bytes::from(text)), end: End::Whole }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::Flush => {
                self.end = End::Break;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            End::Break => Poll::Ready(Some(Err(Closed))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.end == End::Whole
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match &self.data {
            Some(data) if self.end == End::Whole => hyper::body::SizeHint::with_exact(data.len() as u64),
            _ => hyper::body::SizeHint::default(),
        }
    }
}
