//! Sends one request until it is settled: takes a turn from the budget, sends, reads what the
//! answer means, and then waits and goes on, or stops. It never follows a redirect, never logs
//! a URL, and never sleeps past the deadline it was given.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, USER_AGENT};
use reqwest::{Response, Url};
use tokio::time::{Instant, sleep, timeout_at};

use crate::judge::{Answer, Flaw, Signs, Verdict, judge};
use crate::{API_VERSION, Client, RateLimitReason, Route, StripeError, Trouble, Turn};

/// What one call has cost so far.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    /// Requests made, whatever came of them.
    pub(crate) requests: u32,
    failures: u32,
    refusals: u32,
    waited: Duration,
    has_warned: bool,
}

impl Client {
    /// Sends a GET until it is settled, and reads the good answer with `read`.
    pub(crate) async fn send<T>(
        &self,
        route: Route,
        url: &Url,
        effort: &mut Effort,
        read: fn(&Bytes) -> Result<T, Flaw>,
    ) -> Result<(T, Timestamp), StripeError> {
        loop {
            let turn = self.turn(route, effort).await?;
            effort.requests += 1;
            let (verdict, pause_min) = self.attempt(route, url, effort.requests, read).await;
            match verdict {
                Verdict::Done(value, date) => {
                    self.budget.accepted(&turn);
                    return Ok((value, date));
                }
                Verdict::Stop(error) => {
                    self.budget.accepted(&turn);
                    return Err(error);
                }
                Verdict::GiveUp(trouble) => return Err(effort.unavailable(trouble)),
                Verdict::Refused(reason) => self.slow_down(&turn, reason, pause_min, effort).await?,
                Verdict::Setback(trouble) => self.recover(route, trouble, pause_min, effort).await?,
            }
        }
    }

    /// Waits for leave to send, but not past the deadline.
    async fn turn(&self, route: Route, effort: &mut Effort) -> Result<Turn, StripeError> {
        let asked = Instant::now();
        let turn = match self.deadline {
            None => self.budget.acquire(route).await,
            Some(deadline) if deadline <= asked => {
                return Err(effort.unavailable(Trouble::OutOfTime));
            }
            Some(deadline) => timeout_at(deadline, self.budget.acquire(route))
                .await
                .map_err(|_| effort.unavailable(Trouble::OutOfTime))?,
        };
        effort.has_waited(asked.elapsed(), route);
        Ok(turn)
    }

    /// Too many requests: the budget holds everyone back, this call waits with them.
    async fn slow_down(
        &self,
        turn: &Turn,
        reason: RateLimitReason,
        pause_min: Duration,
        effort: &mut Effort,
    ) -> Result<(), StripeError> {
        self.budget.refused(turn, reason, pause_min);
        effort.refusals += 1;
        if effort.refusals > self.patience.refusals {
            return Err(StripeError::RateLimited { reason });
        }
        match reason {
            // The budget does not slow down for one busy object; only this call waits.
            RateLimitReason::ResourceSpecific => {
                let pause = self.backoff(effort.refusals).max(pause_min);
                self.pause(turn.route(), pause, Trouble::TooManyRequests, effort).await
            }
            RateLimitReason::GlobalRate
            | RateLimitReason::GlobalConcurrency
            | RateLimitReason::EndpointRate
            | RateLimitReason::EndpointConcurrency
            | RateLimitReason::Unstated => Ok(()),
        }
    }

    /// Trouble: wait a little and try again, if any tries are left.
    async fn recover(
        &self,
        route: Route,
        trouble: Trouble,
        pause_min: Duration,
        effort: &mut Effort,
    ) -> Result<(), StripeError> {
        effort.failures += 1;
        if effort.failures >= self.patience.tries {
            return Err(effort.unavailable(trouble));
        }
        let pause = self.backoff(effort.failures).max(pause_min);
        self.pause(route, pause, trouble, effort).await
    }

