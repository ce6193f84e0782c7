//! The budget under load, on tokio's paused clock: it moves only when everyone waits.

use std::sync::Arc;

use super::*;
use crate::Endpoint;
use crate::bucket::tests::most_in_a_second;

const SECOND: Duration = Duration::from_secs(1);
const PRICES: Route = Route::list(Endpoint::Prices);
const PRODUCTS: Route = Route::list(Endpoint::Products);

fn budget(total_per_s: f64, endpoint_per_s: f64) -> Arc<Budget> {
    Arc::new(Budget::new(Limits { total_per_s, endpoint_per_s, share: 1.0 }, 1))
}

/// Lets `workers` tasks ask as fast as they may, and gives the moments of their turns.
async fn hammer(budget: &Arc<Budget>, route: Route, workers: usize, span: Duration) -> Vec<Instant> {
    let end = Instant::now() + span;
    let work = |budget: Arc<Budget>| async move {
        let mut starts = Vec::new();
        while let Ok(turn) = tokio::time::timeout_at(end, budget.acquire(route)).await {
            starts.push(turn.started);
        }
        starts
    };
    let tasks: Vec<_> = (0..workers).map(|_| tokio::spawn(work(Arc::clone(budget)))).collect();
    let mut starts = Vec::new();
    for task in tasks {
        starts.extend(task.await.unwrap());
    }
    starts.sort();
    starts
}

#[test]
fn defaults_leave_a_fifth_to_the_merchant() {
    let rounded = |pace: f64| pace.round() as u32;
    let live = Limits::live();
    assert_eq!((rounded(live.pace(live.total_per_s)), rounded(live.pace(live.endpoint_per_s))), (80, 20));
    let test = Limits::test();
    assert_eq!((rounded(test.pace(test.total_per_s)), rounded(test.pace(test.endpoint_per_s))), (20, 20));
}

#[test]
fn limits_that_make_no_sense_give_a_slow_pace() {
    for share in [0.0, -1.0, f64::NAN] {
        let pace = Limits::live().share(share).pace(100.0);
        assert!((pace - 0.1).abs() < 1e-9, "{share} gave {pace}");
    }
    assert!(Limits::live().share(7.0).pace(100.0) <= 100.0);
    assert!(Limits::live().pace(f64::INFINITY).is_finite());
}

#[tokio::test(start_paused = true)]
async fn the_configured_rate_is_reached_and_kept() {
    let budget = budget(25.0, 25.0);
    let starts = hammer(&budget, PRICES, 8, SECOND * 60).await;
    assert!(starts.len() >= 24 * 60, "{} in a minute", starts.len());
    assert!(most_in_a_second(&starts) <= 30, "{} in a second", most_in_a_second(&starts));
}

#[tokio::test(start_paused = true)]
async fn routes_run_side_by_side_up_to_the_total() {
    let budget = budget(100.0, 25.0);
    let routes = [Endpoint::Prices, Endpoint::Products, Endpoint::Customers, Endpoint::Invoices, Endpoint::Coupons];
    let tasks: Vec<_> = routes
        .map(|endpoint| {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move { hammer(&budget, Route::list(endpoint), 2, SECOND * 20).await })
        })
        .into_iter()
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        let starts = task.await.unwrap();
        assert!(starts.len() >= 300, "a route starved: {} in 20 s", starts.len());
        all.extend(starts);
    }
    all.sort();
    assert!(all.len() >= 96 * 20, "{} in 20 s", all.len());
    assert!(most_in_a_second(&all) <= 120, "{} in a second", most_in_a_second(&all));
}

#[tokio::test(start_paused = true)]
async fn a_crowded_route_does_not_hold_up_another() {
    let budget = budget(100.0, 10.0);
    let crowd = {
        let budget = Arc::clone(&budget);
        tokio::spawn(async move { hammer(&budget, PRICES, 200, SECOND * 5).await })
    };
    tokio::time::sleep(SECOND).await;
    let asked = Instant::now();
    budget.acquire(PRODUCTS).await;
    assert!(asked.elapsed() < Duration::from_millis(50), "waited {:?}", asked.elapsed());
    assert!(crowd.await.unwrap().len() <= 60);
}

