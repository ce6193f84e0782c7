//! The command line as it is typed. Says what there is and what it is called; does nothing.

pub mod revenue;

use super::exit::EXIT_CODES;
use billfold_app::auth::{IssuerConfig, ROLE_CLAIM, Role, WORKSPACE_CLAIM};
use billfold_core::id::{AccountId, IdError, WorkspaceId};
use billfold_stripe::Base;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Exact Stripe billing state for every account: MRR, ARR, payment status, renewals.
///
/// `billfold demo` shows all of it without a Stripe account. `billfold serve` runs it for yours; the other commands talk
/// to the process that `serve` started.
#[derive(Debug, Parser)]
#[command(name = "billfold", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything at work on a simulated Stripe; needs nothing
    Demo(DemoArgs),
    /// Run Billfold in one process, with its state in a folder
    Serve(Box<ServeArgs>),
    /// Print a token for the API, good for 12 hours
    Token(TokenArgs),
    /// Connect a Stripe key, typed at a hidden prompt or read from standard input
    Connect(ConnectArgs),
    /// Show the connection, what the key may read, and the last sync
    Status(StatusArgs),
    /// Sync now and follow it to its end
    Sync(SyncArgs),
    /// Compare what is stored with what Stripe says, and show every difference
    Verify(VerifyArgs),
    /// List accounts with MRR, ARR, payment status and renewal
    Accounts(AccountsArgs),
    /// Show one account: figures, subscriptions, invoices
    Account(AccountArgs),
    /// Take accounts from a file: CSV or JSON lines
    Import(ImportArgs),
    /// Make a link with which somebody who has no login connects Stripe, once
    Invite(InviteArgs),
    /// Show who changed what
    Audit(AuditArgs),
    /// Show MRR, ARR, retention and what may not come, with a chart of the months
    Summary(revenue::SummaryArgs),
    /// List what people should hear of: failed payments, cancellations, downgrades
    Signals(revenue::SignalsArgs),
    /// Show the arithmetic of an account's MRR, item by item
    Explain(revenue::ExplainArgs),
    /// Forget the Stripe key; what was synced stays, frozen
    Disconnect(DisconnectArgs),
}

