//! The European Central Bank's reference rates, read once a day by the sweep for the workspaces that want them.
//!
//! One address is asked and no other: redirects are not followed. What cannot be read changes nothing: the rates of the
//! last good day stay, and the settings and the card say since when and why.

use crate::app::App;
use crate::refusal::Refusal;
use crate::refusal::chain;
use crate::settings::Settings;
use billfold_core::billing::{EcbError, ReferenceRates};
use billfold_core::id::WorkspaceId;
use billfold_core::run::Problem;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use reqwest::{StatusCode, Url, redirect};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Where the bank publishes them, on working days at about 16:00 in Frankfurt.
pub const ECB_DAILY_URL: &str = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml";

/// How often they are read.
const READ_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// When it is tried again after it went wrong.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// Rates older than this are not the bank's newest: no run of holidays is that long.
const DAYS_OLD_MAX: i32 = 7;
/// Far more than the file has.
const BYTES_MAX: usize = 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(20);

/// The bank's rates, as a workspace that wants them knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EcbState {
    /// The newest that were read.
    pub rates: Option<ReferenceRates>,
    /// When they were read.
    pub read_at: Option<Timestamp>,
    /// When they were last asked for.
    pub tried_at: Option<Timestamp>,
    /// What went wrong then, if anything did.
    pub problem: Option<Problem>,
}

/// How the rates are, beside what they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RatesStatus {
    /// When the bank's file was last read.
    pub read_at: Option<Timestamp>,
    /// When it was last asked for.
    pub tried_at: Option<Timestamp>,
    /// Why the rates are not the newest, and what becomes of it.
    pub error: Option<Problem>,
}

