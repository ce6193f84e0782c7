//! What is asked about money and signals.

use super::{Target, account, limit};
use billfold_core::id::AccountId;
use billfold_core::ledger::{Month, MonthError};
use billfold_core::signal::{SignalState, SignalType};
use clap::Args;

/// `billfold summary`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold summary --from 2026-01 --to 2026-06")]
pub struct SummaryArgs {
    /// Which server.
    #[command(flatten)]
    pub target: Target,
    /// The first month, like 2026-01 [default: a year back]
    #[arg(long, value_parser = month)]
    pub from: Option<Month>,
    /// The last month [default: the running one]
    #[arg(long, value_parser = month)]
    pub to: Option<Month>,
}

/// `billfold signals`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  billfold signals --type payment_failed\n  billfold signals --acknowledge sig_0123"
)]
pub struct SignalsArgs {
    /// Which server.
    #[command(flatten)]
    pub target: Target,
    /// Only of this type: payment_failed, subscription_canceled, …
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    pub kind: Option<SignalType>,
    /// Only in this state: open, acknowledged or resolved
    #[arg(long, default_value = "open", value_parser = state)]
    pub state: SignalState,
    /// Only of this account
    #[arg(long, value_parser = account)]
    pub account: Option<AccountId>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = limit)]
    pub limit: usize,
    /// Say that somebody has seen to this one, instead of listing
    #[arg(long, value_name = "ID")]
    pub acknowledge: Option<String>,
}

/// `billfold explain`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold explain acc_0123456789abcdef")]
pub struct ExplainArgs {
    /// The account's id, as `billfold accounts` lists it
    #[arg(value_parser = account)]
    pub id: AccountId,
    /// Which server.
    #[command(flatten)]
    pub target: Target,
}

fn month(text: &str) -> Result<Month, MonthError> {
    text.parse()
}

fn kind(text: &str) -> Result<SignalType, String> {
    word(text, &SignalType::ALL, SignalType::as_str)
}

fn state(text: &str) -> Result<SignalState, String> {
    word(text, &SignalState::ALL, SignalState::as_str)
}

fn word<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| format!("it must be one of {}", names.join(", ")))
}
