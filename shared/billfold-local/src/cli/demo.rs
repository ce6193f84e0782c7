//! `billfold demo`: shows the demo, says whether every figure is right, and stays for somebody who wants to look around.

use super::Surroundings;
use super::args::{DemoArgs, LogFormat};
use super::exit::{Exit, Failure};
use super::log;
use super::serve::StopSignal;
use crate::client::view::AccountLine;
use crate::demo::{Demo, DemoError, DemoOptions, Outcome};
use crate::show::amount::{amount, counted, grouped};
use crate::show::console::{Console, Looking, Tone};
use crate::show::progress::{Expected, Progress};
use crate::show::table::{self, Columns};
use billfold_app::chain;
use billfold_app::{Clock as _, SystemClock};
use billfold_core::money::{Currency, Money};
use serde_json::{Value, json};

/// Accounts in the table.
const TOP: usize = 15;
/// Differences that are told.
const DIFFERENCES_TOLD: usize = 20;

pub(super) async fn demo(args: DemoArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    log::start(LogFormat::Text, "error")?;
    let mut stop = StopSignal::new()?;
    let options = DemoOptions { customers: args.customers, seed: args.seed, now: SystemClock.now() };
    let demo = Demo::start(options).await?;
    let shown = tokio::select! {
        shown = Box::pin(show(&demo, &args, &mut surroundings.console)) => shown,
        () = stop.wait() => Err(Failure::new(Exit::Failed, "stopped before the end")),
    };
    if shown.is_ok() && !args.json && surroundings.console.out_looking == Looking::Person {
        demo.let_time_run();
        invite(&demo, &mut surroundings.console)?;
        stop.wait().await;
    }
    demo.stop().await;
    shown
}

async fn show(demo: &Demo, args: &DemoArgs, console: &mut Console) -> Result<(), Failure> {
    let (records, accounts) = demo.expected();
    console.note(&format!(
        "A simulated Stripe with {} and {}. Connecting, then reading everything.",
        counted(records.customers, "customer"),
        counted(records.invoices, "invoice")
    ))?;
    let mut progress = Progress::new(console, &Expected::exactly(records, accounts));
    let outcome = demo.run(|run| progress.update(run, console)).await?;
    progress.end(&outcome.run, console)?;
    if args.json {
        console.result(&machine(&outcome))?;
    } else {
        person(&outcome, console)?;
    }
    judge(&outcome, console)
}

fn person(outcome: &Outcome, console: &mut Console) -> Result<(), Failure> {
    let top: Vec<_> = outcome.accounts.iter().take(TOP).cloned().collect();
    console.result(&table::accounts(&top, Columns::Figures, console.paint, console.out_looking))?;
    let (mrr, arr) = totals(outcome);
    let count = u64::try_from(outcome.accounts.len()).unwrap_or(u64::MAX);
    let paying = outcome.accounts.iter().filter(|line| line.mrr.amount > 0).count();
    let line = format!(
        "{} · MRR {} · ARR {} · {} paying · the largest {} are shown",
        counted(count, "account"),
        amount(mrr),
        amount(arr),
        grouped(paying as u64),
        top.len(),
    );
    Ok(console.result(&console.paint.tone(Tone::Strong, &line))?)
}

fn machine(outcome: &Outcome) -> String {
    let (mrr, arr) = totals(outcome);
    let account = |line: &AccountLine| {
        json!({
            "id": line.id, "name": line.name, "domain": line.domain, "mrr": line.mrr, "arr": line.arr,
            "payment_status": line.payment_status, "plan": line.plan, "renews_at": line.renews_at,
        })
    };
    let accounts: Vec<Value> = outcome.accounts.iter().map(account).collect();
    json!({
        "customers": outcome.card.records_synced.customers,
        "accounts": accounts,
        "mrr": mrr,
        "arr": arr,
        "stripe_requests": outcome.run.stripe_requests,
        "figures_compared": outcome.compared,
        "differences": outcome.differences,
    })
    .to_string()
}

/// The sums of what the table shows.
fn totals(outcome: &Outcome) -> (Money, Money) {
    let sum = |of: fn(&AccountLine) -> Money| {
        let sum = outcome.accounts.iter().fold(0i64, |sum, line| sum.saturating_add(of(line).amount));
        Money::new(sum, outcome.accounts.first().map_or(Currency::USD, |line| of(line).currency))
    };
    (sum(|line| line.mrr), sum(|line| line.arr))
}

fn judge(outcome: &Outcome, console: &mut Console) -> Result<(), Failure> {
    let customers = counted(outcome.card.records_synced.customers, "customer");
    let accounts = counted(u64::try_from(outcome.accounts.len()).unwrap_or(u64::MAX), "account");
    if outcome.differences.is_empty() {
        let text = format!("{customers}, {accounts}: every figure equals the simulation's own");
        let text = format!("{text} ({} compared).", grouped(outcome.compared));
        return Ok(console.note(&console.err_paint.tone(Tone::Good, &text))?);
    }
    let wrong = grouped(u64::try_from(outcome.differences.len()).unwrap_or(u64::MAX));
    let failure = format!("{customers}, {accounts}: {wrong} of {} figures differ", grouped(outcome.compared));
    let more = outcome.differences.iter().take(DIFFERENCES_TOLD).cloned().collect();
    Err(Failure { more, ..Failure::new(Exit::Failed, failure) })
}

fn invite(demo: &Demo, console: &mut Console) -> Result<(), Failure> {
    let (url, token) = (demo.url(), demo.token());
    console.note(&format!("\nBillfold is ready at {url} until you press Ctrl-C. Look around:"))?;
    Ok(console.note(&format!("  curl -H 'Authorization: Bearer {token}' '{url}/v1/accounts?limit=3'"))?)
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        Self::new(Exit::Failed, chain(&error))
    }
}
