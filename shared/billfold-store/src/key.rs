//! Every key of the table, built and parsed here and nowhere else. The workspace is in each of them (law 8).
//!
//! | partition | sort | row |
//! |---|---|---|
//! | `W` | workspace | that the workspace exists |
//! | `W#ws` | `STATE#CATALOGUE` `STATE#CONN` `STATE#KNOWN` `STATE#LEASE` `STATE#SETTINGS` | the catalogue's revision, connection, how far facts are known, the running sync, settings: what is read together |
//! | `W#ws` | `HOOK` | what came to the webhook |
//! | `W#ws` | `INVITE#hash` | that there is an invitation |
//! | `W#ws` | `ONCE#hash` | a request with an idempotency key, and its answer |
//! | `W#ws#Y` | `newest-first#n` | the audit trail |
//! | `W#ws#R` | run | a run |
//! | `W#ws#R#run` | `WIN#list#n` `SEEN#list#n#page` | a window with its checkpoint, the ids that a page listed |
//! | `W#ws#P#shard` | `product#id` `price#id` `coupon#id` | the catalogue |
//! | `W#ws#C#cus` | `CUS` `MATCH` `SUB#id` `INV#newest-first#id` `BACK#kind#id` | a customer's facts, and whose they are |
//! | `W#ws#I#invoice` | `n` | a part of an invoice's long list of lines |
//! | `W#ws#A#acc` | `ACCOUNT` `LIST` `BILLING` `CUS#cus` `SIG#id` | an account: who it is, its line in the table, its billing, its customers, its signals |
//! | `W#ws#S#shard` | `acc#part` | an account's ledger and where it stands: what the summary reads |
//! | `W#ws#O#domain` | `ACCOUNT` | which given account owns a domain |
//! | `W#ws#K#system#id` | `ACCOUNT` | which given account has an id of another system |
//! | `W#ws#D#shard` | `C#cus` `A#acc` `E#` | what must be computed again; `E#` is everything |
//! | `W#ws#T` | `seconds#n` | what a writer is about to change and to compute |
//! | `E#endpoint` | `ENDPOINT` | whose webhook endpoint it is: a key without a workspace, because it leads to one |
//! | `V#hash` | `INVITE` | an invitation under the hash of its token: the other key that leads to a workspace |
//! | `X#name` | any | rows of the embedded queue and vault |
//!
//! Partitions of the indexes: `W#ws#L#status` accounts by payment status, `W#ws#G#state` signals by state, `W#ws#U` customers that no account takes,
//! `W#ws#N` customers of whom nothing but the id is known, `W#ws#F` draft invoices.

use crate::item::{Item, Value, attribute};
use billfold_core::facts::Kind;
use billfold_core::id::{AccountId, CustomerId, EndpointId, RunId, WorkspaceId};
use billfold_core::matching::ExternalId;
use billfold_core::window::Listing;
use jiff::Timestamp;
use std::fmt;

/// Partitions of the catalogue and of dirty marks: so that no partition takes all the writes.
pub const SHARDS: u8 = 8;

/// The index of accounts by MRR.
pub const INDEX_BY_MRR: &str = "by_mrr";
/// The index of accounts by ARR.
pub const INDEX_BY_ARR: &str = "by_arr";
/// The index of accounts, unmatched customers and drafts by name.
pub const INDEX_BY_NAME: &str = "by_name";

/// The key of one row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Partition key.
    pub partition: String,
    /// Sort key.
    pub sort: String,
}

impl Key {
    fn new(partition: String, sort: impl Into<String>) -> Self {
        Self { partition, sort: sort.into() }
    }

    pub(crate) fn item(&self) -> Item {
        let mut item = Item::default();
        item.insert(attribute::PK, Value::Text(self.partition.clone()));
        item.insert(attribute::SK, Value::Text(self.sort.clone()));
        item
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.partition, self.sort)
    }
}

/// Sort keys that are words.
pub(crate) mod sort {
    pub(crate) const STATE_PREFIX: &str = "STATE#";
    pub(crate) const CATALOGUE: &str = "STATE#CATALOGUE";
    pub(crate) const CONN: &str = "STATE#CONN";
    pub(crate) const KNOWN: &str = "STATE#KNOWN";
    pub(crate) const LEASE: &str = "STATE#LEASE";
    pub(crate) const SETTINGS: &str = "STATE#SETTINGS";
    pub(crate) const ACCOUNT: &str = "ACCOUNT";
    pub(crate) const LIST: &str = "LIST";
    pub(crate) const BILLING: &str = "BILLING";
    pub(crate) const CUSTOMER: &str = "CUS";
    pub(crate) const MATCH: &str = "MATCH";
    pub(crate) const CUSTOMER_PREFIX: &str = "CUS#";
    pub(crate) const SUBSCRIPTION_PREFIX: &str = "SUB#";
    pub(crate) const INVOICE_PREFIX: &str = "INV#";
    pub(crate) const MONEY_BACK_PREFIX: &str = "BACK#";
    pub(crate) const WINDOW_PREFIX: &str = "WIN#";
    pub(crate) const SIGNAL_PREFIX: &str = "SIG#";
    pub(crate) const SEEN_PREFIX: &str = "SEEN#";
    pub(crate) const INVITE_PREFIX: &str = "INVITE#";
    pub(crate) const ONCE_PREFIX: &str = "ONCE#";
}

