use super::*;
use crate::clock_for_tests::StandingClock;
use billfold_core::id::RunId;
use billfold_store::embedded;

const AT_ONCE: Duration = Duration::ZERO;

struct Bench {
    store: Store,
    clock: Arc<StandingClock>,
    queue: LocalQueue,
}

impl Bench {
    async fn new() -> Self {
        let (store, clock) = (embedded::memory().await.unwrap(), StandingClock::new());
        let queue = LocalQueue::open(&store, clock.clone()).await.unwrap();
        Self { store, clock, queue }
    }

    /// Another process opens the same store.
    async fn crash(&mut self) {
        self.queue = LocalQueue::open(&self.store, self.clock.clone()).await.unwrap();
    }

    async fn send(&self, n: u32, delay: Duration) {
        self.queue.send(sync(n), delay).await.unwrap();
    }

    /// Takes without waiting.
    async fn take(&self) -> Option<Taken> {
        match self.queue.try_take(self.queue.lane(Lane::Sync)).await.unwrap() {
            Looked::Took(taken) => Some(*taken),
            Looked::DueIn(_) => None,
        }
    }

    async fn take_message(&self) -> Option<Message> {
        self.take().await.map(|taken| taken.message)
    }
}

fn ws() -> WorkspaceId {
    WorkspaceId::new("acme").unwrap()
}

fn sync(n: u32) -> Message {
    Message::Sync { workspace: ws(), run: RunId::new(format!("run_{n}")).unwrap() }
}

#[tokio::test]
async fn messages_come_in_the_order_in_which_they_are_due() {
    let bench = Bench::new().await;
    bench.send(3, Duration::from_secs(2)).await;
    for n in [1, 2] {
        bench.send(n, AT_ONCE).await;
    }
    assert_eq!(bench.take_message().await, Some(sync(1)));
    assert_eq!(bench.take_message().await, Some(sync(2)));
    assert_eq!(bench.take_message().await, None);
    bench.clock.advance(Duration::from_millis(1999));
    assert_eq!(bench.take_message().await, None);
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.take_message().await, Some(sync(3)));
}

#[tokio::test]
async fn a_message_that_is_not_acknowledged_comes_back_and_one_that_is_does_not() {
    let bench = Bench::new().await;
    bench.send(1, AT_ONCE).await;
    let lost = bench.take().await.unwrap();
    bench.clock.advance(VISIBILITY);
    let again = bench.take().await.unwrap();
    assert_eq!(again.message, sync(1));
    // The first worker was only slow. What it says of its message is too late to matter.
    bench.queue.done(lost).await.unwrap();
    bench.queue.done(again).await.unwrap();
    bench.clock.advance(VISIBILITY * 10);
    assert_eq!(bench.take_message().await, None);
}

#[tokio::test]
async fn a_worker_at_work_keeps_its_message() {
    let bench = Bench::new().await;
    bench.send(1, AT_ONCE).await;
    let mut taken = bench.take().await.unwrap();
    for _ in 0..5 {
        bench.clock.advance(VISIBILITY - Duration::from_secs(1));
        bench.queue.extend(&mut taken).await.unwrap();
        assert_eq!(bench.take_message().await, None);
    }
    bench.queue.done(taken).await.unwrap();
    bench.clock.advance(VISIBILITY);
    assert_eq!(bench.take_message().await, None);
}

#[tokio::test]
async fn after_a_crash_everything_in_flight_is_visible_at_once_and_delays_stand() {
    let mut bench = Bench::new().await;
    bench.send(1, AT_ONCE).await;
    bench.send(2, AT_ONCE).await;
    bench.send(3, Duration::from_secs(30)).await;
    let (_first, second) = (bench.take().await.unwrap(), bench.take().await.unwrap());
    bench.queue.done(second).await.unwrap();
    bench.crash().await;
    assert_eq!(bench.take_message().await, Some(sync(1)));
    assert_eq!(bench.take_message().await, None);
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(bench.take_message().await, Some(sync(3)));
}

#[tokio::test]
async fn a_message_that_asks_to_come_again_does_so_forever() {
    let bench = Bench::new().await;
    bench.send(1, AT_ONCE).await;
    for _ in 0..FAILURES_MAX * 3 {
        let taken = bench.take().await.unwrap();
        assert_eq!(taken.failures, 0);
        bench.queue.again(taken, Duration::from_secs(7)).await.unwrap();
        assert_eq!(bench.take_message().await, None);
        bench.clock.advance(Duration::from_secs(7));
    }
    assert_eq!(bench.queue.parked(&ws()).await.unwrap(), []);
}