/// Why the file could not be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the address of the rates is not an https:// URL")]
    Address,
    #[error("the server of the rates does not answer")]
    Unreachable(#[from] reqwest::Error),
    #[error("the server of the rates answers {0}")]
    Status(StatusCode),
    #[error("the answer is far too long for a file of rates")]
    TooLong,
    #[error("the answer is not text in UTF-8")]
    NotText,
    #[error("the answer is not a file of rates")]
    NotRates(#[from] EcbError),
}

impl EcbState {
    fn is_due(&self, now: Timestamp) -> bool {
        let every = if self.problem.is_some() { AGAIN_AFTER } else { READ_EVERY };
        let due = |tried: Timestamp| tried.checked_add(every).is_ok_and(|due| due <= now);
        self.tried_at.is_none_or(due)
    }

    /// As the API shows it.
    #[must_use]
    pub fn status(&self) -> RatesStatus {
        RatesStatus { read_at: self.read_at, tried_at: self.tried_at, error: self.problem.clone() }
    }

    fn take(&mut self, read: Result<&ReferenceRates, &str>, now: Timestamp) {
        self.tried_at = Some(now);
        match read {
            Ok(rates) => {
                self.read_at = Some(now);
                // An older file, out of some cache, is no news.
                if self.rates.as_ref().is_none_or(|known| known.as_of <= rates.as_of) {
                    self.rates = Some(rates.clone());
                }
                self.problem = self.rates.as_ref().filter(|rates| is_old(rates, now)).map(old);
            }
            Err(why) => self.problem = Some(unread(why, self.rates.as_ref())),
        }
    }
}

fn is_old(rates: &ReferenceRates, now: Timestamp) -> bool {
    let today = now.to_zoned(TimeZone::UTC).date();
    today.since(rates.as_of).is_ok_and(|age| age.get_days() > DAYS_OLD_MAX)
}

fn old(rates: &ReferenceRates) -> Problem {
    Problem {
        code: "rates_old".into(),
        message: format!("The newest rates that the European Central Bank shows are of {}.", rates.as_of),
        fix: "Nothing: they are used until there are newer ones. Or set rates of your own.".into(),
    }
}

fn unread(why: &str, known: Option<&ReferenceRates>) -> Problem {
    let meanwhile = match known {
        Some(rates) => format!("those of {} are used", rates.as_of),
        None => "what was set before is used".to_owned(),
    };
    Problem {
        code: "rates_unavailable".into(),
        message: format!("The rates of the European Central Bank could not be read: {why}."),
        fix: format!("Nothing: Billfold tries again within an hour; until then {meanwhile}. Or set rates of your own."),
    }
}

/// The bank's file, read once in a sweep, and only if somebody wants it.
#[derive(Debug, Default)]
pub(crate) struct DailyRates(OnceCell<Result<ReferenceRates, String>>);

impl DailyRates {
    async fn read(&self, url: &str) -> Result<&ReferenceRates, &str> {
        let read = async || {
            let read = read_rates(url).await.map_err(|error| chain(&error));
            if let Err(error) = &read {
                tracing::warn!(error, "the rates of the European Central Bank could not be read");
            }
            read
        };
        self.0.get_or_init(read).await.as_ref().map_err(String::as_str)
    }
}

impl App {
    /// Gives a workspace the bank's rates, if it wants them and is due.
    pub(crate) async fn sweep_rates(&self, ws: &WorkspaceId, rates: &DailyRates) -> Result<(), Refusal> {
        if self.settings(ws).await?.ecb.is_some_and(|ecb| ecb.is_due(self.now())) {
            self.take_rates(ws, rates.read(&self.config().rates_url).await).await?;
        }
        Ok(())
    }

    async fn take_rates(&self, ws: &WorkspaceId, read: Result<&ReferenceRates, &str>) -> Result<(), Refusal> {
        let now = self.now();
        let take = |settings: &mut Settings| {
            let before = settings.rates.clone();
            // Somebody may have set rates of their own meanwhile.
            if let Some(ecb) = &mut settings.ecb {
                ecb.take(read, now);
            }
            settings.follow_ecb();
            before
        };
        let (after, before) = self.store().change_settings(ws, take).await?;
        if after.rates != before {
            tracing::info!(workspace = %ws, as_of = ?after.rates.map(|rates| rates.as_of), "the rates have changed");
            self.recompute_everything(ws).await?;
        }
        Ok(())
    }
}

/// Plain HTTP is for a server on this machine: whoever stands in between could set the rates.
fn address(text: &str) -> Result<Url, ReadError> {
    let url = Url::parse(text).map_err(|_| ReadError::Address)?;
    let is_local = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    if url.scheme() == "https" || (url.scheme() == "http" && is_local) { Ok(url) } else { Err(ReadError::Address) }
}

async fn read_rates(text: &str) -> Result<ReferenceRates, ReadError> {
    let url = address(text)?;
    let client = reqwest::Client::builder()
        .user_agent(concat!("Billfold/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .timeout(TIMEOUT);
    let client = if url.scheme() == "http" { client.no_proxy() } else { client };
    let mut answer = client.build()?.get(url).send().await?;
    if answer.status() != StatusCode::OK {
        return Err(ReadError::Status(answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len().saturating_add(chunk.len()) > BYTES_MAX {
            return Err(ReadError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    let text = std::str::from_utf8(&body).map_err(|_| ReadError::NotText)?;
    Ok(ReferenceRates::from_xml(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_789_776_000 + hours * 3600).unwrap()
    }

    fn rates(day: &str) -> ReferenceRates {
        ReferenceRates { as_of: day.parse().unwrap(), per_euro: std::collections::BTreeMap::new() }
    }

    #[test]
    fn rates_are_read_daily_and_a_failure_is_tried_again_within_the_hour() {
        let mut state = EcbState::default();
        assert!(state.is_due(at(0)));
        state.take(Ok(&rates("2026-09-18")), at(0));
        assert!(!state.is_due(at(23)) && state.is_due(at(24)));
        state.take(Err("it is raining"), at(24));
        assert!(!state.is_due(at(24)) && state.is_due(at(25)));
        let problem = state.problem.clone().unwrap();
        assert!(problem.message.contains("it is raining") && problem.fix.contains("2026-09-18"), "{problem:?}");
        assert_eq!((state.read_at, state.tried_at), (Some(at(0)), Some(at(24))));
        state.take(Ok(&rates("2026-09-21")), at(25));
        assert_eq!((state.problem.as_ref(), state.rates.as_ref()), (None, Some(&rates("2026-09-21"))));
    }

    #[test]
    fn old_rates_are_called_old_and_never_replace_newer_ones() {
        let mut state = EcbState::default();
        state.take(Ok(&rates("2026-09-18")), at(0));
        state.take(Ok(&rates("2026-09-17")), at(24));
        assert_eq!((state.rates.clone(), state.problem.as_ref()), (Some(rates("2026-09-18")), None));
        state.take(Ok(&rates("2026-09-18")), at(24 * 9));
        assert_eq!(state.problem.unwrap().code, "rates_old");
    }

    #[test]
    fn only_https_is_read_but_for_this_machine() {
        for good in [ECB_DAILY_URL, "http://127.0.0.1:9/x", "http://[::1]:9/x", "http://localhost/x"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["http://www.ecb.europa.eu/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "", "rates"] {
            assert!(matches!(address(bad), Err(ReadError::Address)), "{bad}");
        }
    }
}