pub(crate) fn workspaces() -> String {
    "W".to_owned()
}

pub(crate) fn workspace(ws: &WorkspaceId) -> Key {
    Key::new(workspaces(), ws.as_str())
}

pub(crate) fn connection(ws: &WorkspaceId) -> Key {
    Key::new(format!("W#{ws}"), sort::CONN)
}

pub(crate) fn settings(ws: &WorkspaceId) -> Key {
    Key::new(format!("W#{ws}"), sort::SETTINGS)
}

pub(crate) fn lease(ws: &WorkspaceId) -> Key {
    Key::new(format!("W#{ws}"), sort::LEASE)
}

pub(crate) fn webhook(ws: &WorkspaceId) -> Key {
    Key::new(format!("W#{ws}"), "HOOK")
}

pub(crate) fn known(ws: &WorkspaceId) -> Key {
    Key::new(format!("W#{ws}"), sort::KNOWN)
}

pub(crate) fn catalogue_revision(ws: &WorkspaceId) -> Key {
    Key::new(format!("W#{ws}"), sort::CATALOGUE)
}

/// The workspace of a partition of the catalogue, and where the revision of that catalogue is; `None` for any other
/// partition.
pub(crate) fn catalogue_revision_of(partition: &str) -> Option<(WorkspaceId, Key)> {
    let (workspace, shard) = partition.rsplit_once("#P#")?;
    let ws = WorkspaceId::new(workspace.strip_prefix("W#")?).ok().filter(|_| shard.parse::<u8>().is_ok())?;
    let revision = catalogue_revision(&ws);
    Some((ws, revision))
}

pub(crate) fn endpoint(id: &EndpointId) -> Key {
    Key::new(format!("E#{id}"), "ENDPOINT")
}

pub(crate) fn runs(ws: &WorkspaceId) -> String {
    format!("W#{ws}#R")
}

pub(crate) fn run(ws: &WorkspaceId, run: &RunId) -> Key {
    Key::new(runs(ws), run.as_str())
}

pub(crate) fn run_partition(ws: &WorkspaceId, run: &RunId) -> String {
    format!("W#{ws}#R#{run}")
}

pub(crate) fn window(ws: &WorkspaceId, run: &RunId, name: &str) -> Key {
    Key::new(run_partition(ws, run), format!("{}{name}", sort::WINDOW_PREFIX))
}

pub(crate) fn seen(ws: &WorkspaceId, run: &RunId, listing: Listing, window: u32, page: u64) -> Key {
    let stage = listing.kind().as_str();
    Key::new(run_partition(ws, run), format!("{}{stage}#{listing:?}#{window:05}#{page:06}", sort::SEEN_PREFIX))
}

pub(crate) fn catalogue_partition(ws: &WorkspaceId, shard: u8) -> String {
    format!("W#{ws}#P#{shard}")
}

pub(crate) fn customer_partition(ws: &WorkspaceId, customer: &CustomerId) -> String {
    format!("W#{ws}#C#{customer}")
}

pub(crate) fn account_partition(ws: &WorkspaceId, account: &AccountId) -> String {
    format!("W#{ws}#A#{account}")
}

pub(crate) fn account(ws: &WorkspaceId, account: &AccountId, sort: &str) -> Key {
    Key::new(account_partition(ws, account), sort)
}

pub(crate) fn account_customer(ws: &WorkspaceId, account: &AccountId, customer: &CustomerId) -> Key {
    Key::new(account_partition(ws, account), format!("{}{customer}", sort::CUSTOMER_PREFIX))
}

pub(crate) fn signal(ws: &WorkspaceId, account: &AccountId, id: &str) -> Key {
    Key::new(account_partition(ws, account), format!("{}{id}", sort::SIGNAL_PREFIX))
}

/// Signals in one state.
pub(crate) fn signal_list(ws: &WorkspaceId, state: &str) -> String {
    format!("W#{ws}#G#{state}")
}

