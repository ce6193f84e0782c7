//! Messages that several want to send at the same moment, sent together: whoever is first sends for all who wait, ten
//! messages or a mebibyte at a time. One that SQS refuses does not fail the others.

use super::{BODY_BYTES_MAX, SendError};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use billfold_store::sdk_error;
use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Turn, oneshot};

/// The most messages of one call.
const ENTRIES_MAX: usize = 10;
/// Tries of a message that SQS could not take though the call succeeded; the SDK does not see those.
const TRIES_MAX: u32 = 4;
/// The wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A message to be sent.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) body: String,
    pub(super) delay_s: i32,
}

struct Waiting {
    entry: Entry,
    tell: oneshot::Sender<Result<(), SendError>>,
}

/// Messages to one queue.
pub(super) struct Batch {
    client: Client,
    url: String,
    waiting: Mutex<VecDeque<Waiting>>,
    sender: Turn<()>,
}

impl Batch {
    pub(super) fn new(client: Client, url: String) -> Self {
        Self { client, url, waiting: Mutex::default(), sender: Turn::default() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns once SQS keeps the message.
    pub(super) async fn send(&self, entry: Entry) -> Result<(), SendError> {
        let (tell, told) = oneshot::channel();
        self.waiting().push_back(Waiting { entry, tell });
        {
            let _turn = self.sender.lock().await;
            loop {
                let together = take(&mut self.waiting());
                if together.is_empty() {
                    break;
                }
                self.send_all(together).await;
            }
        }
        told.await.unwrap_or(Err(SendError::Stopped))
    }

    async fn send_all(&self, mut together: Vec<Waiting>) {
        let mut wait = FIRST_WAIT;
        for tried in 1..=TRIES_MAX {
            let failed = match self.call(&together).await {
                Ok(failed) => failed,
                Err(error) => return together.into_iter().for_each(|one| tell(one, Err(error.clone()))),
            };
            let mut again = Vec::new();
            for (place, one) in together.into_iter().enumerate() {
                match failed.get(place.to_string().as_str()) {
                    None => tell(one, Ok(())),
                    Some(refused) if refused.sender_fault || tried == TRIES_MAX => tell(one, Err(why(refused))),
                    Some(_) => again.push(one),
                }
            }
            if again.is_empty() {
                return;
            }
            together = again;
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2);
        }
    }

    /// One call; what SQS did not take, by its place.
    async fn call(&self, together: &[Waiting]) -> Result<HashMap<String, BatchResultErrorEntry>, SendError> {
        let mut request = self.client.send_message_batch().queue_url(&self.url);
        for (place, one) in together.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder().id(place.to_string());
            let entry = entry.message_body(&one.entry.body).delay_seconds(one.entry.delay_s).build();
            request = request.entries(entry.map_err(|error| SendError::Unwritable(error.to_string()))?);
        }
        let answer = request.send().await.map_err(from_sdk)?;
        Ok(answer.failed.into_iter().map(|refused| (refused.id.clone(), refused)).collect())
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many as one call takes.
fn take(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let (mut together, mut bytes) = (Vec::new(), 0_usize);
    while let Some(next) = waiting.front() {
        bytes = bytes.saturating_add(next.entry.body.len());
        if together.len() == ENTRIES_MAX || (bytes > BODY_BYTES_MAX && !together.is_empty()) {
            break;
        }
        together.extend(waiting.pop_front());
    }
    together
}

/// Whoever no longer listens does not need to know.
fn tell(one: Waiting, what: Result<(), SendError>) {
    drop(one.tell.send(what));
}

fn why(refused: &BatchResultErrorEntry) -> SendError {
    SendError::Sqs(format!("{}: {}", refused.code, refused.message.as_deref().unwrap_or_default()))
}

pub(super) fn from_sdk<E, R>(error: SdkError<E, R>) -> SendError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    SendError::Sqs(sdk_error(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(lengths: &[usize]) -> VecDeque<Waiting> {
        let one = |length: &usize| {
            let entry = Entry { body: "x".repeat(*length), delay_s: 0 };
            Waiting { entry, tell: oneshot::channel().0 }
        };
        lengths.iter().map(one).collect()
    }

    #[test]
    fn a_batch_is_as_long_as_sqs_takes_and_no_longer() {
        let check = |lengths: &[usize], expected: &[usize]| {
            let mut waiting = waiting(lengths);
            let mut batches = Vec::new();
            while !waiting.is_empty() {
                batches.push(take(&mut waiting).len());
            }
            assert_eq!(batches, expected, "{lengths:?}");
        };
        check(&[], &[]);
        check(&[1; 10], &[10]);
        check(&[1; 23], &[10, 10, 3]);
        check(&[BODY_BYTES_MAX; 3], &[1, 1, 1]);
        check(&[BODY_BYTES_MAX / 2, BODY_BYTES_MAX / 2, 1], &[2, 1]);
        check(&[BODY_BYTES_MAX, 1, 1], &[1, 2]);
    }
}
