//! Workers: take messages from the local queue and hand them to the use cases, and sweep now and then. A panic breaks one
//! message and no worker.

use crate::queue::{Finished, Lane, LocalQueue, Taken, TakenEvent, VISIBILITY};
use billfold_app::{App, Handled, Message, chain};
use billfold_store::StoreError;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};

/// How long a use case may work on one message before the others get their turn.
const WORK_FOR: Duration = Duration::from_secs(300);
/// How often a worker says that it is still at it.
const SAY_SO_EVERY: Duration = Duration::from_secs(20);
/// How long a worker may go on when the process is to end; what it does not finish goes on from its checkpoints.
const GRACE: Duration = Duration::from_secs(1);
/// How often what was lost is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// The wait after the store failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// Messages of one lane that are handled side by side.
const WORKERS_PER_LANE: usize = 4;

const _: () = assert!(SAY_SO_EVERY.as_secs() * 2 < VISIBILITY.as_secs());

/// Does what a message says.
pub type Handler = Arc<dyn Fn(Message) -> BoxFuture<'static, Handled> + Send + Sync>;

/// Does what events say, together; what became of each, in their order.
pub type EventHandler = Arc<dyn Fn(Vec<Message>) -> BoxFuture<'static, Vec<Handled>> + Send + Sync>;

/// The workers of a process.
pub struct Workers {
    stop: watch::Sender<Running>,
    tasks: JoinSet<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    GoOn,
    Stop,
}

impl Workers {
    /// Starts workers for every lane, and the sweep.
    #[must_use]
    pub fn start(app: &App, queue: &Arc<LocalQueue>) -> Self {
        let handler = {
            let app = app.clone();
            move |message: Message| {
                let app = app.clone();
                async move { app.handle(&message, WORK_FOR).await }.boxed()
            }
        };
        let events = {
            let app = app.clone();
            move |messages: Vec<Message>| {
                let app = app.clone();
                async move { app.handle_all(&messages, WORK_FOR).await }.boxed()
            }
        };
        let mut workers =
            Self::with_handlers(queue, &(Arc::new(handler) as Handler), &(Arc::new(events) as EventHandler));
        let stop = workers.stop.subscribe();
        workers.tasks.spawn(sweep(app.clone(), stop));
        workers
    }

    fn with_handlers(queue: &Arc<LocalQueue>, handler: &Handler, events: &EventHandler) -> Self {
        let (stop, stopped) = watch::channel(Running::GoOn);
        let mut tasks = JoinSet::new();
        for lane in Lane::ALL {
            for _ in 0..WORKERS_PER_LANE {
                let worker = Worker { queue: Arc::clone(queue), handler: Arc::clone(handler), stop: stopped.clone() };
                tasks.spawn(worker.work(lane));
            }
        }
        for _ in 0..WORKERS_PER_LANE {
            let (queue, handler) = (Arc::clone(queue), Arc::clone(events));
            tasks.spawn(EventWorker { queue, handler, stop: stopped.clone() }.work());
        }
        Self { stop, tasks }
    }

    /// Stops all of them. What they have in hand is finished, or goes on after the next start.
    pub async fn stop(mut self) {
        self.stop.send_replace(Running::Stop);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(error = chain(&error), "a worker ended badly");
            }
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<Running>) {
    // An error means that nobody is left who could stop the worker, which is the end as well.
    drop(stop.wait_for(|running| *running == Running::Stop).await);
}

struct EventWorker {
    queue: Arc<LocalQueue>,
    handler: EventHandler,
    stop: watch::Receiver<Running>,
}

/// How a job ended.
enum Ended {
    Handled(Vec<Handled>),
    Panicked,
    CutOff,
}