pub(crate) fn ledgers_partition(ws: &WorkspaceId, shard: u8) -> String {
    format!("W#{ws}#S#{shard}")
}

/// All parts of an account's ledger sort after this.
pub(crate) fn ledger_prefix(account: &AccountId) -> String {
    format!("{account}#")
}

pub(crate) fn ledger(ws: &WorkspaceId, account: &AccountId, part: usize) -> Key {
    Key::new(ledgers_partition(ws, shard(account.as_str())), format!("{}{part:04}", ledger_prefix(account)))
}

pub(crate) fn customer_match(ws: &WorkspaceId, customer: &CustomerId) -> Key {
    Key::new(customer_partition(ws, customer), sort::MATCH)
}

pub(crate) fn domain_owner(ws: &WorkspaceId, domain: &str) -> Key {
    Key::new(format!("W#{ws}#O#{domain}"), sort::ACCOUNT)
}

pub(crate) fn external_owner(ws: &WorkspaceId, id: &ExternalId) -> Key {
    Key::new(format!("W#{ws}#K#{}#{}", id.system(), id.value()), sort::ACCOUNT)
}

/// `hash` is hexadecimal.
pub(crate) fn invite(hash: &str) -> Key {
    Key::new(format!("V#{hash}"), "INVITE")
}

pub(crate) fn invite_link(ws: &WorkspaceId, hash: &str) -> Key {
    Key::new(connection(ws).partition, format!("{}{hash}", sort::INVITE_PREFIX))
}

pub(crate) fn once(ws: &WorkspaceId, hash: &str) -> Key {
    Key::new(connection(ws).partition, format!("{}{hash}", sort::ONCE_PREFIX))
}

pub(crate) fn audit_partition(ws: &WorkspaceId) -> String {
    format!("W#{ws}#Y")
}

pub(crate) fn audit(ws: &WorkspaceId, id: &str) -> Key {
    Key::new(audit_partition(ws), id)
}

/// Sorts entries newest first; those of one millisecond by their place in it.
pub(crate) fn audit_sort(at: Timestamp, place: u64) -> String {
    format!("{:019}-{place:016x}", i64::MAX.saturating_sub(at.as_millisecond().max(0)))
}

pub(crate) fn dirty_partition(ws: &WorkspaceId, shard: u8) -> String {
    format!("W#{ws}#D#{shard}")
}

pub(crate) fn dirty_customer(ws: &WorkspaceId, customer: &CustomerId) -> Key {
    Key::new(dirty_partition(ws, shard(customer.as_str())), format!("C#{customer}"))
}

pub(crate) fn dirty_account(ws: &WorkspaceId, account: &AccountId) -> Key {
    Key::new(dirty_partition(ws, shard(account.as_str())), format!("A#{account}"))
}

pub(crate) fn dirty_everything(ws: &WorkspaceId) -> Key {
    Key::new(dirty_partition(ws, 0), "E#")
}

pub(crate) fn intents(ws: &WorkspaceId) -> String {
    format!("W#{ws}#T")
}

/// Sorts intents oldest first.
pub(crate) fn intent(ws: &WorkspaceId, at: Timestamp, stamp: i64) -> Key {
    Key::new(intents(ws), format!("{:012}#{stamp}", at.as_second().max(0)))
}

pub(crate) fn account_list(ws: &WorkspaceId, status: &str) -> String {
    format!("W#{ws}#L#{status}")
}

pub(crate) fn unmatched_list(ws: &WorkspaceId) -> String {
    format!("W#{ws}#U")
}

pub(crate) fn drafts(ws: &WorkspaceId) -> String {
    format!("W#{ws}#F")
}

pub(crate) fn unknown_list(ws: &WorkspaceId) -> String {
    format!("W#{ws}#N")
}

pub(crate) fn local(name: &str, sort: &str) -> Key {
    Key::new(format!("X#{name}"), sort)
}

/// Where a fact of the catalogue lives.
pub(crate) fn catalogue(ws: &WorkspaceId, kind: Kind, id: &str) -> Key {
    Key::new(catalogue_partition(ws, shard(id)), format!("{}#{id}", kind.as_str()))
}

/// Where a customer lives.
pub(crate) fn customer(ws: &WorkspaceId, customer: &CustomerId) -> Key {
    Key::new(customer_partition(ws, customer), sort::CUSTOMER)
}

/// Where a subscription lives.
pub(crate) fn subscription(ws: &WorkspaceId, customer: &CustomerId, id: &str) -> Key {
    Key::new(customer_partition(ws, customer), format!("{}{id}", sort::SUBSCRIPTION_PREFIX))
}

