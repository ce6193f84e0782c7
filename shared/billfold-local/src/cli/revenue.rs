//! `billfold summary`, `billfold signals` and `billfold explain <account>`.

use super::Surroundings;
use super::args::revenue::{ExplainArgs, SignalsArgs, SummaryArgs};
use super::exit::Failure;
use crate::client::encoded;
use crate::client::revenue::{Explained, Signals, Totals};
use crate::show;
use billfold_core::signal::Signal;

/// The most rows that the API gives at once.
const PAGE_MAX: usize = 100;

pub(super) async fn summary(args: &SummaryArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    let months = [("from", args.from), ("to", args.to)];
    let asked = months.iter().filter_map(|(name, month)| Some(format!("{name}={}", (*month)?)));
    let path = format!("/v1/summary?{}", asked.collect::<Vec<_>>().join("&"));
    let answer = client.get(&path).await?;
    let console = &mut surroundings.console;
    if args.target.json {
        return Ok(console.result(answer.text())?);
    }
    Ok(console.result(&show::revenue::summary(&answer.read::<Totals>()?, console.paint))?)
}

pub(super) async fn signals(args: &SignalsArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    if let Some(id) = &args.acknowledge {
        let path = format!("/v1/signals/{}/acknowledge", encoded(id));
        let answer = client.post(&path, None).await?;
        let console = &mut surroundings.console;
        if args.target.json {
            return Ok(console.result(answer.text())?);
        }
        return Ok(console.result(&show::revenue::signal(&answer.read::<Signal>()?, console.paint))?);
    }
    let limit = args.limit.min(PAGE_MAX);
    let mut path = format!("/v1/signals?limit={limit}&state={}", args.state.as_str());
    if let Some(kind) = args.kind {
        path.push_str(&format!("&type={}", kind.as_str()));
    }
    if let Some(account) = &args.account {
        path.push_str(&format!("&account_id={}", encoded(account.as_str())));
    }
    let answer = client.get(&path).await?;
    let console = &mut surroundings.console;
    if args.target.json {
        return Ok(console.result(answer.text())?);
    }
    let found: Signals = answer.read()?;
    if found.data.is_empty() {
        return Ok(console.note("No signal.")?);
    }
    let lines: Vec<String> = found.data.iter().map(|signal| show::revenue::signal(signal, console.paint)).collect();
    console.result(&lines.join("\n"))?;
    if found.next_cursor.is_some() {
        console.note("There are more: ask for one type, or for one account.")?;
    }
    Ok(())
}

pub(super) async fn explain(args: &ExplainArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    let answer = client.get(&format!("/v1/accounts/{}/mrr/explain", encoded(args.id.as_str()))).await?;
    let console = &mut surroundings.console;
    if args.target.json {
        return Ok(console.result(answer.text())?);
    }
    Ok(console.result(&show::revenue::explanation(&answer.read::<Explained>()?, console.paint))?)
}
