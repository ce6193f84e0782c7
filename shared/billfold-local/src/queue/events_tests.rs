use super::*;
use crate::clock_for_tests::StandingClock;
use crate::queue::LocalQueue;
use billfold_app::Queue as _;
use billfold_core::id::WorkspaceId;
use billfold_store::embedded;

const AT_ONCE: Duration = Duration::ZERO;

struct Bench {
    store: Store,
    clock: Arc<StandingClock>,
    queue: LocalQueue,
}

fn event(n: u32) -> Message {
    let text = format!(
        r#"{{"kind":"event","workspace":"acme","event":{{"id":"evt_{n}","created":"2026-01-01T00:00:00Z",
        "about":"nothing","payload":null,"ticket":{{"process":1,"number":{n}}}}}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

impl Bench {
    async fn new() -> Self {
        let (store, clock) = (embedded::memory().await.unwrap(), StandingClock::new());
        let queue = LocalQueue::open(&store, clock.clone()).await.unwrap();
        Self { store, clock, queue }
    }

    async fn with(count: u32) -> Self {
        let bench = Self::new().await;
        for n in 0..count {
            bench.queue.send(event(n), AT_ONCE).await.unwrap();
        }
        bench
    }

    /// Another process opens the same store.
    async fn crash(&mut self) {
        self.queue = LocalQueue::open(&self.store, self.clock.clone()).await.unwrap();
    }

    /// Takes without waiting.
    async fn take(&self) -> Vec<TakenEvent> {
        match self.queue.events.try_take().await.unwrap() {
            Looked::Took(taken) => *taken,
            Looked::DueIn(_) => Vec::new(),
        }
    }

    async fn finish(&self, taken: Vec<TakenEvent>, how: Finished) {
        self.queue.finish_events(taken.into_iter().map(|one| (one, how)).collect()).await.unwrap();
    }
}

#[tokio::test]
async fn events_are_taken_together_in_their_order_and_acknowledged_together() {
    let bench = Bench::with(230).await;
    assert_eq!(bench.queue.waiting_events(), 230);
    let mut messages = Vec::new();
    for expected in [100, 100, 30, 0] {
        let taken = bench.take().await;
        assert_eq!(taken.len(), expected);
        messages.extend(taken.iter().map(|one| one.message.clone()));
        bench.finish(taken, Finished::Done).await;
    }
    assert_eq!(messages, (0..230).map(event).collect::<Vec<_>>());
    assert_eq!(bench.queue.waiting_events(), 0);
    assert_eq!(bench.store.local_rows("queue-event").all().await.unwrap(), []);
}

#[tokio::test]
async fn two_workers_never_share_an_event_and_one_that_is_dropped_is_there_again() {
    let bench = Bench::with(150).await;
    let (first, second) = (bench.take().await, bench.take().await);
    assert_eq!((first.len(), second.len()), (100, 50));
    assert!(bench.take().await.is_empty());
    drop(first);
    assert_eq!(bench.take().await.len(), 100);
    drop(second);
}

#[tokio::test]
async fn an_event_that_was_finished_after_it_was_read_is_not_taken_again() {
    let bench = Bench::with(3).await;
    let lane = &bench.queue.events;
    let mut first = bench.take().await;
    let read = lane.read(BEGINNING).await.unwrap();
    bench.finish(vec![first.remove(0)], Finished::Done).await;
    bench.finish(vec![first.remove(0)], Finished::Again(LONGEST_WAIT)).await;
    drop(first);
    let (second, _) = lane.take(read, &mut BEGINNING.to_owned()).await.unwrap();
    assert_eq!(second.iter().map(|one| one.message.clone()).collect::<Vec<_>>(), [event(2)]);
    bench.finish(second, Finished::Done).await;
    assert_eq!(bench.queue.waiting_events(), 1);
}

#[tokio::test]
async fn after_a_crash_whatever_was_not_acknowledged_is_there() {
    let mut bench = Bench::with(3).await;
    let mut taken = bench.take().await;
    bench.finish(vec![taken.remove(1)], Finished::Done).await;
    bench.crash().await;
    let left: Vec<Message> = bench.take().await.iter().map(|one| one.message.clone()).collect();
    assert_eq!((left, bench.queue.waiting_events()), (vec![event(0), event(2)], 2));
    drop(taken);
}

#[tokio::test]
async fn an_event_that_asks_to_come_again_does_so_when_it_said() {
    let bench = Bench::with(1).await;
    for _ in 0..FAILURES_MAX * 2 {
        let taken = bench.take().await;
        bench.finish(taken, Finished::Again(Duration::from_secs(7))).await;
        assert!(bench.take().await.is_empty());
        bench.clock.advance(Duration::from_secs(7));
    }
    assert_eq!(bench.queue.waiting_events(), 1);
    let taken = bench.take().await;
    bench.finish(taken, Finished::Released).await;
    assert_eq!(bench.take().await.len(), 1);
}

#[tokio::test]
async fn an_event_that_breaks_its_worker_is_parked_at_last_and_forgotten_when_it_succeeds() {
    let bench = Bench::with(1).await;
    let ws = WorkspaceId::new("acme").unwrap();
    for _ in 0..FAILURES_MAX {
        let taken = bench.take().await;
        assert_eq!(taken.len(), 1);
        bench.finish(taken, Finished::Failed).await;
        bench.clock.advance(LONGEST_WAIT);
    }
    assert!(bench.take().await.is_empty());
    let parked = bench.queue.parked(&ws).await.unwrap();
    assert_eq!(parked.iter().map(|one| one.message.clone()).collect::<Vec<_>>(), [event(0)]);
    assert_eq!(bench.queue.waiting_events(), 0);
    bench.queue.send(event(0), AT_ONCE).await.unwrap();
    let taken = bench.take().await;
    bench.finish(taken, Finished::Done).await;
    assert_eq!(bench.queue.parked(&ws).await.unwrap(), []);
}

#[tokio::test]
async fn a_row_that_comes_to_be_before_one_that_was_taken_is_found() {
    let bench = Bench::with(2).await;
    let taken = bench.take().await;
    let body = text(&Body { message: event(9), failures: 0, in_flight: false }).unwrap();
    let early = LocalRow { key: "000000000000001#1".into(), body };
    let odd = LocalRow { key: "000000000000002#1".into(), body: r#"{"message":{"kind":"from_the_future"}}"#.into() };
    bench.store.local_rows("queue-event").put(&[early, odd]).await.unwrap();
    let found: Vec<Message> = bench.take().await.iter().map(|one| one.message.clone()).collect();
    assert_eq!(found, [event(9)]);
    bench.finish(taken, Finished::Done).await;
}

#[tokio::test]
async fn a_sleeping_worker_wakes_at_once_when_an_event_comes() {
    let bench = Bench::new().await;
    // The clock stands still, so that nothing but the wake can end the sleep within its minute.
    let (taken, ()) = tokio::join!(bench.queue.next_events(), async {
        tokio::task::yield_now().await;
        bench.queue.send(event(1), AT_ONCE).await.unwrap();
    });
    assert_eq!(taken.unwrap()[0].message, event(1));
}
