//! The drift check: stored objects compared with Stripe's, one by one and field by field. The way to trust Billfold after
//! an outage. It changes nothing unless it is asked to repair.

use crate::app::App;
use crate::clock::random_u64;
use crate::connect::unreachable;
use crate::refusal::{Kind as Sort, Refusal};
use crate::sync::page::{endpoint_of, follow, reading};
use crate::webhook::fold::{FoldError, fold_fetched};
use billfold_core::audit::{Action, Deed};
use billfold_core::facts::{Fact, Kind};
use billfold_core::id::{AccountId, WorkspaceId};
use billfold_core::stripe::Reading;
use billfold_stripe::{Client, Retrieved, StripeError};
use futures::future::ready;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;

/// Objects that are asked for at once.
const FETCHES_AT_ONCE: usize = 8;

/// How long one call compares; whoever wants more calls again from where it ended.
const COMPARES_FOR: Duration = Duration::from_secs(30);

/// Which objects are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// So many by chance.
    Sample(usize),
    /// All, in a fixed order, behind a place that an earlier report ended at.
    All {
        /// The place.
        after: Option<String>,
    },
}

/// Whether what differs is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// It is.
    Yes,
    /// It is only reported.
    No,
}

/// What a drift check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = VerifyReport)]
pub struct Report {
    /// Objects that are stored.
    pub stored: usize,
    /// Objects that were compared.
    pub checked: usize,
    /// Objects that differ.
    pub different: usize,
    /// Objects that were put right.
    pub repaired: usize,
    /// Every field that differs.
    pub differences: Vec<Difference>,
    /// Accounts whose movements do not sum to their MRR. There should never be one.
    pub unbalanced: Vec<Unbalanced>,
    /// Where to go on, if time was up before the end.
    pub next: Option<String>,
}

/// An account whose ledger does not balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Unbalanced {
    /// The account.
    pub account_id: AccountId,
    /// What does not fit.
    pub message: String,
}

/// A field that is not what Stripe says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// The kind of object.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Where in the fact, as a path of names and places; empty for the whole.
    pub field: String,
    /// What is stored.
    pub stored: Value,
    /// What Stripe says; null if the object is gone.
    pub stripe: Value,
}

impl App {
    /// Compares stored objects with Stripe's, for as long as a caller waits.
    ///
    /// # Errors
    /// [`Refusal`] if nothing is connected, or Stripe does not answer.
    pub async fn verify(&self, ws: &WorkspaceId, which: Compared, repair: Repair) -> Result<Report, Refusal> {
        let Some(stripe) = self.connected_stripe(ws).await? else {
            return Err(Refusal::new(Sort::Conflict, "not_connected", "Connect Stripe first."));
        };
        let mut facts = self.every_fact(ws).await?;
        let mut report = Report { stored: facts.len(), ..Report::default() };
        facts = chosen(facts, &which, random_u64()?);
        let places: Vec<String> = facts.iter().map(place).collect();
        let started = Instant::now();
        let stripe = &stripe;
        let compare = |fact: Fact| async move {
            let differences = self.differences(ws, stripe, &fact).await?;
            if repair == Repair::Yes && !differences.is_empty() {
                fold_fetched(self, ws, fact.kind(), fact.id()).await.map_err(refusal)?;
            }
            Ok::<_, Refusal>(differences)
        };
        let in_time = stream::iter(facts).take_while(|_| ready(started.elapsed() < COMPARES_FOR));
        let mut compared = in_time.map(compare).buffered(FETCHES_AT_ONCE);
        while let Some(differences) = compared.try_next().await? {
            report.checked = report.checked.saturating_add(1);
            let differs = usize::from(!differences.is_empty());
            report.different = report.different.saturating_add(differs);
            report.repaired = report.repaired.saturating_add(if repair == Repair::Yes { differs } else { 0 });
            report.differences.extend(differences);
        }
        if report.checked < places.len() && matches!(which, Compared::All { .. }) {
            report.next = report.checked.checked_sub(1).and_then(|last| places.get(last).cloned());
        }
        if report.next.is_none() {
            report.unbalanced = self.unbalanced(ws).await?;
        }
        report.differences.sort_by(|a, b| (a.kind, &a.id, &a.field).cmp(&(b.kind, &b.id, &b.field)));
        if report.repaired > 0 {
            let told = serde_json::json!({"repaired": report.repaired});
            self.note(ws, Deed::new(Action::DataRepaired).after(told)).await?;
        }
        Ok(report)
    }

