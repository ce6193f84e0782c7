use super::*;

fn options(customers: u32, seed: u64) -> DemoOptions {
    DemoOptions { customers, seed, now: "2026-11-20T12:00:00Z".parse().unwrap() }
}

async fn outcome(options: DemoOptions) -> Outcome {
    let demo = Demo::start(options).await.unwrap();
    let mut looks = 0;
    let look = |_: &RunView| {
        looks += 1;
        Ok(())
    };
    let outcome = demo.run(look).await.unwrap();
    assert!(looks > 0);
    demo.stop().await;
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_equals_the_simulations_own() {
    for seed in [1, 7] {
        let outcome = outcome(options(120, seed)).await;
        assert_eq!(outcome.differences, [""; 0], "seed {seed}");
        assert!(outcome.compared > outcome.accounts.len() as u64 * 8, "seed {seed}");
        assert!(outcome.accounts.iter().any(|line| line.mrr.amount > 0), "seed {seed}");
        assert!(outcome.accounts.is_sorted_by(|a, b| a.mrr.amount >= b.mrr.amount), "seed {seed}");
        assert_eq!(outcome.card.status, "connected");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_figure_is_found() {
    let demo = Demo::start(options(60, 3)).await.unwrap();
    let outcome = demo.run(|_| Ok(())).await.unwrap();
    assert_eq!(outcome.differences, [""; 0]);
    // Somebody changes the business behind Billfold's back; the figures are now those of yesterday.
    demo.sim.edit(|business| {
        let places: Vec<_> = business.subscriptions.iter().map(|(place, _)| place).collect();
        for place in places {
            for item in &mut business.subscriptions[place].items {
                item.quantity = item.quantity.map(|quantity| quantity + 1);
            }
        }
    });
    let stale = demo.compare(outcome.run).await.unwrap();
    assert!(stale.differences.iter().any(|text| text.starts_with("MRR of ")), "{:?}", stale.differences);
    assert!(stale.differences.iter().any(|text| text.starts_with("subscriptions of ")), "{:?}", stale.differences);
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smallest_business_works_too() {
    let outcome = outcome(options(1, 1)).await;
    assert_eq!(outcome.differences, [""; 0]);
    assert_eq!(outcome.card.records_synced.customers, 1);
}

#[test]
fn as_many_customers_can_be_seen_as_were_asked_for() {
    for customers in (1..60).chain([250, 997]) {
        for seed in [1, 7, 8] {
            let truth = simulation(options(customers, seed)).truth();
            assert_eq!(truth.counts["customers"], u64::from(customers), "seed {seed}");
        }
    }
}
