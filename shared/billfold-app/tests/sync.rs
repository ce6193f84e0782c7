//! The staged sync against the simulated Stripe: complete, exact, resumable, truthful.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bursts;
mod catalogue;
mod ecb;
mod world;
mod writers;

use billfold_app::{ConnectRequest, Kind, OtherData};
use billfold_core::id::WorkspaceId;
use billfold_core::run::{RunStatus, Stage, StageStatus, Trigger};
use billfold_sim::{Change, Fault, Faults, Limits};
use secrecy::SecretString;
use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_is_complete_and_exact() {
    let world = World::new(1, 250).await;
    world.connect().await.unwrap();
    let run = world.finished().await;
    assert_eq!((run.status, &run.error), (RunStatus::Succeeded, &None));
    world.assert_exact().await;
    let truth = world.sim.truth();
    for (stage, resource) in [
        (Stage::Products, "products"),
        (Stage::Prices, "prices"),
        (Stage::Customers, "customers"),
        (Stage::Subscriptions, "subscriptions"),
        (Stage::Invoices, "invoices"),
    ] {
        assert_eq!(run.stage(stage).unwrap().records, truth.counts[resource], "{resource}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_stay_below_a_tenth_over_the_fewest() {
    let world = World::new(2, 4000).await;
    world.connect().await.unwrap();
    world.finished().await;
    let requests = world.sim.requests();
    let lists: u64 =
        requests.by_endpoint.iter().filter(|(name, _)| name.starts_with("GET /v1/")).map(|(_, n)| *n).sum();
    let probes = 12;
    let fewest: u64 = world.sim.truth().fewest_of_backfill();
    assert!(lists.saturating_sub(probes) * 10 <= fewest * 11, "{lists} for {fewest}: {:?}", requests.by_endpoint);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sync_writes_nothing_and_stays_exact() {
    let world = World::new(3, 200).await;
    world.connect().await.unwrap();
    world.finished().await;
    world.sim.advance(3600);
    let before = world.accounts().await;
    let run = world.resync().await;
    assert_eq!(run.status, RunStatus::Succeeded);
    assert_eq!(run.stage(Stage::AccountBilling).unwrap().records, 0, "nothing changed, so no account is computed");
    assert_eq!(world.accounts().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_and_deletions_are_found_by_the_next_sync() {
    let world = World::new(4, 150).await;
    world.connect().await.unwrap();
    world.finished().await;
    world.sim.advance(86_400);
    for seed in 0..40 {
        world.random_change(seed);
    }
    assert_eq!(world.resync().await.status, RunStatus::Succeeded);
    world.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_moves_leaves_no_account_behind() {
    let world = World::new(9, 60).await;
    world.connect().await.unwrap();
    world.finished().await;
    world.sim.advance(60);
    let truth = world.sim.truth();
    for (n, (id, _)) in truth.customers.iter().filter(|(_, truth)| !truth.deleted).take(20).enumerate() {
        let email = Some(format!("somebody@moved-{n}.io"));
        world.sim.apply(&Change::UpdateCustomer { customer: id.clone(), name: None, email }).unwrap();
    }
    assert_eq!(world.resync().await.status, RunStatus::Succeeded);
    world.assert_exact().await;
}

/// Their discounts go on, some on customers, some on subscriptions and some on items, and one coupon is limited to a
/// product.
#[tokio::test(flavor = "multi_thread")]
async fn coupons_that_were_deleted_before_the_first_sync_still_take_off_what_they_did() {
    let world = World::new(8, 200).await;
    let coupons: Vec<String> =
        world.sim.read(|business| business.coupons.iter().map(|(_, coupon)| coupon.id.clone()).collect());
    for coupon in &coupons {
        world.sim.apply(&Change::DeleteCoupon { coupon: coupon.clone() }).unwrap();
    }
    world.connect_without_worker().await.unwrap();
    world.work_off().await;
    assert_eq!(world.finished().await.status, RunStatus::Succeeded);
    world.assert_exact().await;
    let requests = world.sim.requests().by_endpoint;
    let learned: u64 = requests.iter().filter(|(route, _)| route.contains("{id}")).map(|(_, count)| *count).sum();
    assert!(learned <= coupons.len() as u64 * 2, "{learned} requests for {} coupons: {requests:?}", coupons.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_twentieth_request_failing_changes_nothing_but_the_time() {
    let world = World::new(5, 300).await;
    let faults = Faults { every: Some(20), slow_ms: 50, seed: 5, ..Faults::default() };
    world.sim.set_faults(faults);
    world.connect().await.unwrap();
    let run = world.finished().await;
    assert_eq!((run.status, &run.error), (RunStatus::Succeeded, &None));
    world.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_taken_away_fails_the_run_and_granting_it_finishes_the_job() {
    let world = World::new(6, 120).await;
    world.connect().await.unwrap();
    world.finished().await;
    world.sim.revoke(world.sim.api_key(), "rak_invoice_read");
    let run = world.resync().await;
    assert_eq!((run.status, run.stage(Stage::Invoices).unwrap().status), (RunStatus::Failed, StageStatus::Failed));
    let error = run.error.unwrap();
    assert_eq!(
        (error.code.as_str(), error.fix.as_str()),
        ("permissions_missing", "Grant read access to Invoices in your restricted key.")
    );
    let card = world.app.card(&world.ws).await.unwrap();
    assert_eq!(card.error.unwrap().fix, error.fix);
    assert!(card.permissions.iter().any(|p| p.permission == "rak_invoice_read" && p.fix.is_some()));
    world.sim.grant(world.sim.api_key(), "rak_invoice_read");
    assert_eq!(world.resync().await.status, RunStatus::Succeeded);
    assert!(world.app.card(&world.ws).await.unwrap().error.is_none());
    world.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_optional_permission_skips_its_stage_and_says_so() {
    let world = World::new(7, 60).await;
    world.sim.revoke(world.sim.api_key(), "rak_product_read");
    world.connect().await.unwrap();
    let run = world.finished().await;
    let products = run.stage(Stage::Products).unwrap();
    assert_eq!((run.status, products.status), (RunStatus::Failed, StageStatus::Skipped));
    assert!(products.error.as_ref().unwrap().fix.contains("Products"));
    for stage in [Stage::Customers, Stage::Subscriptions, Stage::Invoices, Stage::AccountBilling] {
        assert_eq!(run.stage(stage).unwrap().status, StageStatus::Done, "{stage:?}");
    }
    assert!(!world.accounts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_syncs_at_once_are_one_sync() {
    let world = World::new(8, 60).await;
    world.sim.set_limits(Limits { global_per_second: Some(20.0), ..Limits::default() });
    world.connect().await.unwrap();
    let busy = world.app.start_sync(&world.ws, Trigger::Manual).await.unwrap_err();
    assert_eq!(
        (busy.kind, busy.code, busy.detail.as_str()),
        (Kind::Conflict, "sync_already_running", "sync already running")
    );
    assert!(busy.run.is_some());
    assert_eq!(world.finished().await.status, RunStatus::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_stops_and_the_next_one_finishes() {
    let world = World::new(9, 400).await;
    world.sim.set_limits(Limits { global_per_second: Some(10.0), ..Limits::default() });
    world.connect().await.unwrap();
    let runs = world.app.sync_runs(&world.ws, None, 1).await.unwrap();
    let cancelled = world.app.cancel_sync(&world.ws, &runs[0].id).await.unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    assert_eq!(world.app.cancel_sync(&world.ws, &runs[0].id).await.unwrap_err().code, "sync_not_running");
    world.sim.set_limits(Limits::default());
    assert_eq!(world.resync().await.status, RunStatus::Succeeded);
    world.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_request_is_carried_on_by_the_next() {
    for k in [1, 3, 5, 7, 9, 11] {
        let world = World::new(10, 120).await;
        world.connect_without_worker().await.unwrap();
        world.die_at_request(k).await;
        world.work();
        assert_eq!(world.finished().await.status, RunStatus::Succeeded, "died at request {k}");
        world.assert_exact().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stripe_that_is_away_makes_the_run_wait_and_not_fail() {
    let world = World::new(11, 40).await;
    world.connect_without_worker().await.unwrap();
    world.sim.set_faults(Faults { every: Some(1), kinds: vec![Fault::InternalError], ..Faults::default() });
    let again = world.work_once().await;
    assert!(matches!(again, billfold_app::Handled::Again(_)), "{again:?}");
    let run = world.app.sync_runs(&world.ws, None, 1).await.unwrap().remove(0);
    assert_eq!((run.status, run.error.unwrap().code.as_str()), (RunStatus::Running, "stripe_unavailable"));
    world.sim.set_faults(Faults::default());
    world.work();
    assert_eq!(world.finished().await.status, RunStatus::Succeeded);
    world.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_or_mode_needs_a_word_before_it_replaces_what_is_here() {
    let world = World::new(12, 40).await;
    world.connect().await.unwrap();
    world.finished().await;
    let live = "rk_live_51Simulated0001";
    assert_eq!(world.connect_with(live, OtherData::Keep).await.unwrap_err().code, "mode_mismatch");
    let other = World::new(13, 30).await;
    let elsewhere = world.at(&other.sim_base);
    assert_eq!(
        elsewhere.connect_with(other.sim.api_key(), OtherData::Keep).await.unwrap_err().code,
        "account_mismatch"
    );
    world.assert_exact().await;
    elsewhere.sim.advance(60);
    elsewhere.connect_with(other.sim.api_key(), OtherData::Replace).await.unwrap();
    elsewhere.work();
    assert_eq!(elsewhere.finished().await.error, None);
    elsewhere.assert_exact_for(&other.sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_never_right_ends_the_run_and_says_so() {
    let world = World::new(14, 30).await;
    world.connect_without_worker().await.unwrap();
    // Something else than Stripe has moved in at its address.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = world.at(&format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(world::answer_everything(
        listener,
        "HTTP/1.1 404 Not Found\r\nDate: Mon, 21 Sep 2026 12:00:00 GMT\r\nContent-Length: 2\r\n\r\n{}",
    ));
    elsewhere.take_messages_of(&world);
    elsewhere.work();
    let run = elsewhere.finished().await;
    assert_eq!((run.status, run.error.unwrap().code.as_str()), (RunStatus::Failed, "stripe_unreadable"));
    assert!(elsewhere.app.card(&elsewhere.ws).await.unwrap().error.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_taken_away_in_the_middle_of_a_run_fails_it_with_the_fix() {
    let world = World::new(15, 1500).await;
    world.connect_without_worker().await.unwrap();
    let pages = |world: &World| world.sim.requests().by_endpoint.get("GET /v1/invoices").copied().unwrap_or(0);
    let before = pages(&world);
    world.sim.set_limits(Limits { endpoint_per_second: Some(10.0), ..Limits::default() });
    world.work();
    while pages(&world) < before + 5 {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    world.sim.revoke(world.sim.api_key(), "rak_invoice_read");
    let run = world.finished().await;
    let error = run.error.unwrap();
    assert_eq!((run.status, error.code.as_str()), (RunStatus::Failed, "permissions_missing"));
    assert!(error.fix.contains("Invoices"), "{}", error.fix);
    world.sim.grant(world.sim.api_key(), "rak_invoice_read");
    world.sim.set_limits(Limits::default());
    assert_eq!(world.resync().await.status, RunStatus::Succeeded);
    world.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_back_costs_a_few_pages_and_is_no_record_of_the_stage() {
    let world = World::new(16, 1000).await;
    world.connect().await.unwrap();
    let run = world.finished().await;
    let truth = world.sim.truth();
    assert!(truth.counts["refunds"] > 20 && truth.counts["disputes"] > 2 && truth.counts["credit_notes"] > 5);
    assert_eq!(run.stage(Stage::Invoices).unwrap().records, truth.counts["invoices"]);
    let requests = world.sim.requests().by_endpoint;
    let of = |path: &str| requests.get(&format!("GET /v1/{path}")).copied().unwrap_or(0);
    // One of each is the probe of the permission.
    let back = of("refunds") + of("disputes") - 1 + of("credit_notes") - 1;
    let pages = ["refunds", "disputes", "credit_notes"].map(|list| truth.counts[list].div_ceil(100).max(1));
    assert_eq!(back, pages.iter().sum::<u64>(), "{requests:?}");
    assert_eq!(of("invoice_payments"), 0, "no payment is asked about by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn lifetime_value_is_shown_without_what_the_key_may_not_read_and_says_so() {
    let world = World::new(17, 300).await;
    let missing = ["rak_charge_read", "rak_dispute_read", "rak_credit_note_read"];
    for permission in missing {
        world.sim.revoke(world.sim.api_key(), permission);
    }
    world.connect().await.unwrap();
    let run = world.finished().await;
    assert_eq!((run.status, &run.error), (RunStatus::Succeeded, &None), "lifetime value is no stage");
    for billing in world.accounts().await.values() {
        let without: Vec<&str> = billing["lifetime_value_without"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["fix"].as_str().unwrap())
            .collect();
        assert_eq!(without.len(), 3, "{without:?}");
        assert!(without.contains(&"Grant read access to Charges and Refunds in your restricted key"), "{without:?}");
        assert!(billing["invoices"].as_array().unwrap().iter().all(|row| row["refunded"].is_null()));
    }
    for permission in missing {
        world.sim.grant(world.sim.api_key(), permission);
    }
    assert_eq!(world.resync().await.status, RunStatus::Succeeded);
    let accounts = world.accounts().await;
    assert!(accounts.values().all(|billing| billing["lifetime_value_without"].as_array().unwrap().is_empty()));
    world.assert_exact().await;
}

#[tokio::test]
async fn what_goes_wrong_in_one_workspace_keeps_the_sweep_from_no_other() {
    let world = World::new(15, 3).await;
    let other = WorkspaceId::new("zenith").unwrap();
    world.connect_without_worker().await.unwrap();
    let key = SecretString::from(world.sim.api_key());
    let request = ConnectRequest { api_key: key, webhook_secret: None, other_data: OtherData::Keep };
    world.app.connect(&other, request).await.unwrap();
    world.lose_messages();
    world.refuse_messages_for(&world.ws);
    let refused = world.app.sweep().await.unwrap_err();
    assert_eq!((refused.kind, refused.code), (Kind::Unavailable, "not_swept"));
    assert_eq!(world.messages_for(), [other]);
}