    /// Every fact that is stored, tombstones apart.
    async fn every_fact(&self, ws: &WorkspaceId) -> Result<Vec<Fact>, Refusal> {
        let mut facts = self.store().catalogue(ws).await?;
        let (unknown, _) = self.store().unknown_customers(ws, None, usize::MAX >> 1).await?;
        let unknown = unknown.into_iter().map(|matched| matched.customer);
        for customer in self.every_customer(ws).await?.into_iter().chain(unknown) {
            let rows = self.store().customer_rows(ws, &customer).await?;
            facts.extend(rows.into_facts());
        }
        Ok(facts)
    }

    /// What differs, seen twice: a webhook may be on its way while the first look is taken.
    async fn differences(&self, ws: &WorkspaceId, stripe: &Client, fact: &Fact) -> Result<Vec<Difference>, Refusal> {
        let found = compare(fact, current(stripe, fact).await?.as_ref())?;
        if found.is_empty() {
            return Ok(found);
        }
        let Some(stored) = self.stored_fact(ws, fact).await? else { return Ok(Vec::new()) };
        compare(&stored, current(stripe, &stored).await?.as_ref())
    }

    /// A fact as it is stored now; `None` if it was buried meanwhile.
    async fn stored_fact(&self, ws: &WorkspaceId, fact: &Fact) -> Result<Option<Fact>, Refusal> {
        let Some(customer) = fact.customer() else {
            let catalogue = self.store().catalogue(ws).await?;
            return Ok(catalogue.into_iter().find(|one| one.kind() == fact.kind() && one.id() == fact.id()));
        };
        let rows = self.store().customer_rows(ws, customer).await?;
        Ok(rows.into_facts().find(|one| one.kind() == fact.kind() && one.id() == fact.id()))
    }
}

/// What Stripe says of an object now; `None` if it is gone.
async fn current(stripe: &Client, fact: &Fact) -> Result<Option<Fact>, Refusal> {
    let found = stripe.retrieve(endpoint_of(fact.kind()), fact.id()).await.map_err(upstream)?;
    let Retrieved::Found { row, .. } = found else { return Ok(None) };
    match reading(fact.kind(), &row) {
        Ok(Reading::Live { mut fact, nested }) => {
            if let Some(nested) = nested {
                follow(stripe, &mut fact, nested).await.map_err(|stopped| refusal(stopped.into()))?;
            }
            Ok(Some(fact))
        }
        Ok(_) => Ok(None),
        Err(reason) => Err(Refusal::internal(reason)),
    }
}

fn refusal(error: FoldError) -> Refusal {
    match error {
        FoldError::Stripe(error) => upstream(error),
        FoldError::Trouble(refusal) => refusal,
    }
}

fn upstream(error: StripeError) -> Refusal {
    match error.disposition() {
        billfold_stripe::Disposition::StopNeedsUser => {
            Refusal::new(Sort::Conflict, error.code(), format!("{error}. {}.", error.fix()))
        }
        _ => unreachable(error),
    }
}

/// The facts that are compared. Those behind a place are the same whatever has changed before it.
fn chosen(mut facts: Vec<Fact>, which: &Compared, seed: u64) -> Vec<Fact> {
    match which {
        Compared::Sample(sample) => some_of(facts, *sample, seed),
        Compared::All { after } => {
            facts.sort_by_cached_key(place);
            facts.retain(|fact| after.as_ref().is_none_or(|after| place(fact) > *after));
            facts
        }
    }
}

fn place(fact: &Fact) -> String {
    format!("{} {}", fact.kind().as_str(), fact.id())
}