#[tokio::test]
async fn a_message_handed_back_at_shutdown_costs_it_nothing() {
    let bench = Bench::new().await;
    bench.send(1, AT_ONCE).await;
    for _ in 0..FAILURES_MAX * 3 {
        let taken = bench.take().await.unwrap();
        assert_eq!(taken.failures, 0);
        bench.queue.release(taken).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_breaks_its_worker_waits_longer_each_time_and_is_parked_at_last() {
    let bench = Bench::new().await;
    bench.send(1, AT_ONCE).await;
    let mut waits = Vec::new();
    for _ in 1..FAILURES_MAX {
        let taken = bench.take().await.unwrap();
        bench.queue.failed(taken).await.unwrap();
        let looked = bench.queue.try_take(bench.queue.lane(Lane::Sync)).await.unwrap();
        let Looked::DueIn(wait) = looked else { panic!("it came back at once") };
        bench.clock.advance(wait);
        waits.push(wait.as_secs());
    }
    assert_eq!(waits, [2, 4, 8, 16, 32]);
    let last = bench.take().await.unwrap();
    bench.queue.failed(last).await.unwrap();
    bench.clock.advance(LONGEST_WAIT * 10);
    assert_eq!(bench.take_message().await, None);
    let parked = bench.queue.parked(&ws()).await.unwrap();
    assert_eq!(parked.iter().map(|parked| (&parked.message, parked.failures)).collect::<Vec<_>>(), [(&sync(1), 6)]);
    assert_eq!(bench.queue.parked(&WorkspaceId::new("other").unwrap()).await.unwrap(), []);
}

#[tokio::test]
async fn however_often_the_process_is_killed_the_message_is_there_at_once() {
    let mut bench = Bench::new().await;
    bench.send(1, AT_ONCE).await;
    for _ in 0..FAILURES_MAX * 3 {
        assert_eq!(bench.take_message().await, Some(sync(1)));
        bench.crash().await;
    }
    assert_eq!(bench.queue.parked(&ws()).await.unwrap(), []);
}

#[tokio::test]
async fn failures_are_counted_across_a_restart_and_forgotten_when_all_is_well_again() {
    let mut bench = Bench::new().await;
    bench.send(1, AT_ONCE).await;
    let taken = bench.take().await.unwrap();
    bench.queue.failed(taken).await.unwrap();
    bench.crash().await;
    bench.clock.advance(LONGEST_WAIT);
    let taken = bench.take().await.unwrap();
    assert_eq!(taken.failures, 1);
    bench.queue.again(taken, AT_ONCE).await.unwrap();
    assert_eq!(bench.take().await.unwrap().failures, 0);
}

#[tokio::test]
async fn a_parked_message_is_forgotten_once_the_same_one_succeeds() {
    let bench = Bench::new().await;
    bench.send(1, AT_ONCE).await;
    for _ in 0..FAILURES_MAX {
        let taken = bench.take().await.unwrap();
        bench.queue.failed(taken).await.unwrap();
        bench.clock.advance(LONGEST_WAIT);
    }
    assert_eq!(bench.queue.parked(&ws()).await.unwrap().len(), 1);
    bench.send(1, AT_ONCE).await;
    let taken = bench.take().await.unwrap();
    bench.queue.done(taken).await.unwrap();
    assert_eq!(bench.queue.parked(&ws()).await.unwrap(), []);
}

#[tokio::test]
async fn a_message_that_waits_already_is_not_kept_twice_but_comes_as_early_as_asked() {
    let bench = Bench::new().await;
    bench.send(1, Duration::from_secs(50)).await;
    bench.send(1, Duration::from_secs(20)).await;
    bench.send(1, Duration::from_secs(40)).await;
    bench.clock.advance(Duration::from_secs(20));
    let taken = bench.take().await.unwrap();
    // This one is in flight: whoever sends it now means what the worker may have looked at already.
    bench.send(1, AT_ONCE).await;
    bench.send(1, AT_ONCE).await;
    let second = bench.take().await.unwrap();
    for taken in [taken, second] {
        bench.queue.done(taken).await.unwrap();
    }
    bench.clock.advance(Duration::from_secs(600));
    assert_eq!(bench.take_message().await, None);
}

#[tokio::test]
async fn lanes_do_not_wait_for_one_another() {
    let bench = Bench::new().await;
    let recompute = Message::Recompute { workspace: ws() };
    bench.queue.send(recompute.clone(), AT_ONCE).await.unwrap();
    assert_eq!(bench.take_message().await, None);
    assert_eq!(bench.queue.next(Lane::Recompute).await.unwrap().message, recompute);
}

#[tokio::test]
async fn a_sleeping_worker_wakes_at_once_when_something_is_sent() {
    let bench = Bench::new().await;
    // The clock stands still, so that nothing but the wake can end the sleep within its minute.
    let (taken, ()) = tokio::join!(bench.queue.next(Lane::Sync), async {
        tokio::task::yield_now().await;
        bench.send(1, AT_ONCE).await;
    });
    assert_eq!(taken.unwrap().message, sync(1));
}

#[tokio::test]
async fn many_workers_never_share_a_message() {
    let bench = Bench::new().await;
    for n in 0..40 {
        bench.send(n, AT_ONCE).await;
    }
    let takes = (0..40).map(|_| bench.take());
    let mut taken: Vec<String> = futures::future::join_all(takes).await.iter().map(|t| format!("{t:?}")).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 40);
    assert_eq!(bench.take_message().await, None);
}

#[tokio::test]
async fn a_row_of_another_version_does_not_stop_the_queue() {
    let mut bench = Bench::new().await;
    let odd = LocalRow { key: "000000000000001#1".into(), body: r#"{"message":{"kind":"from_the_future"}}"#.into() };
    bench.store.local_rows(Lane::Sync.rows()).put(std::slice::from_ref(&odd)).await.unwrap();
    bench.send(1, AT_ONCE).await;
    assert_eq!(bench.take_message().await, Some(sync(1)));
    bench.store.local_rows(Lane::Sync.rows()).put(&[odd]).await.unwrap();
    bench.crash().await;
    assert_eq!(bench.take_message().await, Some(sync(1)));
}
