//! A flood of forged deliveries: what it may not cost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::Unreceived;
use billfold_core::fold;
use billfold_sim::signature;
use billfold_tests::simulation::Simulation;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// Deliveries of the flood.
const FLOOD: usize = 500;
/// Calls to store, queue, vault and Stripe that are allowed for all of them: what is known of the endpoint is read, once
/// more when a signature does not fit, and what came is written down, all of it every few seconds.
const CALLS_MAX: u64 = 20;

/// Counts what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_flood_of_forged_deliveries_costs_no_call_no_write_and_no_log_line_each() {
    let mut simulation = Simulation::new(51, 3, fold::decide).await.unwrap();
    simulation.idle().await.unwrap();
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO);
    let guard = tracing::subscriber::set_default(subscriber.finish());
    simulation.sim.clear_requests();
    simulation.disarm().await.unwrap();
    let body = br#"{"id":"evt_1","object":"event","type":"customer.deleted","created":1790000000,"livemode":false}"#;
    for n in 0..FLOOD {
        let header = signature(&format!("whsec_forged{n:08}"), simulation.sim.now(), body);
        let refused = simulation.app().receive(simulation.endpoint(), &header, body).await;
        assert!(matches!(refused, Err(Unreceived::Signature)), "{refused:?}");
    }
    drop(guard);
    let calls = simulation.disarm().await.unwrap();
    assert!(calls <= CALLS_MAX, "{FLOOD} forged deliveries cost {calls} calls");
    assert_eq!(simulation.sim.requests().total, 0, "forged deliveries ask Stripe nothing");
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(logged, "", "nothing is logged");
}
