//! `billfold sync`: starts a run and follows it, or follows the one that runs already.

use super::Surroundings;
use super::args::SyncArgs;
use super::exit::{Exit, Failure};
use crate::client::view::{CardView, RunView};
use crate::client::{Client, ClientError};
use crate::show::progress::{Expected, Progress, run_line};
use crate::show::text::plain;
use billfold_core::id::RunId;
use billfold_core::run::RunStatus;
use std::time::Duration;

/// How often a run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(super) async fn sync(args: &SyncArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    if args.no_wait {
        let answer = client.post("/v1/syncs", None).await?;
        let console = &mut surroundings.console;
        let paint = console.paint;
        let text = if args.target.json { answer.text().to_owned() } else { run_line(&answer.read()?, paint) };
        return Ok(console.result(&text)?);
    }
    let (run, was_running) = start_or_join(&client).await?;
    if was_running {
        surroundings.console.note("A sync is running already; following it.")?;
    }
    let expected = Expected::like(client.get("/v1/stripe").await?.read::<CardView>()?.records_synced);
    let expected = if was_running { Expected::nothing() } else { expected };
    let followed = follow(&client, &run, &expected, surroundings).await?;
    if args.target.json {
        surroundings.console.result(&followed.text)?;
    }
    judge(&followed.run)
}

/// The run to follow, and whether it was there before.
async fn start_or_join(client: &Client) -> Result<(RunId, bool), Failure> {
    match client.post("/v1/syncs", None).await {
        Ok(answer) => Ok((answer.read::<RunView>()?.id, false)),
        Err(ClientError::No(problem)) if problem.code == "sync_already_running" && problem.run_id.is_some() => {
            problem.run_id.map(|run| (run, true)).ok_or_else(|| Failure::new(Exit::Failed, "no run is named"))
        }
        Err(error) => Err(error.into()),
    }
}

async fn follow(
    client: &Client,
    run: &RunId,
    expected: &Expected,
    surroundings: &mut Surroundings,
) -> Result<crate::client::follow::Followed, Failure> {
    let console = &mut surroundings.console;
    let mut progress = Progress::new(console, expected);
    let followed = client.follow::<Failure>(run, LOOK_EVERY, |run| Ok(progress.update(run, console)?)).await?;
    progress.end(&followed.run, console)?;
    Ok(followed)
}

fn judge(run: &RunView) -> Result<(), Failure> {
    match (run.status, &run.error) {
        (RunStatus::Succeeded, _) => Ok(()),
        (RunStatus::Cancelled, _) => Err(Failure::new(Exit::Failed, "the sync was stopped")),
        (_, Some(error)) => Err(Failure::new(Exit::Failed, plain(&error.message)).advise(plain(&error.fix))),
        (_, None) => Err(Failure::new(Exit::Failed, "the sync failed")),
    }
}