impl EventWorker {
    async fn work(mut self) {
        loop {
            let taken = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return,
                taken = self.queue.next_events() => taken,
            };
            let worked = match taken {
                Ok(taken) => self.handle(taken).await,
                Err(error) => Err(error),
            };
            if let Err(error) = worked {
                tracing::error!(error = chain(&error), "the queue cannot reach its events; trying again");
                tokio::time::sleep(AFTER_TROUBLE).await;
            }
        }
    }

    async fn handle(&mut self, taken: Vec<TakenEvent>) -> Result<(), StoreError> {
        let handled = match self.run(&taken).await {
            Ended::Handled(handled) => handled,
            Ended::Panicked if taken.len() > 1 => return self.handle_singly(taken).await,
            Ended::Panicked => {
                tracing::error!(events = ?taken, "a use case panicked");
                return self.queue.finish_events(taken.into_iter().map(|one| (one, Finished::Failed)).collect()).await;
            }
            Ended::CutOff => Vec::new(),
        };
        // What was cut off says nothing of its events.
        let mut handled = handled.into_iter().map(|one| match one {
            Handled::Done => Finished::Done,
            Handled::Again(after) | Handled::Failed(after) => Finished::Again(after),
        });
        let finished = taken.into_iter().map(|one| (one, handled.next().unwrap_or(Finished::Released))).collect();
        self.queue.finish_events(finished).await
    }

    /// One of them broke the others' worker; which one shows when each is alone.
    async fn handle_singly(&mut self, taken: Vec<TakenEvent>) -> Result<(), StoreError> {
        for one in taken {
            if *self.stop.borrow() == Running::Stop {
                // The rest is there again at the next start.
                return Ok(());
            }
            let finished = match self.run(std::slice::from_ref(&one)).await {
                Ended::Handled(handled) => match handled.first() {
                    Some(Handled::Again(after) | Handled::Failed(after)) => Finished::Again(*after),
                    Some(Handled::Done) => Finished::Done,
                    None => Finished::Released,
                },
                Ended::Panicked => Finished::Failed,
                Ended::CutOff => Finished::Released,
            };
            if finished == Finished::Failed {
                tracing::error!(event = ?one, "a use case panicked");
            }
            self.queue.finish_events(vec![(one, finished)]).await?;
        }
        Ok(())
    }

    /// In a task of its own, so that a panic in it ends there.
    async fn run(&mut self, taken: &[TakenEvent]) -> Ended {
        let messages = taken.iter().map(|one| one.message.clone()).collect();
        let mut job = Job(tokio::spawn((self.handler)(messages)));
        let ended = tokio::select! {
            ended = &mut job.0 => ended,
            () = stopped(&mut self.stop) => match tokio::time::timeout(GRACE, &mut job.0).await {
                Ok(ended) => ended,
                Err(_) => return Ended::CutOff,
            },
        };
        match ended {
            Ok(handled) => Ended::Handled(handled),
            Err(error) if error.is_panic() => Ended::Panicked,
            Err(_) => Ended::CutOff,
        }
    }
}

async fn sweep(app: App, mut stop: watch::Receiver<Running>) {
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        if let Err(error) = app.sweep().await {
            tracing::error!(error = chain(&error), "the sweep failed; it is tried again in a minute");
        }
    }
}

/// A use case at work; it does not outlive its worker.
struct Job<T>(JoinHandle<T>);

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Worker {
    queue: Arc<LocalQueue>,
    handler: Handler,
    stop: watch::Receiver<Running>,
}

