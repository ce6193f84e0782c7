use super::*;
use billfold_core::run::Problem;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

fn stage(name: Stage, status: StageStatus, records: u64) -> StageState {
    StageState { name, status, records, requests: records.div_ceil(100), error: None }
}

fn run(status: RunStatus, stages: Vec<StageState>) -> RunView {
    serde_json::from_value(serde_json::json!({
        "id": "run_1", "trigger": "manual", "status": status, "started_at": "2026-11-20T10:00:00Z",
        "finished_at": (status != RunStatus::Running).then_some("2026-11-20T10:00:12Z"),
        "stages": stages, "records": 1234, "stripe_requests": 13, "error": null,
    }))
    .unwrap()
}

fn problem(message: &str) -> Problem {
    Problem { code: "x".into(), message: message.into(), fix: "y".into() }
}

#[test]
fn a_stage_is_its_numbers_and_how_it_ended() {
    let check = |stage: StageState, expected: &str| assert_eq!(stage_line(&stage, Paint::Plain), expected);
    check(stage(Stage::Customers, StageStatus::Pending, 0), "customers       waiting");
    check(stage(Stage::Customers, StageStatus::Running, 1_200), "customers       1,200 · 12 requests");
    check(stage(Stage::AccountBilling, StageStatus::Done, 0), "account_billing 0 · done");
    let mut skipped = stage(Stage::Prices, StageStatus::Skipped, 0);
    skipped.error = Some(problem("No access\u{1b} to Prices."));
    check(skipped, "prices          0 · skipped · No access\u{FFFD} to Prices.");
}

#[test]
fn a_run_is_one_line() {
    let check = |status, expected: &str| assert_eq!(run_line(&run(status, vec![]), Paint::Plain), expected);
    check(RunStatus::Running, "Sync run_1 running: 1,234 records, 13 requests to Stripe");
    check(RunStatus::Succeeded, "Sync run_1 succeeded: 1,234 records, 13 requests to Stripe, 12 s");
    check(RunStatus::Failed, "Sync run_1 failed: 1,234 records, 13 requests to Stripe, 12 s");
}

#[test]
fn a_program_hears_each_end_once_and_no_step_between() {
    let paper = Paper::default();
    let mut console = Console::plain(Box::new(io::sink()), Box::new(paper.clone()));
    let mut progress = Progress::new(&console, &Expected::nothing());
    let running = |records| run(RunStatus::Running, vec![stage(Stage::Customers, StageStatus::Running, records)]);
    let done = run(RunStatus::Succeeded, vec![stage(Stage::Customers, StageStatus::Done, 300)]);
    for run in [running(100), running(200), done.clone(), done.clone()] {
        progress.update(&run, &mut console).unwrap();
    }
    progress.end(&done, &mut console).unwrap();
    let expected =
        ["customers       300 · 3 requests · done", "Sync run_1 succeeded: 1,234 records, 13 requests to Stripe, 12 s"];
    assert_eq!(paper.lines(), expected);
}

#[test]
fn what_a_run_waits_for_is_said_once() {
    let paper = Paper::default();
    let mut console = Console::plain(Box::new(io::sink()), Box::new(paper.clone()));
    let mut progress = Progress::new(&console, &Expected::nothing());
    let mut waiting = run(RunStatus::Running, vec![]);
    waiting.error = Some(problem("Waiting for Stripe."));
    progress.update(&waiting, &mut console).unwrap();
    progress.update(&waiting, &mut console).unwrap();
    assert_eq!(paper.lines(), ["Waiting for Stripe."]);
}

#[test]
fn a_bar_has_an_end_only_where_one_is_known_and_never_lies_about_it() {
    assert_eq!(Expected::nothing().of(Stage::Customers), None);
    assert_eq!(Expected::like(Records::default()).of(Stage::Customers), None);
    let expected = Expected::like(Records { customers: 100, ..Records::default() });
    let bar = bar(Stage::Customers, expected.of(Stage::Customers));
    let position = |bar: &ProgressBar| (bar.position(), bar.length());
    move_bar(&bar, &stage(Stage::Customers, StageStatus::Running, 40), Paint::Plain);
    assert_eq!(position(&bar), (40, Some(100)));
    move_bar(&bar, &stage(Stage::Customers, StageStatus::Running, 140), Paint::Plain);
    assert_eq!(position(&bar), (140, Some(140)));
    move_bar(&bar, &stage(Stage::Customers, StageStatus::Done, 90), Paint::Plain);
    assert_eq!(position(&bar), (90, Some(90)));
}
