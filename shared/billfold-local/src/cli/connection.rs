//! `billfold connect`, `status` and `disconnect`: the card of the connection.

use super::Surroundings;
use super::args::{ConnectArgs, DisconnectArgs, StatusArgs};
use super::exit::{Exit, Failure};
use crate::client::view::CardView;
use crate::client::{Answer, Client, ClientError};
use crate::parked::{self, ParkedList};
use crate::queue::Parked;
use crate::show;
use secrecy::ExposeSecret as _;
use serde_json::json;

pub(super) async fn connect(args: ConnectArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    if !client.is_confidential() {
        let url = &args.target.url;
        let failure = Failure::new(Exit::Usage, format!("a Stripe key must not travel unencrypted to {url}"));
        return Err(failure.advise("Use https://, or run this on the machine that Billfold runs on."));
    }
    let key = surroundings.input.secret("Stripe API key (rk_… or sk_…, not shown): ")?;
    let mut body = json!({"api_key": key.expose_secret()});
    if args.replace {
        body["replace"] = true.into();
    }
    let answer = client.post("/v1/stripe", Some(body)).await?;
    show_card(&answer, args.target.json, surroundings)?;
    if !args.target.json {
        surroundings.console.note("The first sync has begun. Follow it with `billfold sync`.")?;
    }
    Ok(())
}

pub(super) async fn status(args: &StatusArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    let answer = client.get("/v1/stripe").await?;
    show_card(&answer, args.target.json, surroundings)?;
    if !args.target.json
        && let Some(text) = show::card::parked(&parked(&client).await?, surroundings.console.err_paint)
    {
        surroundings.console.note(&text)?;
    }
    Ok(())
}

pub(super) async fn disconnect(args: &DisconnectArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let answer = surroundings.client(&args.target)?.delete("/v1/stripe").await?;
    show_card(&answer, args.target.json, surroundings)
}

fn show_card(answer: &Answer, as_json: bool, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let console = &mut surroundings.console;
    let text =
        if as_json { answer.text().to_owned() } else { show::card::card(&answer.read::<CardView>()?, console.paint) };
    Ok(console.result(&text)?)
}

/// What was given up; a Billfold in the cloud keeps that elsewhere.
async fn parked(client: &Client) -> Result<Vec<Parked>, ClientError> {
    match client.get(parked::PATH).await {
        Ok(answer) => Ok(answer.read::<ParkedList>()?.data),
        Err(ClientError::No(problem)) if problem.status == 404 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
