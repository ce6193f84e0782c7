//! An account's ledger and signals, written in the same transaction as its billing, so that the movements sum to the MRR
//! at every moment (law 5).

use super::Rules;
use crate::refusal::Refusal;
use billfold_core::billing::{self, Computation, CustomerFacts};
use billfold_core::connection::Connection;
use billfold_core::id::{AccountId, SubscriptionId};
use billfold_core::key::Mode;
use billfold_core::ledger::{self, Position, advance};
use billfold_core::signal::{self, reconcile};
use billfold_store::{AccountRows, CustomerRows, LedgerRow, Write};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Signals that are written in the transaction of their account; more go before it.
const SIGNALS_TOGETHER: usize = 50;

/// What the books of all accounts of a workspace have in common.
#[derive(Debug, Clone)]
pub(super) struct Books {
    rules: String,
    observed_since: Option<Timestamp>,
    test_mode: bool,
}

impl Books {
    pub(super) fn of(connection: &Connection, settings: &billing::Settings) -> Result<Self, Refusal> {
        let policy = serde_json::to_vec(&settings.policy).map_err(Refusal::internal)?;
        Ok(Self {
            rules: hex::encode(Sha256::digest(policy).get(..8).unwrap_or_default()),
            observed_since: connection.observed_since,
            test_mode: connection.key.as_ref().is_some_and(|key| key.mode == Mode::Test),
        })
    }
}

/// The account whose books are kept.
pub(super) struct Whose<'a> {
    pub(super) id: &'a AccountId,
    pub(super) stored: &'a AccountRows,
    pub(super) customers: &'a [&'a CustomerRows],
    /// Whether somebody came or left.
    pub(super) moved: bool,
}

impl Rules {
    /// The writes of an account's ledger and signals: what goes before, and what goes together with its billing.
    pub(super) fn keep_books(
        &self,
        whose: &Whose<'_>,
        facts: &[CustomerFacts],
        computed: &Computation<'_>,
        now: Timestamp,
    ) -> Result<(Vec<Vec<Write>>, Vec<Write>), Refusal> {
        let Whose { id, stored, customers, moved } = *whose;
        let as_of: BTreeMap<SubscriptionId, Timestamp> =
            customers.iter().flat_map(|rows| rows.as_of.iter().map(|(id, at)| (id.clone(), *at))).collect();
        let before = stored.ledger.as_ref().map(|ledger| &ledger.row.ledger);
        let inputs = ledger::Inputs {
            account: id,
            settings: &self.billing,
            rules: &self.books.rules,
            catalogue: &self.catalogue,
            as_of: &as_of,
            observed_since: self.books.observed_since,
            now,
        };
        let after = advance(before, &inputs, &computed.holdings);
        let inputs = signal::Inputs { account: id, test_mode: self.books.test_mode, before, after: &after, now };
        let signals: Vec<_> = stored.signals.iter().map(|signal| signal.row.clone()).collect();
        let written = reconcile(&inputs, &signals, facts, &computed.holdings);
        let row = LedgerRow { position: position(computed), ledger: after };
        let mut writes = Vec::new();
        if moved || stored.ledger.as_ref().is_none_or(|before| before.row != row) {
            writes.extend(stored.put_ledger(&self.ws, id, &row)?);
        }
        let mut signals = Vec::with_capacity(written.len());
        for signal in &written {
            signals.push(stored.put_signal(&self.ws, id, signal)?);
        }
        // A signal that is written and whose ledger is not is known by its id the next time.
        let first = signals.split_off(signals.len().min(SIGNALS_TOGETHER));
        writes.extend(signals);
        Ok((first.chunks(super::WRITES).map(<[Write]>::to_vec).collect(), writes))
    }
}

fn position(computed: &Computation<'_>) -> Position {
    let billing = &computed.billing;
    Position {
        mrr: billing.mrr,
        arr: billing.arr,
        paying: billing.paying,
        payment_status: billing.payment_status,
        unconverted: billing.unconverted.clone(),
    }
}