/// Some of many, by chance, each at most once.
fn some_of(mut facts: Vec<Fact>, sample: usize, seed: u64) -> Vec<Fact> {
    let mut state = seed;
    let count = sample.min(facts.len());
    for place in 0..count {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let left = u64::try_from(facts.len().saturating_sub(place)).unwrap_or(1).max(1);
        let other = place.saturating_add(usize::try_from((state >> 33) % left).unwrap_or(0));
        facts.swap(place, other);
    }
    facts.truncate(count);
    facts
}

fn compare(stored: &Fact, stripe: Option<&Fact>) -> Result<Vec<Difference>, Refusal> {
    let value = |fact: &Fact| -> Result<Value, Refusal> {
        serde_json::from_str(&fact.to_json().map_err(Refusal::internal)?).map_err(Refusal::internal)
    };
    let ours = value(stored)?;
    let mut found = Vec::new();
    match stripe {
        None => found.push((String::new(), ours, Value::Null)),
        Some(stripe) => differing(String::new(), &ours, &value(stripe)?, &mut found),
    }
    let difference = |(field, ours, theirs)| Difference {
        kind: stored.kind(),
        id: stored.id().to_owned(),
        field,
        stored: ours,
        stripe: theirs,
    };
    Ok(found.into_iter().map(difference).collect())
}

/// Collects the paths at which two values differ, as deep as they are alike.
fn differing(path: String, ours: &Value, theirs: &Value, found: &mut Vec<(String, Value, Value)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (ours, theirs) {
        _ if ours == theirs => {}
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<&String> =
                one.keys().chain(other.keys().filter(|name| !one.contains_key(*name))).collect();
            names.sort_unstable();
            for name in names {
                let value = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or(Value::Null);
                differing(below(name), &value(one), &value(other), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (place, (one, other)) in one.iter().zip(other).enumerate() {
                differing(below(&place.to_string()), one, other, found);
            }
        }
        _ => found.push((path, ours.clone(), theirs.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_that_differs_is_named_with_both_values() {
        let mut found = Vec::new();
        let ours = json!({"a": 1, "b": {"c": [1, {"d": 2}]}, "only": true, "same": "x"});
        let theirs = json!({"a": 2, "b": {"c": [1, {"d": 3}]}, "more": [1], "same": "x"});
        differing(String::new(), &ours, &theirs, &mut found);
        let paths: Vec<&str> = found.iter().map(|(path, _, _)| path.as_str()).collect();
        assert_eq!(paths, ["a", "b.c.1.d", "more", "only"]);
        assert_eq!(found[1], ("b.c.1.d".to_owned(), json!(2), json!(3)));
        assert_eq!(found[2], ("more".to_owned(), Value::Null, json!([1])));
    }

    #[test]
    fn lists_of_other_lengths_differ_as_a_whole() {
        let mut found = Vec::new();
        differing("items".into(), &json!([1, 2]), &json!([1]), &mut found);
        assert_eq!(found, [("items".to_owned(), json!([1, 2]), json!([1]))]);
    }

    #[test]
    fn all_go_on_behind_the_place_where_the_last_ended() {
        let coupon =
            |id: &str| Fact::from_json(Kind::Coupon, &format!(r#"{{"id":"{id}","duration":"once"}}"#)).unwrap();
        let ids = |after: Option<&str>| -> Vec<String> {
            let facts = ["b", "c", "a"].map(coupon).into();
            let all = chosen(facts, &Compared::All { after: after.map(str::to_owned) }, 1);
            all.iter().map(|fact| fact.id().to_owned()).collect()
        };
        assert_eq!(ids(None), ["a", "b", "c"]);
        assert_eq!(ids(Some("coupon a")), ["b", "c"]);
        assert_eq!(ids(Some("coupon bb")), ["c"]);
        assert_eq!(ids(Some("price a")), [""; 0]);
    }

    #[test]
    fn a_sample_has_each_object_at_most_once() {
        let coupon = |n: usize| {
            let json = format!(r#"{{"id":"c{n}","duration":"once"}}"#);
            Fact::from_json(Kind::Coupon, &json).unwrap()
        };
        for sample in [0, 1, 7, 20, 100] {
            let some = some_of((0..20).map(coupon).collect(), sample, 7);
            let mut ids: Vec<&str> = some.iter().map(Fact::id).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), sample.min(20));
        }
    }
}