/// Where an invoice lives: a customer's newest first. Stripe never changes an object's creation time.
pub(crate) fn invoice(ws: &WorkspaceId, customer: &CustomerId, created: Timestamp, id: &str) -> Key {
    let newest_first = i64::MAX.saturating_sub(created.as_second());
    Key::new(customer_partition(ws, customer), format!("{}{newest_first:019}#{id}", sort::INVOICE_PREFIX))
}

/// Where a refund, a dispute or a credit note lives.
pub(crate) fn money_back(ws: &WorkspaceId, customer: &CustomerId, kind: Kind, id: &str) -> Key {
    Key::new(customer_partition(ws, customer), format!("{}{}#{id}", sort::MONEY_BACK_PREFIX, kind.as_str()))
}

/// Where a part of an invoice's long list of lines lives.
pub(crate) fn invoice_lines(ws: &WorkspaceId, id: &str, part: usize) -> Key {
    Key::new(invoice_lines_partition(ws, id), format!("{part:04}"))
}

pub(crate) fn invoice_lines_partition(ws: &WorkspaceId, id: &str) -> String {
    format!("W#{ws}#I#{id}")
}

/// An FNV-1a hash, folded to a shard: the same on every machine and in every version.
pub(crate) fn shard(text: &str) -> u8 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    u8::try_from(hash.checked_rem(u64::from(SHARDS)).unwrap_or(0)).unwrap_or(0)
}

/// A number as text that sorts as the number does, for sort keys of indexes.
pub(crate) fn sortable(number: i64) -> String {
    format!("{:020}", i128::from(number).saturating_sub(i128::from(i64::MIN)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ws(text: &str) -> WorkspaceId {
        WorkspaceId::new(text).unwrap()
    }

    proptest! {
        #[test]
        fn numbers_sort_as_text(a: i64, b: i64) {
            prop_assert_eq!(a.cmp(&b), sortable(a).cmp(&sortable(b)));
        }

        #[test]
        fn invoices_sort_newest_first(a in 0i64..4_000_000_000, b in 0i64..4_000_000_000) {
            let key = |at| invoice(&ws("w"), &CustomerId::new("cus_1").unwrap(), Timestamp::from_second(at).unwrap(), "in").sort;
            prop_assert_eq!(a.cmp(&b).reverse(), key(a).cmp(&key(b)));
        }

        #[test]
        fn no_two_workspaces_share_a_partition(a in "[a-zA-Z0-9_.:|-]{1,20}", b in "[a-zA-Z0-9_.:|-]{1,20}", id in "[a-zA-Z0-9_]{1,12}") {
            prop_assume!(a != b);
            let partitions = |ws: &WorkspaceId| {
                let (customer, account, run_id) =
                    (CustomerId::new(id.as_str()).unwrap(), AccountId::new(id.as_str()).unwrap(), RunId::new(id.as_str()).unwrap());
                vec![
                    connection(ws).partition, runs(ws), run_partition(ws, &run_id), catalogue_partition(ws, 1),
                    customer_partition(ws, &customer), account_partition(ws, &account), domain_owner(ws, &id).partition,
                    external_owner(ws, &ExternalId::new("crm", &id).unwrap()).partition, audit_partition(ws),
                    invoice_lines_partition(ws, &id), dirty_partition(ws, 1), intents(ws), ledgers_partition(ws, 1), signal_list(ws, "open"), account_list(ws, "paid"), unmatched_list(ws), unknown_list(ws), drafts(ws),
                ]
            };
            for one in partitions(&ws(&a)) {
                prop_assert!(!partitions(&ws(&b)).contains(&one), "{}", one);
            }
        }
    }

    #[test]
    fn only_partitions_of_the_catalogue_lead_to_its_revision() {
        let acme = ws("acme");
        for shard in 0..SHARDS {
            assert_eq!(
                catalogue_revision_of(&catalogue_partition(&acme, shard)),
                Some((acme.clone(), catalogue_revision(&acme)))
            );
        }
        let customer = customer_partition(&acme, &CustomerId::new("cus_P").unwrap());
        for other in [
            connection(&acme).partition,
            runs(&acme),
            customer,
            dirty_partition(&acme, 1),
            intents(&acme),
            workspaces(),
        ] {
            assert_eq!(catalogue_revision_of(&other), None, "{other}");
        }
    }

    #[test]
    fn shards_are_used_evenly_enough() {
        let mut counts = [0u32; SHARDS as usize];
        for n in 0..8000 {
            counts[usize::from(shard(&format!("cus_{n}")))] += 1;
        }
        assert!(counts.iter().all(|count| (700..1300).contains(count)), "{counts:?}");
    }
}
