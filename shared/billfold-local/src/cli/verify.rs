//! `billfold verify`: what is stored against what Stripe says, object by object.

use super::Surroundings;
use super::args::VerifyArgs;
use super::exit::{Exit, Failure};
use crate::client::Client;
use crate::client::view::ReportView;
use crate::show;
use serde_json::json;

pub(super) async fn verify(args: &VerifyArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    let report = if args.all { all(&client, args, surroundings).await? } else { sample(&client, args).await? };
    let console = &mut surroundings.console;
    let text = if args.target.json {
        serde_json::to_string(&report).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?
    } else {
        show::verify::report(&report, console.paint)
    };
    console.result(&text)?;
    judge(&report)
}

async fn sample(client: &Client, args: &VerifyArgs) -> Result<ReportView, Failure> {
    let body = json!({ "sample": args.sample, "repair": args.repair });
    Ok(client.post("/v1/verify", Some(body)).await?.read()?)
}

/// Each call compares for a while; together they are all.
async fn all(client: &Client, args: &VerifyArgs, surroundings: &mut Surroundings) -> Result<ReportView, Failure> {
    let mut whole = ReportView::default();
    loop {
        let body = json!({ "sample": null, "after": whole.next, "repair": args.repair });
        whole.add(client.post("/v1/verify", Some(body)).await?.read()?);
        if whole.next.is_none() {
            return Ok(whole);
        }
        surroundings.console.note(&format!("{} of {} objects compared", whole.checked, whole.stored))?;
    }
}

fn judge(report: &ReportView) -> Result<(), Failure> {
    let left = report.different.saturating_sub(report.repaired);
    if left == 0 {
        return Ok(());
    }
    let what = match left {
        1 => "one object is not what Stripe says".to_owned(),
        left => format!("{left} objects are not what Stripe says"),
    };
    Err(Failure::new(Exit::Failed, what).advise("Put them right with `billfold verify --all --repair`."))
}