impl Worker {
    async fn work(mut self, lane: Lane) {
        loop {
            let taken = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return,
                taken = self.queue.next(lane) => taken,
            };
            let worked = match taken {
                Ok(taken) => self.handle(taken).await,
                Err(error) => Err(error),
            };
            if let Err(error) = worked {
                tracing::error!(error = chain(&error), ?lane, "the queue cannot reach its rows; trying again");
                tokio::time::sleep(AFTER_TROUBLE).await;
            }
        }
    }

    async fn handle(&mut self, mut taken: Taken) -> Result<(), StoreError> {
        // A task of its own, so that a panic in it ends there.
        let mut job = Job(tokio::spawn((self.handler)(taken.message.clone())));
        loop {
            tokio::select! {
                ended = &mut job.0 => return self.conclude(taken, ended).await,
                () = stopped(&mut self.stop) => return self.finish(taken, job).await,
                () = tokio::time::sleep(SAY_SO_EVERY) => {
                    if let Err(error) = self.queue.extend(&mut taken).await {
                        tracing::warn!(error = chain(&error), "a message's time could not be extended; trying again");
                    }
                }
            }
        }
    }

    /// The process is to end: a little more time, and then no more.
    async fn finish(&self, taken: Taken, mut job: Job<Handled>) -> Result<(), StoreError> {
        if let Ok(ended) = tokio::time::timeout(GRACE, &mut job.0).await {
            return self.conclude(taken, ended).await;
        }
        job.0.abort();
        let ended = (&mut job.0).await;
        self.conclude(taken, ended).await
    }

    async fn conclude(&self, taken: Taken, ended: Result<Handled, JoinError>) -> Result<(), StoreError> {
        match ended {
            Ok(Handled::Done) => self.queue.done(taken).await,
            Ok(Handled::Again(after) | Handled::Failed(after)) => self.queue.again(taken, after).await,
            Err(error) if error.is_panic() => {
                tracing::error!(message = ?taken.message, "a use case panicked");
                self.queue.failed(taken).await
            }
            // It was cut off.
            Err(_) => self.queue.release(taken).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_app::{Queue as _, SystemClock};
    use billfold_core::id::WorkspaceId;
    use billfold_store::{Store, embedded};
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::mpsc;

    fn message(ws: &str) -> Message {
        Message::Recompute { workspace: WorkspaceId::new(ws).unwrap() }
    }

    async fn queue() -> (Store, Arc<LocalQueue>) {
        let store = embedded::memory().await.unwrap();
        let queue = LocalQueue::open(&store, Arc::new(SystemClock)).await.unwrap();
        (store, Arc::new(queue))
    }

    async fn send(queue: &LocalQueue, ws: &str) {
        queue.send(message(ws), Duration::ZERO).await.unwrap();
    }

    /// A handler that does what the workspace's name says, and tells the test of each message.
    fn handler() -> (Handler, mpsc::UnboundedReceiver<Message>) {
        let (told, hear) = mpsc::unbounded_channel();
        let again = Arc::new(AtomicU32::new(0));
        let handler = move |message: Message| {
            told.send(message.clone()).unwrap();
            let again = Arc::clone(&again);
            async move {
                let Message::Recompute { workspace } = message else { panic!("not this one") };
                match workspace.as_str() {
                    "panics" => panic!("as asked"),
                    "hangs" => std::future::pending().await,
                    "again" if again.fetch_add(1, Ordering::SeqCst) < 2 => Handled::Again(Duration::ZERO),
                    _ => Handled::Done,
                }
            }
            .boxed()
        };
        (Arc::new(handler), hear)
    }

    fn no_events() -> EventHandler {
        Arc::new(|messages: Vec<Message>| async move { vec![Handled::Done; messages.len()] }.boxed())
    }

    #[tokio::test]
    async fn a_message_is_handled_until_it_is_done() {
        let (_, queue) = queue().await;
        let (handler, mut hear) = handler();
        let workers = Workers::with_handlers(&queue, &handler, &no_events());
        send(&queue, "again").await;
        for _ in 0..3 {
            assert_eq!(hear.recv().await, Some(message("again")));
        }
        workers.stop().await;
        assert!(hear.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_panic_breaks_one_message_and_no_worker() {
        let (store, queue) = queue().await;
        let (handler, mut hear) = handler();
        let workers = Workers::with_handlers(&queue, &handler, &no_events());
        send(&queue, "panics").await;
        assert_eq!(hear.recv().await, Some(message("panics")));
        for _ in 0..WORKERS_PER_LANE * 2 {
            send(&queue, "fine").await;
            assert_eq!(hear.recv().await, Some(message("fine")));
        }
        workers.stop().await;
        let left = store.local_rows("queue-recompute").all().await.unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].body.contains("panics") && left[0].body.contains("\"failures\":1"), "{left:?}");
    }

    /// An event with an id.
    fn event(id: &str) -> Message {
        let text = format!(
            r#"{{"kind":"event","workspace":"acme","event":{{"id":"{id}","created":"2026-01-01T00:00:00Z",
            "about":"nothing","payload":null,"ticket":{{"process":1,"number":1}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[tokio::test]
    async fn an_event_that_panics_takes_no_other_with_it() {
        let (store, queue) = queue().await;
        for id in ["evt_1", "evt_bad", "evt_2"] {
            queue.send(event(id), Duration::ZERO).await.unwrap();
        }
        let (told, mut hear) = mpsc::unbounded_channel();
        let events: EventHandler = Arc::new(move |messages: Vec<Message>| {
            let told = told.clone();
            async move {
                assert!(!messages.contains(&event("evt_bad")), "as asked");
                messages.iter().for_each(|message| told.send(message.clone()).unwrap());
                vec![Handled::Done; messages.len()]
            }
            .boxed()
        });
        let (handler, _hear) = handler();
        let workers = Workers::with_handlers(&queue, &handler, &events);
        assert_eq!(hear.recv().await, Some(event("evt_1")));
        assert_eq!(hear.recv().await, Some(event("evt_2")));
        workers.stop().await;
        assert_eq!(queue.waiting_events(), 1);
        let left = store.local_rows("queue-event").all().await.unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].body.contains("evt_bad") && left[0].body.contains("\"failures\":1"), "{left:?}");
    }

    #[tokio::test]
    async fn stopping_hands_back_what_is_not_finished() {
        let (store, queue) = queue().await;
        let (handler, mut hear) = handler();
        let workers = Workers::with_handlers(&queue, &handler, &no_events());
        send(&queue, "hangs").await;
        assert_eq!(hear.recv().await, Some(message("hangs")));
        workers.stop().await;
        let left = store.local_rows("queue-recompute").all().await.unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        let body = &left[0].body;
        assert!(body.contains("\"in_flight\":false") && body.contains("\"failures\":0"), "{body}");
    }
}