/// `billfold demo`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold demo --customers 1000 --seed 42")]
pub struct DemoArgs {
    /// How many customers the simulated business has
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub customers: u32,
    /// Another number makes another business
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Print JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// `billfold serve`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold serve --dev-tokens --data ./billfold-data")]
pub struct ServeArgs {
    /// The folder that keeps the state; made if it is not there
    #[arg(long, env = "BILLFOLD_DATA", default_value = "./billfold-data")]
    pub data: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,
    /// Accept tokens of `billfold token`; without it and without an identity provider every call is answered 401
    #[arg(long)]
    pub dev_tokens: bool,
    /// Whose tokens are accepted.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Listen where other machines can reach it although --dev-tokens is set
    #[arg(long)]
    pub listen_anywhere: bool,
    /// Where Billfold is seen from outside (scheme and host), for the webhook URL
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Where Stripe is: scheme, host and port
    #[arg(long, env = "STRIPE_API_BASE", value_name = "URL", default_value_t)]
    pub stripe_api_base: Base,
    /// Where the European Central Bank's daily rates are read [default: at the bank]
    #[arg(long, env = "BILLFOLD_RATES_URL", value_name = "URL")]
    pub rates_url: Option<String>,
    /// The part of Stripe's rate limits that Billfold takes, from 0.01 to 1 [default: 0.8]
    #[arg(long, value_name = "PART", value_parser = share)]
    pub stripe_share: Option<f64>,
    /// Stripe's limit in all, in requests a second [default: by the key's mode]
    #[arg(long, value_name = "N", value_parser = rate)]
    pub stripe_rps: Option<f64>,
    /// Stripe's limit for one endpoint, in requests a second [default: by the key's mode]
    #[arg(long, value_name = "N", value_parser = rate)]
    pub stripe_endpoint_rps: Option<f64>,
    /// How the log on standard error is written; RUST_LOG says how much of it
    #[arg(long, default_value = "text")]
    pub log_format: LogFormat,
}

/// An identity provider, whose tokens are accepted.
#[derive(Debug, Args)]
#[command(next_help_heading = "Identity provider")]
pub struct IdentityArgs {
    /// What it calls itself in tokens (iss); https, or http on this machine
    #[arg(long, env = "BILLFOLD_ISSUER", value_name = "URL", requires = "audience", conflicts_with = "dev_tokens")]
    pub issuer: Option<String>,
    /// Where its public keys are (a JSON Web Key Set) [default: where it says itself, by OpenID Connect Discovery]
    #[arg(long, env = "BILLFOLD_JWKS_URL", value_name = "URL", requires = "issuer")]
    pub jwks_url: Option<String>,
    /// What it calls Billfold in tokens (aud)
    #[arg(long, env = "BILLFOLD_AUDIENCE", requires = "issuer")]
    pub audience: Option<String>,
    /// The claim that names the workspace
    #[arg(long, env = "BILLFOLD_WORKSPACE_CLAIM", value_name = "NAME", default_value = WORKSPACE_CLAIM)]
    pub workspace_claim: String,
    /// The claim that names the role: owner, admin or member, or a list with one of them
    #[arg(long, env = "BILLFOLD_ROLE_CLAIM", value_name = "NAME", default_value = ROLE_CLAIM)]
    pub role_claim: String,
}

impl IdentityArgs {
    /// The provider, if one is named.
    pub fn issuer(&self) -> Option<IssuerConfig> {
        Some(IssuerConfig {
            issuer: self.issuer.clone()?,
            jwks_url: self.jwks_url.clone(),
            audience: self.audience.clone()?,
            workspace_claim: self.workspace_claim.clone(),
            role_claim: self.role_claim.clone(),
            cognito: false,
        })
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// `billfold token`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  TOKEN=$(billfold token --workspace acme --role member)")]
pub struct TokenArgs {
    /// The folder of the server that is to accept it
    #[arg(long, env = "BILLFOLD_DATA", default_value = "./billfold-data")]
    pub data: PathBuf,
    /// Whose data it opens
    #[arg(long, default_value = "default", value_parser = workspace)]
    pub workspace: WorkspaceId,
    /// What it allows: members read, admins also change, owners also erase
    #[arg(long, default_value = "admin")]
    pub role: RoleArg,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Reads
    Member,
    /// Also changes
    Admin,
    /// Also erases
    Owner,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Member => Self::Member,
            RoleArg::Admin => Self::Admin,
            RoleArg::Owner => Self::Owner,
        }
    }
}

/// Which server, and as whom.
#[derive(Debug, Args)]
pub struct Target {
    /// Where Billfold is
    #[arg(long, env = "BILLFOLD_URL", default_value = "http://127.0.0.1:8787")]
    pub url: String,
    /// The server's folder, for a token; not needed when BILLFOLD_TOKEN is set
    #[arg(long, env = "BILLFOLD_DATA", default_value = "./billfold-data")]
    pub data: PathBuf,
    /// The workspace; BILLFOLD_TOKEN brings its own
    #[arg(long, default_value = "default", value_parser = workspace)]
    pub workspace: WorkspaceId,
    /// Print the API's answer as it is
    #[arg(long)]
    pub json: bool,
}

/// `billfold connect`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  billfold connect\n  pass show stripe/billfold | billfold connect --replace")]
pub struct ConnectArgs {
    /// Which server.
    #[command(flatten)]
    pub target: Target,
    /// Take a key of another Stripe account or mode, and erase what was synced from the old one first
    #[arg(long)]
    pub replace: bool,
}

/// `billfold status`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold status --json | jq .status")]
pub struct StatusArgs {
    /// Which server.
    #[command(flatten)]
    pub target: Target,
}

/// `billfold sync`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold sync --no-wait")]
pub struct SyncArgs {
    /// Which server.
    #[command(flatten)]
    pub target: Target,
    /// Start it and return at once; without this a sync that is running already is followed
    #[arg(long)]
    pub no_wait: bool,
}

/// `billfold verify`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold verify --all --repair\n\nExits with 1 if differences remain.")]
pub struct VerifyArgs {
    /// Which server.
    #[command(flatten)]
    pub target: Target,
    /// Compare every object; takes a request to Stripe for each
    #[arg(long, conflicts_with = "sample")]
    pub all: bool,
    /// Compare so many objects, taken by chance
    #[arg(long, default_value_t = 200, value_parser = limit)]
    pub sample: usize,
    /// Put right what differs
    #[arg(long)]
    pub repair: bool,
}

/// `billfold accounts`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold accounts --status overdue --sort -mrr --limit 20")]
pub struct AccountsArgs {
    /// Which server.
    #[command(flatten)]
    pub target: Target,
    /// mrr, arr, name or payment_status; with a minus in front from the greatest
    #[arg(long, default_value = "-mrr", allow_hyphen_values = true)]
    pub sort: String,
    /// Only accounts with this payment status: paid, overdue, failed or none
    #[arg(long)]
    pub status: Option<String>,
    /// Only accounts with this in their name or domain
    #[arg(long)]
    pub search: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = limit)]
    pub limit: usize,
    /// Print all of them as CSV, in which no cell is a formula
    #[arg(long, conflicts_with_all = ["json", "limit"])]
    pub csv: bool,
}

/// `billfold import`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  billfold import accounts.csv
  billfold import accounts.ndjson --json

Columns: id, name, domain, domains (apart by ;), external_ids.<system>, custom.<name>. A row is found by its id, else by an
external id, else by its domain, else by its name; a file that is sent again changes nothing.")]
pub struct ImportArgs {
    /// The file: .csv with a header, or .ndjson / .jsonl with one JSON object a line
    pub file: PathBuf,
    /// Which server.
    #[command(flatten)]
    pub target: Target,
}

/// `billfold invite`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold invite --hours 24")]
pub struct InviteArgs {
    /// Which server.
    #[command(flatten)]
    pub target: Target,
    /// For how many hours it works [default: 72]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=336))]
    pub hours: Option<u32>,
    /// Withdraw every invitation that is open instead
    #[arg(long, conflicts_with = "hours")]
    pub withdraw: bool,
}

/// `billfold audit`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold audit --limit 20")]
pub struct AuditArgs {
    /// Which server.
    #[command(flatten)]
    pub target: Target,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = limit)]
    pub limit: usize,
}

/// `billfold account`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold account acc_0123456789abcdef")]
pub struct AccountArgs {
    /// The account's id, as `billfold accounts` lists it
    #[arg(value_parser = account)]
    pub id: AccountId,
    /// Which server.
    #[command(flatten)]
    pub target: Target,
}

/// `billfold disconnect`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  billfold disconnect --workspace acme")]
pub struct DisconnectArgs {
    /// Which server.
    #[command(flatten)]
    pub target: Target,
}

fn workspace(text: &str) -> Result<WorkspaceId, IdError> {
    WorkspaceId::new(text)
}

fn account(text: &str) -> Result<AccountId, IdError> {
    AccountId::new(text)
}

fn limit(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=100_000).contains(number));
    number.ok_or_else(|| "it must be from 1 to 100000".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.01..=1.0).contains(number));
    number.ok_or_else(|| "it must be from 0.01 to 1".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.1..=1_000_000.0).contains(number));
    number.ok_or_else(|| "it must be from 0.1 to 1000000".to_owned())
}

#[cfg(test)]
mod tests;
