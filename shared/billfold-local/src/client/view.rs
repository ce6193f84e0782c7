//! The API's answers as a client reads them: what is shown, and nothing that a newer server could not add to.

use billfold_core::connection::{Permission, Records};
use billfold_core::id::RunId;
use billfold_core::money::Money;
use billfold_core::run::{Problem, RunStatus, StageState, Trigger};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The card of the connection.
#[derive(Debug, Clone, Deserialize)]
pub struct CardView {
    /// `connected`, `syncing`, `error` or `disconnected`.
    pub status: String,
    /// `live` or `test`.
    pub mode: Option<String>,
    /// What may be shown of the key.
    pub account_label: Option<String>,
    /// `acct_…`.
    pub stripe_account_id: Option<String>,
    /// The Stripe account's name.
    pub stripe_account_name: Option<String>,
    /// What the key may read.
    pub permissions: Vec<Permission>,
    /// The webhook endpoint.
    pub webhook: WebhookView,
    /// How many objects are stored.
    pub records_synced: Records,
    /// Customers that have an account.
    pub customers_matched: u64,
    /// Customers that have none.
    #[serde(default)]
    pub matching: Option<MatchingView>,
    /// End of the last sync that succeeded.
    pub last_sync_at: Option<Timestamp>,
    /// The running sync, or the last one.
    pub sync: Option<RunView>,
    /// What somebody has to do.
    pub error: Option<Problem>,
    /// The form that makes a fitting key.
    pub prefilled_key_url: String,
}

/// Customers that have no account, on the card.
#[derive(Debug, Clone, Deserialize)]
pub struct MatchingView {
    /// Why.
    pub explanation: Option<String>,
    /// What to do about it.
    pub fix: Option<String>,
}

/// The webhook endpoint on the card.
#[derive(Debug, Clone, Deserialize)]
pub struct WebhookView {
    /// Where Stripe is to deliver.
    pub url: Option<String>,
    /// Where it stands.
    pub status: String,
}

/// A sync run.
#[derive(Debug, Clone, Deserialize)]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// Why it was started.
    pub trigger: Trigger,
    /// Where it stands.
    pub status: RunStatus,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The stages, in order.
    pub stages: Vec<StageState>,
    /// Objects read from Stripe.
    pub records: u64,
    /// Requests made to Stripe.
    pub stripe_requests: u64,
    /// Why it failed, or what it is waiting for.
    pub error: Option<Problem>,
}

/// What a drift check found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReportView {
    /// Objects that are stored.
    pub stored: usize,
    /// Objects that were compared.
    pub checked: usize,
    /// Objects that differ.
    pub different: usize,
    /// Objects that were put right.
    pub repaired: usize,
    /// Every field that differs.
    pub differences: Vec<DifferenceView>,
    /// Where to go on.
    #[serde(skip_serializing)]
    pub next: Option<String>,
}

/// A field that is not what Stripe says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceView {
    /// The kind of object.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Where in the object.
    pub field: String,
    /// What is stored.
    pub stored: serde_json::Value,
    /// What Stripe says.
    pub stripe: serde_json::Value,
}

impl ReportView {
    /// Adds what another call found.
    pub fn add(&mut self, more: Self) {
        self.stored = more.stored;
        self.checked = self.checked.saturating_add(more.checked);
        self.different = self.different.saturating_add(more.different);
        self.repaired = self.repaired.saturating_add(more.repaired);
        self.differences.extend(more.differences);
        self.next = more.next;
    }
}

/// A page of the accounts table.
#[derive(Debug, Clone, Deserialize)]
pub struct AccountsView {
    /// The accounts.
    pub data: Vec<AccountLine>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// An account's line in the table.
#[derive(Debug, Clone, Deserialize)]
pub struct AccountLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its main domain.
    pub domain: Option<String>,
    /// MRR in the workspace's currency.
    pub mrr: Money,
    /// ARR in the workspace's currency.
    pub arr: Money,
    /// `paid`, `overdue`, `failed` or `none`.
    pub payment_status: String,
    /// The plan.
    pub plan: Option<String>,
    /// When the first subscription renews.
    pub renews_at: Option<Timestamp>,
}

/// A no of the API's (RFC 9457).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ProblemView {
    /// What sort of no.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened.
    pub detail: String,
    /// A stable word.
    pub code: String,
    /// What to do, where it is said apart.
    pub fix: Option<String>,
    /// The fields at fault.
    pub errors: Vec<FieldError>,
    /// The run that is in the way.
    pub run_id: Option<RunId>,
    /// Under which number it stands in the log.
    pub request_id: Option<String>,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldError {
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}
