//! Sends one request until it is settled: takes a turn from the budget, sends, reads what the
//! answer means, waits and goes on, or stops. It never follows a redirect, never logs a URL,
//! and never sleeps past the deadline it was given.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, USER_AGENT};
use tokio::time::{Instant, sleep, timeout_at};

use crate::judge::{Answer, Flaw, Signs, Verdict, judge};
use crate::{API_VERSION, Client, Route, StripeError, Trouble, Turn};

/// No page of a hundred objects comes near this.
const LARGEST_BODY: usize = 64 * 1024 * 1024;
/// A call that has waited this long says so, once.
const LONG_WAIT: Duration = Duration::from_secs(10);

/// What one call has cost so far.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    /// Requests made, whatever came of them.
    pub(crate) requests: u32,
    failures: u32,
    refusals: u32,
    waited: Duration,
    told: bool,
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
            let answer = self.attempt(route, url, effort).await;
            let (verdict, pause_min) = match &answer {
                Ok(answer) => (judge(route.endpoint, answer, read), answer.signs.retry_after),
                Err(Attempt::Failed(_)) | Err(Attempt::TooLarge) => (answer_missing(route, answer), None),
            };
            self.heed(&turn, &verdict, pause_min.unwrap_or_default());
            match verdict {
                Verdict::Done(value, date) => return Ok((value, date)),
                Verdict::Stop(error) => return Err(error),
                Verdict::GiveUp(trouble) => return Err(effort.unavailable(trouble)),
                Verdict::Refused(reason) => todo!(),
                Verdict::Setback(trouble) => todo!(),
            }
        }
    }
}
