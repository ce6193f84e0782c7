//! `billfold accounts` and `billfold account <id>`.

use super::Surroundings;
use super::args::{AccountArgs, AccountsArgs};
use super::exit::Failure;
use crate::client::accounts::AccountsWanted;
use crate::client::view::AccountLine;
use crate::client::{Client, encoded};
use crate::show;
use crate::show::console::{Console, Looking};
use crate::show::table::Columns;
use crate::show::text::plain;
use billfold_core::billing::BillingTab;

pub(super) async fn accounts(args: AccountsArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    let wanted = AccountsWanted {
        sort: Some(args.sort),
        payment_status: args.status,
        search: args.search,
        limit: Some(args.limit),
    };
    if args.csv {
        return csv(&client, &wanted, &mut surroundings.console).await;
    }
    let found = client.accounts(&wanted).await?;
    let console = &mut surroundings.console;
    if args.target.json {
        return Ok(console.result(&found.text)?);
    }
    if found.lines.is_empty() {
        return Ok(console.note("No account. Connect Stripe with `billfold connect`, or ask for less.")?);
    }
    let table = show::table::accounts(&found.lines, Columns::FiguresAndIds, console.paint, console.out_looking);
    console.result(&table)?;
    if found.next_cursor.is_some() {
        console.note("There are more: raise --limit to see them.")?;
    }
    Ok(())
}

/// As it comes for a file or another program; for a person, with nothing in it that a terminal acts upon.
async fn csv(client: &Client, wanted: &AccountsWanted, console: &mut Console) -> Result<(), Failure> {
    let answer = client.accounts_csv(wanted).await?;
    let text = answer.text().trim_end_matches(['\r', '\n']);
    match console.out_looking {
        Looking::Program => console.result(text)?,
        Looking::Person => console.result(&text.split("\r\n").map(plain).collect::<Vec<_>>().join("\n"))?,
    }
    Ok(())
}

pub(super) async fn account(args: &AccountArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    let path = format!("/v1/accounts/{}", encoded(args.id.as_str()));
    let billing = client.get(&format!("{path}/billing")).await?;
    let console = &mut surroundings.console;
    if args.target.json {
        return Ok(console.result(billing.text())?);
    }
    let account = client.get(&path).await?.read::<AccountLine>()?;
    let text = show::billing::billing(&account, &billing.read::<BillingTab>()?, console.paint);
    Ok(console.result(&text)?)
}