    /// Sleeps, unless the deadline would pass meanwhile; then the trouble is the answer.
    async fn pause(
        &self,
        route: Route,
        pause: Duration,
        trouble: Trouble,
        effort: &mut Effort,
    ) -> Result<(), StripeError> {
        if self.deadline.is_some_and(|deadline| Instant::now() + pause >= deadline) {
            return Err(effort.unavailable(trouble));
        }
        sleep(pause).await;
        effort.has_waited(pause, route);
        Ok(())
    }

    fn backoff(&self, failures: u32) -> Duration {
        self.patience.wait(failures, self.jitter.unit())
    }

    /// One request, and what came of it.
    async fn attempt<T>(
        &self,
        route: Route,
        url: &Url,
        tries: u32,
        read: fn(&Bytes) -> Result<T, Flaw>,
    ) -> (Verdict<T>, Duration) {
        let sent = Instant::now();
        let outcome = self.exchange(url).await;
        let endpoint = route.template();
        let duration_ms = sent.elapsed().as_secs_f64() * 1000.0;
        match outcome {
            Ok(answer) => {
                let request_id = answer.signs.request_id.as_deref().unwrap_or_default();
                let status = answer.status;
                tracing::debug!(endpoint, status, request_id, tries, duration_ms, "Stripe answered");
                let pause_min = answer.signs.retry_after.unwrap_or_default();
                (judge(route.endpoint, &answer, read), pause_min)
            }
            Err(trouble) => {
                tracing::debug!(endpoint, %trouble, tries, duration_ms, "Stripe did not answer");
                let verdict = match trouble {
                    Trouble::TooLarge => Verdict::GiveUp(trouble),
                    trouble => Verdict::Setback(trouble),
                };
                (verdict, Duration::ZERO)
            }
        }
    }

    /// Sends, and receives the whole answer.
    async fn exchange(&self, url: &Url) -> Result<Answer, Trouble> {
        let transport = &self.transport;
        let timeout = match self.deadline {
            Some(deadline) => transport.timeout.min(deadline.saturating_duration_since(Instant::now())),
            None => transport.timeout,
        };
        let response = transport
            .http
            .get(url.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(USER_AGENT, concat!("Billfold/", env!("CARGO_PKG_VERSION")))
            .header("stripe-version", API_VERSION)
            .timeout(timeout)
            .send()
            .await
            .map_err(Trouble::of)?;
        let status = response.status().as_u16();
        let signs = Signs::of(response.headers());
        let body = receive(response).await?;
        Ok(Answer { status, signs, body })
    }
}

impl Effort {
    fn unavailable(&self, trouble: Trouble) -> StripeError {
        StripeError::Unavailable { requests: self.requests, trouble }
    }

    /// Counts a wait. A call that has waited long says so, once.
    fn has_waited(&mut self, wait: Duration, route: Route) {
        const LONG: Duration = Duration::from_secs(10);
        self.waited += wait;
        if self.waited >= LONG && !self.has_warned {
            self.has_warned = true;
            let (endpoint, waited_s, tries) = (route.template(), self.waited.as_secs(), self.requests);
            tracing::warn!(endpoint, waited_s, tries, "waiting long for Stripe");
        }
    }
}

impl Trouble {
    pub(crate) fn of(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_body() || error.is_decode() {
            Self::CutShort
        } else {
            // The URL's query may name customers.
            Self::Network(error.without_url())
        }
    }
}

/// The whole body, within bounds.
async fn receive(mut response: Response) -> Result<Bytes, Trouble> {
    /// No page of a hundred objects comes near this.
    const LARGEST: usize = 64 * 1024 * 1024;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(Trouble::of)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(Trouble::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endpoint;

    #[test]
    fn a_call_warns_once_its_waits_have_added_up() {
        let route = Route::list(Endpoint::Prices);
        let mut effort = Effort::default();
        effort.has_waited(Duration::from_secs(6), route);
        assert!(!effort.has_warned);
        effort.has_waited(Duration::from_secs(4), route);
        assert!(effort.has_warned);
    }
}