/// Whoever asks at the very moment a turn comes up must not overtake those who wait for it.
#[tokio::test(start_paused = true)]
async fn those_who_asked_first_go_first() {
    let budget = budget(100.0, 1.0);
    budget.acquire(PRICES).await;
    let opens_at = budget.buckets().lane(PRICES).opens_at(Instant::now());
    let served = Arc::new(Mutex::new(Vec::new()));
    let ask = |name: &'static str, at: Instant| {
        let (budget, served) = (Arc::clone(&budget), Arc::clone(&served));
        tokio::spawn(async move {
            sleep_until(at).await;
            budget.acquire(PRICES).await;
            served.lock().unwrap().push(name);
        })
    };
    let now = Instant::now();
    let latecomers = [ask("late", opens_at), ask("late", opens_at + Duration::from_millis(1))];
    let first = ask("first", now + Duration::from_millis(10));
    let second = ask("second", now + Duration::from_millis(20));
    for task in latecomers.into_iter().chain([first, second]) {
        task.await.unwrap();
    }
    assert_eq!(*served.lock().unwrap(), ["first", "second", "late", "late"]);
}

#[tokio::test(start_paused = true)]
async fn listing_and_fetching_are_metered_apart() {
    let budget = budget(100.0, 1.0);
    let asked = Instant::now();
    budget.acquire(Route::list(Endpoint::Prices)).await;
    budget.acquire(Route::one(Endpoint::Prices)).await;
    assert!(asked.elapsed() < Duration::from_millis(50));
    budget.acquire(Route::list(Endpoint::Prices)).await;
    assert!(asked.elapsed() > Duration::from_millis(900));
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_uses_up_nothing() {
    let budget = budget(100.0, 1.0);
    budget.acquire(PRICES).await;
    let asked = Instant::now();
    for _ in 0..50 {
        let waited = tokio::time::timeout(Duration::from_millis(1), budget.acquire(PRICES)).await;
        assert!(waited.is_err());
    }
    budget.acquire(PRICES).await;
    assert!(asked.elapsed() < SECOND * 2, "waited {:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_slows_what_its_reason_names() {
    let slowed = async |reason| {
        let budget = budget(100.0, 20.0);
        let turn = budget.acquire(PRICES).await;
        budget.refused(&turn, reason, Duration::ZERO);
        let pace = budget.pace(PRICES);
        assert!((budget.pace(PRODUCTS).endpoint_per_s - 20.0).abs() < 1e-9);
        (pace.total_per_s < 99.0, pace.endpoint_per_s < 19.0)
    };
    assert_eq!(slowed(RateLimitReason::GlobalRate).await, (true, false));
    assert_eq!(slowed(RateLimitReason::GlobalConcurrency).await, (true, false));
    assert_eq!(slowed(RateLimitReason::Unstated).await, (true, false));
    assert_eq!(slowed(RateLimitReason::EndpointRate).await, (false, true));
    assert_eq!(slowed(RateLimitReason::EndpointConcurrency).await, (false, true));
    assert_eq!(slowed(RateLimitReason::ResourceSpecific).await, (false, false));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_back_those_already_waiting() {
    let budget = budget(20.0, 20.0);
    let mut turn = budget.acquire(PRICES).await;
    for _ in 0..4 {
        turn = budget.acquire(PRICES).await;
    }
    let waiting = {
        let budget = Arc::clone(&budget);
        tokio::spawn(async move { budget.acquire(PRICES).await.started })
    };
    tokio::task::yield_now().await;
    let refused_at = Instant::now();
    budget.refused(&turn, RateLimitReason::GlobalRate, SECOND * 3);
    assert!(waiting.await.unwrap() >= refused_at + SECOND * 3);
}

/// Plays a Stripe whose limit is below the configured pace.
#[tokio::test(start_paused = true)]
async fn the_pace_settles_under_a_limit_lower_than_configured() {
    let budget = budget(40.0, 40.0);
    let end = Instant::now() + SECOND * 120;
    let mut answered: Vec<Instant> = Vec::new();
    let mut refused = 0;
    while Instant::now() < end {
        let turn = budget.acquire(PRICES).await;
        let recent = answered.iter().rev().take_while(|at| turn.started - **at < SECOND).count();
        if recent >= 20 {
            refused += 1;
            budget.refused(&turn, RateLimitReason::EndpointRate, Duration::ZERO);
        } else {
            answered.push(turn.started);
            budget.accepted(&turn);
        }
    }
    assert!(answered.len() >= 120 * 20 / 2, "only {} answered", answered.len());
    assert!(refused * 20 <= answered.len(), "{refused} refused, {} answered", answered.len());
}
